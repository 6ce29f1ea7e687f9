import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '../../src/core/routing/decision/receipt.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';
import { chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

const EASY = 'What is the capital of France?';

let upstream: TestUpstream;
let gateway: TestGateway;
let plain: string;
const down = new Set<string>();

const YAML = (url: string, team: string) => `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up }
  alt: { type: openai-compatible, base_url: "${url}/v1", api_key: key-alt }
  or: { type: openrouter, base_url: "${url}/v1", api_key: key-or }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4 } }], retries: { attempts: 0 } }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }], retries: { attempts: 0 } }
  behind: { deployments: ["or/behind"], retries: { attempts: 0 } }
  both:
    retries: { attempts: 0 }
    deployments:
      - { provider: up, model: both-up, price: { input_usd_per_mtok: 5, output_usd_per_mtok: 5 } }
      - { provider: alt, model: both-alt, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 } }
routers:
  by-key: { mode: "on", baseline: strong, tiers: { easy: cheap, hard: strong }, attach: { keys: [watched] } }
  by-team: { mode: "on", baseline: strong, tiers: { easy: cheap, hard: strong }, attach: { teams: ["${team}"] } }
  by-tag: { mode: observe, baseline: strong, tiers: { easy: cheap, hard: strong }, attach: { tags: ["app=web"] } }
  modes:
    mode: "on"
    baseline: strong
    tiers: { easy: cheap, hard: strong }
    rules:
      - { name: never, when: 'tags.rule == "off"', use: strong, mode: "off" }
      - { name: looked-at, when: 'tags.rule == "observe"', use: strong, mode: observe }
      - { name: some, when: 'tags.rule == "canary"', use: strong, mode: canary }
      - { name: always, when: 'tags.rule == "on"', use: strong, mode: "on" }
    canary_percent: 50
  capped: { mode: "on", baseline: cheap, models: [cheap, strong], max_price: { output_usd_per_mtok: 1 }, min_quality: 0.9 }
`;

beforeAll(async () => {
  upstream = await startUpstream((seen, response) => {
    const model = String(seen.body['model']);
    if (down.has(model)) return json(503, { error: { message: 'busy' } })(seen, response);
    return chatAnswer(`from ${model}`)(seen, response);
  });
  gateway = await startGateway({ yaml: YAML(upstream.url, 'later') });
  plain = (await gateway.client.call('createKey', { name: 'plain' })).key;
});

afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});

beforeEach(() => {
  down.clear();
  upstream.seen.length = 0;
});

