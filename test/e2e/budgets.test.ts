import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  CHAT_END,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

/** $1 and $2 per million tokens: nano-dollars are tokens × 1000 and × 2000. */
const PRICE = '{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }';
const USAGE = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
const COST_NANO = 9 * 1000 + 12 * 2000;

let upstream: TestUpstream;
let gateway: TestGateway;

const yaml = (url: string, more = '') => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${url}/v1", api_key: k, price: ${PRICE} }
  cheap: { type: openai-compatible, base_url: "${url}/v1", api_key: k, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2 } }
  unpriced: { type: openai-compatible, base_url: "${url}/v1", api_key: k }
models:
  m: { deployments: ["one/m"] }
  small: { deployments: ["cheap/small"] }
  mystery: { deployments: ["unpriced/mystery"] }
${more}`;

const answer = chatAnswer('Hello there', USAGE);
const stream = sse((send, response) => {
  send(chatChunk({ role: 'assistant', content: 'Hello' }) + chatChunk({}, 'stop') + CHAT_END);
  response.end();
});

beforeAll(async () => {
  upstream = await startUpstream(answer);
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.seen.length = 0;
  upstream.behave((seen, response) => (seen.body['stream'] === true ? stream : answer)(seen, response));
  gateway = await startGateway({ yaml: yaml(upstream.url) });
});
afterEach(() => gateway.close());

interface Call {
  readonly key: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly path?: string;
}

function call({ key, body = {}, headers = {}, path = '/v1/chat/completions' }: Call): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({
      model: 'm',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'hi' }],
      ...body,
    }),
  });
}

const nano = (usd: string): number => Math.round(Number(usd) * 1e9);
const newKey = async (more: object = {}) => gateway.client.call('createKey', { name: 'k', ...more });

/** After every hold is settled. */
async function settled(id: string) {
  for (let turn = 0; turn < 100; turn++) {
    const budget = await gateway.client.call('getBudget', { id });
    if (budget.held_usd === '0') return budget;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('a hold is left');
}

describe('a budget under a burst', () => {
  it('is never passed by 200 requests at once, and 98 % of it can be used', async () => {
    const { key, id } = await newKey();
    const limit = 0.01;
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: limit,
      window: 'total',
    });
    let billed = 0;
    let answered = 0;
    for (let round = 0; round < 12; round++) {
      const burst = await Promise.all(
        Array.from({ length: round === 0 ? 200 : 60 }, (_, n) =>
          call({ key, body: { stream: n % 2 === 1 } }),
        ),
      );
      for (const response of burst) {
        await response.text();
        expect([200, 429]).toContain(response.status);
        if (response.status === 200) answered++;
        else expect(response.headers.get('x-sluice-error')).toBe('budget_exceeded');
      }
      billed = upstream.seen.length * COST_NANO;
      if (burst.every(({ status }) => status === 429)) break;
    }
    const state = await settled(budget.id);
    expect(answered).toBe(upstream.seen.length);
    expect(billed).toBeLessThanOrEqual(nano(String(limit)));
    expect(billed / nano(String(limit))).toBeGreaterThan(0.98);
    expect(nano(state.settled_usd)).toBe(billed);
    expect(state.held_usd).toBe('0');
  });

  it('holds for several scopes at once, all or none', async () => {
    const { key, id } = await newKey();
    const wide = await gateway.client.call('createBudget', {
      scope: 'organization',
      scope_id: 'org_default',
      limit_usd: 1,
      window: 'day',
    });
    const tag = await gateway.client.call('createBudget', {
      scope: 'tag',
      scope_id: 'feature=x',
      limit_usd: '0.0001',
      window: 'hour',
    });
    const own = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      window: 'month',
    });
    const user = await gateway.client.call('createBudget', {
      scope: 'end_user',
      scope_id: '*',
      limit_usd: '0.0001',
    });
    const session = await gateway.client.call('createBudget', {
      scope: 'session',
      scope_id: 's1',
      limit_usd: '0.0001',
    });
    const model = await gateway.client.call('createBudget', { scope: 'model', scope_id: 'm', limit_usd: 1 });
    expect((await call({ key, headers: { 'x-sluice-tags': 'feature=x' } })).status).toBe(200);
    const statuses = await Promise.all(
      Array.from(
        { length: 20 },
        async () => (await call({ key, headers: { 'x-sluice-tags': 'feature=x' } })).status,
      ),
    );
    expect(statuses).toContain(429);
    const spent = nano((await settled(tag.id)).settled_usd);
    expect(spent).toBeLessThanOrEqual(100_000);
    for (const budget of [wide, own, model]) expect(nano((await settled(budget.id)).settled_usd)).toBe(spent);
    // Another name of the same model is the same model.
    expect((await call({ key, body: { model: 'one/m' } })).status).toBe(200);
    expect(nano((await settled(model.id)).settled_usd)).toBe(spent + COST_NANO);
    for (const headers of [{ 'x-sluice-user': 'ann' }, { 'x-sluice-user': 'bob' }]) {
      expect((await call({ key, headers: headers as unknown as Record<string, string> })).status).toBe(200);
      const seen = [];
      for (let n = 0; n < 3; n++)
        seen.push((await call({ key, headers: headers as unknown as Record<string, string> })).status);
      expect(seen).toContain(429);
    }
    expect(user.scope_id).toBe('*');
    await call({ key, headers: { 'x-sluice-session': 's1' } });
    expect(nano((await settled(session.id)).settled_usd)).toBe(COST_NANO);
  });
});

describe('a refusal', () => {
  it('says in every dialect which budget, what is left and when it frees', async () => {
    const chat = { messages: [{ role: 'user', content: 'hi' }] };
    const gemini = {
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      model: undefined,
      messages: undefined,
      max_tokens: undefined,
    };
    const embed = { input: 'hi', messages: undefined, max_tokens: undefined };
    const { key, id } = await newKey();
    const given = {
      name: 'tiny',
      scope: 'key',
      scope_id: id,
      limit_usd: '0.000000001',
      window: 'day',
    } as const;
    await gateway.client.call('createBudget', given);
    for (const [path, body] of [
      ['/v1/chat/completions', chat],
      ['/v1/chat/completions', { ...chat, stream: true }],
      ['/v1/responses', { input: 'hi', max_output_tokens: 20 }],
      ['/v1/completions', { prompt: 'hi' }],
      ['/v1/messages', chat],
      ['/v1/messages', { ...chat, stream: true }],
      ['/v1beta/models/m:generateContent', gemini],
      ['/v1beta/models/m:streamGenerateContent', gemini],
      ['/v1/embeddings', embed],
      ['/passthrough/one/v1/chat/completions', chat],
    ] as const) {
      const response = await call({ key, path, body });
      expect([path, response.status]).toEqual([path, 429]);
      expect(response.headers.get('x-sluice-error')).toBe('budget_exceeded');
      const text = await response.text();
      expect(text).toContain('`tiny`');
      expect(text).toContain('per day window');
      const header = response.headers.get('x-sluice-budget') ?? '';
      expect(header).toMatch(
        /budget=budget_\w+; window=day; limit_usd=0\.000000001; settled_usd=0; held_usd=0/,
      );
      expect(header).toMatch(/needed_usd=0\.\d+; frees_at=never$/);
      // Every 429 says when to come back; official clients are told besides not to repeat this one.
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(response.headers.get('x-should-retry')).toBe('false');
    }
    expect(upstream.seen).toHaveLength(0);
  });

  it('says that waiting helps when only running requests are in the way', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    upstream.behave(async (seen, response) => {
      await gate;
      await answer(seen, response);
    });
    const { key, id } = await newKey();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: '0.000000001',
      window: 'day',
    });
    const [, needed = ''] =
      /needed_usd=([\d.]+)/.exec((await call({ key })).headers.get('x-sluice-budget') ?? '') ?? [];
    await gateway.client.call('updateBudget', {
      id: budget.id,
      limit_usd: (1.5 * Number(needed)).toFixed(9),
    });
    const first = call({ key });
    await expect.poll(() => upstream.seen.length).toBe(1);
    const second = await call({ key });
    expect(second.status).toBe(429);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(second.headers.get('x-sluice-budget')).toContain('frees_at=running');
    release();
    expect((await first).status).toBe(200);
    expect((await call({ key })).status).toBe(200);
  });

  it('refuses models without a price while a budget applies', async () => {
    const { key, id } = await newKey();
    expect((await call({ key, body: { model: 'mystery' } })).status).toBe(200);
    await gateway.client.call('createBudget', { scope: 'key', scope_id: id, limit_usd: 1 });
    const response = await call({ key, body: { model: 'mystery' } });
    expect(response.status).toBe(403);
    expect(response.headers.get('x-sluice-error')).toBe('price_unknown');
  });
});

describe('what happens at the limit', () => {
  it('warn: serves and tells, once per threshold', async () => {
    const { key, id } = await newKey();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: '0.00004',
      action: 'warn',
      thresholds: [50, 100],
    });
    for (let n = 0; n < 5; n++) expect((await call({ key })).status).toBe(200);
    expect(nano((await settled(budget.id)).settled_usd)).toBe(5 * COST_NANO);
    const told = () => gateway.logged.filter((line) => line.includes('budget.threshold'));
    await expect.poll(() => told().map((line) => JSON.parse(line).percent)).toEqual([50, 100]);
    const written = async () =>
      (await gateway.client.call('listAudit', {})).data.filter(
        ({ action }) => action === 'budgets.threshold',
      );
    await expect.poll(written).toHaveLength(2);
  });

  it('downgrade: serves by the cheaper model and says so', async () => {
    const { key, id } = await newKey();
    await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: '0.0001',
      action: 'downgrade',
      downgrade_to: 'small',
    });
    expect((await call({ key })).headers.get('x-sluice-upstream-model')).toBe('m');
    for (const body of [{}, { stream: true }]) {
      let response = await call({ key, body });
      for (let n = 0; n < 5; n++) {
        await response.text();
        response = await call({ key, body });
      }
      expect(response.status).toBe(200);
      expect(response.headers.get('x-sluice-model')).toBe('m');
      expect(response.headers.get('x-sluice-upstream-model')).toBe('small');
      expect(response.headers.get('x-sluice-downgraded')).toContain('small');
      await response.text();
    }
    const [row] = (await gateway.client.call('listExchanges', {})).data;
    const detail = await gateway.client.call('getExchange', { id: row?.id ?? '' });
    expect(detail.ruling).toMatchObject({ downgradedFrom: 'm', downgradedTo: 'small' });
  });

  it('downgrade to a model the key may not use: refuses', async () => {
    const { key, id } = await newKey({ models: ['m'] });
    await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: '0.000000001',
      action: 'downgrade',
      downgrade_to: 'small',
    });
    expect((await call({ key })).status).toBe(429);
  });

  it('a key’s own budget field has every action', async () => {
    const { key, id } = await newKey({
      budget: { limit_usd: '0.000000001', action: 'downgrade', downgrade_to: 'small' },
    });
    const response = await call({ key });
    expect(response.headers.get('x-sluice-upstream-model')).toBe('small');
    await response.text();
    const state = await settled(id);
    expect(state).toMatchObject({ scope: 'key', source: 'key', action: 'downgrade' });
    const listed = await gateway.client.call('listBudgets', { scope: 'key', scope_id: id });
    expect(listed.data).toHaveLength(1);
  });

  it('hard: cuts the stream of a provider that ignores max_tokens', async () => {
    upstream.behave(
      sse(async (send, response) => {
        send(chatChunk({ role: 'assistant', content: '' }));
        for (let n = 0; n < 400 && !response.destroyed; n++) {
          send(chatChunk({ content: `word${n} and more words ` }));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        send(chatChunk({}, 'stop') + CHAT_END);
        response.end();
      }),
    );
    const { key, id } = await newKey();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      hard: true,
    });
    const text = await (await call({ key, body: { stream: true, max_tokens: 50 } })).text();
    expect(text).toContain('hard one');
    expect(text).not.toContain('[DONE]');
    const state = await settled(budget.id);
    expect(nano(state.settled_usd)).toBeLessThan(90 * 2000);
    expect(nano(state.settled_usd)).toBeGreaterThan(40 * 2000);
  });
});

describe('managing budgets', () => {
  it('raises for a while, and refuses what makes no sense', async () => {
    const { key, id } = await newKey();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: '0.000000001',
    });
    expect((await call({ key })).status).toBe(429);
    const soon = new Date(Date.now() + 4000).toISOString();
    const raised = await gateway.client.call('raiseBudget', {
      id: budget.id,
      amount_usd: 1,
      expires_at: soon,
      reason: 'launch',
    });
    expect(raised.budget).toMatchObject({ limit_usd: '1.000000001', base_limit_usd: '0.000000001' });
    expect((await call({ key })).status).toBe(200);
    await expect.poll(async () => (await call({ key })).status, { interval: 300 }).toBe(429);
    for (const bad of [
      { amount_usd: -1, expires_at: soon },
      { amount_usd: 0, expires_at: new Date(Date.now() + 9000).toISOString() },
      { amount_usd: 1, expires_at: new Date(Date.now() - 1).toISOString() },
      { amount_usd: 1, expires_at: new Date(Date.now() + 4e11).toISOString() },
    ]) {
      await expect(gateway.client.call('raiseBudget', { id: budget.id, ...bad })).rejects.toMatchObject({
        status: 400,
      });
    }
  });

  it('refuses amounts, scopes and fields that make no sense', async () => {
    const { id } = await newKey();
    for (const bad of [
      { limit_usd: -1 },
      { limit_usd: '-1' },
      { limit_usd: '1e9' },
      { limit_usd: 'NaN' },
      { limit_usd: '0.0000000001' },
      { limit_usd: 1, scope_id: 'key_nobody' },
      { limit_usd: 1, window: 'year' },
      { limit_usd: 1, time_zone: 'Mars/Base' },
      { limit_usd: 1, action: 'downgrade' },
      { limit_usd: 1, rolling: true, window: 'total' },
      { limit_usd: 1, settled_usd: '0' },
      { limit_usd: 1, held_usd: '0' },
      { limit_usd: 1, organization_id: 5 },
      { limit_usd: 1, thresholds: [-5] },
    ]) {
      const response = await fetch(`${gateway.url}/api/budgets`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ scope: 'key', scope_id: id, ...bad }),
      });
      expect([bad, response.status]).toEqual([bad, 400]);
    }
  });

  it('counts what was spent before, changes, lists and deletes', async () => {
    const { key, id } = await newKey();
    await (await call({ key })).text();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      window: 'month',
    });
    expect(nano(budget.settled_usd)).toBe(COST_NANO);
    const day = await gateway.client.call('updateBudget', {
      id: budget.id,
      window: 'day',
      time_zone: 'Asia/Tokyo',
      limit_usd: 2,
    });
    expect(day).toMatchObject({ window: 'day', time_zone: 'Asia/Tokyo', limit_usd: '2' });
    expect(new Date(day.window_start).getUTCHours()).toBe(15);
    const page = await gateway.client.call('listBudgets', {});
    expect(page.data.map((one) => one.id)).toContain(budget.id);
    await gateway.client.call('deleteBudget', { id: budget.id });
    await expect(gateway.client.call('getBudget', { id: budget.id })).rejects.toMatchObject({ status: 404 });
  });

  it('keeps spend and definition over a restart', async () => {
    const { key, id } = await newKey();
    const rolling = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      window: 'hour',
      rolling: true,
    });
    const calendar = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      window: 'total',
    });
    await (await call({ key })).text();
    await (await call({ key })).text();
    await gateway.close(true);
    gateway = await startGateway({ yaml: yaml(upstream.url), dataDir: gateway.dataDir });
    for (const { id: budget } of [rolling, calendar]) {
      const state = await gateway.client.call('getBudget', { id: budget });
      expect(nano(state.settled_usd)).toBe(2 * COST_NANO);
      expect(state.held_usd).toBe('0');
    }
  });

  it('takes budgets and rate limits from the file', async () => {
    await gateway.close();
    gateway = await startGateway({
      yaml: yaml(
        upstream.url,
        `
budgets:
  - { name: all, scope: organization, scope_id: org_default, limit_usd: 0.0001, window: total }
rate_limits:
  - { name: ann, scope: end_user, scope_id: ann, rpm: 1 }`,
      ),
    });
    const { key } = await newKey();
    expect((await call({ key, headers: { 'x-sluice-user': 'ann' } })).status).toBe(200);
    const limited = await call({ key, headers: { 'x-sluice-user': 'ann' } });
    expect(limited.headers.get('x-sluice-error')).toBe('rate_limited');
    const statuses = [];
    for (let n = 0; n < 4; n++) statuses.push((await call({ key })).status);
    expect(statuses).toContain(429);
    const [budget] = (await gateway.client.call('listBudgets', {})).data;
    expect(budget).toMatchObject({ source: 'file', name: 'all' });
    await expect(
      gateway.client.call('updateBudget', { id: budget?.id ?? '', limit_usd: 5 }),
    ).rejects.toMatchObject({ status: 409 });
  });
});
