// Our reader of answers against undici's (llhttp): the same raw bytes from a real socket, in random pieces, whole or damaged.
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openUpstream } from '../../src/adapters/http1/upstream.ts';
import type { Upstream } from '../../src/ports/upstream.ts';

const { Client } = await import('undici');

/** xorshift32, so that a seed names a case. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const HEADS = [
  ['HTTP/1.1 200 OK', 'Content-Length: 11'],
  ['HTTP/1.1 200 OK', 'content-type: text/plain', 'Transfer-Encoding: chunked'],
  ['HTTP/1.1 429 Too Many', 'retry-after: 1', 'Content-Length: 11', 'Connection: close'],
  ['HTTP/1.1 200 OK', 'X-A: 1', 'x-a: 2'],
  ['HTTP/1.0 503 No', 'Content-Length: 11'],
  ['HTTP/1.1 103 Early Hints', 'link: a', '', 'HTTP/1.1 200 OK', 'Content-Length: 11'],
] as const;

const DAMAGE = [
  '\0',
  '\r',
  '\n',
  ' ',
  ':',
  ';',
  '\t',
  '-',
  '0',
  '5',
  'f',
  'x',
  '\x80',
  ',',
  '\r\n',
  '\r\n\r\n',
];

/** An answer, nearly always with one thing wrong with it. */
function answerOf(random: (below: number) => number): string {
  const head = HEADS[random(HEADS.length)] ?? HEADS[0];
  const chunked = head.some((line) => line.endsWith('chunked'));
  const body = chunked ? '5\r\nhello\r\n6;n=v\r\n world\r\n0\r\nx-t: 1\r\n\r\n' : 'hello world';
  const answer = `${head.join('\r\n')}\r\n\r\n${body}`;
  const at = random(answer.length);
  const bad = DAMAGE[random(DAMAGE.length)] ?? '';
  switch (random(5)) {
    case 0:
      return answer;
    case 1:
      return answer.slice(0, at);
    case 2:
      return answer.slice(0, at) + bad + answer.slice(at);
    case 3:
      return answer.slice(0, at) + bad + answer.slice(at + 1);
    default:
      return answer.slice(0, at) + answer.slice(at + 1);
  }
}

let answer = '';
let random = randomFrom(1);
let server: Server;
let upstream: Upstream;
let origin = '';

async function play(socket: Socket): Promise<void> {
  const bytes = Buffer.from(answer, 'latin1');
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random(random(2) === 0 ? 6 : 80);
    socket.write(bytes.subarray(at, at + size));
    at += size;
    await new Promise(setImmediate);
  }
  socket.end();
}

beforeAll(async () => {
  server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('data', () => void play(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  upstream = openUpstream({ maxConnections: 4 });
});

afterAll(async () => {
  await upstream.close();
  await new Promise((resolve) => server.close(resolve));
});

type Outcome = { status: number; headers: Record<string, unknown>; body: string } | 'refused';

async function byOurs(): Promise<Outcome> {
  const timeouts = { connectMs: 2000, firstByteMs: 2000, idleMs: 2000, totalMs: 5000 };
  const request = { method: 'POST', origin, path: '/', headers: {}, body: '{}', timeouts };
  try {
    const got = await upstream.send({ ...request, allowPrivateNetwork: true }, new AbortController().signal);
    const body = Buffer.from(await got.bytes(1000)).toString('latin1');
    return { status: got.status, headers: { ...got.headers }, body };
  } catch {
    return 'refused';
  }
}

async function byUndici(): Promise<Outcome> {
  const client = new Client(origin, { allowH2: false });
  try {
    const got = await client.request({ method: 'POST', path: '/', body: '{}' });
    const body = Buffer.from(await got.body.arrayBuffer()).toString('latin1');
    const headers = Object.entries(got.headers).map(([name, value]) => [
      name,
      // RFC 9110 §5.5: blanks around a value are no part of it; undici leaves those behind it.
      [value]
        .flat()
        .map((one) => String(one).replace(/[\t ]+$/, ''))
        .join(', '),
    ]);
    return { status: got.statusCode, headers: Object.fromEntries(headers), body };
  } catch {
    return 'refused';
  } finally {
    await client.destroy();
  }
}

describe('answers of upstreams', () => {
  it('are read as undici reads them, or refused', async () => {
    const looser: string[] = [];
    const other: string[] = [];
    let both = 0;
    let stricter = 0;
    for (let seed = 1; seed <= 500; seed++) {
      random = randomFrom(seed);
      for (let warm = 0; warm < 8; warm++) random(2);
      answer = answerOf(random);
      const ours = await byOurs();
      const theirs = await byUndici();
      if (ours === 'refused') {
        if (theirs !== 'refused') stricter++;
      } else if (theirs === 'refused') {
        // For the same reason it refuses a length with a blank behind it.
        if (!/length: \d+[\t ]+\r/i.test(answer)) looser.push(`${seed}: ${JSON.stringify(answer)}`);
      } else {
        both++;
        if (JSON.stringify(ours) !== JSON.stringify(theirs))
          other.push(
            `${seed}: ${JSON.stringify(answer)} ours ${JSON.stringify(ours)} theirs ${JSON.stringify(theirs)}`,
          );
      }
    }
    expect(other).toEqual([]);
    expect(looser).toEqual([]);
    expect(both).toBeGreaterThan(100);
    expect(stricter).toBeLessThan(25);
  });
});
