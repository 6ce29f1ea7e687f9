import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { PlainRequest } from './client-request.ts';
import { PlainResponse } from './plain-response.ts';

const LINE = { lastLines: (keepAlive: boolean) => `Last: ${keepAlive}\r\n`, answered: () => undefined };

function answer(): { readonly response: PlainResponse; readonly written: () => Buffer } {
  const socket = new PassThrough();
  const request = new PlainRequest({ url: '/', headers: {} }, Buffer.alloc(0), socket as unknown as Socket);
  return {
    response: new PlainResponse(request, LINE),
    written: () => (socket.read() as Buffer | null) ?? Buffer.alloc(0),
  };
}

it.each([
  ['x-a', 'b\r\nx-c: d'],
  ['x-a', 'b\nc'],
  ['x-a', 'b\u0000'],
  ['x-a', '\u6f22'],
  ['x a', 'b'],
  ['x-a\r\nx-b', 'c'],
  ['', 'b'],
])('a header %j: %j is refused, and nothing is written', (name, value) => {
  const { response, written } = answer();
  expect(() => response.writeHead(200, { [name]: value })).toThrow();
  expect(response.headersSent).toBe(false);
  expect(written()).toHaveLength(0);
});

it('a value of latin1 stays one byte a character, whatever the body is written in', () => {
  const { response, written } = answer();
  response.writeHead(200, { 'x-a': '\u00fc', 'content-length': '2' });
  response.end('\u00fc');
  const bytes = written();
  expect(bytes.toString('latin1')).toBe(
    'HTTP/1.1 200 OK\r\nx-a: \u00fc\r\ncontent-length: 2\r\nLast: true\r\n\r\n\u00c3\u00bc',
  );
});

it('pieces of any size and kind are framed by their bytes', () => {
  const { response, written } = answer();
  const large = 'x'.repeat(20_000);
  response.writeHead(200, {});
  for (const piece of ['\u6f22', Buffer.from('\u6f22'), '', large, Buffer.from(large)]) response.write(piece);
  response.end('end');
  const size = (20_000).toString(16);
  expect(written().toString('utf8')).toBe(
    'HTTP/1.1 200 OK\r\nLast: true\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\u6f22\r\n3\r\n\u6f22\r\n' +
      `${size}\r\n${large}\r\n${size}\r\n${large}\r\n3\r\nend\r\n0\r\n\r\n`,
  );
});

it('a large piece may come first, and an answer may have no piece', () => {
  const first = answer();
  first.response.writeHead(200, {});
  first.response.write(Buffer.alloc(20_000, 'x'));
  expect(first.written().toString('latin1')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^x]*\r\n\r\n4e20\r\nx+\r\n$/);
  const none = answer();
  none.response.writeHead(200, {});
  none.response.end();
  expect(none.written().toString('latin1')).toMatch(/\r\n\r\n0\r\n\r\n$/);
});

it('an answer without a body has none', () => {
  const { response, written } = answer();
  response.writeHead(204, {});
  response.write('x');
  response.end('y');
  expect(written().toString('latin1')).toBe('HTTP/1.1 204 No Content\r\nLast: true\r\n\r\n');
});

it('the connection closes after it when the handler says so', () => {
  for (const headers of [{ connection: 'close' }, {}] as const) {
    const { response, written } = answer();
    if (!('connection' in headers)) response.shouldKeepAlive = false;
    response.writeHead(200, { ...headers, 'content-length': '0' });
    response.end();
    expect(written().toString('latin1')).toContain('Last: false\r\n');
  }
});
