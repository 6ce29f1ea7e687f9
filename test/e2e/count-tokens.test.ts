import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { json, startUpstream, type TestUpstream } from '../support/upstream.ts';

let upstream: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream(json(200, { input_tokens: 4711 }));
  gateway = await startGateway({
    yaml: `
version: 1
providers:
  anthropic: { base_url: "${upstream.url}", api_key: k }
  other: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k }
models:
  claude: { deployments: ["anthropic/claude-sonnet-4-5"] }
  llama: { deployments: ["other/llama"] }
`,
  });
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const messages = [{ role: 'user' as const, content: 'How many tokens are these words? '.repeat(20) }];

it('asks a vendor that counts by itself, with the model it knows', async () => {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: 'unused' });
  expect(await client.messages.countTokens({ model: 'claude', messages })).toEqual({ input_tokens: 4711 });
  expect(upstream.seen.at(-1)).toMatchObject({
    path: '/v1/messages/count_tokens',
    body: { model: 'claude-sonnet-4-5' },
  });
  const { data } = await gateway.client.call('listExchanges', { limit: 1 });
  expect(data[0]).toMatchObject({ operation: 'count_tokens', cost_usd: '0', outcome: 'answered' });
});

it('estimates for the others, and says so', async () => {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: 'unused' });
  const before = upstream.seen.length;
  const { data, response } = await client.messages.countTokens({ model: 'llama', messages }).withResponse();
  expect(data.input_tokens).toBeGreaterThan(80);
  expect(data.input_tokens).toBeLessThan(320);
  expect(response.headers.get('x-sluice-estimated')).toBe('true');
  expect(upstream.seen).toHaveLength(before);
});
