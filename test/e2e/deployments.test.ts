import { writeFileSync } from 'node:fs';
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

async function started(yaml: string): Promise<TestGateway> {
  const running = await startGateway({ yaml: `version: 1\n${yaml}` });
  open.push(running);
  return running;
}

interface Told {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

interface More {
  readonly headers?: Record<string, string>;
  readonly body?: object;
  readonly path?: string;
}

async function ask({ url }: TestGateway, model: string, more: More = {}): Promise<Told> {
  const answer = await fetch(url + (more.path ?? '/v1/chat/completions'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...more.headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Say hello.' }], ...more.body }),
  });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

async function row({ client }: TestGateway, id: string) {
  const { deployments } = await client.call('getStatus', {});
  return deployments.find((one) => one.id === id) ?? expect.fail(`${id} is not in the status`);
}

function later(ms: number, behaviour: Behaviour): Behaviour {
  return async (seen, response) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await behaviour(seen, response);
  };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const down = json(503, { error: { message: 'down', type: 'server_error' } });
const ONCE = 'retries: { attempts: 0 }';
const at = (name: string, { url }: TestUpstream, more = '') =>
  `  ${name}: { type: openai-compatible, base_url: "${url}/v1", ${more === '' ? `api_key: key-of-${name}` : more} }`;

describe('what the operator sees', () => {
  it('lists configured deployments before anybody calls them, and keys by number and last characters', async () => {
    const a = await upstream((seen, response) => {
      const bad = seen.headers.authorization?.includes('worst') === true;
      const behaviour = bad ? json(401, { error: { message: 'no' } }) : chatAnswer('hi');
      return behaviour(seen, response);
    });
    const keys = 'api_keys: [sk-the-worst-key-ABCD, sk-the-best-key-WXYZ, tiny]';
    const running = await started(
      `providers:\n${at('p', a, `region: eu-west-1, ${keys}`)}\nmodels: { m: { deployments: [{ provider: p, model: m, weight: 3, priority: 2 }], ${ONCE} } }`,
    );
    expect(await row(running, 'p/m')).toMatchObject({
      provider: 'p',
      model: 'm',
      region: 'eu-west-1',
      weight: 3,
      priority: 2,
      state: 'closed',
      share_percent: 100,
      failed_percent: null,
    });
    for (let n = 0; n < 3; n++) expect((await ask(running, 'm')).status).toBe(200);
    const told = await row(running, 'p/m');
    expect(told.credentials.map(({ index, hint, state }) => [index, hint, state])).toEqual([
      [0, 'ABCD', 'refused'],
      [1, 'WXYZ', 'ready'],
      [2, '', 'ready'],
    ]);
    expect(told.credentials[0]?.until).not.toBeNull();
    expect(told).toMatchObject({ requests_last_minute: 3, failed_percent: 0 });
    expect(JSON.stringify(await running.client.call('getStatus', {}))).not.toMatch(/worst|best-key|tiny/);
    const metrics = await (await fetch(`${running.url}/metrics`)).text();
    expect(metrics).toContain('sluice_credential_refused{provider="p",credential="0"} 1');
    expect(metrics).toContain('sluice_credential_refused{provider="p",credential="1"} 0');
    expect(metrics).toContain('sluice_deployment_share{deployment="p/m"} 1');
    expect(metrics).not.toMatch(/worst|ABCD/);
  });

  it('ejects a deployment that fails much more than its siblings, and goes on with the others', async () => {
    let calls = 0;
    const a = await upstream((seen, response) =>
      (calls++ % 2 === 0 ? down : chatAnswer('a'))(seen, response),
    );
    const b = await upstream(chatAnswer('b'));
    const running = await started(
      `providers:\n${at('a', a)}\n${at('b', b)}
upstream: { circuit: { failures: 1000, min_requests: 100000 }, outliers: { min_requests: 10 } }
models: { m: { deployments: ["a/m", "b/m"], strategy: round_robin, ${ONCE} } }`,
    );
    for (let n = 0; n < 24; n++) expect((await ask(running, 'm')).status).toBe(200);
    await sleep(1050);
    await ask(running, 'm');
    const before = a.seen.length;
    for (let n = 0; n < 10; n++) expect((await ask(running, 'm')).text).toContain('"b"');
    expect(a.seen.length).toBe(before);
    expect((await row(running, 'a/m')).ejected).toMatchObject({ model: 'm', reason: 'errors' });
    expect((await row(running, 'a/m')).share_percent).toBe(0);
    expect(running.logged.some((line) => line.includes('outlier.ejected') && line.includes('a/m'))).toBe(
      true,
    );
    // Nowhere else to go: it is still asked.
    b.behave(down);
    for (let n = 0; n < 4; n++) await ask(running, 'm');
    expect(a.seen.length).toBeGreaterThan(before);
  });
});

describe('balancing', () => {
  it('serves priority groups in order and round robin within one', async () => {
    const [a, b, c] = [
      await upstream(chatAnswer('a')),
      await upstream(chatAnswer('b')),
      await upstream(chatAnswer('c')),
    ];
    const running = await started(
      `providers:\n${at('a', a)}\n${at('b', b)}\n${at('c', c)}
models:
  m:
    strategy: round_robin
    ${ONCE}
    circuit: { failures: 1 }
    deployments: [{ provider: c, model: m, priority: 5 }, { provider: a, model: m }, { provider: b, model: m }]`,
    );
    for (let n = 0; n < 6; n++) await ask(running, 'm');
    expect([a, b, c].map(({ seen }) => seen.length)).toEqual([3, 3, 0]);
    a.behave(down);
    b.behave(down);
    for (let n = 0; n < 4; n++) expect((await ask(running, 'm')).text).toContain('"c"');
    expect(c.seen.length).toBe(4);
  });

  it('lowest_cost goes where this traffic is cheapest, caches included', async () => {
    const usage = (cached: number) => ({
      prompt_tokens: 4000,
      completion_tokens: 20,
      total_tokens: 4020,
      prompt_tokens_details: { cached_tokens: cached },
    });
    const a = await upstream(chatAnswer('a', usage(3900)));
    const b = await upstream(chatAnswer('b', usage(0)));
    const price = (input: number) =>
      `price: { input_usd_per_mtok: ${input}, cache_read_usd_per_mtok: ${input / 10}, output_usd_per_mtok: 4 }`;
    const running = await started(
      `providers:\n${at('a', a)}\n${at('b', b)}
models:
  m:
    strategy: lowest_cost
    ${ONCE}
    deployments: [{ provider: a, model: m, ${price(1.2)} }, { provider: b, model: m, ${price(1)} }]`,
    );
    const body = { messages: [{ role: 'user', content: 'word '.repeat(3000) }] };
    expect((await ask(running, 'm', { body })).text).toContain('"b"');
    // One in a hundred is sent elsewhere to learn; a failover teaches sooner.
    b.behave(down);
    for (let n = 0; n < 3; n++) expect((await ask(running, 'm', { body })).text).toContain('"a"');
    b.behave(chatAnswer('b', usage(0)));
    const before = a.seen.length;
    for (let n = 0; n < 20; n++) await ask(running, 'm', { body });
    expect(a.seen.length - before).toBeGreaterThanOrEqual(17);
  });

  it('prefers the key of a pool that has most of its limits left', async () => {
    const left: Record<string, string> = { 'Bearer key-number-one': '10', 'Bearer key-number-two': '90' };
    const a = await upstream((seen, response) => {
      response.setHeader('x-ratelimit-limit-requests', '100');
      response.setHeader('x-ratelimit-remaining-requests', left[seen.headers.authorization ?? ''] ?? '0');
      response.setHeader('x-ratelimit-reset-requests', '60s');
      return chatAnswer('hi')(seen, response);
    });
    const running = await started(
      `providers:\n${at('p', a, 'api_keys: [key-number-one, key-number-two]')}\nmodels: { m: { deployments: ["p/m"] } }`,
    );
    for (let n = 0; n < 8; n++)
      await ask(running, 'm', { body: { messages: [{ role: 'user', content: `n${n}` }] } });
    const used = a.seen.map(({ headers }) => headers.authorization?.slice(-3));
    expect(used.slice(2)).toEqual(['two', 'two', 'two', 'two', 'two', 'two']);
    const [one, two] = (await row(running, 'p/m')).credentials;
    expect(one?.headroom_percent).toBeLessThan(15);
    expect(two?.headroom_percent).toBeGreaterThan(80);
  });

  it('continues a stored answer at the deployment and with the key that made it', async () => {
    let made = 0;
    const answering: Behaviour = (seen, response) =>
      json(200, {
        id: `resp_up${++made}`,
        object: 'response',
        created_at: 1,
        model: 'm',
        status: 'completed',
        output: [
          {
            type: 'message',
            id: 'msg_1',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'ok', annotations: [] }],
          },
        ],
        usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
      })(seen, response);
    const [a, b] = [await upstream(answering), await upstream(answering)];
    const of = (name: string, { url }: TestUpstream) =>
      `  ${name}: { type: openai, base_url: "${url}/v1", allow_private_network: true, api_keys: [${name}-key-one, ${name}-key-two, ${name}-key-three] }`;
    const running = await started(
      `providers:\n${of('a', a)}\n${of('b', b)}\nmodels: { m: { deployments: ["a/m", "b/m"], strategy: round_robin } }`,
    );
    const respond = (body: object) =>
      ask(running, 'm', { path: '/v1/responses', body: { messages: undefined, ...body } });
    const who = () =>
      [...a.seen, ...b.seen].map(({ headers, body }) => [
        body['previous_response_id'],
        headers.authorization,
      ]);
    const homes = new Map<string, unknown>();
    for (let n = 0; n < 5; n++) {
      const { id } = JSON.parse((await respond({ input: `question ${n}` })).text) as { id: string };
      const seen = [...a.seen, ...b.seen].find(({ body }) => body['input'] === `question ${n}`);
      homes.set(id, seen?.headers.authorization);
    }
    for (const [id, key] of homes) {
      for (let n = 0; n < 3; n++) {
        expect((await respond({ input: 'and then?', previous_response_id: id })).status).toBe(200);
      }
      const used = new Set(who().flatMap(([previous, by]) => (previous === id ? [by] : [])));
      expect(used).toEqual(new Set([key]));
    }
    expect(new Set(homes.values()).size).toBeGreaterThan(2);
  });
});

