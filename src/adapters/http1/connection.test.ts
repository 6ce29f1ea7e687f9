import { execFile } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Upstream, UpstreamRequest } from '../../ports/upstream.ts';
import { openUpstream } from './upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** What the server does with the request that is the `number`th on its `connection`th connection, both from 1. */
type Play = (socket: Socket, place: { connection: number; number: number; text: string }) => void;

let server: Server;
let upstream: Upstream;
let origin: string;
let play: Play;
let connections: Socket[];
let requests: string[];

beforeEach(async () => {
  connections = [];
  requests = [];
  play = (socket) => socket.write(OK);
  server = createServer((socket) => {
    const connection = connections.push(socket);
    let number = 0;
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const text = data.toString('latin1');
      requests.push(text);
      number++;
      play(socket, { connection, number, text });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  upstream = openUpstream({ maxConnections: 8 });
});

afterEach(async () => {
  await upstream.close();
  for (const socket of connections) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function send(changes: Partial<UpstreamRequest> = {}, signal = new AbortController().signal) {
  return upstream.send(
    {
      method: 'POST',
      origin,
      path: '/v1/x?y=1',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
      timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 0 },
      allowPrivateNetwork: true,
      ...changes,
    },
    signal,
  );
}

async function textOf(changes: Partial<UpstreamRequest> = {}): Promise<string> {
  return Buffer.from(await (await send(changes)).bytes(100_000)).toString('latin1');
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const LIMITS = { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 0 };

describe('a connection', () => {
  it('carries one request after the other', async () => {
    for (let count = 0; count < 3; count++) expect(await textOf()).toBe('ok');
    expect(connections).toHaveLength(1);
    expect(requests[0]).toBe(
      `POST /v1/x?y=1 HTTP/1.1\r\nhost: ${origin.slice(7)}\r\nconnection: keep-alive\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}`,
    );
  });

  it('says that there is no body, or nothing where none is expected', async () => {
    await textOf({ body: undefined });
    await textOf({ body: undefined, method: 'GET' });
    expect(requests[0]).toContain('\r\ncontent-length: 0\r\n\r\n');
    expect(requests[1]).not.toContain('content-length');
  });

  it.each([
    ['the server wants it closed', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['more came than was asked for', `${OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`],
    [
      'it will be closed in a moment',
      'HTTP/1.1 200 OK\r\nkeep-alive: timeout=2\r\ncontent-length: 2\r\n\r\nok',
    ],
  ])('is not used again when %s', async (_name, answer) => {
    play = (socket, { connection }) => socket.write(connection === 1 ? answer : OK);
    expect(await textOf()).toBe('ok');
    expect(await textOf()).toBe('ok');
    expect(connections).toHaveLength(2);
  });

  it('is not used again when something comes that nobody asked for', async () => {
    await textOf();
    connections[0]?.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil');
    await pause(30);
    expect(await textOf()).toBe('ok');
    expect(connections).toHaveLength(2);
  });

  it('is not used again when the server closed it', async () => {
    await textOf();
    connections[0]?.end();
    await pause(30);
    expect(await textOf()).toBe('ok');
    expect(connections).toHaveLength(2);
  });

  it('refuses to write what would become something else', async () => {
    for (const changes of [
      { headers: { 'x-a': 'b\r\nx-evil: 1' } },
      { headers: { 'x a': 'b' } },
      { path: '/a b' },
      { path: '/a\r\nx: y' },
      { method: 'GET /evil HTTP/1.1\r\n\r\nPOST' },
    ]) {
      await expect(send(changes)).rejects.toMatchObject({ code: 'upstream_unreachable' });
    }
    await textOf();
    await expect(send({ headers: { 'x-a': 'b\n' } })).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(requests).toHaveLength(1);
    // The place each of them took is free again.
    expect(await Promise.all(Array.from({ length: 8 }, () => textOf()))).toEqual(Array(8).fill('ok'));
  });
});

describe('a connection that the server closes', () => {
  it('in the moment of the next requests costs none of them, and none is read twice', async () => {
    play = (socket) => setTimeout(() => socket.write(OK), 10);
    const many = () => Promise.all(Array.from({ length: 8 }, () => textOf()));
    expect(await many()).toEqual(Array(8).fill('ok'));
    for (const socket of connections) socket.destroy();
    expect(await many()).toEqual(Array(8).fill('ok'));
    expect(connections).toHaveLength(16);
    expect(requests).toHaveLength(16);
  });

  it.each([
    ['ends', (socket: Socket) => socket.end()],
    ['ends, and hears nothing more', (socket: Socket) => socket.destroy()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['ends in the middle of an answer', (socket: Socket) => socket.end('HTTP/1.1 200')],
  ])('is not made up for where it had the request: it %s', async (_name, close) => {
    play = (socket, { number }) => {
      if (number === 1) socket.write(OK);
      else if (number === 2) close(socket);
    };
    expect(await textOf()).toBe('ok');
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(requests.filter((text) => text.startsWith('POST'))).toHaveLength(2);
    expect(connections).toHaveLength(1);
    play = (socket) => socket.destroy();
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' });
    expect(connections).toHaveLength(2);
  });

  it('may be given up, and so may the one after it', async () => {
    play = (socket, { connection }) => void (connection === 1 && socket.write(OK));
    for (const until of [1, 2]) {
      expect(await textOf()).toBe('ok');
      connections[0]?.destroy();
      const leaving = new AbortController();
      const left = send({}, leaving.signal);
      while (requests.length < until) await pause(2);
      leaving.abort();
      await expect(left).rejects.toMatchObject({ code: 'client_closed' });
      await pause(20);
      expect(connections.every((socket) => socket.destroyed || socket.readableEnded)).toBe(true);
      connections.length = 0;
      requests.length = 0;
    }
  });
});

it('a connection that is still being opened is closed with its request', async () => {
  // The server has taken it, but never says a word of TLS.
  play = () => undefined;
  const leaving = new AbortController();
  const secure = origin.replace('http:', 'https:');
  const left = send({ origin: secure }, leaving.signal);
  const late = send({ origin: secure, timeouts: { ...LIMITS, totalMs: 40 } });
  while (requests.length < 2) await pause(5);
  leaving.abort();
  await expect(left).rejects.toMatchObject({ code: 'client_closed' });
  await expect(late).rejects.toMatchObject({ code: 'upstream_timeout' });
  await pause(20);
  expect(connections.map((socket) => socket.destroyed || socket.readableEnded)).toEqual([true, true]);
});

it('keeps no process alive while idle, and one that waits for an answer', async () => {
  const script = `
    const { openUpstream } = await import(${JSON.stringify(new URL('./upstream.ts', import.meta.url).href)});
    const timeouts = { connectMs: 1000, firstByteMs: 5000, idleMs: 5000, totalMs: 0 };
    const request = { method: 'POST', origin: '${origin}', path: '/', headers: {}, body: 'x', timeouts, allowPrivateNetwork: true };
    const upstream = openUpstream({ maxConnections: 1 });
    for (let count = 0; count < 2; count++) {
      const answer = await upstream.send(request, new AbortController().signal);
      console.log(Buffer.from(await answer.bytes(100)).toString());
    }`;
  play = (socket) => setTimeout(() => socket.write(OK), 100);
  const began = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  expect(stdout).toBe('ok\nok\n');
  expect(connections).toHaveLength(1);
  expect(performance.now() - began).toBeLessThan(8000);
});

describe('an answer', () => {
  it('has a limit for headers, for the time between pieces, and for the whole', async () => {
    play = () => undefined;
    await expect(send({ timeouts: { ...LIMITS, firstByteMs: 40 } })).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
    await expect(send({ timeouts: { ...LIMITS, totalMs: 40 } })).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
    play = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok');
    await expect(textOf({ timeouts: { ...LIMITS, idleMs: 40 } })).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
    play = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const drip = setInterval(() => socket.write('1\r\nx\r\n'), 10);
      socket.on('close', () => clearInterval(drip));
    };
    await expect(textOf({ timeouts: { ...LIMITS, idleMs: 60, totalMs: 120 } })).rejects.toMatchObject({
      code: 'upstream_timeout',
    });
    const closed = () => connections.every((socket) => socket.destroyed || socket.readableEnded);
    await expect.poll(closed).toBe(true);
  });

  it('goes on while pieces keep coming, however long it takes', async () => {
    play = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n');
      let left = 10;
      const drip = setInterval(() => {
        socket.write('x');
        if (--left === 0) clearInterval(drip);
      });
    };
    expect(await textOf({ timeouts: { ...LIMITS, idleMs: 120 } })).toBe('x'.repeat(10));
  });

  it('reads no faster than its answer is taken', async () => {
    const size = 8 * 1024 * 1024;
    let sent = 0;
    play = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      const more = (): void => {
        while (sent < size) {
          sent += 65_536;
          if (!socket.write(Buffer.alloc(65_536, 1))) break;
        }
      };
      socket.on('drain', more);
      more();
    };
    const answer = await send({ timeouts: { ...LIMITS, idleMs: 100 } });
    await pause(250);
    expect(sent).toBeLessThan(size);
    let taken = 0;
    for await (const chunk of answer) {
      expect(chunk.every((byte) => byte === 1)).toBe(true);
      taken += chunk.length;
    }
    expect(taken).toBe(size);
    play = (socket) => socket.write(OK);
    expect(await textOf()).toBe('ok');
    expect(connections).toHaveLength(1);
  });
});

describe('an odd answer', () => {
  it.each([
    ['a head that comes byte by byte', 'HTTP/1.1 200 OK\r\n', 'x-a: b\r\n'],
    ['others that only say that it will come', '', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ])('has no more time for its headers because of %s', async (_name, first, more) => {
    play = (socket) => {
      socket.write(first);
      const drip = setInterval(() => socket.write(more), 10);
      socket.on('close', () => clearInterval(drip));
    };
    const timeouts = { ...LIMITS, firstByteMs: 80, totalMs: 900 };
    const began = performance.now();
    await expect(send({ timeouts })).rejects.toMatchObject({ code: 'upstream_timeout' });
    expect(performance.now() - began).toBeLessThan(600);
  });

  it('may wait before it is asked for, and be long', async () => {
    const body = 'x'.repeat(2_000_000);
    play = (socket) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const answer = await send();
    await pause(50);
    expect(await answer.bytes(body.length)).toHaveLength(body.length);
  });

  it.each([
    ['GZip', gzipSync('okay')],
    ['Identity', Buffer.from('okay')],
  ])('may name its coding in any case: %s', async (coding, bytes) => {
    play = (socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ncontent-length: ${bytes.length}\r\n\r\n`,
      );
      socket.write(bytes);
    };
    expect(await textOf()).toBe('okay');
    const pieces: Uint8Array[] = [];
    for await (const piece of await send()) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe('okay');
  });
});

describe('the end of an answer', () => {
  it('is brought about by who cancels, and by a server that dies', async () => {
    play = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok');
    const answer = await send();
    answer.cancel();
    await expect(answer.bytes(100)).rejects.toMatchObject({ code: 'upstream_cut' });
    play = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok');
      setTimeout(() => socket.destroy(), 10);
    };
    await expect(textOf()).rejects.toMatchObject({ code: 'upstream_cut' });
    play = (socket) => socket.destroy();
    await expect(send()).rejects.toMatchObject({ code: 'upstream_unreachable' });
    play = (socket) => socket.write('What?\r\n\r\n');
    await expect(send()).rejects.toMatchObject({ code: 'upstream_malformed' });
    const closed = () => connections.every((socket) => socket.destroyed || socket.readableEnded);
    await expect.poll(closed).toBe(true);
  });

  it('hands on large bodies, both ways', async () => {
    const body = Buffer.alloc(3_000_000, 'a');
    let arrived = 0;
    play = (socket, { text }) => {
      arrived += text.length;
      if (!text.endsWith('!')) return;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(body);
    };
    body.write('!', body.length - 1);
    const answer = await (await send({ body })).bytes(body.length);
    expect(Buffer.compare(body, answer)).toBe(0);
    expect(arrived).toBeGreaterThan(body.length);
  });
});
