import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';
import { chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

let upstream: TestUpstream;
let abroad: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('Hello'));
  abroad = await startUpstream(chatAnswer('Hello'));
});
afterAll(async () => {
  await upstream.close();
  await abroad.close();
});
beforeEach(async () => {
  upstream.seen.length = 0;
  abroad.seen.length = 0;
  upstream.behave(chatAnswer('Hello'));
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, region: eu-west-1 }
  away: { type: openai-compatible, base_url: "${abroad.url}/v1", api_key: k, region: us-east-1 }
models:
  m: { deployments: ["home/m", "away/m"], fallbacks: [far], retries: { attempts: 0 } }
  far: { deployments: ["away/far"] }
`,
  });
});
afterEach(() => gateway.close());

const PATHS = {
  chat: ['/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }], max_tokens: 20 }],
  responses: ['/v1/responses', { input: 'hi', max_output_tokens: 20 }],
  messages: ['/v1/messages', { messages: [{ role: 'user', content: 'hi' }], max_tokens: 20 }],
  gemini: [
    '/v1beta/models/m:generateContent',
    { model: undefined, contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
  ],
} as const;

function call(
  key: string,
  to: readonly [string, object] = PATHS.chat,
  more: { body?: object; headers?: Record<string, string> } = {},
) {
  return fetch(gateway.url + to[0], {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...more.headers },
    body: JSON.stringify({ model: 'm', ...to[1], ...more.body }),
  });
}

/** A key in a team with this policy. */
async function keyWith(policy: object): Promise<string> {
  const team = await made(admin(gateway), '/api/teams', { name: 'blue', policy });
  return (await gateway.client.call('createKey', { name: 'k', team_id: team.id })).key;
}

describe('what a policy forbids', () => {
  it.each([
    [
      'temperature',
      { parameters: { temperature: { max: 0.5 } } },
      { temperature: 0.9, generationConfig: { temperature: 0.9 } },
    ],
    ['top_p', { parameters: { top_p: { allowed: false } } }, { top_p: 0.5, generationConfig: { topP: 0.5 } }],
    ['max_tokens', { max_output_tokens: 10 }, { generationConfig: { maxOutputTokens: 20 } }],
    ['x-sluice-tags', { required_tags: ['cost-center'] }, {}],
  ] as const)('%s is refused in every dialect, naming field and team', async (field, policy, body) => {
    const key = await keyWith(policy);
    for (const path of Object.values(PATHS)) {
      const mine =
        path === PATHS.gemini
          ? { generationConfig: (body as { generationConfig?: object }).generationConfig }
          : { ...body, generationConfig: undefined };
      const response = await call(key, path, { body: mine });
      const text = await response.text();
      expect([path[0], response.status]).toEqual([path[0], 403]);
      expect(text).toContain(field);
      expect(text).toContain('team `team_');
    }
    expect(upstream.seen).toHaveLength(0);
  });

  it('tools are refused by name', async () => {
    const key = await keyWith({ tools: ['get_*'] });
    const tool = (name: string) => ({
      tools: [{ type: 'function', function: { name, parameters: { type: 'object', properties: {} } } }],
    });
    expect((await call(key, PATHS.chat, { body: tool('get_weather') })).status).toBe(200);
    expect((await call(key, PATHS.chat, { body: tool('delete_all') })).status).toBe(403);
    expect(
      (await call(key, ['/passthrough/home/chat/completions', {}], { body: tool('delete_all') })).status,
    ).toBe(403);
  });

  it('a missing length is set to what is allowed', async () => {
    const key = await keyWith({ max_output_tokens: 10 });
    expect(
      (await call(key, ['/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] }])).status,
    ).toBe(200);
    const sent = [...upstream.seen, ...abroad.seen][0]?.body;
    expect(sent?.['max_tokens'] ?? sent?.['max_completion_tokens']).toBe(10);
  });

  it('the longer of two lengths is what counts: who gets them may know either', async () => {
    const key = await keyWith({ max_output_tokens: 10 });
    const lengths = [
      { max_completion_tokens: 5, max_tokens: 5000 },
      { max_completion_tokens: 5000, max_tokens: 5 },
    ];
    for (const body of lengths) {
      for (const path of ['/v1/chat/completions', '/passthrough/home/chat/completions']) {
        const asked = { messages: [{ role: 'user', content: 'hi' }] };
        expect([path, (await call(key, [path, asked], { body })).status]).toEqual([path, 403]);
      }
    }
    expect([...upstream.seen, ...abroad.seen]).toEqual([]);
  });

  it('a system prompt goes in front in every dialect, and cannot be passed by', async () => {
    const key = await keyWith({ system_prompt: 'Be brief.' });
    for (const path of Object.values(PATHS)) {
      upstream.seen.length = 0;
      abroad.seen.length = 0;
      expect([path[0], (await call(key, path)).status]).toEqual([path[0], 200]);
      // Whatever the upstream is spoken to in: the prompt stands before what the client said.
      const text = [...upstream.seen, ...abroad.seen][0]?.text ?? '';
      expect(text).toMatch(/system|developer|instructions/);
      expect(text.indexOf('Be brief.')).toBeGreaterThan(0);
      expect(text.indexOf('Be brief.')).toBeLessThan(text.indexOf('"hi"'));
    }
    upstream.seen.length = 0;
    expect((await call(key, ['/passthrough/home/chat/completions', { messages: [] }])).status).toBe(403);
    expect(upstream.seen).toHaveLength(0);
  });
});

describe('data residency', () => {
  it('holds for failover, fallback and passthrough, and is proven in the log', async () => {
    const key = await keyWith({ regions: ['eu'] });
    expect((await call(key)).status).toBe(200);
    upstream.behave(json(500, { error: { message: 'broken' } }));
    for (const path of Object.values(PATHS))
      expect((await call(key, path)).status).toBeGreaterThanOrEqual(500);
    upstream.behave((_seen, response) => void response.destroy());
    for (const path of Object.values(PATHS))
      expect((await call(key, path)).status).toBeGreaterThanOrEqual(500);
    expect((await call(key, PATHS.chat, { body: { model: 'far' } })).status).toBe(403);
    expect((await call(key, PATHS.chat, { body: { model: 'away/m' } })).status).toBe(403);
    expect((await call(key, ['/passthrough/away/chat/completions', { messages: [] }])).status).toBe(403);
    expect(abroad.seen).toHaveLength(0);
    const { data } = await gateway.client.call('listExchanges', { limit: 100 });
    const answered = data.find(({ outcome }) => outcome === 'answered');
    const detail = await gateway.client.call('getExchange', { id: answered?.id ?? '' });
    expect(detail.attempts_detail).toMatchObject([{ provider: 'home', region: 'eu-west-1' }]);
    expect(detail.ruling).toMatchObject({ regions: ['eu'] });
  });

  it('does not bind others', async () => {
    const { key } = await gateway.client.call('createKey', { name: 'free' });
    upstream.behave(json(500, { error: { message: 'broken' } }));
    expect((await call(key)).status).toBe(200);
    expect(abroad.seen.length).toBeGreaterThan(0);
  });
});

describe('rate limits', () => {
  it('hold for places and any scope; the tightest is shown; a queue waits', async () => {
    const team = await made(admin(gateway), '/api/teams', { name: 'blue', policy: { limits: { rpm: 5 } } });
    const one = await gateway.client.call('createKey', { name: 'a', team_id: team.id, limits: { rpm: 100 } });
    const two = await gateway.client.call('createKey', { name: 'b', team_id: team.id });
    const first = await call(one.key);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('5');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('4');
    const statuses = [];
    for (let n = 0; n < 6; n++) statuses.push((await call(n % 2 === 0 ? one.key : two.key)).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
    const refused = await call(two.key);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
    expect(await refused.text()).toContain(`team \`${team.id}\``);

    const { key, id } = await gateway.client.call('createKey', { name: 'c' });
    await gateway.client.call('createLimit', { scope: 'key', scope_id: id, limits: { rpd: 3 } });
    await gateway.client.call('createLimit', { scope: 'model', scope_id: 'm', limits: { tph: 1_000_000 } });
    const seen = [];
    for (let n = 0; n < 4; n++) seen.push(await call(key));
    expect(seen.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(seen[0]?.headers.get('x-ratelimit-limit-tokens')).toBe('1000000');
    expect(Number(seen[3]?.headers.get('retry-after'))).toBeGreaterThan(3600);

    const slow = await gateway.client.call('createKey', { name: 'd' });
    await gateway.client.call('createLimit', {
      scope: 'key',
      scope_id: slow.id,
      limits: { concurrency: 1 },
      on_limit: 'queue',
      max_wait_ms: 20_000,
      max_waiting: 3,
    });
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    upstream.behave(async (request, response) => {
      await gate;
      await chatAnswer('Hello')(request, response);
    });
    const burst = Array.from({ length: 8 }, async () => {
      const { status } = await call(slow.key);
      statuses.push(status);
      // One is served and three wait: the other four are refused at once.
      if (statuses.length === 4) release();
      return status;
    });
    statuses.length = 0;
    const seenStatuses = await Promise.all(burst);
    expect(seenStatuses.filter((status) => status === 200)).toHaveLength(4);
    expect(seenStatuses.filter((status) => status === 429)).toHaveLength(4);
  });
});
