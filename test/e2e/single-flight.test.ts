import { afterEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  json,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Answers whole or streamed, slowly, with a number that tells calls apart. */
function counting(ms: number): Behaviour {
  let calls = 0;
  return async (seen, response) => {
    calls++;
    const text = `answer ${calls}`;
    await pause(ms);
    if (response.destroyed) return;
    if (seen.body['stream'] !== true) return chatAnswer(text)(seen, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const word of ['one ', 'two ', 'three ', text]) {
      if (response.destroyed) return;
      response.write(chatChunk({ role: 'assistant', content: word }));
      await pause(ms / 4);
    }
    response.end(chatChunk({}, 'stop') + CHAT_END);
  };
}

async function setUp(
  behaviour: Behaviour,
  cache: string,
): Promise<{ gateway: TestGateway; upstream: TestUpstream }> {
  const upstream = await startUpstream(behaviour);
  const gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
providers:
  p: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 } }
models: { m: { deployments: ["p/m"], retries: { attempts: 0 } }, other: { deployments: ["p/m"] } }
cache: { ${cache} }
`,
  });
  open.push(upstream, gateway);
  return { gateway, upstream };
}

interface Told {
  readonly status: number;
  readonly text: string;
  readonly cache: string | null;
  readonly headers: Headers;
}

async function ask(
  gateway: TestGateway,
  key: string,
  more: {
    readonly body?: object;
    readonly headers?: Record<string, string>;
    readonly signal?: AbortSignal;
    readonly path?: string;
  } = {},
): Promise<Told> {
  const answer = await fetch(`${gateway.url}${more.path ?? '/v1/chat/completions'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...more.headers },
    body: JSON.stringify({
      model: 'm',
      temperature: 0,
      messages: [{ role: 'user', content: 'Say hello.' }],
      ...more.body,
    }),
    ...(more.signal === undefined ? {} : { signal: more.signal }),
  });
  return {
    status: answer.status,
    text: await answer.text(),
    cache: answer.headers.get('x-sluice-cache'),
    headers: answer.headers,
  };
}

async function keyOf(gateway: TestGateway, more: object = {}): Promise<string> {
  return (await gateway.client.call('createKey', { name: 'k', ...more })).key;
}

async function rows(gateway: TestGateway) {
  const { data } = await gateway.client.call('listExchanges', { limit: 500 });
  return data;
}

const FLIGHT = 'single_flight: { enabled: true }';
const EXACT = 'exact: { enabled: true }';

describe.each([
  ['whole', {}],
  ['stream', { stream: true }],
])('single flight, %s', (_name, body) => {
  it('makes one call of 200 equal requests; each has its row, one is billed', async () => {
    const { gateway, upstream } = await setUp(counting(1500), FLIGHT);
    const key = await keyOf(gateway);
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(gateway, key, { body })));
    expect(upstream.seen).toHaveLength(1);
    for (const { status, text, headers } of answers) {
      expect(status).toBe(200);
      expect(text).toContain('answer 1');
      expect(headers.get('x-sluice-provider')).toBe('p');
      expect(headers.get('x-sluice-upstream-model')).toBe('m');
    }
    expect(answers.filter(({ cache }) => cache === 'hit')).toHaveLength(199);
    expect(answers.filter(({ cache }) => cache === 'miss')).toHaveLength(1);
    await expect.poll(async () => (await rows(gateway)).length).toBe(200);
    const billed = (await rows(gateway)).filter(({ cost_usd }) => Number(cost_usd) > 0);
    expect(billed).toHaveLength(1);
    expect(billed[0]).toMatchObject({ cache: 'miss', attempts: 1 });
    const [shared] = (await rows(gateway)).filter(({ cache }) => cache === 'hit');
    expect(shared).toMatchObject({ cost_usd: '0', attempts: 0, outcome: 'answered', status: 200 });
  });

  it('makes one more call in all when the leader fails', async () => {
    let calls = 0;
    const down: Behaviour = async (seen, response) => {
      calls++;
      await pause(150);
      await json(500, { error: { message: 'down' } })(seen, response);
    };
    const { gateway } = await setUp(down, FLIGHT);
    const key = await keyOf(gateway);
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, key, { body })));
    expect(calls).toBe(2);
    for (const { status } of answers) expect(status).toBe(502);
    for (const { cost_usd } of await rows(gateway)) expect(Number(cost_usd)).toBe(0);
  });

  it('goes on for those who follow when the leader’s client leaves', async () => {
    const { gateway, upstream } = await setUp(counting(300), FLIGHT);
    const key = await keyOf(gateway);
    const leader = new AbortController();
    const left = ask(gateway, key, { body, signal: leader.signal }).catch(() => 'left');
    await expect.poll(() => upstream.seen.length).toBe(1);
    const follower = ask(gateway, key, { body });
    await pause(60);
    leader.abort();
    expect(await left).toBe('left');
    expect((await follower).text).toContain('answer 1');
    expect(upstream.seen).toHaveLength(1);
    expect(upstream.seen[0]?.closedEarlyAfterMs).toBeUndefined();
    await expect
      .poll(async () => (await rows(gateway)).map(({ outcome }) => outcome).sort())
      .toEqual(['abandoned', 'answered']);
    expect((await rows(gateway)).filter(({ cost_usd }) => Number(cost_usd) > 0)).toHaveLength(1);
  });

  it('hangs up when everybody has left', async () => {
    const { gateway, upstream } = await setUp(counting(3000), FLIGHT);
    const key = await keyOf(gateway);
    const clients = [new AbortController(), new AbortController()];
    const asked = clients.map(({ signal }) => ask(gateway, key, { body, signal }).catch(() => 'left'));
    await expect.poll(() => upstream.seen.length).toBe(1);
    await pause(60);
    clients[0]?.abort();
    await pause(60);
    expect(upstream.seen[0]?.closedEarlyAfterMs).toBeUndefined();
    clients[1]?.abort();
    await Promise.all(asked);
    await expect.poll(() => upstream.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
  });

  it('keeps tenants apart, and what is not equal', async () => {
    const { gateway, upstream } = await setUp(counting(150), FLIGHT);
    const [one, two] = [await keyOf(gateway), await keyOf(gateway)];
    const answers = await Promise.all([
      ask(gateway, one, { body }),
      ask(gateway, two, { body }),
      ask(gateway, one, { body: { ...body, max_tokens: 7 } }),
      ask(gateway, one, { body: { ...body, model: 'other' } }),
      ask(gateway, one, { body, headers: { 'x-sluice-cache': 'no-store' } }),
      ask(gateway, one, { body: { ...body, temperature: 0.7 } }),
    ]);
    expect(upstream.seen).toHaveLength(6);
    expect(answers.map(({ cache }) => cache)).toEqual(['miss', 'miss', 'miss', 'miss', 'bypass', 'bypass']);
  });
});