async function ask(
  model: string,
  given: { key?: string; prompt?: string; headers?: Record<string, string>; body?: object } = {},
) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${given.key ?? plain}`,
      ...given.headers,
    },
    body: JSON.stringify({
      model,
      max_tokens: 50,
      messages: [{ role: 'user', content: given.prompt ?? EASY }],
      ...given.body,
    }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    upstream: response.headers.get('x-sluice-upstream-model'),
    decision: response.headers.get('x-sluice-decision'),
    id: response.headers.get('x-sluice-request-id') ?? '',
  };
}

describe('a router attached', () => {
  it('to a key by its name', async () => {
    const { key } = await gateway.client.call('createKey', { name: 'watched' });
    expect(await ask('strong', { key })).toMatchObject({
      upstream: 'cheap',
      decision: 'by-key: easy, prompt',
    });
    expect(await ask('strong')).toMatchObject({ upstream: 'strong', decision: null });
  });

  it('to a team', async () => {
    const team = await made(admin(gateway), '/api/teams', { name: 'blue' });
    const yaml = YAML(upstream.url, team.id);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(gateway.configPath ?? '', yaml);
    gateway.gateway.reload();
    const { key } = await gateway.client.call('createKey', { name: 'k', team_id: team.id });
    await expect.poll(async () => (await ask('strong', { key })).decision).toBe('by-team: easy, prompt');
    expect((await ask('strong')).decision).toBeNull();
  });

  it('to a tag: in observe what was asked for is served, and the decision noted', async () => {
    const headers = { 'x-sluice-tags': 'app=web' };
    expect(await ask('both', { headers })).toMatchObject({
      upstream: expect.stringMatching(/^both/),
      decision: 'by-tag: easy, prompt; observe',
    });
  });
});

describe('modes of rules', () => {
  const ruled = async (rule: string, session = 's') => {
    const answer = await ask('modes', {
      headers: { 'x-sluice-tags': `rule=${rule}`, 'x-sluice-session': session },
    });
    const { decision } = await gateway.client.call('getExchange', { id: answer.id });
    return { ...answer, receipt: decision as unknown as Receipt };
  };

  it('off is not looked at, observe is noted, on is followed', async () => {
    const off = await ruled('off');
    expect(off.upstream).toBe('cheap');
    expect(JSON.stringify(off.receipt.steps)).not.toContain('never');
    const observed = await ruled('observe');
    expect(observed.upstream).toBe('cheap');
    expect(JSON.stringify(observed.receipt.steps)).toContain(
      'looked-at holds and would use strong (mode observe)',
    );
    expect(await ruled('on')).toMatchObject({ upstream: 'strong', decision: 'modes: hard, rule' });
  });

  it('canary is followed for its sessions, always the same ones', async () => {
    const served = new Map<string, string | null>();
    for (let at = 0; at < 24; at++) served.set(`c${at}`, (await ruled('canary', `c${at}`)).upstream);
    expect(new Set(served.values())).toEqual(new Set(['cheap', 'strong']));
    for (const [session, upstreamModel] of served)
      expect((await ruled('canary', session)).upstream).toBe(upstreamModel);
  });
});

it('a router’s own caps: price goes before quality', async () => {
  const answer = await ask('capped');
  expect(answer.upstream).toBe('cheap');
  const { decision } = await gateway.client.call('getExchange', { id: answer.id });
  const strong = (decision as unknown as Receipt).candidates.find(({ model }) => model === 'strong');
  expect(strong?.excluded).toBe('costs more than the router may spend');
});

describe('OpenRouter’s provider object', () => {
  it.each([
    ['order', { order: ['alt', 'up'] }, 'both-alt'],
    ['order the other way', { order: ['up', 'alt'] }, 'both-up'],
    ['only', { only: ['alt'] }, 'both-alt'],
    ['ignore', { ignore: ['alt'] }, 'both-up'],
    ['sort by price', { sort: 'price' }, 'both-alt'],
    ['sort as an object', { sort: { by: 'price', partition: 'model' } }, 'both-alt'],
    ['max_price', { max_price: { prompt: 2, completion: 2 } }, 'both-alt'],
    ['data_collection: allow', { data_collection: 'allow', only: ['up'] }, 'both-up'],
    [
      'what says nothing',
      { zdr: false, quantizations: [], preferred_max_latency: null, only: ['up'] },
      'both-up',
    ],
  ])('%s is honoured', async (_, provider, wanted) => {
    expect(await ask('both', { body: { provider } })).toMatchObject({ status: 200, upstream: wanted });
    expect(upstream.seen[0]?.text).not.toContain('"provider"');
  });

  it('allow_fallbacks: false asks nobody else', async () => {
    down.add('both-alt');
    const order = ['alt'];
    expect((await ask('both', { body: { provider: { order } } })).upstream).toBe('both-up');
    upstream.seen.length = 0;
    const alone = await ask('both', { body: { provider: { order, allow_fallbacks: false } } });
    expect(alone.status).toBeGreaterThanOrEqual(500);
    expect(upstream.seen.map(({ body }) => body['model'])).toEqual(['both-alt']);
  });

  it.each([
    [{ quantizations: ['fp8'] }, 422, 'provider.quantizations'],
    [{ data_collection: 'deny' }, 422, 'provider.data_collection'],
    [{ data_collection: 'perhaps' }, 400, 'provider.data_collection'],
    [{ zdr: true }, 422, 'provider.zdr'],
    [{ enforce_distillable_text: true }, 422, 'provider.enforce_distillable_text'],
    [{ preferred_min_throughput: 50 }, 422, 'provider.preferred_min_throughput'],
    [{ sort: { by: 'price', partition: 'none' } }, 422, 'provider.sort.partition'],
    [{ sort: { by: 'price', hurry: true } }, 422, 'provider.sort.hurry'],
    [{ max_price: { image: 1 } }, 422, 'provider.max_price.image'],
    [{ max_price: { prompt: 0.5, completion: 0.5 } }, 422, 'provider'],
    [{ only: ['nobody'] }, 422, 'provider'],
  ])('%j is refused by name', async (provider, status, param) => {
    const answer = await ask('both', { body: { provider } });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text).error.param).toBe(param);
    expect(upstream.seen).toHaveLength(0);
  });

  it('`models` are fallbacks in order, those a key may not use left out', async () => {
    down.add('strong');
    const { key } = await gateway.client.call('createKey', { name: 'two', models: ['strong', 'both'] });
    const answer = await ask('strong', { key, body: { models: ['cheap', 'both'] } });
    expect(answer.upstream).toMatch(/^both/);
    expect(upstream.seen.map(({ body }) => body['model'])).not.toContain('cheap');
  });

  it('OpenRouter is told of its providers, and of no model that the key may not use', async () => {
    const { key } = await gateway.client.call('createKey', { name: 'one', models: ['behind'] });
    const body = { models: ['maker/dear', 'strong'], provider: { order: ['DeepInfra'] } };
    expect((await ask('behind', { key, body })).upstream).toBe('behind');
    expect(upstream.seen.map((seen) => [seen.body['model'], seen.body['models']])).toEqual([
      ['behind', undefined],
    ]);
    expect(upstream.seen[0]?.body['provider']).toEqual({ order: ['DeepInfra'] });
    // With the right to use them they are fallbacks as elsewhere, by whichever name.
    down.add('behind');
    expect((await ask('behind', { body })).upstream).toBe('maker/dear');
    down.add('maker/dear');
    expect((await ask('behind', { body })).upstream).toBe('strong');
  });
});

describe('bad prompts', () => {
  it.each([
    ['empty', ''],
    ['spaces', ' '.repeat(200_000)],
    ['binary-looking', '\u0000\u0001\ufffd\u200b'.repeat(200_000)],
    ['one endless word', 'a'.repeat(4_000_000)],
    ['nested brackets', '[{('.repeat(400_000)],
    ['digits and sums', '12*34=408+'.repeat(200_000)],
    ['padded with hard words', `${'prove theorem lemma architecture '.repeat(60_000)}hi`],
  ])('%s: bounded work, never blocked', async (_, prompt) => {
    const before = process.cpuUsage();
    const answer = await ask('modes', { prompt });
    const { user } = process.cpuUsage(before);
    expect(answer.status).toBe(200);
    expect(['cheap', 'strong']).toContain(answer.upstream);
    // Reading and forwarding megabytes is most of it; a decision that read them again would take many times as long.
    expect(user / 1000).toBeLessThan(1500);
  });

  it('a rule that does not type-check is refused when it is saved, with the reason, and nothing changes', async () => {
    const broken = { routers: { modes: { rules: [{ when: 'tokens > "5"', use: 'cheap' }] } } };
    await expect(gateway.client.call('putConfig', { config: broken })).rejects.toMatchObject({
      status: expect.any(Number),
      message: expect.stringMatching(/rules|condition/),
    });
    expect((await gateway.client.call('getConfigOverrides', {})).overrides).toEqual({});
    expect((await ask('modes', { headers: { 'x-sluice-tags': 'rule=on' } })).upstream).toBe('strong');
  });
});