describe('regions', () => {
  it('are kept to for fallbacks, too, and refused by name when nothing is left', async () => {
    const eu = await upstream(chatAnswer('eu'));
    const us = await upstream(chatAnswer('us'));
    const running = await started(
      `providers:\n${at('eu', eu, 'api_key: k-eu, region: eu-west-1')}\n${at('us', us, 'api_key: k-us, region: us-east-1')}
models:
  m: { deployments: ["us/m", "eu/m"], strategy: priority, ${ONCE} }
  american: { deployments: ["us/m"], fallbacks: [other], ${ONCE} }
  other: { deployments: ["us/o"] }`,
    );
    const european = { headers: { 'x-sluice-region': 'eu' } };
    expect((await ask(running, 'm')).text).toContain('"us"');
    expect((await ask(running, 'm', european)).text).toContain('"eu"');
    eu.behave(down);
    expect((await ask(running, 'm', european)).status).toBe(503);
    const seen = us.seen.length;
    const refused = await ask(running, 'american', european);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('x-sluice-error')).toBe('region_refused');
    expect(refused.text).toContain('`eu`');
    expect(us.seen.length).toBe(seen);
    expect((await ask(running, 'm', { headers: { 'x-sluice-region': 'not a region' } })).status).toBe(400);
  });
});