describe('single flight', () => {
  it('gives a request that joins late everything', async () => {
    const { gateway, upstream } = await setUp(counting(200), FLIGHT);
    const key = await keyOf(gateway);
    const first = ask(gateway, key, { body: { stream: true } });
    await pause(320);
    const late = await ask(gateway, key, { body: { stream: true } });
    expect(late.cache).toBe('hit');
    expect(late.text).toBe((await first).text);
    expect(upstream.seen).toHaveLength(1);
  });

  it('is off unless the cache is on', async () => {
    const { gateway, upstream } = await setUp(counting(50), 'exact: { enabled: false }');
    const key = await keyOf(gateway);
    const answers = await Promise.all([ask(gateway, key), ask(gateway, key)]);
    expect(upstream.seen).toHaveLength(2);
    expect(answers.map(({ cache }) => cache)).toEqual(['bypass', 'bypass']);
  });
});

describe('the exact cache', () => {
  it('answers later requests, streamed or whole and in another dialect, without a call', async () => {
    const { gateway, upstream } = await setUp(counting(5), EXACT);
    const key = await keyOf(gateway);
    const first = await ask(gateway, key);
    const whole = await ask(gateway, key);
    const streamed = await ask(gateway, key, { body: { stream: true } });
    expect(upstream.seen).toHaveLength(1);
    expect([first.cache, whole.cache, streamed.cache]).toEqual(['miss', 'hit', 'hit']);
    expect(whole.text).toContain('answer 1');
    expect(whole.headers.get('x-sluice-cost-usd')).toBe('0');
    expect(whole.headers.get('x-sluice-attempts')).toBe('0');
    expect(whole.headers.get('x-sluice-provider')).toBe('p');
    expect(streamed.text).toContain('answer 1');
    expect(streamed.text).toContain('[DONE]');
  });

  it('keeps a streamed answer for whole requests', async () => {
    const { gateway, upstream } = await setUp(counting(5), EXACT);
    const key = await keyOf(gateway);
    await ask(gateway, key, { body: { stream: true } });
    const whole = await ask(gateway, key);
    expect(whole.cache).toBe('hit');
    expect(JSON.parse(whole.text).choices[0].message.content).toBe('one two three answer 1');
    expect(JSON.parse(whole.text).usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 12 });
    expect(upstream.seen).toHaveLength(1);
  });

  it('obeys x-sluice-cache and forgets in time', async () => {
    const { gateway, upstream } = await setUp(counting(5), 'exact: { enabled: true, ttl_s: 1 }');
    const key = await keyOf(gateway);
    const asked = (cache?: string) =>
      ask(gateway, key, { headers: cache === undefined ? {} : { 'x-sluice-cache': cache } });
    expect((await asked('no-store')).cache).toBe('bypass');
    expect((await asked()).cache).toBe('miss');
    expect((await asked('no-cache')).cache).toBe('miss');
    expect(upstream.seen).toHaveLength(3);
    expect((await asked()).text).toContain('answer 3');
    await pause(1100);
    expect((await asked()).cache).toBe('miss');
  });

  it('keeps no tool calls, no truncated answers and no errors', async () => {
    const { gateway, upstream } = await setUp(counting(5), EXACT);
    const key = await keyOf(gateway);
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
    const calling = { role: 'assistant', content: null, tool_calls: [call] };
    const finishes = ['length', 'content_filter', 'tool_calls'];
    for (const finish of finishes) {
      upstream.behave(
        json(200, {
          id: 'x',
          object: 'chat.completion',
          created: 1,
          model: 'm',
          choices: [
            {
              index: 0,
              message: finish === 'tool_calls' ? calling : { role: 'assistant', content: 'half' },
              finish_reason: finish,
            },
          ],
        }),
      );
      expect((await ask(gateway, key, { body: { user: finish } })).cache).toBe('miss');
      expect((await ask(gateway, key, { body: { user: finish } })).cache).toBe('miss');
    }
    upstream.behave(json(500, {}));
    await ask(gateway, key);
    upstream.behave(chatAnswer('fine'));
    expect((await ask(gateway, key)).cache).toBe('miss');
  });

  it('is a key’s own where the key has no team', async () => {
    const { gateway, upstream } = await setUp(counting(5), EXACT);
    const [one, two] = [await keyOf(gateway), await keyOf(gateway)];
    expect((await ask(gateway, one)).cache).toBe('miss');
    expect((await ask(gateway, two)).cache).toBe('miss');
    expect((await ask(gateway, one)).cache).toBe('hit');
    expect(upstream.seen).toHaveLength(2);
  });
});
