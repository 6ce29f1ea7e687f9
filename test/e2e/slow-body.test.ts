import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const IDLE_MS = 400;
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ yaml: `version: 1\nserver: { body_idle_timeout_ms: ${IDLE_MS} }\n` });
});

afterAll(() => gateway.close());

/** Sends a chat request in pieces with pauses between them; what comes back, and when. */
function send(
  pieces: readonly string[],
  pauseMs: number,
): Promise<{ readonly text: string; readonly ms: number }> {
  const body = JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'hello there' }] });
  const size = Math.ceil(body.length / 4);
  const chunks = pieces.map((_, at) => body.slice(at * size, (at + 1) * size));
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (/\r\n\r\n./s.test(text)) socket.end();
    });
    socket.on('close', () => resolve({ text, ms: performance.now() - from }));
    socket.on('error', reject);
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\n\r\n`);
    chunks.forEach((chunk, at) => {
      setTimeout(() => socket.write(chunk), at * pauseMs);
    });
  });
}

test('a body that stops arriving is refused in the client’s dialect', async () => {
  const { text, ms } = await send(['first', 'second'], 20);
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  expect(text).toContain('x-sluice-error: body_timeout');
  expect(text).toContain('stopped arriving');
  expect(ms).toBeGreaterThan(IDLE_MS - 50);
});

test('a body that keeps arriving may take longer than the limit', async () => {
  const { text, ms } = await send(['a', 'b', 'c', 'd'], IDLE_MS * 0.6);
  expect(text).not.toMatch(/^HTTP\/1\.1 408 /);
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(ms).toBeGreaterThan(IDLE_MS);
});
