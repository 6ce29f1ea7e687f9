import { request as httpRequest, type IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAwsEventStreamReader } from '../../formats/aws-event-stream.ts';
import { FAULTS } from '../../providers/simulator/index.ts';
import { type RunningSimulator, startSimulator } from '../simulator.ts';
import type { ReceivedCall } from './memory.ts';

let sim: RunningSimulator;
beforeAll(async () => {
  sim = await startSimulator({ latency: 'none' });
});
afterAll(() => sim.close());
beforeEach(async () => {
  await fetch(`${sim.url}/__sim/log`, { method: 'DELETE' });
});

interface Outcome {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** `end`, `timeout`, `stopped` or an error code. */
  readonly ending: string;
  readonly firstByteMs: number;
}

interface Ask {
  readonly stream?: boolean;
  readonly path?: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly patienceMs?: number;
  /** Hang up after this many bytes. */
  readonly stopAt?: number;
}

const MESSAGES = [{ role: 'user', content: 'How do bridges carry load?' }];

function ask(fault: string, options: Ask = {}): Promise<Outcome> {
  const {
    stream = true,
    path = '/v1/chat/completions',
    patienceMs = 2000,
    stopAt = Number.MAX_SAFE_INTEGER,
  } = options;
  const body = options.body ?? {
    model: 'gpt',
    stream,
    stream_options: stream ? { include_usage: true } : undefined,
    messages: MESSAGES,
  };
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let head: IncomingMessage | undefined;
    let firstByteMs = 0;
    let size = 0;
    const finish = (ending: string): void => {
      clearTimeout(timer);
      call.destroy();
      resolve({
        status: head?.statusCode ?? 0,
        headers: head?.headers ?? {},
        body: Buffer.concat(chunks),
        ending,
        firstByteMs,
      });
    };
    const headers = { 'content-type': 'application/json', 'x-sim-fault': fault, ...options.headers };
    const call = httpRequest(`${sim.url}${path}`, { method: 'POST', agent: false, headers }, (response) => {
      head = response;
      response.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) firstByteMs = performance.now() - startedAt;
        chunks.push(chunk);
        size += chunk.length;
        if (size > stopAt) finish('stopped');
      });
      response.on('end', () => finish('end'));
      response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
    });
    const timer = setTimeout(() => finish('timeout'), patienceMs);
    call.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
    call.end(JSON.stringify(body));
  });
}

const text = (outcome: Outcome): string => outcome.body.toString('utf8');

/** The words of a chat stream, leniently read: what a good parser makes of it. */
function words(outcome: Outcome): string {
  const lines = text(outcome)
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/);
  let content = '';
  for (const line of lines) {
    const json = /^data: ?(\{.*\})$/.exec(line)?.[1];
    if (json !== undefined) content += JSON.parse(json).choices?.[0]?.delta?.content ?? '';
  }
  return content;
}

describe('statuses', () => {
  const statuses = [400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 504, 520, 529];

  it.each(statuses)('e%i', async (status) => {
    const outcome = await ask(`e${status}`, { stream: false });
    expect(outcome.status).toBe(status);
    if (status !== 520) expect(JSON.parse(text(outcome)).error.message).toEqual(expect.any(String));
  });

  it('asks to come back in seconds, by date, in a day, or not at all', async () => {
    expect((await ask('e429:7')).headers['retry-after']).toBe('7');
    expect(Date.parse((await ask('e429-date')).headers['retry-after'] ?? '')).toBeGreaterThan(
      Date.now() - 1000,
    );
    expect((await ask('e429-long')).headers['retry-after']).toBe('86400');
    const html = await ask('e429-html');
    expect([html.status, html.headers['retry-after'], html.headers['content-type']]).toEqual([
      429,
      undefined,
      'text/html; charset=utf-8',
    ]);
  });

  it('shapes errors as the vendor does', async () => {
    const anthropic = await ask('e529', {
      path: '/v1/messages',
      body: { model: 'claude', max_tokens: 9, messages: MESSAGES },
    });
    expect(JSON.parse(text(anthropic))).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
    const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
    const gemini = await ask('e429:9', { path: '/v1beta/models/gemini:generateContent', body: { contents } });
    expect(JSON.parse(text(gemini)).error).toMatchObject({
      status: 'RESOURCE_EXHAUSTED',
      details: [{ retryDelay: '9s' }],
    });
    const converse = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] };
    const aws = await ask('e429', { path: '/model/converse/converse', body: converse });
    expect(aws.headers['x-amzn-errortype']).toBe('ThrottlingException');
    const keyed = await ask('e401-key', { headers: { authorization: 'Bearer sk-canary-1' } });
    expect(text(keyed)).toContain('sk-canary-1');
  });

  it('answers with other bodies than expected', async () => {
    expect(text(await ask('e500-html'))).toContain('<html>');
    expect((await ask('e500-empty')).body).toHaveLength(0);
    expect((await ask('e500-huge')).body.length).toBeGreaterThan(23_000_000);
    const page = await ask('html200');
    expect([page.status, text(page).startsWith('<!DOCTYPE')]).toEqual([200, true]);
    const error = await ask('err200', { stream: false });
    expect([error.status, JSON.parse(text(error)).error !== undefined]).toEqual([200, true]);
    for (const [fault, status] of [
      ['e302', 302],
      ['e307', 307],
    ] as const) {
      const moved = await ask(fault, { headers: { 'x-sim-to': 'http://127.0.0.1:9/canary' } });
      expect([moved.status, moved.headers.location]).toEqual([status, 'http://127.0.0.1:9/canary']);
    }
  });
});

