import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

let upstream: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream((request, response) => {
    if (request.body['model'] === 'weak') {
      response.writeHead(503, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"down"}}');
      return;
    }
    chatAnswer('Hello')(request, response);
  });
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models:
  dear: { deployments: ["one/vendor-dear"] }
  small: { deployments: ["one/weak"], fallbacks: [dear], retries: { attempts: 0 } }
  "free-*": { deployments: [{ provider: one, model: "*" }] }
`,
  });
});
afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});
beforeEach(() => {
  upstream.seen.length = 0;
});

const messages = [{ role: 'user', content: 'hi' }];
/** Every way to the same model of the same provider. */
const WAYS: Readonly<Record<string, readonly [path: string, body: object]>> = {
  'its name': ['/v1/chat/completions', { model: 'dear', max_tokens: 20, messages }],
  'provider/model': ['/v1/chat/completions', { model: 'one/vendor-dear', max_tokens: 20, messages }],
  'provider/model in another dialect': [
    '/v1/messages',
    { model: 'one/vendor-dear', max_tokens: 20, messages },
  ],
  'an operation': ['/v1/embeddings', { model: 'one/vendor-dear', input: 'hi' }],
  passthrough: ['/passthrough/one/v1/chat/completions', { model: 'vendor-dear', max_tokens: 20, messages }],
};

async function call(key: string, [path, body]: readonly [string, object]) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return { status: response.status, error: response.headers.get('x-sluice-error') };
}

async function everyWay(key: string) {
  const found: Record<string, unknown> = {};
  for (const [name, way] of Object.entries(WAYS)) found[name] = (await call(key, way)).error;
  return found;
}

const all = (error: string | null) => Object.fromEntries(Object.keys(WAYS).map((name) => [name, error]));

test('a budget, a rate limit and an approval on a model hold under every spelling of it', async () => {
  const { key } = await gateway.client.call('createKey', { name: 'k' });
  expect(await everyWay(key)).toEqual(all(null));

  const budget = await gateway.client.call('createBudget', {
    scope: 'model',
    scope_id: 'dear',
    limit_usd: '0.000000001',
    window: 'day',
  });
  expect(await everyWay(key)).toEqual(all('budget_exceeded'));
  await gateway.client.call('deleteBudget', { id: budget.id });

  const limit = await gateway.client.call('createLimit', {
    scope: 'model',
    scope_id: 'dear',
    limits: { rpm: 1 },
  });
  await call(key, ['/v1/chat/completions', { model: 'dear', max_tokens: 20, messages }]);
  expect(await everyWay(key)).toEqual(all('rate_limited'));
  await gateway.client.call('deleteLimit', { id: limit.id });

  const guarded = await gateway.client.call('createKey', { name: 'g', policy: { approvals: ['dear'] } });
  upstream.seen.length = 0;
  expect(await everyWay(guarded.key)).toEqual(all('approval_required'));
  expect(upstream.seen).toHaveLength(0);
});

test('a pattern’s model counts under the name the pattern takes', async () => {
  const { key } = await gateway.client.call('createKey', { name: 'p', policy: { approvals: ['free-x'] } });
  const body = { max_tokens: 20, messages };
  for (const model of ['free-x', 'one/free-x']) {
    const { error } = await call(key, ['/v1/chat/completions', { ...body, model }]);
    expect([model, error]).toEqual([model, 'approval_required']);
  }
  expect((await call(key, ['/v1/chat/completions', { ...body, model: 'one/free-y' }])).error).toBe(null);
});

test('no fallback leads to a model whose calls need a yes', async () => {
  const { key } = await gateway.client.call('createKey', { name: 'f' });
  const way = ['/v1/chat/completions', { model: 'small', max_tokens: 20, messages }] as const;
  expect((await call(key, way)).status).toBe(200);
  const guarded = await gateway.client.call('createKey', { name: 'fg', policy: { approvals: ['dear'] } });
  expect((await call(guarded.key, way)).status).toBe(503);
});
