import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

// Plain requests are read by the gateway itself, others by node (docs/decisions/0017-plain-requests.md). From outside nobody may tell
// which it was: bare sockets, no client library between.

const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

interface Running {
  readonly gateway: TestGateway;
  readonly upstream: TestUpstream;
}

async function start(behaviour: Behaviour, { server = '', access = '' } = {}): Promise<Running> {
  const upstream = await startUpstream(behaviour);
  const gateway = await startGateway({
    yaml: `version: 1
server: { ${server} }
${access}
providers: { a: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k } }
models: { m: { deployments: ["a/m"], retries: { attempts: 0 } } }
`,
  });
  open.push(upstream, gateway);
  return { gateway, upstream };
}

interface Line {
  readonly socket: Socket;
  readonly text: () => string;
  readonly closed: () => boolean;
}

function dial({ gateway }: Running): Line {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.setNoDelay(true);
  const got: Buffer[] = [];
  let closed = false;
  socket.on('data', (piece) => got.push(piece));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  open.push({ close: async () => socket.destroy() });
  return { socket, text: () => Buffer.concat(got).toString('utf8'), closed: () => closed };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function call(ask: string, { stream = false, headers = [] as readonly string[] } = {}): string {
  const body = JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: ask }] });
  const lines = ['host: localhost', 'content-type: application/json', ...headers];
  return `POST /v1/chat/completions HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Only node reads a request with such a header. */
const ODD = ['te: trailers'];

/** Answers with what was asked. */
const echo: Behaviour = (seen, response) => {
  const [message] = seen.body['messages'] as { content: string }[];
  return chatAnswer(`said ${message?.content}`)(seen, response);
};

const saidIn = (text: string): string[] =>
  Array.from(text.matchAll(/"content":"said ([^"]*)"/g), ([, said]) => said ?? '');

/** Heads of answers without what differs from one to the next. */
const headsOf = (text: string): string[] =>
  Array.from(text.matchAll(/HTTP\/1\.1 .*?\r\n\r\n/gs), ([head]) =>
    head
      .replace(/Date: .* GMT/, 'Date: now')
      .replace(/exc_\w+/g, 'exc')
      .replace(/(content-length|x-sluice-cost-usd): .*/g, '$1: n'),
  );

const never: Behaviour = () => undefined;

describe('one connection', () => {
  it('carries plain requests, others, and plain ones again, with the same heads', async () => {
    const { socket, text } = dial(await start(echo));
    const asked = [
      call('1'),
      call('2'),
      call('3', { headers: ODD }),
      call('4'),
      call('5', { headers: ['Expect: 100-continue'] }),
    ];
    for (const [at, one] of asked.entries()) {
      socket.write(one);
      await expect.poll(() => saidIn(text())).toHaveLength(at + 1);
    }
    expect(saidIn(text())).toEqual(['1', '2', '3', '4', '5']);
    const heads = headsOf(text()).filter((head) => !head.includes(' 100 '));
    expect(heads).toHaveLength(5);
    expect(new Set(heads).size).toBe(1);
    expect(heads[0]).toMatch(/\r\nDate: now\r\nConnection: keep-alive\r\nKeep-Alive: timeout=\d+\r\n\r\n$/);
  });

  it('streams with the same head and framing either way', async () => {
    const words = sse(async (send, response) => {
      for (const content of ['a', 'ü', '漢']) {
        send(chatChunk({ content }));
        await pause(20);
      }
      send(chatChunk({}, 'stop'));
      response.end('data: [DONE]\n\n');
    });
    const running = await start(words);
    const answers: string[] = [];
    for (const headers of [[], ODD]) {
      const { socket, text } = dial(running);
      socket.write(call('x', { stream: true, headers }));
      await expect.poll(() => text().endsWith('\r\n0\r\n\r\n')).toBe(true);
      answers.push(
        text()
          .replace(/Date: .* GMT/, 'Date: now')
          .replace(/exc_\w+/, 'exc')
          .replace(/chatcmpl-\w+/g, 'id'),
      );
    }
    expect(answers[0]).toBe(answers[1]);
  });

  it('answers what was sent ahead in order, whoever reads it', async () => {
    const { socket, text } = dial(await start(echo));
    socket.write(call('1') + call('2') + call('3', { headers: ODD }) + call('4'));
    await expect.poll(() => saidIn(text())).toEqual(['1', '2', '3', '4']);
  });

  it('takes the name of a coding in any case', async () => {
    const running = await start(echo);
    const { socket, text } = dial(running);
    for (const name of ['identity', 'Identity', 'IDENTITY'])
      socket.write(call(name, { headers: [`content-encoding: ${name}`] }));
    await expect.poll(() => saidIn(text())).toEqual(['identity', 'Identity', 'IDENTITY']);
  });

  it('takes a request cut in two at any byte', async () => {
    const running = await start(echo);
    const bytes = Buffer.from(call('grüße'));
    for (let from = 1; from < bytes.length; from += 60) {
      const cuts = Array.from({ length: Math.min(60, bytes.length - from) }, (_, index) => from + index);
      const lines = cuts.map((at) => ({ at, line: dial(running) }));
      for (const { at, line } of lines) line.socket.write(bytes.subarray(0, at));
      await pause(30);
      for (const { at, line } of lines) line.socket.write(bytes.subarray(at));
      await expect.poll(() => lines.every(({ line }) => saidIn(line.text()).length === 1)).toBe(true);
      for (const { line } of lines) line.socket.destroy();
    }
  });

  it('does not read on without bound while an answer is under way', async () => {
    const running = await start(never);
    const { socket } = dial(running);
    socket.write(call('1'));
    await expect.poll(() => running.upstream.seen.length).toBe(1);
    const more = Buffer.from(call('x'.repeat(60_000)));
    for (let sent = 0; sent < 32 * 1024 * 1024; sent += more.length) socket.write(more);
    await pause(700);
    expect(socket.writableLength).toBeGreaterThan(8 * 1024 * 1024);
    expect(running.upstream.seen).toHaveLength(1);
    socket.destroy();
    // Nothing is read of a connection that is that far ahead: that it is gone is seen when it is answered.
    await running.upstream.close();
  });
});

describe('a client that leaves', () => {
  for (const stream of [false, true]) {
    for (const how of ['half-closes', 'resets'] as const) {
      it(`${how} before its ${stream ? 'streamed' : 'whole'} answer: the provider is hung up on`, async () => {
        const running = await start(never);
        const { socket, closed } = dial(running);
        socket.write(call('x', { stream }));
        await expect.poll(() => running.upstream.seen.length).toBe(1);
        if (how === 'resets') socket.resetAndDestroy();
        else socket.end();
        await expect.poll(() => running.upstream.seen[0]?.closedEarlyAfterMs).toBeDefined();
        await expect.poll(closed).toBe(true);
      });
    }
  }

  it('in the middle of a stream: the provider is hung up on', async () => {
    const endless = sse(async (send, response) => {
      while (!response.destroyed) {
        send(chatChunk({ content: 'x' }));
        await pause(10);
      }
    });
    const running = await start(endless);
    const { socket, text } = dial(running);
    socket.write(call('x', { stream: true }));
    await expect.poll(() => text().length > 500).toBe(true);
    socket.destroy();
    await expect.poll(() => running.upstream.seen[0]?.closedEarlyAfterMs).toBeDefined();
  });

  it('in the middle of a request: it is told so and nothing is called', async () => {
    const running = await start(echo);
    const { socket, text, closed } = dial(running);
    socket.end(call('x').slice(0, -5));
    await expect.poll(closed).toBe(true);
    expect(text()).toMatch(/^HTTP\/1\.1 400 /);
    expect(running.upstream.seen).toHaveLength(0);
  });
});

describe('time and places', () => {
  it('a stranger is refused before the body has come, and soon', async () => {
    const running = await start(echo, { access: 'access: { mode: keys }' });
    const { socket, text, closed } = dial(running);
    socket.write(call('x').slice(0, -20));
    await expect.poll(() => text()).toMatch(/^HTTP\/1\.1 401 [\s\S]*connection: close/i);
    await expect.poll(closed).toBe(true);
  });

  it('who says nothing, or half of a head, is told so after the time for headers', async () => {
    const running = await start(echo, { server: 'header_timeout_ms: 1500' });
    const begun = performance.now();
    const lines = ['', 'POST /v1/chat/completions HTTP/1.1\r\nhost: a'].map((begin) => {
      const line = dial(running);
      if (begin !== '') line.socket.write(begin);
      return line;
    });
    await expect
      .poll(() => lines.every(({ text }) => text().startsWith('HTTP/1.1 408 ')), { timeout: 8000 })
      .toBe(true);
    expect(performance.now() - begun).toBeGreaterThan(1400);
  });

  it('an idle connection is closed in time, one that is used is not', async () => {
    const running = await start(echo, { server: 'keep_alive_timeout_ms: 1000' });
    const [used, idle] = [dial(running), dial(running)];
    idle.socket.write(call('0'));
    const begun = performance.now();
    let asked = 0;
    while (performance.now() - begun < 3500) {
      used.socket.write(call(String(asked++)));
      await expect.poll(() => saidIn(used.text())).toHaveLength(asked);
      await pause(300);
    }
    expect(idle.closed()).toBe(true);
    expect(saidIn(idle.text())).toEqual(['0']);
    expect(used.closed()).toBe(false);
    expect(used.text()).toContain('Keep-Alive: timeout=1\r\n');
  });

  it('the oldest idle connection makes room', async () => {
    const running = await start(echo, { server: 'max_connections: 3' });
    const lines: Line[] = [];
    for (let at = 0; at < 4; at++) {
      const line = dial(running);
      line.socket.write(call(String(at)));
      await expect.poll(() => saidIn(line.text())).toEqual([String(at)]);
      lines.push(line);
    }
    await expect.poll(() => lines.map(({ closed }) => closed())).toEqual([true, false, false, false]);
  });

  it('a connection that is being answered on makes no room', async () => {
    const running = await start(never, { server: 'max_connections: 2' });
    const busy = [dial(running), dial(running)];
    for (const { socket } of busy) socket.write(call('x'));
    await expect.poll(() => running.upstream.seen.length).toBe(2);
    const third = dial(running);
    await expect.poll(third.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(busy.map(({ closed }) => closed())).toEqual([false, false]);
  });

  it('a client that never takes its answer is cut off, whole or streamed', async () => {
    const long = 'x'.repeat(1024 * 1024);
    const both: Behaviour = (seen, response) => {
      if (seen.body['stream'] !== true) return chatAnswer(long.repeat(24))(seen, response);
      return sse(async (send, to) => {
        for (let at = 0; at < 40 && !to.destroyed; at++) {
          send(chatChunk({ content: long }));
          await pause(5);
        }
        to.end('data: [DONE]\n\n');
      })(seen, response);
    };
    const running = await start(both, { server: 'write_stall_timeout_ms: 1000' });
    for (const stream of [false, true]) {
      const { socket, closed, text } = dial(running);
      socket.pause();
      socket.write(call('x', { stream }));
      await pause(4500);
      socket.resume();
      await expect.poll(closed).toBe(true);
      expect(text().length).toBeLessThan(20 * 1024 * 1024);
    }
  });

  it('a shutdown closes idle connections and lets running answers end', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await start(async (seen, response) => {
      const [message] = seen.body['messages'] as { content: string }[];
      if (message?.content === 'slow') await held;
      return echo(seen, response);
    });
    const [idle, busy, late, odd] = [dial(running), dial(running), dial(running), dial(running)];
    for (const { socket, text } of [idle, late]) {
      socket.write(call('quick'));
      await expect.poll(() => saidIn(text())).toEqual(['quick']);
    }
    busy.socket.write(call('slow'));
    await expect.poll(() => running.upstream.seen.length).toBe(3);
    const ended = running.gateway.close();
    await pause(200);
    // Who is turned away is to come back elsewhere, not on this connection.
    late.socket.write(call('late'));
    odd.socket.write(call('late', { headers: ODD }));
    for (const { text, closed } of [late, odd]) {
      await expect.poll(closed).toBe(true);
      expect(headsOf(text()).at(-1)).toMatch(/^HTTP\/1\.1 503 .*\r\nConnection: close\r\n/is);
    }
    release();
    await ended;
    await expect.poll(() => [idle.closed(), busy.closed()]).toEqual([true, true]);
    expect(saidIn(busy.text())).toEqual(['slow']);
    open.splice(open.indexOf(running.gateway), 1);
  });
});
