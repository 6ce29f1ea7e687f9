import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  CHAT_END,
  chatAnswer,
  chatChunk,
  json,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

let first: TestUpstream;
let second: TestUpstream;
let gateway: TestGateway;
let openai: OpenAI;
let anthropic: Anthropic;

const overloaded = json(503, { error: { message: 'sk-secret-in-error overloaded', type: 'server_error' } });

beforeAll(async () => {
  first = await startUpstream(chatAnswer('from the first'));
  second = await startUpstream(chatAnswer('from the second'));
  gateway = await startGateway({
    yaml: `
version: 1
providers:
  one: { type: openai-compatible, base_url: "${first.url}/v1", api_key: key-one, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
  two: { type: openai-compatible, base_url: "${second.url}/v1", api_key: key-two, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
  # Accounts that get refused rest for a while, so they are nobody else's.
  three: { type: openai-compatible, base_url: "${first.url}/v1", api_key: key-one }
  four: { type: openai-compatible, base_url: "${second.url}/v1", api_key: key-two }
models:
  barred: { deployments: ["three/m", "four/m"], strategy: priority }
  pair:
    deployments: ["one/m", "two/m"]
    strategy: priority
    retries: { attempts: 1, backoff_ms: 5, max_backoff_ms: 20 }
  lone:
    deployments: ["one/m"]
    retries: { attempts: 1, backoff_ms: 5, max_backoff_ms: 20 }
    fallbacks: [other]
    fallbacks_on: { context_overflow: [other] }
  other: { deployments: ["two/other"] }
  solo: { deployments: ["one/m"], retries: { attempts: 2, backoff_ms: 5, max_backoff_ms: 20 } }
`,
  });
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'unused', maxRetries: 0 });
});

afterAll(async () => {
  await gateway.close();
  await first.close();
  await second.close();
});

beforeEach(() => {
  first.seen.length = 0;
  second.seen.length = 0;
  first.behave(chatAnswer('from the first'));
  second.behave(chatAnswer('from the second'));
});

const messages = [{ role: 'user' as const, content: 'Say hello.' }];

async function lastExchange() {
  const { data } = await gateway.client.call('listExchanges', { limit: 1 });
  const [row] = data;
  if (row === undefined) throw new Error('the log is empty');
  return row;
}