describe('connections', () => {
  it.each([
    ['rst', 'ECONNRESET'],
    ['fin', 'ECONNRESET'],
    ['garbage-status', 'HPE_INVALID_CONSTANT'],
    ['hang', 'timeout'],
    ['slow-headers', 'timeout'],
    ['cl-te', 'HPE_INVALID_TRANSFER_ENCODING'],
    ['bad-cl', 'HPE_INVALID_CONSTANT'],
    ['bad-chunk', 'HPE_INVALID_CHUNK_SIZE'],
    ['big-headers', 'HPE_HEADER_OVERFLOW'],
  ])('%s ends in %s', async (fault, ending) => {
    expect((await ask(fault, { patienceMs: 400 })).ending).toBe(ending);
  });

  it('bills nothing for an answer that no model gave, however early the caller leaves', async () => {
    await Promise.all(
      Array.from({ length: 24 }, (_, index) => ask(['garbage-status', 'fin'][index % 2] ?? '')),
    );
    await vi.waitFor(async () => {
      const answer = await fetch(`${sim.url}/__sim/log`);
      const { data } = (await answer.json()) as { data: readonly ReceivedCall[] };
      expect(data.map(({ done }) => done)).toEqual(Array.from({ length: 24 }, () => true));
      expect(data.filter(({ usage }) => usage !== null)).toEqual([]);
    });
  });

  it('is slow to begin, by headers or by the first token', async () => {
    const ttfb = await ask('ttfb:150');
    const ttft = await ask('ttft:150');
    const slow = await ask('slow-headers', { headers: { 'x-sim-ms': '200' } });
    for (const outcome of [ttfb, ttft]) expect(outcome.firstByteMs).toBeGreaterThan(140);
    expect([ttfb.ending, ttft.ending, slow.status]).toEqual(['end', 'end', 200]);
  });

  it('sends odd headers and informational answers before a good answer', async () => {
    const hop = await ask('hop-headers');
    expect(hop.headers).toMatchObject({
      'x-internal-token': 'hop-secret',
      'access-control-allow-origin': '*',
    });
    expect(words(await ask('info-1xx'))).toBe(words(await ask('none')));
    expect((await ask('wrong-ct')).headers['content-type']).toBe('text/plain');
  });

  it('compresses once, thrice, and into a bomb', async () => {
    const good = words(await ask('none'));
    const once = await ask('gzip');
    expect(words({ ...once, body: gunzipSync(once.body) })).toBe(good);
    const thrice = await ask('gzip-chain');
    expect(thrice.headers['content-encoding']).toBe('gzip, gzip, gzip');
    expect(words({ ...thrice, body: gunzipSync(gunzipSync(gunzipSync(thrice.body))) })).toBe(good);
    const bomb = await ask('gzip-bomb');
    expect(bomb.body.length).toBeLessThan(2_000_000);
    expect(() => gunzipSync(bomb.body, { maxOutputLength: 50_000_000 })).toThrow(RangeError);
  });
});

describe('streams that break', () => {
  it.each([
    ['cut', 'ECONNRESET'],
    ['cut-fin', 'ECONNRESET'],
    ['cut-clean', 'end'],
    ['cut-mid-event', 'end'],
    ['stall', 'timeout'],
    ['stall-ping', 'timeout'],
    ['mid-error', 'end'],
    ['err200-sse', 'end'],
  ])('%s: %s, and never a terminator', async (fault, ending) => {
    const outcome = await ask(fault, {
      patienceMs: 500,
      headers: { 'x-sim-at': '40', 'x-sim-ms': fault === 'stall-ping' ? '50' : '' },
    });
    expect([outcome.status, outcome.ending]).toEqual([200, ending]);
    expect(text(outcome)).not.toContain('[DONE]');
    expect(text(outcome)).not.toContain('"finish_reason":"stop"');
    if (fault !== 'err200-sse') expect(text(outcome)).toContain('"content"');
    if (fault.includes('err')) expect(text(outcome)).toContain('"error":');
    if (fault === 'stall-ping') expect(text(outcome).match(/: ping/g)?.length).toBeGreaterThan(2);
    if (fault === 'cut-mid-event') expect(text(outcome).endsWith('\n\n')).toBe(false);
  });

  it('goes on after a stall with an end', async () => {
    const outcome = await ask('stall', { headers: { 'x-sim-ms': '60' } });
    expect([outcome.ending, words(outcome)]).toEqual(['end', words(await ask('none'))]);
  });

  it('breaks AWS frames, JSON and UTF-8', async () => {
    const body = { messages: [{ role: 'user', content: [{ text: 'bridges' }] }] };
    const path = '/model/converse/converse-stream';
    const broken = await ask('bad-json', { path, body });
    expect(() => createAwsEventStreamReader().push(broken.body)).toThrow();
    const failed = createAwsEventStreamReader().push((await ask('mid-error', { path, body })).body);
    expect(failed.at(-1)?.event).toBe('exception:serviceUnavailableException');
    const json = await ask('bad-json', { stream: false });
    expect(() => JSON.parse(text(json))).toThrow(SyntaxError);
    const bytes = await ask('bad-utf8');
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes.body)).toThrow(TypeError);
  });
});

