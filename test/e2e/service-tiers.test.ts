import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';

// The same tokens cost more or less by the tier, speed or place that the answer names (docs: OpenAI "Fast mode", "Flex processing";
// Anthropic "Fast mode", "Data residency"). Prices: input $5, output $30 for gpt-5.5; input $5, output $25 for Claude.

const INPUT = 1000;
const OUTPUT = 100;
const OPENAI_NANO = INPUT * 5000 + OUTPUT * 30_000;
const CLAUDE_NANO = INPUT * 5000 + OUTPUT * 25_000;

let upstream: TestUpstream;
let gateway: TestGateway;
/** What the next answer says of its terms. */
let tier: Record<string, string> = {};

const chatUsage = { prompt_tokens: INPUT, completion_tokens: OUTPUT, total_tokens: INPUT + OUTPUT };
const messageUsage = () => ({ input_tokens: INPUT, output_tokens: OUTPUT, ...tier });

function chatBody(stream: boolean): string {
  const facts = { id: 'chatcmpl-1', created: 1, model: 'gpt-5.5', ...tier };
  const object = stream ? 'chat.completion.chunk' : 'chat.completion';
  if (!stream) {
    const choice = { index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' };
    return JSON.stringify({ ...facts, object, choices: [choice], usage: chatUsage });
  }
  const choice = { index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null };
  const last = { index: 0, delta: {}, finish_reason: 'stop' };
  return [
    { ...facts, object, choices: [choice], usage: null },
    { ...facts, object, choices: [last], usage: null },
    { ...facts, object, choices: [], usage: chatUsage },
  ]
    .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
    .concat('data: [DONE]\n\n')
    .join('');
}

function responsesBody(): string {
  const content = [{ type: 'output_text', text: 'Hello', annotations: [] }];
  const usage = { input_tokens: INPUT, output_tokens: OUTPUT, total_tokens: INPUT + OUTPUT };
  const output = [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }];
  return JSON.stringify({
    id: 'resp_1',
    object: 'response',
    status: 'completed',
    model: 'gpt-5.5',
    output,
    usage,
    ...tier,
  });
}

function messageBody(stream: boolean): string {
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-opus-4-8' };
  const text = { type: 'text', text: 'Hello' };
  if (!stream) {
    return JSON.stringify({ ...message, content: [text], stop_reason: 'end_turn', usage: messageUsage() });
  }
  return [
    {
      type: 'message_start',
      message: { ...message, content: [], usage: { ...messageUsage(), output_tokens: 1 } },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: OUTPUT } },
    { type: 'message_stop' },
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('');
}

beforeAll(async () => {
  upstream = await startUpstream((seen, response) => {
    const stream = seen.body['stream'] === true;
    response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
    if (seen.path.endsWith('/responses')) response.end(responsesBody());
    else response.end(seen.path.endsWith('/messages') ? messageBody(stream) : chatBody(stream));
  });
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  oa: { type: openai, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 5, output_usd_per_mtok: 30 } }
  an: { type: anthropic, base_url: "${upstream.url}", api_key: k, price: { input_usd_per_mtok: 5, output_usd_per_mtok: 25 } }
`,
  });
});

beforeEach(() => {
  tier = {};
  upstream.seen.length = 0;
});

afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});

async function newKey(limitUsd?: number): Promise<{ key: string; id: string }> {
  const made = await gateway.client.call('createKey', {
    name: 'k',
    ...(limitUsd === undefined ? {} : { budget: { limit_usd: limitUsd, window: 'total' as const } }),
  });
  return { key: made.key, id: made.id };
}

async function lastOf(id: string) {
  await expect
    .poll(async () => (await gateway.client.call('listExchanges', { key_id: id })).data.length)
    .toBeGreaterThan(0);
  const { data } = await gateway.client.call('listExchanges', { key_id: id });
  return gateway.client.call('getExchange', { id: data[0]?.id ?? '' });
}

const nano = (usd: string | null) => Math.round(Number(usd) * 1e9);
const openai = (key: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
const anthropic = (key: string) => new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'hi' }];
const chat = { model: 'oa/gpt-5.5', messages };
const ask = { model: 'an/claude-opus-4-8', max_tokens: 200, messages };

describe('OpenAI’s service tiers', () => {
  it.each([
    ['flex', OPENAI_NANO / 2, ['flex']],
    ['priority', OPENAI_NANO * 2.5, ['priority']],
    ['fast', OPENAI_NANO * 2.5, ['fast']],
    ['default', OPENAI_NANO, []],
    ['scale', OPENAI_NANO, []],
  ])('%s', async (service_tier, costNano, terms) => {
    tier = { service_tier };
    const { key, id } = await newKey();
    await openai(key).chat.completions.create(chat);
    const whole = await lastOf(id);
    expect([nano(whole.cost_usd), whole.price?.terms]).toEqual([costNano, terms]);
    const streaming = await newKey();
    const stream = await openai(streaming.key).chat.completions.create({ ...chat, stream: true });
    for await (const _ of stream);
    expect(nano((await lastOf(streaming.id)).cost_usd)).toBe(costNano);
    const responses = await newKey();
    await openai(responses.key).responses.create({ model: 'oa/gpt-5.5', input: 'hi' });
    expect(nano((await lastOf(responses.id)).cost_usd)).toBe(costNano);
    const translated = await newKey();
    await anthropic(translated.key).messages.create({ ...ask, model: 'oa/gpt-5.5' });
    expect(nano((await lastOf(translated.id)).cost_usd)).toBe(costNano);
  });

  it('that were asked for and not given do not count; those nobody confirms do, where they cost more', async () => {
    const one = await newKey();
    tier = { service_tier: 'default' };
    await openai(one.key).chat.completions.create({ ...chat, service_tier: 'priority' });
    expect(nano((await lastOf(one.id)).cost_usd)).toBe(OPENAI_NANO);
    tier = {};
    for (const [service_tier, costNano] of [
      ['priority', OPENAI_NANO * 2.5],
      ['flex', OPENAI_NANO],
    ] as const) {
      const { key, id } = await newKey();
      await openai(key).chat.completions.create({ ...chat, service_tier });
      expect(nano((await lastOf(id)).cost_usd)).toBe(costNano);
    }
  });

  it('count in the hold, so that a budget refuses what it cannot pay', async () => {
    const limitUsd = ((200 * 30_000 + 2_000_000) / 1e9) * 1.2;
    const { key } = await newKey(limitUsd);
    const wish = { ...chat, max_completion_tokens: 200 };
    const refused = await openai(key)
      .chat.completions.create({ ...wish, service_tier: 'priority' })
      .catch((error) => error);
    expect(refused.status).toBe(429);
    expect(upstream.seen).toHaveLength(0);
    expect((await openai(key).chat.completions.create(wish)).choices).toHaveLength(1);
  });

  it('count in calls that are passed through', async () => {
    tier = { service_tier: 'priority' };
    const { key, id } = await newKey();
    const answer = await fetch(`${gateway.url}/passthrough/oa/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5.5', messages }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    expect(nano((await lastOf(id)).cost_usd)).toBe(OPENAI_NANO * 2.5);
  });
});

