import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  json,
  type SeenRequest,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

/** How each client dialect asks, whole or streamed. */
interface Dialect {
  readonly name: string;
  readonly path: (stream: boolean) => string;
  readonly body: (prompt: string, stream: boolean) => object;
}

const MODEL = 'm';
const DIALECTS: readonly Dialect[] = [
  {
    name: 'openai-chat',
    path: () => '/v1/chat/completions',
    body: (content, stream) => ({ model: MODEL, stream, messages: [{ role: 'user', content }] }),
  },
  {
    name: 'openai-responses',
    path: () => '/v1/responses',
    body: (input, stream) => ({ model: MODEL, stream, input }),
  },
  {
    name: 'openai-completions',
    path: () => '/v1/completions',
    body: (prompt, stream) => ({ model: MODEL, stream, prompt }),
  },
  {
    name: 'anthropic-messages',
    path: () => '/v1/messages',
    body: (content, stream) => ({
      model: MODEL,
      stream,
      max_tokens: 2000,
      messages: [{ role: 'user', content }],
    }),
  },
  {
    name: 'gemini',
    path: (stream) =>
      `/v1beta/models/${MODEL}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: (text) => ({ contents: [{ role: 'user', parts: [{ text }] }] }),
  },
];

/** About 300 tokens of English. */
const PROMPT = 'Tell me a story about the sea and the people who live by it. '.repeat(20);
const WORDS = 'The harbour was quiet that morning and the boats lay still. ';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a vendor would bill for a text: four characters to a token. */
const tokensOf = (text: string) => Math.ceil(text.length / 4);

let upstream: TestUpstream;
let gateway: TestGateway;
let keys: { readonly abort: string; readonly drain: string; readonly free: string };

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('hi'));
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
upstream: { max_retry_percent: 100, abandoned: { max_concurrent: 2, max_ms: 1500 } }
providers:
  p:
    type: openai-compatible
    base_url: "${upstream.url}/v1"
    api_key: k
    price: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 }
    circuit: { failures: 100000, failure_percent: 100, min_requests: 100000 }
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 }, limits: { concurrency: 1 }, queue: { max_depth: 5, max_wait_ms: 20000 } }
models:
  m: { deployments: ["p/m"], retries: { attempts: 3, backoff_ms: 3000, max_backoff_ms: 3000 } }
  queued: { deployments: ["one/m"], retries: { attempts: 0 } }
`,
  });
  const make = async (name: string, more: object) =>
    (await gateway.client.call('createKey', { name, ...more })).key;
  keys = {
    abort: await make('abort', { budget: { limit_usd: 10, window: 'total' } }),
    drain: await make('drain', { on_client_abort: 'drain', budget: { limit_usd: 10, window: 'total' } }),
    free: await make('free', {}),
  };
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

interface Row {
  readonly outcome: string;
  readonly cost_usd: string | null;
  readonly usage: { readonly input: number; readonly output: number; readonly source: string };
  readonly attempts: number;
  readonly status: number;
}

let serial = 0;

/** Asks, leaves when `when` says so, and returns the row of the log and the milliseconds until the upstream was closed. */
async function leave(
  dialect: Dialect,
  given: {
    readonly stream: boolean;
    readonly key: string;
    readonly when: (heard: () => string) => Promise<unknown>;
    readonly model?: string;
  },
): Promise<{ readonly row: Row; readonly seen: SeenRequest | undefined }> {
  const { stream, key, when } = given;
  const before = upstream.seen.length;
  const controller = new AbortController();
  const id = `left-${serial++}`;
  let text = '';
  const asked = (async () => {
    const answer = await fetch(gateway.url + dialect.path(stream), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, 'x-request-id': id },
      body: JSON.stringify({
        ...dialect.body(PROMPT, stream),
        ...(given.model === undefined ? {} : { model: given.model }),
      }),
      signal: controller.signal,
    });
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString('utf8');
  })().catch(() => undefined);
  await when(() => text);
  controller.abort();
  await asked;
  let row: Row | undefined;
  await expect
    .poll(
      async () => {
        const { data } = await gateway.client.call('listExchanges', {
          client_request_id: id,
          limit: 1,
        } as never);
        row = data[0] as Row | undefined;
        return row;
      },
      { timeout: 5000, interval: 20 },
    )
    .toBeDefined();
  if (row === undefined) throw new Error('no row');
  return { row, seen: upstream.seen[before] };
}

