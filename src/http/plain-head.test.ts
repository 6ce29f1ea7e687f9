import { describe, expect, it } from 'vitest';
import { mayBePlain, PlainHeads } from './plain-head.ts';

const isServed = (path: string): boolean => path.startsWith('/v1/');
const read = (text: string) => new PlainHeads(isServed).read(text);
const head = (lines: readonly string[], first = 'POST /v1/a HTTP/1.1'): string =>
  [first, ...lines].map((line) => `${line}\r\n`).join('');

const LEAST = ['Host: a', 'Content-Length: 5'];

describe('a plain head', () => {
  it('is read as node would', () => {
    expect(
      read(head([...LEAST, 'X-A:b c', 'connection: keep-alive'], 'POST /v1/a?b=c HTTP/1.1')),
    ).toMatchObject({
      url: '/v1/a?b=c',
      headers: { host: 'a', 'content-length': '5', 'x-a': 'b c', connection: 'keep-alive' },
      bodyBytes: 5,
    });
  });

  it.each([
    ['no host', ['content-length: 5']],
    ['no length', ['host: a']],
    ['two lengths', [...LEAST, 'content-length: 5']],
    ['a length in ten digits', ['host: a', 'content-length: 0000000005']],
    ['a length above the bound', ['host: a', `content-length: ${1024 * 1024 + 1}`]],
    ['a length list', ['host: a', 'content-length: 5, 5']],
    ['chunks', [...LEAST, 'transfer-encoding: chunked']],
    ['a name with a space after it', [...LEAST, 'x-a : b']],
    ['two spaces before a value', [...LEAST, 'x-a:  b']],
    ['a space after a value', [...LEAST, 'x-a: b ']],
    ['a folded line', [...LEAST, 'x-a: b\r\n c']],
    ['CR in a value', [...LEAST, 'x-a: b\rc: d']],
    ['LF in a value', [...LEAST, 'x-a: b\nc: d']],
    ['a value beyond ASCII', [...LEAST, 'x-a: \u00fc']],
    ['a header twice', [...LEAST, 'x-a: b', 'X-A: b']],
    ['a name that objects have', [...LEAST, 'constructor: b']],
    ['the name of the prototype', [...LEAST, '__proto__: b']],
    ['101 headers', [...LEAST, ...Array.from({ length: 99 }, (_, at) => `x-${at}: a`)]],
    ['an expectation', [...LEAST, 'Expect: 100-continue']],
    ['an upgrade', [...LEAST, 'Upgrade: h2c']],
    ['a closed connection', [...LEAST, 'Connection: close']],
    ['a proxy', [...LEAST, 'Proxy-Connection: keep-alive']],
  ])('has not %s', (_, lines) => {
    expect(read(head(lines))).toBeUndefined();
  });

  it.each([
    'GET /v1/a HTTP/1.1',
    'POST /v1/a HTTP/1.0',
    'POST  /v1/a HTTP/1.1',
    'POST //v1/a HTTP/1.1',
    'POST http://a/v1/a HTTP/1.1',
    'POST /v1/a b HTTP/1.1',
    'POST /v1/\u0000 HTTP/1.1',
    'POST /other HTTP/1.1',
  ])('does not begin with %j', (first) => {
    expect(read(head(LEAST, first))).toBeUndefined();
  });

  it('is found again by all but its length, and by nothing less', () => {
    const heads = new PlainHeads(isServed);
    const of = (length: string, last = 'x-a: b') => head(['host: a', `content-length: ${length}`, last]);
    for (const text of [of('5'), of('5'), of('123'), of('0'), of('5', 'x-a: c'), of('7', 'x-a: c')]) {
      expect(heads.read(text)?.url).toBe(read(text)?.url);
      expect(heads.read(text)?.headers).toEqual(read(text)?.headers);
      expect(heads.read(text)?.bodyBytes).toBe(read(text)?.bodyBytes);
    }
    for (const text of [of(''), of('-1'), of('5 '), of('5\r\nx: y'), of('1048577'), of('5, 5'), of('0x5')]) {
      heads.read(of('5'));
      const again = heads.read(text);
      expect(again?.headers).toEqual(read(text)?.headers);
    }
  });
});

it('what may become one is known as far as it has come', () => {
  const text = head([...LEAST, 'x-a: b']);
  for (let at = 0; at <= text.length; at++) expect(mayBePlain(text.slice(0, at))).toBe(true);
  for (const odd of ['G', 'PUT', 'POST x', 'POST /v1/a\n', 'POST /v1/a HTTP/1.1\r\nhost: a\n', '\r\n', '{']) {
    expect(mayBePlain(odd)).toBe(false);
  }
});
