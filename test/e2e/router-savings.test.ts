import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '../../src/core/routing/decision/receipt.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  chatAnswer,
  json,
  type SeenRequest,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

// Money of routing, by hand: every answer reports 9 prompt and 12 answer tokens unless a test says otherwise.

const EASY = 'What is the capital of France?';
const CHEAP = (9 * 1 + 12 * 4) / 1e6;
const STRONG = (9 * 100 + 12 * 400) / 1e6;
const JUDGE = (9 * 10 + 12 * 40) / 1e6;

let upstream: TestUpstream;
let gateway: TestGateway;
let verdict: (seen: SeenRequest) => string;
/** What providers call the model behind `cheap`. */
let version = 'cheap-1';
const behaviours = new Map<string, Behaviour>();

const CONFIG = (url: string, router: string) => `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up, region: eu }
  far: { type: openai-compatible, base_url: "${url}/v1", api_key: key-far, region: us }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 4, cache_read_usd_per_mtok: 0.1 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 100, output_usd_per_mtok: 400, cache_read_usd_per_mtok: 10 } }] }
  judge: { deployments: [{ provider: far, model: judge, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routers:
  auto: { baseline: strong, tiers: { easy: cheap, hard: strong }, ${router} }
`;

const modelOf = (seen: SeenRequest) => String(seen.body['model']);
const calls = (model: string) => upstream.seen.filter((seen) => modelOf(seen) === model);

const answer: Behaviour = (seen, response) => {
  const model = modelOf(seen);
  const special = behaviours.get(model);
  if (special !== undefined) return special(seen, response);
  if (model === 'judge') return chatAnswer(verdict(seen))(seen, response);
  const name = model === 'cheap' ? version : model;
  return chatAnswer(`from ${model}`)({ ...seen, body: { ...seen.body, model: name } }, response);
};

beforeEach(async () => {
  verdict = () => 'BOTH';
  version = 'cheap-1';
  behaviours.clear();
  upstream = await startUpstream(answer);
});

afterEach(async () => {
  await gateway?.close();
  await upstream.close();
});

async function open(router: string): Promise<void> {
  gateway = await startGateway({ yaml: CONFIG(upstream.url, router) });
}

async function chat(prompt: string, headers: Record<string, string> = {}, more: object = {}) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'auto',
      max_tokens: 50,
      messages: [{ role: 'user', content: prompt }],
      ...more,
    }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    served: response.headers.get('x-sluice-upstream-model'),
    id: response.headers.get('x-sluice-request-id') ?? '',
  };
}

const inSession = (name: string, prompt = EASY) => chat(prompt, { 'x-sluice-session': name });
const report = () => gateway.client.call('reportRouter', { name: 'auto' });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const value = await read();
    if (holds(value) || Date.now() > end) return value;
    await pause(50);
  }
}

/** Asks until the route's comparisons have moved a session to the cheap model. */
async function untilMoved(prefix = 'learn'): Promise<void> {
  for (let at = 0; at < 120; at++) {
    if ((await inSession(`${prefix}${at}`)).served === 'cheap') return;
    await pause(25);
  }
  throw new Error('no share was proven');
}

const PROMISE =
  'max_quality_loss_percent: 30, confidence_percent: 60, shadow: { percent: 100, max_usd_per_day: 20, judge: judge, holdout_percent: HOLDOUT }';

