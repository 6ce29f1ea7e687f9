import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PlainRequest } from '../../src/http/client-request.ts';
import type { PlainResponse } from '../../src/http/plain-response.ts';
import { PlainServer } from '../../src/http/plain-server.ts';

// What our reader takes, node's own must read in the same way, and what it does not take must reach node's as it was sent: two
// servers get the same bytes in the same pieces, one of them with our reader before node's. They must see the same requests, fail
// at the same place, and answer with the same bytes.

/** What one server saw and said on one connection. */
interface Told {
  readonly requests: string[];
  failed: boolean;
  /** How many of the requests our own reader took. */
  plain: number;
}

interface Listening {
  readonly port: number;
  readonly told: Map<number, Told>;
  close(): void;
}

const seen = (method: string, url: string, headers: IncomingHttpHeaders, body: Buffer): string =>
  JSON.stringify([method, url, headers, body.toString('latin1')]);

const words = (text: string) => ({
  'content-type': 'application/json',
  'content-length': String(Buffer.byteLength(text)),
});

function open(withOurs: boolean): Promise<Listening> {
  const told = new Map<number, Told>();
  const bySocket = new WeakMap<Socket, Told>();
  const nobody: Told = { requests: [], failed: false, plain: 0 };
  const of = (socket: Socket): Told => bySocket.get(socket) ?? nobody;
  const server: Server = createServer(
    { maxHeaderSize: 16_384, requireHostHeader: false, noDelay: true },
    (request, response) => {
      const known = of(request.socket);
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('error', () => undefined);
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        known.requests.push(seen(method, url, headers, Buffer.concat(pieces)));
        response.writeHead(200, words(url));
        response.end(url);
      });
    },
  );
  server.maxHeadersCount = 0;
  server.on('clientError', (_error, socket) => {
    of(socket as Socket).failed = true;
    setTimeout(() => socket.destroy(), 50);
  });
  if (withOurs) {
    const serve = (request: PlainRequest, response: PlainResponse): void => {
      const { method, url, headers, body, socket } = request;
      const known = of(socket);
      known.plain++;
      known.requests.push(seen(method, url, headers, body));
      setImmediate(() => {
        response.writeHead(200, words(url));
        response.end(url);
      });
    };
    const isServed = (path: string): boolean => path.startsWith('/v1/');
    const plain = new PlainServer(server, {
      maxHeaderBytes: 16_384,
      keepAliveTimeoutMs: 5000,
      isServed,
      serve,
    });
    server.on('connection', (socket) => plain.accept(socket));
  }
  server.prependListener('connection', (socket) => {
    const known: Told = { requests: [], failed: false, plain: 0 };
    bySocket.set(socket, known);
    told.set(socket.remotePort ?? 0, known);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      const close = (): void => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ port, told, close });
    });
  });
}

/** Longer than our reader waits for the rest of a request. */
const WAIT_MS = 1500;

/** Sends pieces one after the other and waits until nothing more comes. */
async function talk(to: Listening, pieces: readonly Buffer[]): Promise<Told & { readonly answer: string }> {
  const socket = connect(to.port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  const got: Buffer[] = [];
  socket.on('data', (piece) => got.push(piece));
  await new Promise((resolve) => socket.once('connect', resolve));
  const { localPort = 0 } = socket;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, WAIT_MS))]);
  socket.destroy();
  const known = to.told.get(localPort) ?? { requests: [], failed: false, plain: 0 };
  to.told.delete(localPort);
  const answer = Buffer.concat(got)
    .toString('latin1')
    .replaceAll(/\r\nDate: [^\r]+ GMT\r\n/g, '\r\nDate: now\r\n');
  return { ...known, answer };
}

const often = <T>(usual: T, ...odd: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 60 }, { arbitrary: fc.constantFrom(...odd), weight: 1 });

