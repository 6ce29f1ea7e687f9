import { afterEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  json,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

async function upstream(behaviour: Behaviour): Promise<TestUpstream> {
  const started = await startUpstream(behaviour);
  open.unshift(started);
  return started;
}

/** A gateway whose providers `a`, `b`, … are these upstreams; `more` is the rest of the file. */
async function gateway(upstreams: Record<string, TestUpstream>, more: string): Promise<TestGateway> {
  const providers = Object.entries(upstreams)
    .map(
      ([name, { url }]) =>
        `  ${name}: { type: openai-compatible, base_url: "${url}/v1", api_key: key-${name} }`,
    )
    .join('\n');
  const running = await startGateway({ yaml: `version: 1\nproviders:\n${providers}\n${more}` });
  open.push(running);
  return running;
}

interface Told {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function ask(
  { url }: TestGateway,
  model: string,
  more: {
    readonly headers?: Record<string, string>;
    readonly body?: object;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Told> {
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...more.headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Say hello.' }], ...more.body }),
    ...(more.signal === undefined ? {} : { signal: more.signal }),
  });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

async function deployments({ client }: TestGateway) {
  const { deployments } = await client.call('getStatus', {});
  return new Map(deployments.map((row) => [row.id, row]));
}

const down = json(503, { error: { message: 'down', type: 'server_error' } });
const refused = json(401, { error: { message: 'bad key', type: 'authentication_error' } });
function ping(content: string | undefined): Behaviour {
  return sse((send, response) => {
    if (content !== undefined) send(chatChunk({ role: 'assistant', content }));
    const timer = setInterval(() => send(': still here\n\n'), 40);
    response.on('close', () => clearInterval(timer));
  });
}

const ONCE = 'retries: { attempts: 0 }';

function later(ms: number, behaviour: Behaviour): Behaviour {
  return async (seen, response) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await behaviour(seen, response);
  };
}

describe('circuit breaker', () => {
  it('opens after five failures in a row, is left alone, probes once and closes when the probe is answered', async () => {
    const a = await upstream(down);
    const b = await upstream(chatAnswer('from b'));
    const running = await gateway(
      { a, b },
      `models: { pair: { deployments: ["a/m", "b/m"], strategy: priority, ${ONCE}, circuit: { open_s: 1 } } }`,
    );
    for (let n = 0; n < 8; n++) expect((await ask(running, 'pair')).text).toContain('from b');
    expect(a.seen).toHaveLength(5);
    expect((await deployments(running)).get('a/m')).toMatchObject({ state: 'open', failures: 5 });
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    expect(metrics).toContain('sluice_circuit_open{deployment="a/m"} 1');
    expect(metrics).toContain('sluice_circuit_open{deployment="b/m"} 0');
    expect(running.logged.some((line) => line.includes('circuit.opened') && line.includes('a/m'))).toBe(true);

    a.behave(later(100, chatAnswer('from a')));
    await new Promise((resolve) => setTimeout(resolve, 1050));
    const answers = await Promise.all([1, 2, 3].map(() => ask(running, 'pair')));
    expect(answers.filter(({ text }) => text.includes('from a'))).toHaveLength(1);
    expect(a.seen).toHaveLength(6);
    expect((await deployments(running)).get('a/m')?.state).toBe('closed');
    expect((await ask(running, 'pair')).text).toContain('from a');
  });

  it('never gives up the last deployment', async () => {
    const a = await upstream(down);
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${ONCE} } }`);
    for (let n = 0; n < 7; n++) expect((await ask(running, 'only')).status).toBe(503);
    expect((await deployments(running)).get('a/m')?.state).toBe('open');
    expect(a.seen).toHaveLength(7);
    a.behave(chatAnswer('back'));
    expect((await ask(running, 'only')).text).toContain('back');
    expect((await deployments(running)).get('a/m')?.state).toBe('closed');
  });

  it('counts neither refused requests nor impatient clients', async () => {
    const a = await upstream(json(400, { error: { message: 'bad', type: 'invalid_request_error' } }));
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${ONCE} } }`);
    for (let n = 0; n < 6; n++) expect((await ask(running, 'only')).status).toBe(400);
    a.behave(later(500, chatAnswer('slow')));
    const hasty = { headers: { 'x-sluice-timeout-ms': '30' } };
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(running, 'only', hasty)));
    for (const { status } of answers) expect(status).toBe(504);
    expect((await deployments(running)).get('a/m')).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('counts answers that break off after they had begun', async () => {
    const a = await upstream(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: 'half' }));
        setTimeout(() => response.destroy(), 5);
      }),
    );
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${ONCE} } }`);
    for (let n = 0; n < 5; n++) await ask(running, 'only', { body: { stream: true } });
    await expect.poll(async () => (await deployments(running)).get('a/m')?.state).toBe('open');
  });
});

describe('failover', () => {
  it('adds at most 5 ms to the attempts themselves', async () => {
    const a = await upstream(down);
    const b = await upstream(chatAnswer('from b'));
    const running = await gateway(
      { a, b },
      `models: { pair: { deployments: ["a/m", "b/m"], strategy: priority, ${ONCE}, circuit: { failures: 1000, failure_percent: 100, min_requests: 100000 } } }`,
    );
    for (let n = 0; n < 30; n++) expect((await ask(running, 'pair')).text).toContain('from b');
    expect(a.seen).toHaveLength(30);
    const { data } = await running.client.call('listExchanges', { limit: 20 });
    const added: number[] = [];
    for (const { id } of data) {
      const { latency_ms, attempts_detail } = await running.client.call('getExchange', { id });
      expect(attempts_detail).toHaveLength(2);
      added.push(latency_ms - attempts_detail.reduce((sum, attempt) => sum + attempt.latency_ms, 0));
    }
    const median = added.sort((one, other) => one - other)[10] ?? Number.NaN;
    process.stdout.write(`failover adds ${median.toFixed(2)} ms (median of 20)\n`);
    expect(median).toBeLessThanOrEqual(5);
  });

  it('keeps what it knows when the configuration is loaded again', async () => {
    const a = await upstream(down);
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${ONCE} } }`);
    for (let n = 0; n < 5; n++) await ask(running, 'only');
    running.gateway.reload();
    await expect.poll(() => running.logged.some((line) => line.includes('config.loaded'))).toBe(true);
    expect((await deployments(running)).get('a/m')?.state).toBe('open');
  });
});

