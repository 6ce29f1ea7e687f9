import { connect } from 'node:net';

/** Bytes for a socket, and how many answers may come back. */
export interface RawCase {
  readonly name: string;
  readonly text: string;
  /** First lines' statuses that are right, by answer. Default: exactly one of 400. */
  readonly statuses?: readonly (readonly number[])[];
  /** An empty answer and a closed connection will do as well. */
  readonly maySilence?: boolean;
}

/** What came back on a socket. */
export interface RawAnswer {
  readonly text: string;
  readonly statuses: readonly number[];
  readonly closed: boolean;
  readonly ms: number;
}

/** Writes bytes and reads until the other side closes, or `waitMs` are over. */
export function sendRaw(port: number, text: string | Buffer, waitMs = 3000): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const started = performance.now();
    const socket = connect(port, '127.0.0.1');
    let got = '';
    const done = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      const statuses = [...got.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
      resolve({ text: got, statuses, closed, ms: performance.now() - started });
    };
    const timer = setTimeout(() => done(false), waitMs);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => done(true));
    socket.write(text);
  });
}

/** Requests that are no lawful HTTP, or that two parsers could read in two ways. */
export function rawCases(port: number, key: string): RawCase[] {
  const host = `host: 127.0.0.1:${port}`;
  const auth = `authorization: Bearer ${key}`;
  const type = 'content-type: application/json';
  const body = JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'a' }] });
  const inner = `POST /v1/chat/completions HTTP/1.1\r\n${host}\r\n${auth}\r\n${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const post = (headers: readonly string[], rest: string, line = 'POST /v1/chat/completions HTTP/1.1') =>
    `${[line, host, auth, type, ...headers].join('\r\n')}\r\n\r\n${rest}`;
  const get = (headers: readonly string[], line = 'GET /v1/models HTTP/1.1') =>
    `${[line, ...headers].join('\r\n')}\r\n\r\n`;
  const length = `content-length: ${body.length}`;
  const chunked = 'transfer-encoding: chunked';
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const one = (name: string, text: string, more: Partial<RawCase> = {}): RawCase => ({ name, text, ...more });
  const refusedOnce = { statuses: [[400, 413, 417, 421, 431, 501]] };
  return [
    one('length and chunks', post([length, chunked], `0\r\n\r\n${inner}`)),
    one('chunks and length', post([chunked, 'content-length: 4'], `5c\r\n${inner}`)),
    one('two lengths', post([length, 'content-length: 5'], body + inner)),
    one('two equal lengths', post([length, length], body)),
    one('length list', post([`content-length: ${body.length}, ${body.length}`], body)),
    one('negative length', post(['content-length: -1'], body)),
    one('length with sign', post([`content-length: +${body.length}`], body)),
    one('hex length', post(['content-length: 0x10'], body)),
    one('length overflow', post(['content-length: 99999999999999999999999'], body)),
    one('huge length', post(['content-length: 9999999999'], body), { statuses: [[413]] }),
    one('length with a space before the colon', post([`content-length : ${body.length}`], body)),
    one('chunks, obscured', post(['transfer-encoding: xchunked'], chunk)),
    one('chunks, then identity', post(['transfer-encoding: chunked, identity'], chunk)),
    one('gzip, then chunks', post(['transfer-encoding: gzip, chunked'], chunk)),
    one('chunks twice', post([chunked, chunked], chunk)),
    one('chunks with a vertical tab', post(['transfer-encoding:\u000bchunked'], chunk)),
    one('chunk size is no number', post([chunked], `zz\r\n${body}\r\n0\r\n\r\n`)),
    one('negative chunk', post([chunked], `-1\r\n${body}\r\n0\r\n\r\n`)),
    one('chunk size overflow', post([chunked], `fffffffffffffffff\r\n${body}\r\n0\r\n\r\n`)),
    one('chunk shorter than said', post([chunked], `5\r\n${body}\r\n0\r\n\r\n`)),
    one('chunk without CR', post([chunked], `${body.length.toString(16)}\n${body}\n0\n\n`)),
    one('chunk extension of 64 KB', post([chunked], `1;${'a'.repeat(65_536)}\r\n`), {
      statuses: [[400, 413]],
    }),
    one('two hosts', get([host, 'host: evil.example', auth])),
    one('two hosts, evil first', get(['host: evil.example', host, auth])),
    one('no host', get([auth]), { statuses: [[421]] }),
    one('HTTP/1.0 without host', get([auth], 'GET /v1/models HTTP/1.0'), { statuses: [[400, 421]] }),
    one('two authorizations', get([host, auth, 'authorization: Bearer other'])),
    one('two api keys', get([host, `x-api-key: ${key}`, 'x-api-key: other'])),
    one('two content types', post([type, length], body)),
    one('two codings', post(['content-encoding: identity', 'content-encoding: gzip', length], body)),
    one('folded header', get([host, 'x-a: b\r\n c: d', auth])),
    one('space before a header', get([host, ' x-a: b', auth])),
    one('header without a colon', get([host, 'nothing', auth])),
    one('header with NUL', get([host, 'x-a: b\u0000c', auth])),
    one('header name with a space', get([host, 'x a: b', auth])),
    one('empty header name', get([host, ': b', auth])),
    one('CR alone', get([host, 'x-a: b\rx-c: d', auth])),
    one('absolute form', get([host, auth], 'GET http://evil.example/v1/models HTTP/1.1')),
    one('absolute form of our own', get([host, auth], `GET http://127.0.0.1:${port}/api/keys HTTP/1.1`)),
    one('no leading slash', get([host, auth], 'GET v1/models HTTP/1.1')),
    one('two slashes', get([host, auth], 'GET //v1/models HTTP/1.1')),
    one('star', get([host, auth], 'OPTIONS * HTTP/1.1')),
    one('space in the path', get([host, auth], 'GET /v1/models /x HTTP/1.1')),
    one('NUL in the path', get([host, auth], 'GET /v1/mod\u0000els HTTP/1.1')),
    one('unknown method', get([host, auth], 'HACK /v1/models HTTP/1.1')),
    one('method in small letters', get([host, auth], 'get /v1/models HTTP/1.1')),
    one('connect', get([host, auth], 'CONNECT evil.example:443 HTTP/1.1'), {
      ...refusedOnce,
      maySilence: true,
    }),
    one('HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', { statuses: [[400]] }),
    one('HTTP/3.0', get([host, auth], 'GET /v1/models HTTP/3.0')),
    one('HTTP/0.9', 'GET /v1/models\r\n\r\n', { statuses: [[400, 421]] }),
    one('TLS hello', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'),
    one('noise', '\u0001\u0002\u0003'.repeat(500)),
    one('headers of 64 KB', get([host, auth, `x-a: ${'a'.repeat(65_536)}`]), { statuses: [[431]] }),
    one('200 headers', get([host, auth, ...Array.from({ length: 200 }, (_, index) => `x-${index}: a`)]), {
      statuses: [[431]],
    }),
    one('path of 64 KB', get([host, auth], `GET /v1/${'a'.repeat(65_536)} HTTP/1.1`), { statuses: [[431]] }),
    one('expect something', post(['expect: the-unexpected', length], body), { statuses: [[417]] }),
    one('garbage after a lawful request', `${inner}\u0001\u0002garbage\r\n\r\n`, { statuses: [[200]] }),
    one('body longer than said', `${inner}${body}`, { statuses: [[200]] }),
    one('a hidden request after broken chunks', post([chunked], `zz\r\n\r\n${inner}`)),
    one(
      'upgrade to h2c',
      get([host, 'connection: Upgrade, HTTP2-Settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__']),
      { statuses: [[400, 401]] },
    ),
  ];
}