describe('the queue', () => {
  const file = (a: TestUpstream, limits: string, queue = 'max_depth: 50, max_wait_ms: 8000') =>
    `providers:\n${at('a', a, `api_key: k-of-a, limits: { ${limits} }, queue: { ${queue} }`)}
models: { m: { deployments: ["a/m"], ${ONCE} }, n: { deployments: ["a/n"], ${ONCE} } }`;

  it('tells who waited their position and how long, and nobody else', async () => {
    const a = await upstream(later(120, chatAnswer('hi')));
    const running = await started(file(a, 'concurrency: 1'));
    const first = ask(running, 'm');
    await expect.poll(() => a.seen.length).toBe(1);
    const waiting = [ask(running, 'm')];
    await expect.poll(async () => (await row(running, 'a/m')).waiting).toBe(1);
    waiting.push(ask(running, 'm'));
    expect((await first).headers.get('x-sluice-queue-position')).toBeNull();
    const told = (await Promise.all(waiting)).map(({ headers }) => [
      headers.get('x-sluice-queue-position'),
      Number(headers.get('x-sluice-queue-wait-ms')),
    ]);
    expect(told.map(([position]) => position)).toEqual(['1', '2']);
    expect(told[1]?.[1]).toBeGreaterThan(Number(told[0]?.[1]));
    expect(told[1]?.[1]).toBeGreaterThan(100);
  });

  it('lets the urgent go first, as far as their key allows it', async () => {
    const order: string[] = [];
    const record: Behaviour = (seen, response) => {
      order.push(String((seen.body['messages'] as { content: string }[])[0]?.content));
      return chatAnswer('ok')(seen, response);
    };
    const a = await upstream(record);
    const running = await started(file(a, 'concurrency: 1'));
    const key = async (name: string, metadata: Record<string, string>) =>
      (await running.client.call('createKey', { name, metadata })).key;
    const keys = {
      plain: await key('plain', {}),
      high: await key('high', { priority: 'high' }),
      may: await key('may', { max_priority: 'high' }),
      low: await key('low', { priority: 'low' }),
    };
    const say = (name: keyof typeof keys, content: string, priority?: string) =>
      ask(running, 'm', {
        headers: {
          authorization: `Bearer ${keys[name]}`,
          ...(priority === undefined ? {} : { 'x-sluice-priority': priority }),
        },
        body: { messages: [{ role: 'user', content }] },
      });
    const all: Promise<Told>[] = [];
    const queue = async (name: keyof typeof keys, content: string, priority?: string) => {
      const before = (await row(running, 'a/m')).waiting;
      all.push(say(name, content, priority));
      await expect.poll(async () => (await row(running, 'a/m')).waiting).toBe(before + 1);
    };
    let release: () => void = () => undefined;
    a.behave(async (seen, response) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await chatAnswer('ok')(seen, response);
    });
    all.push(say('plain', 'busy'));
    await expect.poll(() => a.seen.length).toBe(1);
    await queue('low', 'low');
    await queue('plain', 'plain asks for high', 'high');
    await queue('plain', 'plain asks for low', 'low');
    await queue('may', 'may and does not ask');
    await queue('may', 'may and asks', 'high');
    await queue('high', 'high');
    a.behave(record);
    release();
    for (const { status } of await Promise.all(all)) expect(status).toBe(200);
    expect(order).toEqual([
      'may and asks',
      'high',
      'plain asks for high',
      'may and does not ask',
      'low',
      'plain asks for low',
    ]);
    expect((await say('plain', 'x', 'urgent')).status).toBe(400);
  });

  it('says when to come back by how fast places become free', async () => {
    const a = await upstream(later(100, chatAnswer('hi')));
    const running = await started(file(a, 'concurrency: 2', 'max_depth: 4, max_wait_ms: 8000'));
    // Twenty a second pass.
    for (let n = 0; n < 4; n++) await Promise.all([ask(running, 'm'), ask(running, 'm')]);
    a.behave(later(800, chatAnswer('hi')));
    const busy = Array.from({ length: 6 }, () => ask(running, 'm'));
    await expect.poll(async () => (await row(running, 'a/m')).waiting).toBe(4);
    const over = await ask(running, 'm');
    expect(over.status).toBe(429);
    expect(Number(over.headers.get('retry-after'))).toBeLessThanOrEqual(2);
    for (const { status } of await Promise.all(busy)) expect(status).toBe(200);
  });

  it('shares a provider’s limit fairly between its models', async () => {
    const a = await upstream(later(20, chatAnswer('hi')));
    const running = await started(file(a, 'concurrency: 1'));
    const all = [ask(running, 'm')];
    await expect.poll(() => a.seen.length).toBe(1);
    for (let n = 0; n < 6; n++) all.push(ask(running, 'm'));
    await expect.poll(async () => (await row(running, 'a/m')).waiting).toBeGreaterThan(3);
    all.push(ask(running, 'n'));
    for (const { status } of await Promise.all(all)) expect(status).toBe(200);
    const place = a.seen.findIndex(({ body }) => body['model'] === 'n');
    expect(place).toBeGreaterThan(0);
    expect(place).toBeLessThan(6);
  });
});