describe('credentials', () => {
  const pool = (url: string, keys: string, more = '') => `
version: 1
providers:
  p: { type: openai-compatible, base_url: "${url}/v1", api_keys: [${keys}]${more} }
models: { m: { deployments: ["p/m"], retries: { attempts: 0 } } }
`;

  async function pooled(behaviour: Behaviour, keys: string, more?: string) {
    const a = await upstream(behaviour);
    const running = await startGateway({ yaml: pool(a.url, keys, more) });
    open.push(running);
    return { a, running, used: () => a.seen.map(({ headers }) => headers.authorization?.slice(7)) };
  }

  it('uses the pool where least is in flight', async () => {
    const { running, used } = await pooled(later(50, chatAnswer('hi')), 'k1, k2, k3');
    await Promise.all(Array.from({ length: 6 }, () => ask(running, 'm')));
    expect(used().sort()).toEqual(['k1', 'k1', 'k2', 'k2', 'k3', 'k3']);
  });

  it('lets a refused key rest and answers with another of the pool', async () => {
    const { running, used } = await pooled((seen, response) => {
      const behaviour = seen.headers.authorization === 'Bearer k1' ? refused : chatAnswer('hi');
      return behaviour(seen, response);
    }, 'k1, k2');
    for (let n = 0; n < 4; n++) expect((await ask(running, 'm')).status).toBe(200);
    expect(used()).toEqual(['k1', 'k2', 'k2', 'k2', 'k2']);
    const told = running.logged.filter((line) => line.includes('credential.refused'));
    expect(told).toHaveLength(1);
    expect(told.join()).not.toContain('k1');
    const { providers } = await running.client.call('getStatus', {});
    expect(providers[0]).toMatchObject({ credentials: 2, resting_credentials: 1 });
    // The account was refused, not the deployment.
    expect((await deployments(running)).get('p/m')).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('goes on with another key after a 429 and comes back when retry-after is over', async () => {
    let limited = true;
    const { running, used } = await pooled((seen, response) => {
      const behaviour =
        limited && seen.headers.authorization === 'Bearer k1'
          ? json(429, { error: { message: 'slow down' } }, { 'retry-after': '1' })
          : chatAnswer('hi');
      return behaviour(seen, response);
    }, 'k1, k2');
    for (let n = 0; n < 3; n++) expect((await ask(running, 'm')).status).toBe(200);
    expect(used()).toEqual(['k1', 'k2', 'k2', 'k2']);
    limited = false;
    await new Promise((resolve) => setTimeout(resolve, 1050));
    await ask(running, 'm');
    expect(used().at(-1)).toBe('k1');
  });

  it('tries the only key all the same, so that a repaired account is found', async () => {
    const { running, a } = await pooled(refused, 'k1');
    expect((await ask(running, 'm')).status).toBe(502);
    a.behave(chatAnswer('repaired'));
    expect((await ask(running, 'm')).text).toContain('repaired');
  });
});

describe('retry budget', () => {
  it('keeps a dead provider’s calls at 1.2 times the requests plus three', async () => {
    const a = await upstream(down);
    const running = await gateway(
      { a },
      'models: { only: { deployments: ["a/m"], retries: { attempts: 2, backoff_ms: 1, max_backoff_ms: 2 } } }',
    );
    for (let n = 0; n < 40; n++) expect((await ask(running, 'only')).status).toBe(503);
    expect(a.seen.length).toBeGreaterThan(40);
    expect(a.seen.length).toBeLessThanOrEqual(40 * 1.2 + 3);
  });

  it('keeps two dead providers’ calls bounded too, and still answers when only one is dead', async () => {
    const a = await upstream(down);
    const b = await upstream(down);
    const running = await gateway(
      { a, b },
      'models: { pair: { deployments: ["a/m", "b/m"], retries: { attempts: 2, backoff_ms: 1, max_backoff_ms: 2 } } }',
    );
    for (let n = 0; n < 60; n++) expect((await ask(running, 'pair')).status).toBe(503);
    expect(a.seen.length + b.seen.length).toBeLessThanOrEqual(60 * 1.2 + 3 + 2);
    b.behave(chatAnswer('from b'));
    let answered = 0;
    for (let n = 0; n < 20; n++) answered += (await ask(running, 'pair')).status === 200 ? 1 : 0;
    expect(answered).toBeGreaterThanOrEqual(10);
  });

  it('obeys x-should-retry', async () => {
    let told = 'false';
    const a = await upstream((seen, response) =>
      json(503, { error: { message: 'no' } }, { 'x-should-retry': told })(seen, response),
    );
    const running = await gateway(
      { a },
      'models: { only: { deployments: ["a/m"], retries: { attempts: 1, backoff_ms: 1, max_backoff_ms: 2 } } }',
    );
    await ask(running, 'only');
    expect(a.seen).toHaveLength(1);
    told = 'true';
    await ask(running, 'only');
    expect(a.seen).toHaveLength(3);
  });
});

describe('a stream that only pings', () => {
  const impatient = `timeouts: { progress_idle_ms: 300, idle_ms: 2000 }, ${ONCE}`;

  it('is cut with an error event after progress_idle_ms, and the upstream is closed', async () => {
    const a = await upstream(ping('The tide '));
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${impatient} } }`);
    const started = performance.now();
    const { text } = await ask(running, 'only', { body: { stream: true } });
    expect(performance.now() - started).toBeLessThan(1500);
    expect(text).toContain('The tide');
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
    await expect.poll(() => a.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
  });

  it('before any content fails over unseen', async () => {
    const a = await upstream(ping(undefined));
    const b = await upstream(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: 'from b' }) + chatChunk({}, 'stop') + CHAT_END);
        response.end();
      }),
    );
    const running = await gateway(
      { a, b },
      `models: { pair: { deployments: ["a/m", "b/m"], strategy: priority, ${impatient} } }`,
    );
    const { text, status } = await ask(running, 'pair', { body: { stream: true } });
    expect(status).toBe(200);
    expect(text).toContain('from b');
    expect(text).not.toContain('"error"');
  });

  it('holds for decoded streams too', async () => {
    const a = await upstream(ping('The tide '));
    const running = await gateway({ a }, `models: { only: { deployments: ["a/m"], ${impatient} } }`);
    const answer = await fetch(`${running.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'only',
        max_tokens: 10,
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      }),
    });
    const text = await answer.text();
    expect(text).toContain('event: error');
    expect(text).not.toContain('message_stop');
  });
});