describe('retry, failover and fallback', () => {
  it('tries the same deployment again, then the next, and the client sees one answer', async () => {
    first.behave(overloaded);
    const answer = await openai.chat.completions.create({ model: 'pair', messages }).withResponse();
    expect(answer.data.choices[0]?.message.content).toBe('from the second');
    expect(answer.response.headers.get('x-sluice-attempts')).toBe('3');
    expect(answer.response.headers.get('x-sluice-provider')).toBe('two');
    expect(first.seen).toHaveLength(2);
    const row = await lastExchange();
    expect(row).toMatchObject({ outcome: 'answered', provider: 'two', attempts: 3, cost_usd: '0.000033' });
  });

  it('waits for retry-after in place', async () => {
    let calls = 0;
    first.behave((seen, response) => {
      calls++;
      const behaviour =
        calls === 1 ? json(429, { error: { message: 'slow' } }, { 'retry-after': '1' }) : chatAnswer('later');
      return behaviour(seen, response);
    });
    const started = performance.now();
    const answer = await openai.chat.completions.create({ model: 'solo', messages });
    expect(answer.choices[0]?.message.content).toBe('later');
    expect(performance.now() - started).toBeGreaterThan(950);
  });

  it('falls back to another model, unless the client says no', async () => {
    first.behave(overloaded);
    const answer = await openai.chat.completions.create({ model: 'lone', messages });
    expect(answer.choices[0]?.message.content).toBe('from the second');
    expect(second.seen[0]?.body['model']).toBe('other');
    const refused = openai.chat.completions.create(
      { model: 'lone', messages },
      { headers: { 'x-sluice-fallback': 'off' } },
    );
    await expect(refused).rejects.toMatchObject({ status: 503 });
  });

  it('falls back by cause when the prompt does not fit', async () => {
    first.behave(
      json(400, {
        error: {
          message: "This model's maximum context length is 8192 tokens.",
          code: 'context_length_exceeded',
        },
      }),
    );
    const answer = await openai.chat.completions.create({ model: 'lone', messages });
    expect(answer.choices[0]?.message.content).toBe('from the second');
  });

  it('does not try a request elsewhere that is wrong by itself', async () => {
    first.behave(
      json(400, {
        error: { message: 'bad temperature', type: 'invalid_request_error', param: 'temperature' },
      }),
    );
    await expect(openai.chat.completions.create({ model: 'pair', messages })).rejects.toMatchObject({
      status: 400,
    });
    expect(second.seen).toHaveLength(0);
  });

  it('tells no provider text and no key, in either dialect', async () => {
    first.behave(json(401, { error: { message: 'Incorrect API key provided: key-one' } }));
    second.behave(json(401, { error: { message: 'Incorrect API key provided: key-two' } }));
    const asOpenAI = await openai.chat.completions
      .create({ model: 'barred', messages })
      .catch((error) => error);
    expect(asOpenAI).toMatchObject({ status: 502 });
    expect(String(asOpenAI.message)).not.toMatch(/key-(one|two)/);
    const asAnthropic = await anthropic.messages
      .create({ model: 'barred', max_tokens: 10, messages })
      .catch((error) => error);
    expect(asAnthropic).toMatchObject({
      status: 502,
      error: { type: 'error', error: { type: 'api_error' } },
    });
  });

  it('fails over invisibly until the first content, also inside a 200 stream', async () => {
    first.behave(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: '' }));
        send('data: {"error":{"message":"overloaded","type":"server_error"}}\n\n');
        response.end();
      }),
    );
    second.behave(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: '' }));
        send(chatChunk({ content: 'second' }) + chatChunk({}, 'stop') + CHAT_END);
        response.end();
      }),
    );
    const stream = openai.chat.completions.stream({ model: 'pair', messages });
    expect(await stream.finalContent()).toBe('second');
  });

  it('after the commit point sends an error event, no terminator, and bills what was delivered', async () => {
    first.behave(
      sse((send, response) => {
        send(
          chatChunk({ role: 'assistant', content: 'The tide ' }) +
            chatChunk({ content: 'comes in twice a day.' }),
        );
        setTimeout(() => response.destroy(), 20);
      }),
    );
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'pair', messages, stream: true }),
    });
    const text = await answer.text();
    expect(text).toContain('twice a day');
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
    expect(second.seen).toHaveLength(0);
    const row = await lastExchange();
    expect(row).toMatchObject({ outcome: 'cut', usage: { source: 'estimated' } });
    expect(row.usage.output).toBeGreaterThan(0);

    const events: string[] = [];
    const stream = anthropic.messages.stream({ model: 'pair', max_tokens: 10, messages });
    stream.on('text', (piece) => events.push(piece));
    await expect(stream.finalMessage()).rejects.toThrow();
    expect(events.join('')).toBe('The tide comes in twice a day.');
  });

  it.each([
    // Only the beginning tells of it: what was delivered is billed.
    ['at the beginning', { prompt_tokens: 9, completion_tokens: 1 }, { output: 100, source: 'estimated' }],
    // However little it is for the text.
    ['at the end', { prompt_tokens: 9, completion_tokens: 2 }, { output: 2, source: 'reported' }],
  ])('bills by usage that is told %s of a stream', async (where, usage, billed) => {
    const told = (chunk: string) =>
      chunk.replace('"choices"', `"usage":${JSON.stringify({ ...usage, total_tokens: 11 })},"choices"`);
    const [begun, ended] = [chatChunk({ role: 'assistant', content: '' }), chatChunk({}, 'stop')];
    const isFirst = where === 'at the beginning';
    first.behave(
      sse((send, response) => {
        send(isFirst ? told(begun) : begun);
        send(chatChunk({ content: 'wave '.repeat(80) }));
        send(`${isFirst ? ended : told(ended)}data: [DONE]\n\n`);
        response.end();
      }),
    );
    await openai.chat.completions.stream({ model: 'pair', messages }).finalContent();
    expect((await lastExchange()).usage).toMatchObject({ input: 9, ...billed });
    await anthropic.messages.stream({ model: 'pair', max_tokens: 200, messages }).finalMessage();
    expect((await lastExchange()).usage).toMatchObject({ input: 9, ...billed });
  });

  it('closes the upstream when the client hangs up, and settles what was delivered', async () => {
    first.behave(
      sse(async (send) => {
        send(chatChunk({ role: 'assistant', content: 'one ' }));
        const timer = setInterval(() => send(chatChunk({ content: 'more ' })), 10);
        setTimeout(() => clearInterval(timer), 5000).unref();
      }),
    );
    const stream = await openai.chat.completions.create({ model: 'pair', messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === 'more ') break;
    }
    await expect.poll(() => first.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
    await expect.poll(async () => (await lastExchange()).outcome).toBe('abandoned');
    const row = await lastExchange();
    expect(row.status).toBe(499);
    expect(row.usage.output).toBeGreaterThan(0);
  });

  it('says which provider cannot be reached and what to try', async () => {
    const dead = await startGateway({
      yaml: `
version: 1
providers:
  gone: { type: openai-compatible, base_url: "http://127.0.0.1:9/v1", api_key: k }
models: { m: { deployments: ["gone/m"], retries: { attempts: 0 } } }
`,
    });
    const answer = await fetch(`${dead.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', max_tokens: 5, messages }),
    });
    expect(answer.status).toBe(502);
    expect(answer.headers.get('x-sluice-error')).toBe('upstream_unreachable');
    expect(answer.headers.get('x-sluice-provider')).toBe('gone');
    const body = (await answer.json()) as { error: { message: string } };
    expect(body.error.message).toMatch(/gone.*base URL/);
    expect(dead.logged.join('\n')).toMatch(/exchange.failed.*ECONNREFUSED/);
    await dead.close();
  });
});
