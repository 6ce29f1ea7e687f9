import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '../../src/core/routing/decision/receipt.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Behaviour, chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

let upstream: TestUpstream;
let gateway: TestGateway | undefined;
/** What the embedding model does instead of answering. */
let trouble: Behaviour | undefined;

/** Texts about money back lie along one axis, greetings along another, all else along a third. */
function meaningOf(text: string): number[] {
  if (/refund|money back|reimburse|charged twice/i.test(text)) return [2, 0.2, 0];
  return /hello|good morning/i.test(text) ? [0, 3, 0] : [0, 0, 1];
}

const upstreamAnswers: Behaviour = (seen, response) => {
  if (!seen.path.endsWith('/embeddings'))
    return chatAnswer(`from ${String(seen.body['model'])}`)(seen, response);
  if (trouble !== undefined) return trouble(seen, response);
  const input = seen.body['input'] as string[];
  return json(200, {
    object: 'list',
    model: 'embed-small',
    data: input.map((text, index) => ({ object: 'embedding', index, embedding: meaningOf(text) })).reverse(),
    usage: { prompt_tokens: 10 * input.length, total_tokens: 10 * input.length },
  })(seen, response);
};

const YAML = (url: string, embedder: string) => `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up, region: eu }
  vectors: { type: openai-compatible, base_url: "${url}/v1", api_key: key-v, region: us, price: { input_usd_per_mtok: 5, output_usd_per_mtok: 0 } }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routing: { ${embedder} }
routers:
  auto:
    mode: "on"
    baseline: cheap
    models: [cheap]
    intents:
      - { name: refund, utterances: ["I want my money back", "please refund my order"], use: strong, threshold: 0.5, meaning_threshold: 0.8 }
`;
const EMBEDDER = 'embedder: { provider: vectors, model: embed-small, timeout_ms: 500 }';
/** Not a word in common with an utterance. */
const PARAPHRASE = 'You charged twice for that, reimburse us';

beforeEach(async () => {
  trouble = undefined;
  upstream = await startUpstream(upstreamAnswers);
});

afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  await upstream.close();
});

async function open(embedder = EMBEDDER): Promise<TestGateway> {
  gateway = await startGateway({ yaml: YAML(upstream.url, embedder) });
  return gateway;
}

async function ask(prompt: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway?.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'auto', max_tokens: 20, messages: [{ role: 'user', content: prompt }] }),
  });
  await response.text();
  return {
    status: response.status,
    decision: response.headers.get('x-sluice-decision'),
    upstream: response.headers.get('x-sluice-upstream-model'),
    id: response.headers.get('x-sluice-request-id') ?? '',
  };
}

const embedded = () =>
  upstream.seen.flatMap(({ path, body }) =>
    path.endsWith('/embeddings') ? [body['input'] as string[]] : [],
  );

