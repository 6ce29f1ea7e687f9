import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WIRE_PRESENT, type WireCase, wireBytes, wireCases } from '../golden/wire.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { json, startUpstream, type TestUpstream } from '../support/upstream.ts';

// Some vendors say in their answers what they take. Every recorded answer of theirs that says so goes through the gateway as
// its bytes are, and the ledger is held against it, to the nano-dollar.

/** Our word for each vendor of the recordings, and nano-dollars in the unit it states. */
const VENDORS: Readonly<Record<string, readonly [id: string, pattern: RegExp, nano: number]>> = {
  avian: ['avian', /"cost": ?([\d.eE-]+)/g, 1e9],
  openrouter: ['openrouter', /"cost": ?([\d.eE-]+)/g, 1e9],
  perplexity: ['perplexity', /"total_cost": ?([\d.eE-]+)/g, 1e9],
  'vercel-gateway': ['vercel', /"cost": ?([\d.eE-]+)/g, 1e9],
  xai: ['xai', /"cost_in_usd_ticks": ?(\d+)/g, 0.1],
};

/** What the recording says that it cost; the last word of a stream. */
function statedIn({ provider, response }: WireCase): number | undefined {
  const [, pattern, nano] = VENDORS[provider] ?? [];
  if (pattern === undefined || nano === undefined) return undefined;
  const last = [...wireBytes(response).toString('utf8').matchAll(pattern)].at(-1)?.[1];
  return last === undefined ? undefined : Math.round(Number(last) * nano);
}

const recorded = ['openai-chat', 'openai-responses']
  .flatMap(wireCases)
  .filter((one) => one.status === 200 && statedIn(one) !== undefined);

let upstream: TestUpstream;
let gateway: TestGateway;
let current: WireCase | undefined;

beforeAll(async () => {
  upstream = await startUpstream((_, response) => {
    if (current === undefined) return;
    response.writeHead(200, { 'content-type': current.contentType });
    response.end(wireBytes(current.response));
  });
  const providers = Object.values(VENDORS).map(
    ([id]) => `  ${id}: { type: ${id}, base_url: "${upstream.url}/v1", api_key: k }`,
  );
  const own = `  own: { type: openrouter, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
  other: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }`;
  gateway = await startGateway({ yaml: `version: 1\nproviders:\n${providers.join('\n')}\n${own}\n` });
});

afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});

/** Asks for the current recording; gives the exchange as it stands in the ledger. */
async function ask(model: string, { stream, api }: Pick<WireCase, 'stream' | 'api'>) {
  const responses = api === 'openai-responses';
  const answer = await fetch(`${gateway.url}/v1/${responses ? 'responses' : 'chat/completions'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      stream,
      ...(responses ? { input: 'hi' } : { messages: [{ role: 'user', content: 'hi' }] }),
    }),
  });
  const text = await answer.text();
  expect([answer.status, answer.status === 200 ? '' : text]).toEqual([200, '']);
  const id = answer.headers.get('x-sluice-request-id') ?? '';
  let found: Awaited<ReturnType<typeof gateway.client.call<'getExchange'>>> | undefined;
  await expect
    .poll(async () => {
      found = await gateway.client.call('getExchange', { id }).catch(() => undefined);
      return found?.status;
    })
    .toBe(200);
  if (found === undefined) throw new Error('no exchange');
  return found;
}

const nano = (usd: string | null) => (usd === null ? undefined : Math.round(Number(usd) * 1e9));

describe('an answer that states its cost', () => {
  it(`costs that, recorded ones all${WIRE_PRESENT ? '' : ' (no recordings here)'}`, async () => {
    const differing: string[] = [];
    for (const one of recorded) {
      current = one;
      const stated = statedIn(one);
      const { cost_usd, cost_by_class, price } = await ask(`${VENDORS[one.provider]?.[0]}/${one.model}`, one);
      const classes = Object.entries(cost_by_class ?? {}).filter(([name]) => name !== 'total');
      const sum = classes.reduce((all, [, usd]) => all + (nano(usd) ?? 0), 0);
      if (nano(cost_usd) !== stated || sum !== stated)
        differing.push(`${one.id}: stated ${stated}, charged ${cost_usd}, classes ${sum}`);
      expect(price?.source ?? 'vendor', one.id).toBe('vendor');
    }
    expect(differing).toEqual([]);
    expect(recorded.length).toBeGreaterThanOrEqual(WIRE_PRESENT ? 49 : 0);
  });

  const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 };
  const told = (more: object) =>
    json(200, {
      id: 'gen-1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
      usage: { ...usage, ...more },
    });

  it('with searches and fees, of a model without a price, and with one’s own key', async () => {
    upstream.behave(told({ cost: 0.0160614, is_byok: false }));
    const searched = await ask('openrouter/openai/gpt-4o-mini', { stream: false, api: 'openai-chat' });
    expect(nano(searched.cost_usd)).toBe(16_061_400);
    expect(nano(searched.cost_by_class?.requests ?? null)).toBe(16_061_400 - 150_000 - 60_000);
    const unpriced = await ask('openrouter/nobody/knows-1', { stream: false, api: 'openai-chat' });
    expect([nano(unpriced.cost_usd), unpriced.price]).toEqual([16_061_400, null]);
    upstream.behave(told({ cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.002 } }));
    const own = await ask('openrouter/openai/gpt-4o-mini', { stream: false, api: 'openai-chat' });
    expect(nano(own.cost_usd)).toBe(2_100_000);
  });

  it('does not where the operator set a price, at other vendors, or where it states nothing to pay', async () => {
    upstream.behave(told({ cost: 5 }));
    for (const model of ['own/openai/gpt-4o-mini', 'other/m']) {
      const { cost_usd, price } = await ask(model, { stream: false, api: 'openai-chat' });
      expect([model, nano(cost_usd), price?.source]).toEqual([model, 1_200_000, 'config']);
    }
    upstream.behave(told({ cost: 0 }));
    const { cost_usd, price } = await ask('openrouter/openai/gpt-4o-mini', {
      stream: false,
      api: 'openai-chat',
    });
    expect([nano(cost_usd), price?.source]).toEqual([210_000, 'catalog']);
  });
});