describe('reload under load', () => {
  const file = (a: TestUpstream, limits: string, circuit = '') =>
    `version: 1\nproviders:\n${at('a', a, `api_key: k-of-a, limits: { ${limits} }`)}
models:
  m: { deployments: ["a/m"], ${ONCE}${circuit} }
`;

  function rewrite(running: TestGateway, text: string): void {
    writeFileSync(running.configPath ?? expect.fail(), text);
    running.gateway.reload();
  }

  it('lets those who wait through by the new limits, and streams end as they began', async () => {
    const finish: (() => void)[] = [];
    const a = await upstream(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: 'long ' }));
        finish.push(() => {
          send(chatChunk({ content: 'answer' }) + chatChunk({}, 'stop') + CHAT_END);
          response.end();
        });
      }),
    );
    const running = await startGateway({ yaml: file(a, 'concurrency: 2') });
    open.push(running);
    const stream = () => ask(running, 'm', { body: { stream: true } });
    const all = [stream(), stream(), stream(), stream()];
    await expect.poll(async () => (await row(running, 'a/m')).waiting).toBe(2);
    expect(a.seen).toHaveLength(2);
    rewrite(running, file(a, 'concurrency: 3'));
    await expect.poll(() => a.seen.length).toBe(3);
    // The lease of an old configuration counts under the new one.
    await sleep(100);
    expect(a.seen).toHaveLength(3);
    rewrite(running, file(a, 'concurrency: 30'));
    await expect.poll(() => finish.length).toBe(4);
    for (const each of finish) each();
    for (const { text, status } of await Promise.all(all)) {
      expect(status).toBe(200);
      expect(text).toContain('answer');
      expect(text).toContain('[DONE]');
    }
    expect(await row(running, 'a/m')).toMatchObject({ in_flight: 0, waiting: 0 });
  });

  it('keeps circuits of what did not change, and forgets the rest of a key that was replaced', async () => {
    let good = 'none';
    const a = await upstream((seen, response) =>
      (seen.headers.authorization === `Bearer ${good}`
        ? chatAnswer('hi')
        : json(401, { error: { message: 'no' } }))(seen, response),
    );
    const b = await upstream(down);
    const file = (key: string) =>
      `version: 1\nproviders:\n${at('a', a, `api_keys: [${key}]`)}\n${at('b', b)}\nmodels: { m: { deployments: ["a/m"], ${ONCE} }, n: { deployments: ["b/m"], ${ONCE} } }\n`;
    const running = await startGateway({ yaml: file('mistyped-secret') });
    open.push(running);
    expect((await ask(running, 'm')).status).toBe(502);
    for (let n = 0; n < 5; n++) await ask(running, 'n');
    expect((await row(running, 'a/m')).credentials[0]?.state).toBe('refused');
    expect((await row(running, 'b/m')).state).toBe('open');
    good = 'mended-secret';
    rewrite(running, file('mended-secret'));
    await expect.poll(async () => (await ask(running, 'm')).status).toBe(200);
    expect((await row(running, 'a/m')).credentials).toMatchObject([{ hint: 'cret', state: 'ready' }]);
    expect((await row(running, 'b/m')).state).toBe('open');
  });
});
