import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

let main: TestUpstream;
let dear: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  main = await startUpstream(json(500, {}));
  dear = await startUpstream(chatAnswer('from the dear one'));
  const price = (usd: number) => `price: { input_usd_per_mtok: ${usd}, output_usd_per_mtok: ${usd} }`;
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
upstream: { max_retry_percent: 100, retries: { attempts: 0 }, circuit: { failures: 100000, failure_percent: 100, min_requests: 100000 } }
providers:
  main: { type: openai-compatible, base_url: "${main.url}/v1", api_key: k, ${price(1)} }
  dear: { type: openai-compatible, base_url: "${dear.url}/v1", api_key: k, ${price(100)} }
models:
  m: { deployments: ["main/m"], fallbacks: [big] }
  big: { deployments: ["dear/b"] }
`,
  });
});

afterAll(async () => {
  await gateway.close();
  await main.close();
  await dear.close();
});

async function ask(key: string) {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: 'm',
      max_tokens: 1000,
      messages: [{ role: 'user', content: 'Say hello.' }],
    }),
  });
  await answer.arrayBuffer();
  const { data } = await gateway.client.call('listExchanges', { limit: 1 });
  const row = await gateway.client.call('getExchange', { id: data[0]?.id ?? '' });
  return { status: answer.status, headers: answer.headers, row };
}

describe('a dear fallback and a budget', () => {
  it('is paid where the budget allows, and what it cost is charged', async () => {
    const made = await gateway.client.call('createKey', {
      name: 'rich',
      budget: { limit_usd: 1, window: 'total' },
    });
    const { status, headers, row } = await ask(made.key);
    expect(status).toBe(200);
    expect(headers.get('x-sluice-attempts')).toBe('2');
    expect(row.attempts_detail.map(({ kind }) => kind)).toEqual(['first', 'fallback']);
    const { budget } = await gateway.client.call('getKey', { id: made.id });
    expect(budget).toMatchObject({ held_usd: '0', settled_usd: row.cost_usd });
    expect(row.cost_usd).toBe('0.0021');
  });

  it('is passed over with a note where it does not, and nothing stays held', async () => {
    const made = await gateway.client.call('createKey', {
      name: 'poor',
      budget: { limit_usd: 0.01, window: 'total' },
    });
    const before = dear.seen.length;
    const { status, headers, row } = await ask(made.key);
    expect(status).toBe(502);
    expect(headers.get('x-sluice-attempts')).toBe('1');
    expect(row.attempts).toBe(1);
    expect(row.attempts_detail).toMatchObject([
      { provider: 'main', kind: 'first', error: 'upstream_error' },
      { provider: 'dear', kind: 'skipped', error: 'budget_exceeded' },
    ]);
    expect(dear.seen).toHaveLength(before);
    const { budget } = await gateway.client.call('getKey', { id: made.id });
    expect(budget).toMatchObject({ held_usd: '0', settled_usd: '0' });
  });
});