const TOKEN = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
const VALUE = fc.stringMatching(/^[\x21-\x7e][\x20-\x7e\t]{0,38}[\x21-\x7e]$/);

const headerLine = fc.oneof(
  { arbitrary: fc.tuple(TOKEN, VALUE).map(([name, value]) => `${name}: ${value}`), weight: 16 },
  {
    arbitrary: fc.constantFrom(
      'Connection: keep-alive',
      'connection: close',
      'Connection: Keep-Alive',
      'connection: keep-alive, x-a',
      'Keep-Alive: timeout=5',
      'Transfer-Encoding: chunked',
      'transfer-encoding: identity',
      'Expect: 100-continue',
      'Upgrade: h2c',
      'TE: trailers',
      'Trailer: x-a',
      'Proxy-Connection: keep-alive',
      'Content-Length: 3',
      'content-length: 0',
      'Host: other',
      'set-cookie: a=b',
      'cookie: a=b',
      '__proto__: x',
      'constructor: x',
      'toString: x',
      'x-a: ',
      'x-a:',
      'x-a:b',
      'x-a:  b',
      'x-a: b ',
      'x-a: b\t',
      'x-a:\tb',
      'x-a : b',
      ' x-a: b',
      '\tx-a: b',
      ': b',
      'no colon',
      'x-ä: b',
      'x-a: ü',
      'x-a: b\u0000c',
      'x-a: b\u007fc',
      'x-a: b\rc',
      'x-a: b\nx-c: d',
    ),
    weight: 2,
  },
);

const LENGTHS = (exact: number) =>
  often(
    `content-length: ${exact}`,
    `Content-Length: ${exact}`,
    `content-length: 00${exact}`,
    `content-length: +${exact}`,
    `content-length: ${exact} `,
    `content-length: ${exact}, ${exact}`,
    `content-length: 0x${exact.toString(16)}`,
    `content-length: ${exact + 5}`,
    `content-length: ${Math.max(0, exact - 3)}`,
    'content-length: 99999999999',
    'content-length: -1',
    'content-length:',
    'x-nothing: 1',
  );

const body = fc.oneof(
  fc.constantFrom('{}', '', '{"model":"m"}', '0\r\n\r\n', 'POST /v1/x HTTP/1.1\r\n\r\n'),
  fc.string({ maxLength: 60 }),
);

/** What comes after the head, with the line that says how long it is. */
const ending = body.chain((text) => LENGTHS(Buffer.byteLength(text)).map((length) => ({ text, length })));

/** Up to three requests whose heads differ in their lengths alone. */
const alike: fc.Arbitrary<readonly Buffer[]> = fc
  .record({
    method: often('POST', 'GET', 'post', 'PUT', 'POST\t', 'OPTIONS', 'POSTS'),
    target: often(
      '/v1/chat/completions',
      '/v1/a?b=c&d=%20e',
      '/v1/a b',
      '//v1/a',
      '/v1/{a}',
      '/v1/"<>^`|\\',
      '/v1/[a]',
      '/v1/a#b',
      '/v1/ä',
      '/other',
      'http://x/v1/a',
      '*',
      '/v1/../x',
    ),
    version: often('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/1.12'),
    eol: often('\r\n', '\n', '\r', '\r\r\n', '\r\n '),
    host: often('host: localhost', 'Host: localhost', 'x-no-host: a'),
    before: fc.array(headerLine, { maxLength: 3 }),
    after: fc.array(headerLine, { maxLength: 1 }),
    endings: fc.array(ending, { minLength: 1, maxLength: 3 }),
  })
  .map(({ method, target, version, eol, host, before, after, endings }) =>
    endings.map(({ text, length }) => {
      const lines = [`${method} ${target} ${version}`, host, ...before, length, ...after];
      return Buffer.concat([Buffer.from(`${lines.join(eol)}${eol}${eol}`, 'latin1'), Buffer.from(text)]);
    }),
  );