describe('a background answer, whose usage is told later', () => {
  const background = (path: string, key: string) =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: path.startsWith('/v1') ? 'oa/gpt-5.5' : 'gpt-5.5',
        input: 'hi',
        background: true,
      }),
    });

  it('is refused where nobody could fetch it', async () => {
    const answer = await background('/v1/responses', (await newKey()).key);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ error: { param: 'background' } });
    expect(upstream.seen).toHaveLength(0);
  });

  it('passes through without a price, and not at a budget’s expense', async () => {
    const { key, id } = await newKey();
    const answer = await background('/passthrough/oa/responses', key);
    expect(answer.status).toBe(200);
    await answer.text();
    expect((await lastOf(id)).cost_usd).toBeNull();
    upstream.seen.length = 0;
    const refused = await background('/passthrough/oa/responses', (await newKey(1)).key);
    expect([refused.status, refused.headers.get('x-sluice-error')]).toEqual([403, 'price_unknown']);
    expect(upstream.seen).toHaveLength(0);
  });
});

describe('Anthropic’s speed and place', () => {
  it.each([
    [{ speed: 'fast' }, CLAUDE_NANO * 2],
    [{ speed: 'standard', inference_geo: 'us' }, CLAUDE_NANO * 1.1],
    [{ speed: 'fast', inference_geo: 'us', service_tier: 'standard' }, CLAUDE_NANO * 2.2],
    [{ speed: 'standard', inference_geo: 'global' }, CLAUDE_NANO],
  ])('%o', async (said, costNano) => {
    tier = said as Record<string, string>;
    const whole = await newKey();
    await anthropic(whole.key).beta.messages.create({ ...ask, speed: 'fast' });
    expect(nano((await lastOf(whole.id)).cost_usd)).toBe(Math.round(costNano));
    const streamed = await newKey();
    for await (const _ of await anthropic(streamed.key).messages.create({ ...ask, stream: true }));
    expect(nano((await lastOf(streamed.id)).cost_usd)).toBe(Math.round(costNano));
    const translated = await newKey();
    await openai(translated.key).chat.completions.create({ ...chat, model: 'an/claude-opus-4-8' });
    expect(nano((await lastOf(translated.id)).cost_usd)).toBe(Math.round(costNano));
  });

  it('six times for the first models that were sold so', async () => {
    tier = { speed: 'fast' };
    const { key, id } = await newKey();
    await anthropic(key).messages.create({ ...ask, model: 'an/claude-opus-4-6' });
    expect(nano((await lastOf(id)).cost_usd)).toBe(CLAUDE_NANO * 6);
  });

  it('a stream that is cut counts as what was asked for', async () => {
    upstream.behave((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const whole = messageBody(true);
      response.write(whole.slice(0, whole.indexOf('event: content_block_stop')));
      setTimeout(() => response.destroy(), 50);
    });
    const costs: number[] = [];
    for (const speed of ['standard', 'fast'] as const) {
      const { key, id } = await newKey();
      const stream = await anthropic(key).beta.messages.create({ ...ask, stream: true, speed });
      await (async () => {
        for await (const _ of stream);
      })().catch(() => undefined);
      costs.push(nano((await lastOf(id)).cost_usd));
    }
    expect(costs[0]).toBeGreaterThan(0);
    expect(costs[1]).toBe((costs[0] ?? 0) * 2);
  });
});
