import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type Behaviour,
  CHAT_END,
  chatChunk,
  type SeenRequest,
  sse,
  startUpstream,
} from '../support/upstream.ts';

// How streamed answers look on the wire, read from a bare socket: a client library would hide wrong framing.

const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

async function gateway(behaviour: Behaviour): Promise<TestGateway> {
  const upstream = await startUpstream(behaviour);
  const running = await startGateway({
    yaml: `version: 1
providers: { a: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k } }
models: { m: { deployments: ["a/m"] } }
`,
  });
  open.push(upstream, running);
  return running;
}

/** A streamed call as bytes; `path` decides whether the answer is forwarded or translated. */
function call(path: string, { version = '1.1', ask = 'hi' } = {}): string {
  const body = JSON.stringify({
    model: 'm',
    stream: true,
    max_tokens: 100,
    messages: [{ role: 'user', content: ask }],
  });
  return (
    `POST ${path} HTTP/${version}\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

function dial({ url }: TestGateway): { socket: Socket; received: () => Buffer } {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  open.push({ close: async () => socket.destroy() });
  return { socket, received: () => Buffer.concat(chunks) };
}

/** Takes one chunked answer off the front (RFC 9112 §7.1); `undefined` while it is not complete. Throws on wrong framing. */
function takeAnswer(bytes: Buffer): { head: string; body: Buffer; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const pieces: Buffer[] = [];
  for (let at = end + 4; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = bytes.toString('latin1', at, line);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`no chunk size: ${JSON.stringify(size)}`);
    const length = Number.parseInt(size, 16);
    const after = line + 2 + length;
    if (bytes.length < after + 2) return undefined;
    if (bytes.toString('latin1', after, after + 2) !== '\r\n')
      throw new Error('a chunk is longer than it says');
    if (length === 0) {
      return { head: bytes.toString('latin1', 0, end), body: Buffer.concat(pieces), length: after + 2 };
    }
    pieces.push(bytes.subarray(line + 2, after));
    at = after + 2;
  }
}

async function answerOf(received: () => Buffer) {
  await expect.poll(() => takeAnswer(received()) !== undefined, { timeout: 10_000 }).toBe(true);
  const taken = takeAnswer(received());
  if (taken === undefined) throw new Error('unreachable');
  return taken;
}

const TEXTS = ['plain', ' grüße', ' 漢字', ' 🙂🙂', ' end'];

const speaks: Behaviour = sse(async (send, response) => {
  for (const content of TEXTS) {
    send(chatChunk({ content }));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  send(chatChunk({}, 'stop') + CHAT_END);
  response.end();
});

const said = (body: Buffer): string =>
  Array.from(body.toString('utf8').matchAll(/"(?:content|text)":"([^"]*)"/g), ([, text]) => text).join('');

for (const path of ['/v1/chat/completions', '/v1/messages']) {
  it(`${path}: pieces of several bytes a character are framed by their bytes`, async () => {
    const { socket, received } = dial(await gateway(speaks));
    socket.write(call(path));
    const { head, body, length } = await answerOf(received);
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(head.toLowerCase()).toContain('transfer-encoding: chunked');
    expect(said(body)).toBe(TEXTS.join(''));
    expect(received()).toHaveLength(length);
  });

  it(`${path}: calls sent one behind the other get their answers in order on one connection`, async () => {
    const { socket, received } = dial(await gateway(speaks));
    socket.write(call(path) + call(path) + call(path));
    let taken = 0;
    for (let n = 0; n < 3; n++) {
      const { body, length } = await answerOf(() => received().subarray(taken));
      expect(said(body)).toBe(TEXTS.join(''));
      taken += length;
    }
    expect(received()).toHaveLength(taken);
  });

  it(`${path}: a client of HTTP/1.0 gets the pieces as they are`, async () => {
    const { socket, received } = dial(await gateway(speaks));
    socket.write(call(path, { version: '1.0' }));
    await new Promise((resolve) => socket.on('end', resolve));
    const whole = received().toString('utf8');
    expect(whole.toLowerCase()).not.toContain('transfer-encoding');
    const body = whole.slice(whole.indexOf('\r\n\r\n') + 4);
    expect(body).toMatch(/^(?:data|event):/);
    expect(said(Buffer.from(body))).toBe(TEXTS.join(''));
  });
}

it('a client that stops reading for a while gets every byte', async () => {
  const line = 'x'.repeat(8000);
  const many: Behaviour = sse(async (send, response) => {
    for (let n = 0; n < 2000; n++) {
      send(chatChunk({ content: line }));
      if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    send(chatChunk({}, 'stop') + CHAT_END);
    response.end();
  });
  const { socket, received } = dial(await gateway(many));
  socket.write(call('/v1/chat/completions'));
  await expect.poll(() => received().length > 0).toBe(true);
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 600));
  socket.resume();
  await expect
    .poll(() => takeAnswer(received()) !== undefined, { timeout: 20_000, interval: 300 })
    .toBe(true);
  const { body, length } = await answerOf(received);
  expect(said(body)).toHaveLength(2000 * line.length);
  expect(received()).toHaveLength(length);
});

it('ends with the terminator, however long the upstream leaves its body open', async () => {
  const asked: SeenRequest[] = [];
  const lingers: Behaviour = (seen, response) => {
    asked.push(seen);
    // Never ended: only the gateway can close this.
    return sse((send) => send(chatChunk({ content: 'Hi' }) + chatChunk({}, 'stop') + CHAT_END))(
      seen,
      response,
    );
  };
  const running = await gateway(lingers);
  const { socket, received } = dial(running);
  socket.write(call('/v1/chat/completions'));
  expect((await answerOf(received)).body.toString()).toContain('data: [DONE]');
  const { data } = await running.client.call('listExchanges', {});
  expect(data).toMatchObject([{ outcome: 'answered', usage: { input: 9, output: 12, source: 'reported' } }]);
  await expect.poll(() => asked[0]?.closedEarlyAfterMs, { timeout: 10_000 }).toBeGreaterThan(0);
  // The connection to the client is good for another one.
  const before = received().length;
  socket.write(call('/v1/chat/completions'));
  await answerOf(() => received().subarray(before));
});