describe('streams that are odd but lawful', () => {
  it.each([
    ['sse-crlf', '\r\n\r\n'],
    ['sse-cr', '\r\r'],
    ['sse-bom', '\ufeffdata'],
    ['sse-comments', ': keep-alive'],
    ['sse-nospace', 'data:{'],
    ['sse-unknown-events', 'event: vendor.telemetry'],
    ['empty-choices', '"choices":[]'],
    ['drip', 'data'],
  ])('%s keeps every word', async (fault, sign) => {
    const outcome = await ask(fault);
    expect(text(outcome)).toContain(sign);
    expect(words(outcome)).toBe(words(await ask('none')));
  });

  it('ends without a blank line, over several lines, inside characters', async () => {
    expect(text(await ask('sse-no-final-blank')).endsWith('data: [DONE]')).toBe(true);
    expect(text(await ask('sse-multiline'))).toMatch(/data: \{\ndata: {2}"id"/);
    expect(words(await ask('sse-split-utf8'))).toContain('Grüße 😀 日本語');
  });

  it('swaps whole and streamed', async () => {
    expect(JSON.parse(text(await ask('json-for-sse'))).object).toBe('chat.completion');
    expect(text(await ask('sse-for-json', { stream: false }))).toContain('data: [DONE]');
  });
});

describe('too much', () => {
  it.each([
    ['huge', true],
    ['huge', false],
    ['tiny', true],
  ])('%s (stream %s) goes on and on', async (fault, stream) => {
    const outcome = await ask(fault, { stream, stopAt: 3_000_000, patienceMs: 5000 });
    expect(outcome.ending).toBe('stopped');
  });

  it('sends one huge event and a deep one', async () => {
    const event = await ask('huge-event:2');
    expect(
      Math.max(
        ...text(event)
          .split('\n\n')
          .map(({ length }) => length),
      ),
    ).toBeGreaterThan(2_000_000);
    expect(text(await ask('deep'))).toContain('['.repeat(100_000));
  });
});

describe('usage and content that lie', () => {
  const usageOf = async (fault: string) => JSON.parse(text(await ask(fault, { stream: false }))).usage;

  it('reports usage in every wrong way', async () => {
    const honest = await usageOf('none');
    expect(await usageOf('usage-missing')).toBeUndefined();
    expect(await usageOf('usage-null')).toBeNull();
    expect((await usageOf('usage-zero')).total_tokens).toBe(0);
    expect((await usageOf('usage-string')).total_tokens).toBe(String(honest.total_tokens));
    expect((await usageOf('usage-float')).total_tokens).toBe(honest.total_tokens + 0.5);
    expect((await usageOf('usage-negative')).total_tokens).toBe(-honest.total_tokens);
    expect((await usageOf('usage-huge')).total_tokens).toBe(9e12);
    for (const stream of ['usage-missing', 'usage-zero', 'usage-null']) {
      expect(text(await ask(stream))).not.toContain(`"total_tokens":${honest.total_tokens}`);
    }
  });

  it('writes more than allowed and names another model', async () => {
    const body = { model: 'gpt', max_tokens: 20, messages: MESSAGES };
    const greedy = JSON.parse(text(await ask('ignore-max-tokens', { body })));
    expect(greedy.usage.completion_tokens).toBeGreaterThan(20);
    expect(JSON.parse(text(await ask('wrong-model', { stream: false }))).model).not.toBe('gpt');
  });
});

describe('the list of faults', () => {
  it('describes every mode and refuses words that are none', async () => {
    expect(FAULTS.length).toBeGreaterThan(70);
    expect(FAULTS.filter(({ does }) => does === '')).toEqual([]);
    expect(text(await ask('nonsense'))).toContain('Unknown simulator fault');
  });

  it('fails the first times only, and by chance with a seed', async () => {
    const once = { headers: { 'x-sim-times': '2', 'x-sim-key': 'a' } };
    const row = [await ask('e500', once), await ask('e500', once), await ask('e500', once)];
    expect(row.map(({ status }) => status)).toEqual([500, 500, 200]);
    const chance = { headers: { 'x-sim-p': '0.3', 'x-sim-seed': 's', 'x-sim-key': 'b' } };
    let failures = 0;
    for (let turn = 0; turn < 60; turn++) if ((await ask('e500', chance)).status === 500) failures++;
    expect(failures).toBeGreaterThan(5);
    expect(failures).toBeLessThan(35);
  });
});