describe('verified savings, by hand', () => {
  it('canary: what followed sessions cost less than those that kept the baseline', async () => {
    await open('mode: canary, canary_percent: 50');
    let moved = 0;
    for (let at = 0; at < 20; at++) if ((await inSession(`early${at}`)).served === 'cheap') moved++;
    const early = (await report()).total;
    expect(early.verified).toMatchObject({ usd: null });
    expect(early.verified.says).toBe(`not enough evidence, ${30 - Math.min(moved, 20 - moved)} more`);
    for (let at = 0; at < 70; at++) if ((await inSession(`s${at}`)).served === 'cheap') moved++;
    expect(moved).toBeGreaterThan(29);
    expect(90 - moved).toBeGreaterThan(29);
    const { total, overhead } = await report();
    expect(total.moved).toBe(moved);
    expect(Number(total.verified.usd)).toBeCloseTo(moved * (STRONG - CHEAP), 9);
    // All sessions cost the same, so there is nothing to be unsure of.
    expect(total.verified.low_usd).toBe(total.verified.high_usd);
    expect(Number(total.realised.usd)).toBeCloseTo(moved * (STRONG - CHEAP), 9);
    expect(Number(total.realised.low_usd)).toBeLessThan(Number(total.realised.usd));
    expect(overhead).toMatchObject({ shadow_usd: '0', judge_usd: '0', retry_usd: '0' });
  });

  it('a hold-out of a learned share: net of what shadows and judge cost', async () => {
    await open(`mode: "on", ${PROMISE.replace('HOLDOUT', '45')}`);
    await untilMoved();
    for (let at = 0; at < 90; at++) {
      await inSession(`later${at}`);
      if (at % 10 === 0) await pause(60);
    }
    await pause(400);
    const { total, overhead, shadow } = await report();
    expect(shadow.failed).toBe(0);
    expect(total.held_out).toBeGreaterThan(29);
    const copies = shadow.judged;
    expect(calls('judge')).toHaveLength(copies);
    expect(Number(overhead.shadow_usd)).toBeCloseTo(copies * CHEAP, 9);
    expect(Number(overhead.judge_usd)).toBeCloseTo(copies * JUDGE, 9);
    const gross = total.moved * (STRONG - CHEAP);
    expect(Number(total.verified.usd)).toBeCloseTo(gross - copies * (CHEAP + JUDGE), 9);
    expect(Number(total.realised.usd)).toBeCloseTo(gross - copies * (CHEAP + JUDGE), 9);
  });

  it('net of retries: what a cascade asked twice is paid twice, and followed all the same', async () => {
    behaviours.set('cheap', chatAnswer('I can’t help with that.'));
    await open(
      'mode: canary, canary_percent: 50, cascade: { models: [cheap, strong], escalate_on: [refusal], max_escalations: 1 }',
    );
    // Few enough a route that none learns to leave the cheap model.
    for (let at = 0; at < 90; at++) {
      const headers = { 'x-sluice-session': `s${at}`, 'x-sluice-tags': `app=a${at % 10}` };
      expect((await chat(EASY, headers)).text).toContain('from strong');
    }
    const moved = calls('cheap').length;
    expect(moved).toBeGreaterThan(29);
    const { overhead, total } = await report();
    expect(total.moved).toBe(moved);
    expect(Number(overhead.retry_usd)).toBeCloseTo(moved * CHEAP, 9);
    // Every moved session cost the strong model's answer and the cheap one's besides.
    expect(Number(total.verified.usd)).toBeCloseTo(-moved * CHEAP, 9);
    expect(Number(total.realised.usd)).toBeCloseTo(-moved * CHEAP, 9);
  });

  it('net of a cascade’s judge', async () => {
    verdict = () => 'PASS';
    await open(
      'mode: canary, canary_percent: 50, cascade: { models: [cheap, strong], escalate_on: [refusal], max_escalations: 1, judge: { model: judge } }',
    );
    for (let at = 0; at < 90; at++) await inSession(`s${at}`);
    const moved = calls('judge').length;
    const { total } = await report();
    expect(total.moved).toBe(moved);
    expect(Number(total.verified.usd)).toBeCloseTo(moved * (STRONG - CHEAP - JUDGE), 9);
    expect(Number(total.realised.usd)).toBeCloseTo(moved * (STRONG - CHEAP - JUDGE), 7);
  });

  it('net of lost caches: a session that moves reads its prompt anew', async () => {
    await open('mode: "on", session: { min_cache_tokens: 1000000 }');
    const usage = { prompt_tokens: 6000, completion_tokens: 12, total_tokens: 6012 };
    behaviours.set('strong', chatAnswer('from strong', usage));
    behaviours.set('cheap', chatAnswer('from cheap', usage));
    const HARD =
      'Write a Python function that, given a list of intervals with weights, returns the maximum total weight of non-overlapping intervals, in O(n log n). Then extend it to return the chosen intervals, handle ties deterministically, and add unit tests for edge cases.';
    expect((await inSession('one', HARD)).served).toBe('strong');
    expect((await inSession('one', EASY)).served).toBe('cheap');
    const { overhead, total } = await report();
    expect(total.moved).toBe(1);
    // All 6,000 tokens would have been read from the strong model's cache, at 10 instead of 100 dollars a million.
    expect(Number(overhead.lost_cache_usd)).toBeCloseTo((6000 * (100 - 10)) / 1e6, 9);
  });
});