const BYTES = [0, 9, 10, 11, 13, 32, 58, 127, 128, 255, 0x41];

interface Change {
  readonly kind: string;
  readonly at: number;
  readonly byte: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'delete'),
  at: fc.nat(400),
  byte: fc.constantFrom(...BYTES),
});

function apply(bytes: Buffer, { kind, at, byte }: Change): Buffer {
  const from = bytes.length === 0 ? 0 : at % bytes.length;
  return Buffer.concat([
    bytes.subarray(0, from),
    kind === 'delete' ? Buffer.alloc(0) : Buffer.of(byte),
    bytes.subarray(kind === 'insert' ? from : from + 1),
  ]);
}

const conversation: fc.Arbitrary<readonly Buffer[]> = fc
  .record({
    groups: fc.array(alike, { minLength: 1, maxLength: 2 }),
    /** Three of four are sent as they are. */
    chance: fc.nat(3),
    changes: fc.array(change, { minLength: 1, maxLength: 2 }),
    cuts: fc.array(fc.nat(600), { maxLength: 4 }),
  })
  .map(({ groups, chance, changes, cuts }) => {
    const whole = Buffer.concat(groups.flat());
    const bytes = chance === 0 ? changes.reduce(apply, whole) : whole;
    const places = [...new Set(cuts.map((cut) => cut % Math.max(1, bytes.length)))].sort((a, b) => a - b);
    return [0, ...places]
      .map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
      .filter((piece) => piece.length > 0);
  });

let node: Listening;
let ours: Listening;

beforeAll(async () => {
  node = await open(false);
  ours = await open(true);
});

afterAll(() => {
  node.close();
  ours.close();
});

async function compare(pieces: readonly Buffer[]): Promise<number> {
  const [theirs, own] = await Promise.all([talk(node, pieces), talk(ours, pieces)]);
  const about = pieces.map((piece) => piece.toString('latin1'));
  expect({ about, requests: own.requests, failed: own.failed }).toEqual({
    about,
    requests: theirs.requests,
    failed: theirs.failed,
  });
  // After a failure it depends on the moment how much is said before the end.
  if (!theirs.failed) expect({ about, answer: own.answer }).toEqual({ about, answer: theirs.answer });
  return own.plain;
}

const SEED = Number(process.env['PLAIN_SEED'] ?? 20_261_122);
const CASES = Number(process.env['PLAIN_CASES'] ?? 1200);
const AT_ONCE = 150;

it('what is read here is what node reads, and what is not is node’s as it was sent', async () => {
  const cases = fc.sample(conversation, { seed: SEED, numRuns: CASES });
  let plain = 0;
  for (let from = 0; from < cases.length; from += AT_ONCE) {
    const taken = await Promise.all(cases.slice(from, from + AT_ONCE).map(compare));
    plain += taken.reduce((sum, one) => sum + one, 0);
  }
  // Otherwise the cases are too odd to say anything.
  expect(plain).toBeGreaterThan(CASES / 4);
});

const whole = Buffer.from(
  'POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"model":"m"}',
);
const get = Buffer.from('GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n');

it('a plain request may be cut at every byte', async () => {
  const cuts = Array.from({ length: whole.length - 1 }, (_, index) => index + 1);
  const taken = await Promise.all(cuts.map((at) => compare([whole.subarray(0, at), whole.subarray(at)])));
  expect(taken.every((plain) => plain === 1)).toBe(true);
});

it('an odd request behind a plain one may be cut at every byte', async () => {
  const both = Buffer.concat([whole, get]);
  const cuts = Array.from({ length: both.length - 1 }, (_, index) => index + 1);
  await Promise.all(cuts.map((at) => compare([both.subarray(0, at), both.subarray(at)])));
});

it('a head in very many pieces is node’s, with the same result', async () => {
  const bytes = Array.from(whole, (byte) => Buffer.of(byte));
  expect(await compare(bytes)).toBe(0);
});
