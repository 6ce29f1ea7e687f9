import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';

// Answers that their provider has made, and bills, and that never reach the client: their call is paid for, each try of it.

const PROMPT = 'Say something long about the sea. '.repeat(10);
const MAX_TOKENS = 120;
/** A hundred tokens of four characters. */
const BODY = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'wave '.repeat(100) }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: 80, completion_tokens: 100, total_tokens: 180 },
});
/** At one dollar per million tokens in, and ten out: what the provider bills for each, nano-dollars. */
const BILLED_NANO = 80 * 1000 + 100 * 10_000;

type Lost = 'cut, length known' | 'cut, chunked' | 'torn JSON' | 'no UTF-8' | 'HTML' | 'refused';
let how: Lost = 'torn JSON';
let upstream: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream((_seen, response) => {
    const type = { 'content-type': how === 'HTML' ? 'text/html' : 'application/json' };
    if (how === 'refused') response.writeHead(500, type).end('{"error":{"message":"no"}}');
    else if (how === 'HTML') response.writeHead(200, type).end('<html>Login</html>');
    else if (how === 'torn JSON') response.writeHead(200, type).end(BODY.slice(0, -10));
    else if (how === 'no UTF-8')
      response.writeHead(200, type).end(Buffer.from(BODY.replace('wave', '\u00e9'), 'latin1'));
    else {
      const length = how === 'cut, chunked' ? {} : { 'content-length': BODY.length };
      response.writeHead(200, { ...type, ...length });
      response.write(BODY.slice(0, how === 'cut, chunked' ? -150 : 40), () => response.destroy());
    }
  });
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k }
models:
  m:
    deployments: [{ provider: one, model: m, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 10 } }]
    retries: { attempts: 1, backoff_ms: 1, max_backoff_ms: 2 }
`,
  });
});
afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});

async function call(key: string): Promise<{ status: number; error: string | null }> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: 'm',
      max_tokens: MAX_TOKENS,
      messages: [{ role: 'user', content: PROMPT }],
    }),
  });
  await response.arrayBuffer();
  return { status: response.status, error: response.headers.get('x-sluice-error') };
}

async function spentNano(id: string): Promise<number> {
  const view = await gateway.client.call('getKey', { id });
  return Math.round(Number(view.budget?.settled_usd ?? 0) * 1e9);
}

const OWED: readonly Lost[] = ['cut, length known', 'cut, chunked', 'torn JSON', 'no UTF-8'];

test.each(OWED)('an answer that is lost (%s) is paid for, and so is the one of its retry', async (lost) => {
  how = lost;
  const { key, id } = await gateway.client.call('createKey', {
    name: lost,
    budget: { limit_usd: '1', window: 'day' },
  });
  upstream.seen.length = 0;
  expect((await call(key)).status).toBeGreaterThanOrEqual(502);
  const billed = upstream.seen.length * BILLED_NANO;
  const spent = await spentNano(id);
  expect(spent).toBeGreaterThanOrEqual(billed * 0.9);
  expect(spent).toBeLessThanOrEqual(billed * 2);
});

test.each(['HTML', 'refused'] as const)('no answer at all (%s) costs nothing', async (lost) => {
  how = lost;
  const { key, id } = await gateway.client.call('createKey', {
    name: lost,
    budget: { limit_usd: '1', window: 'day' },
  });
  expect((await call(key)).status).toBeGreaterThanOrEqual(500);
  expect(await spentNano(id)).toBe(0);
});

test('sixty calls at once whose answers are lost stay within a budget', async () => {
  how = 'torn JSON';
  const limitNano = 10 * BILLED_NANO;
  const { key, id } = await gateway.client.call('createKey', {
    name: 'burst',
    budget: { limit_usd: String(limitNano / 1e9), window: 'day' },
  });
  upstream.seen.length = 0;
  const answers = await Promise.all(Array.from({ length: 60 }, () => call(key)));
  expect(answers.some(({ error }) => error === 'budget_exceeded')).toBe(true);
  expect(upstream.seen.length).toBeGreaterThan(0);
  expect(upstream.seen.length * BILLED_NANO).toBeLessThanOrEqual(limitNano);
  expect(await spentNano(id)).toBeLessThanOrEqual(limitNano);
});
