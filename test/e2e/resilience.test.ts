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
