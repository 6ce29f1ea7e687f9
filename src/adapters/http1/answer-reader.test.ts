import { describe, expect, it } from 'vitest';
import { AnswerReader } from './answer-reader.ts';
import { MalformedAnswerError } from './errors.ts';

interface Told {
  status: number;
  headers: Record<string, string>;
  body: string;
  pieces: number;
  ended: boolean;
  persistent: boolean;
}

/** Reads an answer in pieces of at most `size` bytes, as a connection would hand them over: in memory that is used again. */
function read(answer: string, { size = answer.length, method = 'POST', close = false, limit = 1000 } = {}) {
  const told: Told = { status: 0, headers: {}, body: '', pieces: 0, ended: false, persistent: false };
  const reader = new AnswerReader(
    {
      head(status, headers) {
        told.status = status;
        told.headers = { ...headers };
      },
      data(bytes) {
        told.body += bytes.toString('latin1');
        told.pieces++;
      },
      end() {
        told.ended = true;
      },
    },
    limit,
  );
  reader.expect(method);
  const memory = Buffer.alloc(size);
  for (let at = 0; at < answer.length; at += size) {
    const length = memory.write(answer.slice(at, at + size), 'latin1');
    reader.read(memory.subarray(0, length));
    memory.fill('!');
  }
  if (close) reader.close();
  told.persistent = reader.persistent;
  return told;
}

const HELLO = { status: 200, body: 'hello', ended: true };

const WHOLE: readonly (readonly [string, string, boolean])[] = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', true],
  ['a length and no reason', 'HTTP/1.1 200\r\nContent-Length:5\r\n\r\nhello', true],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', true],
  [
    'extensions and trailers',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;a="b"\r\nhello\r\n000 ;x\r\nx-sum: 1\r\ny: 2\r\n\r\n',
    true,
  ],
  [
    'interim answers before it',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
    true,
  ],
  ['a wish to close', 'HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 5\r\n\r\nhello', false],
  ['the old version', 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello', false],
  [
    'the old version kept open',
    'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello',
    true,
  ],
];

const OK = 'HTTP/1.1 200 OK\r\n';

const MALFORMED: readonly (readonly [name: string, answer: string, limit?: number])[] = [
  ['no status line', 'hello\r\n\r\n'],
  ['another protocol', 'HTTP/2 200\r\n\r\n'],
  ['a status out of range', 'HTTP/1.1 099 Low\r\n\r\n'],
  ['line ends without CR', 'HTTP/1.1 200 OK\ncontent-length: 5\n\r\n\r\nhello'],
  ['a line without colon', `${OK}content-length 5\r\n\r\nhello`],
  ['a blank before the colon', `${OK}content-length : 5\r\n\r\nhello`],
  ['a blank before the first field', `${OK} content-length: 5\r\n\r\nhello`],
  ['a control in a value', `${OK}x-a: a\0b\r\ncontent-length: 5\r\n\r\nhello`],
  ['two lengths', `${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`],
  ['a length that is none', `${OK}content-length: +5\r\n\r\nhello`],
  ['an empty length', `${OK}content-length:\r\n\r\nhello`],
  ['a length beside chunks', `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['a coding we do not know', `${OK}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['a size that is none', `${OK}transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`],
  ['a negative size', `${OK}transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`],
  ['a size beyond reason', `${OK}transfer-encoding: chunked\r\n\r\nfffffffffffff\r\n`],
  ['an empty size', `${OK}transfer-encoding: chunked\r\n\r\n\r\nhello`],
  ['a chunk longer than announced', `${OK}transfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n`],
  ['a size line without CR', `${OK}transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
  ['bytes after the end', `${OK}content-length: 5\r\n\r\nhello!`],
  ['a second answer', `${OK}content-length: 0\r\n\r\n${OK}content-length: 0\r\n\r\n`],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
  ['a head above the limit', `${OK}x-a: ${'a'.repeat(1100)}\r\n\r\n`],
  ['a head above the limit without end', `${OK}x-a: ${'a'.repeat(1100)}`],
  ['endless trailers', `${OK}transfer-encoding: chunked\r\n\r\n0\r\n${'x-a: aaaaaaaaaa\r\n'.repeat(100)}`],
  ['an endless extension', `${OK}transfer-encoding: chunked\r\n\r\n5;${'a'.repeat(5000)}`],
  ['too many fields', `${OK}${'a:\r\n'.repeat(600)}\r\n`, 10_000],
];

describe('AnswerReader', () => {
  it.each(WHOLE)('reads an answer with %s, however it is cut', (_name, answer, persistent) => {
    for (let size = 1; size <= answer.length; size++) {
      expect(read(answer, { size }), `pieces of ${size}`).toMatchObject({ ...HELLO, persistent });
    }
  });

  it('reads to the end of the connection where nothing says how long the body is', () => {
    const answer = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello';
    expect(read(answer)).toMatchObject({ body: 'hello', ended: false });
    expect(read(answer, { size: 3, close: true })).toMatchObject({ ...HELLO, persistent: false });
  });

  it('does not take a cut for an end where something does', () => {
    for (const answer of [WHOLE[0]?.[1] ?? '', WHOLE[2]?.[1] ?? '']) {
      for (let length = 0; length < answer.length; length++)
        expect(read(answer.slice(0, length), { size: 7, close: true }).ended).toBe(false);
    }
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'],
    ['POST', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['POST', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'],
    ['POST', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'],
  ])('knows that nothing follows: %s %j', (method, answer) => {
    expect(read(answer, { method, size: 9 })).toMatchObject({ body: '', ended: true, persistent: true });
  });

  it('gives names in lower case, joins repeated fields and folded lines, and cuts blanks only', () => {
    const { headers } = read(
      'HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:\t2 \r\nX-B: one\r\n  two\r\nx-c:\r\nx-d: \xa0é\r\ncontent-length: 0\r\n\r\n',
    );
    expect(headers).toEqual({
      'x-a': '1, 2',
      'x-b': 'one two',
      'x-c': '',
      'x-d': '\xa0é',
      'content-length': '0',
    });
  });

  it('hands small chunks that came together on in one piece', () => {
    const chunk = '6\r\ndata:x\r\n'.repeat(50);
    const told = read(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`);
    expect(told).toMatchObject({ body: 'data:x'.repeat(50), pieces: 1, ended: true });
  });

  it.each(MALFORMED.map(([name, answer, limit = 1000]) => ({ name, answer, limit })))(
    'refuses $name',
    ({ answer, limit }) => {
      for (const size of [1, 7, answer.length]) {
        expect(() => read(answer, { size, limit })).toThrow(MalformedAnswerError);
      }
    },
  );
});