describe('intents by meaning', () => {
  it('finds what is said in other words, which spelling does not', async () => {
    await open('');
    expect(await ask(PARAPHRASE)).toMatchObject({ upstream: 'cheap' });
    expect(embedded()).toEqual([]);
    await gateway?.close();
    await open();
    expect(await ask(PARAPHRASE)).toMatchObject({ upstream: 'strong', decision: 'auto: hard, intent' });
    expect(await ask('hello, what time is it?')).toMatchObject({ upstream: 'cheap' });
  });

  it('embeds utterances once and a prompt once, at a price that is booked', async () => {
    const { client } = await open();
    const { key, id: keyId } = await client.call('createKey', {
      name: 'payer',
      budget: { limit_usd: '1', window: 'total' },
    });
    const headers = { authorization: `Bearer ${key}` };
    const first = await ask(PARAPHRASE, headers);
    await ask(PARAPHRASE, headers);
    await ask('please reimburse the fee', headers);
    expect(
      embedded()
        .map((input) => input.length)
        .sort(),
    ).toEqual([1, 1, 2]);
    const detail = await client.call('getExchange', { id: first.id });
    const receipt = detail.decision as unknown as Receipt;
    // Ten tokens at five dollars a million.
    expect(Number(receipt.actual?.embedding_usd)).toBeCloseTo(0.00005, 9);
    expect(receipt.input.intent).toMatchObject({ name: 'refund', by: 'meaning' });
    const { data } = await client.call('listExchanges', { tag: 'intents=auto' });
    expect(data.map(({ cost_usd: usd, key_id: of }) => [Number(usd), of]).sort()).toEqual(
      [
        [0.00005, keyId],
        [0.00005, keyId],
        [0.0001, null],
      ].sort(),
    );
    const chats = await client.call('listExchanges', { key_id: keyId });
    const spent = chats.data.reduce((sum, { cost_usd: usd }) => sum + Number(usd), 0);
    const { budget } = await client.call('getKey', { id: keyId });
    expect(Number(budget?.settled_usd)).toBeCloseTo(spent, 9);
    const report = await client.call('reportRouter', { name: 'auto' });
    expect(Number(report.overhead.embedding_usd)).toBeCloseTo(0.0001, 9);
    const again = await client.call('replayRoute', { name: 'auto', exchange_id: first.id });
    expect(again).toMatchObject({ same_version: true, same_decision: true });
  });

  it('explains as it would decide', async () => {
    const { client } = await open();
    const explained = await client.call('explainRoute', { name: 'auto', prompt: PARAPHRASE });
    expect(explained).toMatchObject({ served: 'strong', reason: 'intent' });
    expect(JSON.stringify(explained['steps'])).toContain('similarity of meaning');
  });

  it('sends no prompt where the key’s data may not go, and goes by spelling', async () => {
    const { client } = await open();
    const bound = await client.call('createKey', { name: 'eu', policy: { regions: ['eu'] } });
    const free = await client.call('createKey', { name: 'free' });
    const wished = { authorization: `Bearer ${free.key}`, 'x-sluice-region': 'eu' };
    for (const headers of [{ authorization: `Bearer ${bound.key}` }, wished]) {
      expect(await ask(PARAPHRASE, headers)).toMatchObject({ status: 200, upstream: 'cheap' });
      expect(await ask('I want my money back', headers)).toMatchObject({ upstream: 'strong' });
    }
    expect(embedded()).toEqual([]);
  });

  it.each([
    ['fails', json(500, { error: { message: 'down' } })],
    ['answers with something else', json(200, { data: [{ embedding: ['a'] }] })],
    ['is silent', (() => undefined) as Behaviour],
  ])('a model that %s holds nobody up and is left alone for a while', async (_, behaviour) => {
    trouble = behaviour;
    await open();
    const started = performance.now();
    expect(await ask(PARAPHRASE)).toMatchObject({ status: 200, upstream: 'cheap' });
    expect(performance.now() - started).toBeLessThan(1500);
    expect(await ask('I want my money back')).toMatchObject({
      upstream: 'strong',
      decision: 'auto: hard, intent',
    });
    // Utterances come two at a time and may be tried again meanwhile; the second prompt was not sent.
    expect(embedded().filter((input) => input.length === 1 && input[0] !== PARAPHRASE)).toEqual([]);
  });

  it('a key without money goes by spelling', async () => {
    const { client } = await open();
    const { key } = await client.call('createKey', {
      name: 'poor',
      budget: { limit_usd: '0.00002', window: 'total' },
    });
    expect(await ask(PARAPHRASE, { authorization: `Bearer ${key}` })).toMatchObject({
      status: 200,
      upstream: 'cheap',
    });
    expect(embedded().flat()).not.toContain(PARAPHRASE);
  });

  it('refuses an unknown provider when the file is checked', async () => {
    const { client } = await open();
    const yaml = YAML(upstream.url, 'embedder: { provider: nobody, model: m }');
    const { valid, problems } = await client.call('validateConfig', { yaml });
    expect(valid).toBe(false);
    expect(problems[0]?.path).toContain('routing.embedder.provider');
  });
});
