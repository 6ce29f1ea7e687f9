import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

const answer = chatAnswer('Hello there', { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 });

let upstream: TestUpstream;
let gateway: TestGateway;

const yaml = () => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
  cheap: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2 } }
models:
  m: { deployments: ["one/m"] }
  alias: { deployments: ["one/m"] }
  small: { deployments: ["cheap/small"] }
  flaky: { deployments: ["one/flaky"], fallbacks: [small], retries: { attempts: 0 } }
  "free-*": { deployments: ["cheap/*"] }
routers:
  auto: { mode: on, baseline: m, rules: [{ when: "true", use: small }] }
`;

beforeAll(async () => {
  upstream = await startUpstream((seen, response) =>
    seen.body['model'] === 'flaky'
      ? json(500, { error: { message: 'no' } })(seen, response)
      : answer(seen, response),
  );
});
afterAll(() => upstream.close());
beforeEach(async () => {
  gateway = await startGateway({ yaml: yaml() });
});
afterEach(() => gateway.close());

/** Every way to a model there is. */
const ASKED = ['m', 'alias', 'alias', 'auto', 'flaky', 'small', 'free-x', 'one/m', 'cheap/direct', 'm:cost'];
const SCOPES = [
  ...['m', 'one/m', 'alias', 'small', 'cheap/small', 'flaky', 'one/flaky', 'auto', 'free-x', 'cheap/free-x'],
  ...['cheap/direct', 'direct', 'm:cost', 'nothing'],
];

async function ask(key: string): Promise<void> {
  for (const model of ASKED) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model, max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
    });
    expect([model, response.status, await response.text()]).toEqual([model, 200, expect.any(String)]);
  }
}

it.each([
  ['by the calendar', { window: 'day' }],
  ['rolling', { window: 'day', rolling: true }],
  ['without an end', { window: 'total' }],
] as const)('a new budget of a model %s begins with what one that was there has counted', async (_, how) => {
  const { key } = await gateway.client.call('createKey', { name: 'k' });
  const make = async () => {
    const made = SCOPES.map((scope_id) =>
      gateway.client.call('createBudget', {
        scope: 'model',
        scope_id,
        limit_usd: '1',
        action: 'warn',
        ...how,
      }),
    );
    return Object.fromEntries((await Promise.all(made)).map((one) => [one.scope_id, one.id]));
  };
  const spent = async (ids: Record<string, string>) => {
    const all = Object.entries(ids).map(async ([name, id]) => {
      const { settled_usd } = await gateway.client.call('getBudget', { id });
      return [name, settled_usd] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  };
  const before = await make();
  await ask(key);
  const counted = await spent(before);
  expect(Number(counted['m'])).toBeGreaterThan(0);
  expect(Number(counted['small'])).toBeGreaterThan(0);
  expect(counted['nothing']).toBe('0');
  expect(await spent(await make())).toEqual(counted);
  // And after a restart each goes on from there.
  const late = await make();
  await ask(key);
  const more = await spent(before);
  await gateway.close(true);
  gateway = await startGateway({ yaml: yaml(), dataDir: gateway.dataDir });
  expect(await spent(late)).toEqual(more);
});

it('`*` counts each name of a model for itself, also those of the past', async () => {
  const { key } = await gateway.client.call('createKey', { name: 'k' });
  await ask(key);
  const { id } = await gateway.client.call('createBudget', {
    scope: 'model',
    scope_id: '*',
    limit_usd: '0.000000001',
    window: 'day',
  });
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'small', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect(response.status).toBe(429);
  // Of `small`: asked for, routed to, and fallen back to; 3.3 micro-dollars each.
  expect(response.headers.get('x-sluice-budget')).toContain(`budget=${id}`);
  expect(Number(/settled_usd=([\d.]+)/.exec(response.headers.get('x-sluice-budget') ?? '')?.[1])).toBeCloseTo(
    3 * (9 * 0.1e-6 + 12 * 0.2e-6),
    9,
  );
});