describe('balancing', () => {
  const hold = (ms: number, name: string) => later(ms, chatAnswer(`from ${name}`));

  it('least_busy sends what comes meanwhile to the one with less in flight', async () => {
    const a = await upstream(hold(400, 'a'));
    const b = await upstream(hold(10, 'b'));
    const running = await gateway(
      { a, b },
      'models: { m: { deployments: ["a/m", "b/m"], strategy: least_busy } }',
    );
    // Until one hangs at the slow place; whatever comes then goes to the other.
    const waiting = [];
    while (a.seen.length === 0) {
      waiting.push(ask(running, 'm'));
      await expect.poll(() => a.seen.length + b.seen.length).toBe(waiting.length);
    }
    const before = b.seen.length;
    for (let n = 0; n < 5; n++) await ask(running, 'm');
    expect(b.seen.length - before).toBe(5);
    await Promise.all(waiting);
  });

  it('lowest_latency and the suffix :fast find the faster place', async () => {
    const a = await upstream(hold(60, 'a'));
    const b = await upstream(hold(1, 'b'));
    const running = await gateway(
      { a, b },
      `models:
  m: { deployments: ["a/m", "b/m"], strategy: lowest_latency }
  p: { deployments: ["a/m", "b/m"], strategy: priority }`,
    );
    for (let n = 0; n < 3; n++) await ask(running, 'm');
    const before = b.seen.length;
    for (let n = 0; n < 10; n++) await ask(running, 'm');
    for (let n = 0; n < 5; n++) await ask(running, 'p:fast');
    expect(b.seen.length - before).toBeGreaterThanOrEqual(13);
    expect((await ask(running, 'p')).text).toContain('from a');
  });

  it('keeps a session at the deployment that answered it, until that fails', async () => {
    const a = await upstream(chatAnswer('from a'));
    const b = await upstream(chatAnswer('from b'));
    const running = await gateway(
      { a, b },
      `models: { m: { deployments: ["a/m", "b/m"], strategy: weighted, ${ONCE} } }`,
    );
    const session = { headers: { 'x-sluice-session': 's-1' } };
    const first = await ask(running, 'm', session);
    for (let n = 0; n < 10; n++) expect((await ask(running, 'm', session)).text).toBeTruthy();
    expect([a.seen.length, b.seen.length].sort()).toEqual([0, 11]);
    const [home, other] = first.text.includes('from a') ? [a, b] : [b, a];
    home.behave(down);
    expect((await ask(running, 'm', session)).status).toBe(200);
    home.behave(chatAnswer('back'));
    // Its cache is at the other place by now.
    const seen = other.seen.length;
    await ask(running, 'm', session);
    expect(other.seen.length).toBe(seen + 1);
  });
});