/** Sends `count` pieces, a few milliseconds apart, and reports usage at the end. */
function story(count: number, ms: number): Behaviour {
  return async (seen, response) => {
    const text = WORDS.repeat(count);
    const usage = { prompt_tokens: tokensOf(PROMPT), completion_tokens: tokensOf(text), total_tokens: 0 };
    if (seen.body['stream'] !== true) {
      await pause(ms * count);
      if (!response.destroyed) await chatAnswer(text, usage)(seen, response);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let n = 0; n < count && !response.destroyed; n++) {
      response.write(chatChunk({ role: 'assistant', content: WORDS }));
      await pause(ms);
    }
    if (response.destroyed) return;
    response.write(chatChunk({}, 'stop'));
    response.end(
      CHAT_END.replace('"prompt_tokens":9', `"prompt_tokens":${usage.prompt_tokens}`).replace(
        '"completion_tokens":12',
        `"completion_tokens":${usage.completion_tokens}`,
      ),
    );
  };
}

const arrived = async (from: number) => {
  await expect.poll(() => upstream.seen.length, { interval: 5 }).toBeGreaterThan(from);
};

async function budgetOf(name: 'abort' | 'drain') {
  const { data } = await gateway.client.call('listKeys', {});
  return data.find((key) => key.name === name)?.budget;
}

const near = (value: number, wanted: number) => {
  expect(value).toBeGreaterThanOrEqual(wanted * 0.9);
  expect(value).toBeLessThanOrEqual(wanted * 1.1);
};

describe.each(DIALECTS.map((dialect) => [dialect.name, dialect] as const))('%s', (_name, dialect) => {
  it('mid-stream: hangs up within 250 ms and bills what was delivered', async () => {
    upstream.behave(story(400, 10));
    let closedAfter = 0;
    const { row, seen } = await leave(dialect, {
      stream: true,
      key: keys.abort,
      when: async (heard) => {
        await expect.poll(() => heard().split('harbour').length, { interval: 5 }).toBeGreaterThan(20);
        closedAfter = performance.now();
      },
    });
    await expect.poll(() => seen?.closedEarlyAfterMs).toBeGreaterThan(0);
    expect(performance.now() - closedAfter).toBeLessThan(2000);
    expect(row.outcome).toBe('abandoned');
    expect(row.usage.source).toBe('estimated');
    near(row.usage.input, tokensOf(PROMPT));
    // What the upstream had sent by then; it wrote about a hundred pieces a second.
    expect(row.usage.output).toBeGreaterThan(tokensOf(WORDS.repeat(18)));
    expect(row.usage.output).toBeLessThan(tokensOf(WORDS.repeat(120)));
  });

  it.each([true, false])(
    'before the first byte (stream: %s): hangs up and bills the prompt',
    async (stream) => {
      upstream.behave(() => undefined);
      const from = upstream.seen.length;
      const { row, seen } = await leave(dialect, { stream, key: keys.abort, when: () => arrived(from) });
      await expect.poll(() => seen?.closedEarlyAfterMs).toBeGreaterThan(0);
      expect(row).toMatchObject({ outcome: 'abandoned', attempts: 1 });
      near(row.usage.input, tokensOf(PROMPT));
      expect(row.usage.output).toBe(0);
      expect(Number(row.cost_usd)).toBeGreaterThan(0);
    },
  );

  it.each([true, false])(
    'during the wait for a retry (stream: %s): nothing more is asked, nothing billed',
    async (stream) => {
      upstream.behave(json(503, {}, { 'retry-after': '3' }));
      const from = upstream.seen.length;
      const { row } = await leave(dialect, {
        stream,
        key: keys.abort,
        when: async () => {
          await arrived(from);
          await pause(100);
        },
      });
      expect(row).toMatchObject({ outcome: 'abandoned', attempts: 1 });
      expect(Number(row.cost_usd)).toBe(0);
      expect(upstream.seen.length).toBe(from + 1);
    },
  );

  it('after the last byte: nothing is changed by it', async () => {
    upstream.behave(story(3, 5));
    const { row } = await leave(dialect, {
      stream: true,
      key: keys.abort,
      when: async (heard) => {
        await expect.poll(() => heard().split('harbour').length, { interval: 5 }).toBe(4);
        await pause(100);
      },
    });
    expect(row).toMatchObject({ outcome: 'answered', usage: { source: 'reported' } });
  });

  it.each([true, false])('drain (stream: %s): reads on to the exact usage', async (stream) => {
    upstream.behave(story(40, 10));
    const from = upstream.seen.length;
    const { row, seen } = await leave(dialect, {
      stream,
      key: keys.drain,
      when: async (heard) => {
        await arrived(from);
        if (stream) await expect.poll(heard).toContain('harbour');
      },
    });
    expect(seen?.closedEarlyAfterMs).toBeUndefined();
    expect(row).toMatchObject({
      outcome: 'abandoned',
      usage: { input: tokensOf(PROMPT), output: tokensOf(WORDS.repeat(40)), source: 'reported' },
    });
  });
});