describe('a learned share', () => {
  it('in canary stays with the same sessions', async () => {
    await open(`mode: canary, canary_percent: 50, ${PROMISE.replace('HOLDOUT', '0')}`);
    await untilMoved();
    const first = new Map<string, string | null>();
    for (let at = 0; at < 24; at++) first.set(`c${at}`, (await inSession(`c${at}`)).served);
    const moved = [...first.values()].filter((served) => served === 'cheap').length;
    expect(moved).toBeGreaterThan(4);
    expect(moved).toBeLessThan(20);
    for (const [name, served] of first) expect((await inSession(name)).served, name).toBe(served);
  });

  it('starts anew when a provider puts another model behind the name, and says so', async () => {
    await open(`mode: "on", ${PROMISE.replace('HOLDOUT', '40')}`);
    await untilMoved();
    version = 'cheap-2';
    const said = () => gateway.logged.some((line) => line.includes('a provider changed a model'));
    for (let at = 0; at < 120 && !said(); at++) {
      await inSession(`n${at}`);
      await pause(20);
    }
    expect(said()).toBe(true);
    expect(gateway.logged.find((line) => line.includes('provider changed'))).toContain('cheap-1 → cheap-2');
    const { events, routes } = await report();
    expect(events.map(({ cause }) => cause)).toContain('model_changed');
    expect(routes[0]?.promise?.version).toBeGreaterThan(1);
    const written = async () => (await gateway.client.call('listAudit', {})).data.map(({ action }) => action);
    await expect.poll(written).toContain('routers.model_changed');
  });

  it('a regression goes back by itself: log, audit, report and receipt say so', async () => {
    await open(`mode: "on", ${PROMISE.replace('HOLDOUT', '50')}`);
    await untilMoved();
    verdict = (seen) =>
      seen.text.indexOf('from strong') < seen.text.indexOf('from cheap') ? 'FIRST' : 'SECOND';
    const said = () => gateway.logged.some((line) => line.includes('stepped back'));
    for (let at = 0; at < 200 && !said(); at++) {
      await inSession(`r${at}`);
      await pause(15);
    }
    expect(said()).toBe(true);
    const written = async () => (await gateway.client.call('listAudit', {})).data.map(({ action }) => action);
    await expect.poll(written).toContain('routers.stepped_back');
    const after = await inSession('after');
    expect(after.served).toBe('strong');
    const { decision } = await gateway.client.call('getExchange', { id: after.id });
    const receipt = decision as unknown as Receipt;
    expect(receipt.proposed).toBe('cheap');
    expect(receipt.steps.find(({ step }) => step === 'promise')?.says).toMatch(/broken|not proven/);
    const { routes, events } = await report();
    expect(events.map(({ cause }) => cause)).toContain('stepped_back');
    expect(routes[0]?.promise?.share).toBe(0);
  });
});

describe('who pays for shadows, and where they may go', () => {
  const OBSERVE = (charge: string) =>
    `mode: observe, shadow: { percent: 100, max_usd_per_day: 5, judge: judge, charge: ${charge} }`;

  it.each([
    ['key', STRONG + CHEAP + JUDGE],
    ['gateway', STRONG],
  ])('charge: %s', async (charge, expected) => {
    await open(OBSERVE(charge));
    const { client } = gateway;
    const { key, id } = await client.call('createKey', {
      name: 'payer',
      budget: { limit_usd: '1', window: 'total' },
    });
    await chat(EASY, { authorization: `Bearer ${key}` });
    await until(report, ({ shadow }) => shadow.judged === 1);
    const { budget } = await client.call('getKey', { id });
    expect(Number(budget?.settled_usd)).toBeCloseTo(expected, 9);
    expect(Number(budget?.held_usd)).toBe(0);
    const { data } = await client.call('listExchanges', { tag: 'shadow=auto' });
    const keys = new Set(data.map(({ key_id: of }) => of));
    expect([...keys]).toEqual([charge === 'key' ? id : null]);
    await gateway.close(true);
    gateway = await startGateway({ yaml: CONFIG(upstream.url, OBSERVE(charge)), dataDir: gateway.dataDir });
    const again = await gateway.client.call('getKey', { id });
    expect(Number(again.budget?.settled_usd)).toBeCloseTo(expected, 9);
  });

  it('a key that cannot pay for them gets its answer and no shadow', async () => {
    await open(OBSERVE('key'));
    const { key } = await gateway.client.call('createKey', {
      name: 'poor',
      // Holds the answer's worst case, and nothing besides.
      budget: { limit_usd: '0.03', window: 'total' },
    });
    expect((await chat(EASY, { authorization: `Bearer ${key}` }, { max_tokens: 20 })).status).toBe(200);
    await pause(300);
    expect(calls('judge')).toHaveLength(0);
  });

  it.each([
    ['a key bound to a region', { policy: { regions: ['eu'] } }, {}],
    ['a key bound to providers', { policy: { providers: ['up'] } }, {}],
    ['a request that asks for a region', {}, { 'x-sluice-region': 'eu' }],
  ])('%s: no copy where no judge may read it', async (_, more, headers) => {
    await open(OBSERVE('gateway'));
    const { key } = await gateway.client.call('createKey', { name: 'bound', ...more });
    const { served } = await chat(EASY, { authorization: `Bearer ${key}`, ...headers });
    expect(served).toBe('strong');
    await pause(300);
    expect(calls('judge')).toHaveLength(0);
    expect(calls('cheap')).toHaveLength(0);
  });

  it('a prescribed system prompt goes with the copy', async () => {
    await open(OBSERVE('gateway'));
    const { key } = await gateway.client.call('createKey', {
      name: 'told',
      policy: { system_prompt: 'Be brief and legal.' },
    });
    await chat(EASY, { authorization: `Bearer ${key}` });
    await until(report, ({ shadow }) => shadow.judged === 1);
    expect(calls('cheap')[0]?.text).toContain('Be brief and legal.');
  });
});