describe('upstream limits', () => {
  function limited(a: TestUpstream, limits: string, queue: string): string {
    return `version: 1
providers:
  a: { type: openai-compatible, base_url: "${a.url}/v1", api_key: k, limits: { ${limits} }, queue: { ${queue} } }
  z: { type: openai-compatible, base_url: "${a.url}/z", api_key: k }
models:
  m: { deployments: ["a/m"], ${ONCE} }
  spill: { deployments: ["a/m", "z/m"], strategy: priority, ${ONCE} }
`;
  }

  /** Answers after `ms` and remembers how many calls ran at once. */
  function counting(ms: number): { behaviour: Behaviour; most: () => number } {
    let running = 0;
    let most = 0;
    return {
      most: () => most,
      behaviour: async (seen, response) => {
        running++;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, ms));
        running--;
        await chatAnswer('done')(seen, response);
      },
    };
  }

  async function started(yaml: string): Promise<TestGateway> {
    const running = await startGateway({ yaml });
    open.push(running);
    return running;
  }

  it('makes requests wait for a free place instead of refusing them', async () => {
    const { behaviour, most } = counting(60);
    const a = await upstream(behaviour);
    const running = await started(limited(a, 'concurrency: 2', 'max_depth: 50, max_wait_ms: 5000'));
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(running, 'm')));
    for (const { status } of answers) expect(status).toBe(200);
    expect(most()).toBe(2);
  });

  it('refuses what exceeds the queue at once, and what waits too long in time, with retry-after', async () => {
    const { behaviour } = counting(900);
    const a = await upstream(behaviour);
    const running = await started(limited(a, 'concurrency: 1', 'max_depth: 1, max_wait_ms: 300'));
    const busy = ask(running, 'm');
    await expect.poll(() => a.seen.length).toBe(1);
    const from = performance.now();
    const waits = ask(running, 'm').then((told) => ({ ...told, ms: performance.now() - from }));
    await expect.poll(async () => (await deployments(running)).get('a/m')?.waiting).toBe(1);
    const over = await ask(running, 'm');
    expect(performance.now() - from).toBeLessThan(250);
    for (const told of [over, await waits]) {
      expect(told.status).toBe(429);
      expect(told.headers.get('x-sluice-error')).toBe('upstream_rate_limited');
      expect(Number(told.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    expect((await waits).ms).toBeGreaterThanOrEqual(290);
    expect((await busy).status).toBe(200);
    expect(a.seen).toHaveLength(1);
  });

  it('does not wait longer than the client’s own time limit', async () => {
    const { behaviour } = counting(700);
    const a = await upstream(behaviour);
    const running = await started(limited(a, 'concurrency: 1', 'max_depth: 5, max_wait_ms: 5000'));
    const busy = ask(running, 'm');
    await expect.poll(() => a.seen.length).toBe(1);
    const from = performance.now();
    const told = await ask(running, 'm', { headers: { 'x-sluice-timeout-ms': '200' } });
    expect(told.status).toBe(429);
    expect(performance.now() - from).toBeLessThan(600);
    await busy;
  });

  it('says how long a minute’s limit lasts, when that is longer than anybody may wait', async () => {
    const a = await upstream(chatAnswer('hi'));
    const running = await started(limited(a, 'rpm: 2', 'max_depth: 10, max_wait_ms: 1000'));
    expect((await ask(running, 'm')).status).toBe(200);
    expect((await ask(running, 'm')).status).toBe(200);
    const over = await ask(running, 'm');
    expect(over.status).toBe(429);
    const after = Number(over.headers.get('retry-after'));
    expect(after).toBeGreaterThan(50);
    expect(after).toBeLessThanOrEqual(63);
    expect(a.seen).toHaveLength(2);
  });

  it('goes to the next deployment of the model rather than wait', async () => {
    const { behaviour } = counting(400);
    const a = await upstream(behaviour);
    const running = await started(limited(a, 'concurrency: 1', 'max_depth: 10, max_wait_ms: 5000'));
    const [first, second] = await Promise.all([ask(running, 'spill'), ask(running, 'spill')]);
    const used = [first, second].map(({ headers }) => headers.get('x-sluice-provider'));
    expect(used.sort()).toEqual(['a', 'z']);
  });

  it('serves waiting keys in turn', async () => {
    const order: string[] = [];
    const a = await upstream(async (seen, response) => {
      order.push(String((seen.body['messages'] as { content: string }[])[0]?.content));
      await later(20, chatAnswer('ok'))(seen, response);
    });
    const running = await started(limited(a, 'concurrency: 1', 'max_depth: 50, max_wait_ms: 5000'));
    const create = async (name: string) => (await running.client.call('createKey', { name })).key;
    const [greedy, modest] = [await create('greedy'), await create('modest')];
    const say = (key: string, content: string) =>
      ask(running, 'm', {
        headers: { authorization: `Bearer ${key}` },
        body: { messages: [{ role: 'user', content }] },
      });
    const waiting = async () => (await deployments(running)).get('a/m')?.waiting ?? 0;
    const all = [];
    for (let n = 0; n < 6; n++) all.push(say(greedy, 'greedy'));
    await expect.poll(waiting).toBeGreaterThanOrEqual(3);
    all.push(say(modest, 'modest'));
    for (const { status } of await Promise.all(all)) expect(status).toBe(200);
    expect(order).toHaveLength(7);
    expect(order.indexOf('modest')).toBeLessThan(6);
  });

  it('lets go of a client that hangs up while it waits', async () => {
    const { behaviour } = counting(300);
    const a = await upstream(behaviour);
    const running = await started(limited(a, 'concurrency: 1', 'max_depth: 10, max_wait_ms: 5000'));
    const busy = ask(running, 'm');
    await expect.poll(() => a.seen.length).toBe(1);
    const controller = new AbortController();
    const left = ask(running, 'm', { signal: controller.signal }).catch((error: unknown) => error);
    const waiting = async () => (await deployments(running)).get('a/m')?.waiting;
    await expect.poll(waiting).toBe(1);
    controller.abort();
    await left;
    await expect.poll(waiting).toBe(0);
    await busy;
    expect((await ask(running, 'm')).status).toBe(200);
    expect(a.seen).toHaveLength(2);
    const { data } = await running.client.call('listExchanges', { limit: 10 });
    expect(data.map(({ outcome }) => outcome).sort()).toEqual(['abandoned', 'answered', 'answered']);
  });

  it('waits when the upstream’s headers say that nothing is left', async () => {
    const a = await upstream((seen, response) => {
      response.setHeader('x-ratelimit-limit-requests', '2');
      response.setHeader('x-ratelimit-remaining-requests', '0');
      response.setHeader('x-ratelimit-reset-requests', '800ms');
      return chatAnswer('hi')(seen, response);
    });
    const running = await gateway({ a }, `models: { m: { deployments: ["a/m"], ${ONCE} } }`);
    await ask(running, 'm');
    const from = performance.now();
    expect((await ask(running, 'm')).status).toBe(200);
    expect(performance.now() - from).toBeGreaterThan(300);
  });

  it('leaves a deployment that asked for a rest alone and falls back meanwhile', async () => {
    const a = await upstream(json(429, { error: { message: 'slow' } }, { 'retry-after': '20' }));
    const b = await upstream(chatAnswer('from b'));
    const running = await gateway(
      { a, b },
      `models:
  m: { deployments: ["a/m"], fallbacks: [other], ${ONCE} }
  other: { deployments: ["b/m"] }`,
    );
    const from = performance.now();
    for (let n = 0; n < 5; n++) expect((await ask(running, 'm')).text).toContain('from b');
    expect(a.seen).toHaveLength(1);
    expect(performance.now() - from).toBeLessThan(3000);
  });

  it('cuts a retry-after of a day and does not wait for it', async () => {
    const a = await upstream(json(429, { error: { message: 'slow' } }, { 'retry-after': '86400' }));
    const running = await gateway({ a }, `models: { m: { deployments: ["a/m"], ${ONCE} } }`);
    const told = await ask(running, 'm');
    expect(told.status).toBe(429);
    expect(told.headers.get('retry-after')).toBe('300');
    expect((await deployments(running)).get('a/m')?.rests_until).not.toBeNull();
    a.behave(chatAnswer('awake'));
    expect((await ask(running, 'm')).text).toContain('awake');
  });
});

describe('overload', () => {
  async function pressed(behaviour: Behaviour) {
    const a = await upstream(behaviour);
    let share = 0.1;
    const running = await startGateway({
      yaml: `version: 1
providers: { a: { type: openai-compatible, base_url: "${a.url}/v1", api_key: k } }
models: { m: { deployments: ["a/m"], ${ONCE} } }
`,
      memory: () => share,
    });
    open.push(running);
    return {
      a,
      running,
      press: (to: number) => {
        share = to;
      },
      health: async () => (await fetch(`${running.url}/health/live`)).status,
    };
  }

  const large = { body: { user: 'x'.repeat(300 * 1024) } };

  it('refuses large requests at 80 % of memory, all new ones at 90 %, and recovers', async () => {
    const { running, press, health } = await pressed(chatAnswer('hi'));
    const status = async (more = {}) => (await ask(running, 'm', more)).status;
    expect([await status(), await status(large)]).toEqual([200, 200]);
    press(0.82);
    await expect.poll(() => status(large), { timeout: 3000 }).toBe(503);
    expect(await status()).toBe(200);
    press(0.91);
    await expect.poll(() => status(), { timeout: 3000 }).toBe(503);
    const told = await ask(running, 'm');
    expect(told.headers.get('x-sluice-error')).toBe('overloaded');
    expect(told.headers.get('retry-after')).toBe('2');
    expect(await health()).toBe(200);
    press(0.3);
    await expect.poll(() => status(), { timeout: 3000 }).toBe(200);
  });

  it('gives up the youngest request at 95 %, and the others go on', async () => {
    const { a, running, press, health } = await pressed(later(2500, chatAnswer('made it')));
    const oldest = ask(running, 'm');
    await expect.poll(() => a.seen.length).toBe(1);
    const youngest = ask(running, 'm').catch(() => 'cut');
    await expect.poll(() => a.seen.length).toBe(2);
    press(0.96);
    expect(await youngest).toBe('cut');
    press(0.3);
    expect(await health()).toBe(200);
    expect((await oldest).text).toContain('made it');
    await expect.poll(() => a.seen[1]?.closedEarlyAfterMs).toBeGreaterThan(0);
  });

  it('sheds new requests while the event loop cannot keep up, and health answers', async () => {
    const release = Promise.withResolvers<void>();
    const { running, a, health } = await pressed(async (seen, response) => {
      await release.promise;
      await chatAnswer('hi')(seen, response);
    });
    const busy = Array.from({ length: 40 }, () => ask(running, 'm'));
    await expect.poll(() => a.seen.length, { timeout: 5000 }).toBe(40);
    const cell = new Int32Array(new SharedArrayBuffer(4));
    // Stands still without using the machine: tests of others run beside this one.
    const stall = setInterval(() => Atomics.wait(cell, 0, 0, 200), 10);
    let told: Told | undefined;
    // One let in before the ladder has two readings waits with the others, so each gives up after a while.
    for (let n = 0; n < 8 && told?.status !== 503; n++) {
      told = await ask(running, 'm', { signal: AbortSignal.timeout(2500) }).catch(() => undefined);
    }
    clearInterval(stall);
    expect(told?.headers.get('x-sluice-error')).toBe('overloaded');
    expect(await health()).toBe(200);
    release.resolve();
    for (const { status } of await Promise.all(busy)) expect(status).toBe(200);
  });
});