describe('how fast', () => {
  it.each(DIALECTS.map((dialect) => [dialect.name, dialect] as const))(
    '%s: the upstream is closed within 250 ms',
    async (name, dialect) => {
      const took: number[] = [];
      for (const stream of [true, false, true, false, true]) {
        upstream.behave(stream ? story(1000, 10) : () => undefined);
        const from = upstream.seen.length;
        const controller = new AbortController();
        const asked = fetch(gateway.url + dialect.path(stream), {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${keys.free}` },
          body: JSON.stringify(dialect.body(PROMPT, stream)),
          signal: controller.signal,
        }).then((answer) => answer.text());
        asked.catch(() => undefined);
        await arrived(from);
        await pause(60);
        const leftAt = performance.now();
        controller.abort();
        await expect
          .poll(() => upstream.seen[from]?.closedEarlyAfterMs, { interval: 2, timeout: 3000 })
          .toBeGreaterThan(0);
        took.push(performance.now() - leftAt);
      }
      process.stdout.write(
        `${name}: upstream closed ${Math.max(...took).toFixed(0)} ms after the client left (most of 5)\n`,
      );
      expect(Math.max(...took)).toBeLessThanOrEqual(250);
    },
  );
});

describe('bounds and leftovers', () => {
  const [dialect] = DIALECTS;
  if (dialect === undefined) throw new Error('no dialect');

  it('leaves no hold behind in any of these cases', async () => {
    await expect.poll(async () => (await budgetOf('abort'))?.held_usd).toBe('0');
    await expect.poll(async () => (await budgetOf('drain'))?.held_usd).toBe('0');
    expect(Number((await budgetOf('abort'))?.settled_usd)).toBeGreaterThan(0);
  });

  it('reads on for a bounded time', async () => {
    upstream.behave(story(10_000, 10));
    const { seen } = await leave(dialect, {
      stream: true,
      key: keys.drain,
      when: async (heard) => {
        await expect.poll(heard).toContain('harbour');
      },
    });
    await expect.poll(() => seen?.closedEarlyAfterMs, { timeout: 4000 }).toBeGreaterThan(1000);
  });

  it('reads on for a bounded number at once', async () => {
    upstream.behave(story(100, 10));
    const from = upstream.seen.length;
    const all = await Promise.all(
      Array.from({ length: 5 }, () =>
        leave(dialect, {
          stream: true,
          key: keys.drain,
          when: async (heard) => {
            await expect.poll(heard).toContain('harbour');
            await expect.poll(() => upstream.seen.length).toBe(from + 5);
          },
        }),
      ),
    );
    expect(all.filter(({ row }) => row.usage.source === 'reported')).toHaveLength(2);
  });

  it('leaves the queue at once and owes nothing', async () => {
    upstream.behave(() => undefined);
    const from = upstream.seen.length;
    const busy = new AbortController();
    const holding = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${keys.free}` },
      body: JSON.stringify({ model: 'queued', messages: [{ role: 'user', content: 'x' }] }),
      signal: busy.signal,
    }).catch(() => undefined);
    await arrived(from);
    const { row } = await leave(dialect, {
      stream: false,
      key: keys.abort,
      model: 'queued',
      when: () => pause(150),
    });
    expect(row).toMatchObject({ outcome: 'abandoned', attempts: 0, cost_usd: '0' });
    expect(upstream.seen.length).toBe(from + 1);
    busy.abort();
    await holding;
  });

  it('is a field of the key that can be read and changed', async () => {
    const made = await gateway.client.call('createKey', {
      name: 'x',
      on_client_abort: 'drain',
      metadata: { a: 'b' },
    });
    expect(made.on_client_abort).toBe('drain');
    const changed = await gateway.client.call('updateKey', { id: made.id, metadata: { c: 'd' } });
    expect(changed.on_client_abort).toBe('drain');
    expect(
      (await gateway.client.call('updateKey', { id: made.id, on_client_abort: 'abort' })).on_client_abort,
    ).toBe('abort');
    expect((await gateway.client.call('createKey', { name: 'y' })).on_client_abort).toBe('abort');
  });
});