describe('a model of the route’s own', () => {
  /** Questions whose form says nothing: the cheap model is wrong about ships, whatever is asked of them. */
  const FORMS = [
    'What is a X?',
    'Name three kinds of X.',
    'How old can a X get?',
    'Is a X heavy?',
    'Which colour does a X usually have?',
    'Where would I find a X?',
    'What is the plural of X?',
    'Translate X into French.',
    'How tall is a X?',
    'Give me a word that rhymes with X.',
    'Who owns the X over there?',
    'What does a X cost?',
  ];
  const ROUTER =
    'mode: "on", max_quality_loss_percent: 12, confidence_percent: 55, shadow: { percent: 100, max_usd_per_day: 50, judge: judge, holdout_percent: 0 }';
  const topic = (kind: 'ship' | 'tree', at: number) =>
    (FORMS[Math.floor(at / 2) % FORMS.length] ?? '').replace('X', kind);

  it('is taken when it proves more, and given up in one call', async () => {
    verdict = (seen) => {
      if (!seen.text.includes('ship')) return 'BOTH';
      return seen.text.indexOf('from strong') < seen.text.indexOf('from cheap') ? 'FIRST' : 'SECOND';
    };
    await open(ROUTER);
    const own = () => report().then(({ routes }) => routes[0]?.promise);
    let standing: Awaited<ReturnType<typeof own>>;
    for (let at = 0; at < 420; at++) {
      await inSession(`s${at}`, topic(at % 2 === 0 ? 'ship' : 'tree', at));
      await pause(12);
      if (at % 20 === 19) {
        standing = await own();
        if (standing?.scored_by.startsWith('route-') === true) break;
      }
    }
    expect(standing?.scored_by).toMatch(/^route-/);
    /** How many of the twelve questions about it the cheap model answers now. */
    const moved = async (kind: 'ship' | 'tree') => {
      let count = 0;
      for (let at = 0; at < FORMS.length; at++)
        if ((await inSession(`${kind}${at}-${Math.random()}`, topic(kind, 2 * at))).served === 'cheap')
          count++;
      return count;
    };
    const trees = await moved('tree');
    expect(trees).toBeGreaterThan(0);
    expect(await moved('ship')).toBeLessThanOrEqual(1);
    const asked = await inSession('receipt', topic('tree', 0));
    const { decision } = await gateway.client.call('getExchange', { id: asked.id });
    expect((decision as unknown as Receipt).state.prompt_model).toMatch(/^route-/);
    const { dataDir } = gateway;
    await gateway.close(true);
    gateway = await startGateway({ yaml: CONFIG(upstream.url, ROUTER), dataDir });
    expect((await own())?.scored_by).toMatch(/^route-/);
    expect(await moved('tree')).toBeGreaterThan(0);
    // Each call takes one version back; the one before the first of its own is scored by what is shipped.
    const { routes } = await gateway.client.call('rollBackRouter', { name: 'auto' });
    expect(routes[0]).toMatchObject({ cause: 'rolled_back' });
    const since = await inSession('back', topic('tree', 0));
    const after = await gateway.client.call('getExchange', { id: since.id });
    expect((after.decision as unknown as Receipt).state.prompt_model).toBe(routes[0]?.scored_by);
    expect((await report()).events[0]).toMatchObject({ cause: 'rolled_back' });
  });
});

it('a copy or a judge that fails costs nobody the answer', async () => {
  behaviours.set('cheap', json(500, { error: { message: 'down' } }));
  await open('mode: observe, shadow: { percent: 100, max_usd_per_day: 5, judge: judge }');
  expect(await inSession('a')).toMatchObject({ status: 200, served: 'strong' });
  const { shadow } = await until(report, ({ shadow: seen }) => seen.failed > 0);
  expect(shadow).toMatchObject({ judged: 0 });
});
