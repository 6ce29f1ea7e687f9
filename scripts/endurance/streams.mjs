// Clients of `idle-upstream.mjs`: raw sockets, so that thousands cost little.
import { connect } from 'node:net';
import { say } from './stand.mjs';

const AT_ONCE = 100;

/** What is called, and what a good end looks like. */
export const DIALECTS = {
  forwarded: { path: '/v1/chat/completions', fields: {}, last: 'data: [DONE]' },
  translated: { path: '/v1/messages', fields: { max_tokens: 100 }, last: 'event: message_stop' },
};

/** One client: resolves when its stream has begun; `ended` resolves with whether it ended well. */
function openStream(port, bytes, last) {
  return new Promise((begun, failed) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let tail = '';
    let started = false;
    const stream = { socket, ended: undefined };
    stream.ended = new Promise((resolve) => {
      socket.on('data', (chunk) => {
        tail = (tail + chunk.toString('latin1')).slice(-400);
        if (!started && tail.includes('Once upon a time')) {
          started = true;
          begun(stream);
        }
        if (!tail.includes(last)) return;
        resolve(true);
        socket.destroy();
      });
      socket.on('error', failed);
      socket.on('close', () => {
        resolve(false);
        failed(new Error(`a stream was refused: ${tail}`));
      });
    });
  });
}

/** Opens so many streams and waits until each has begun. */
export async function openAll(port, { streams, bytes, last }) {
  const open = [];
  while (open.length < streams) {
    const count = Math.min(AT_ONCE, streams - open.length);
    open.push(...(await Promise.all(Array.from({ length: count }, () => openStream(port, bytes, last)))));
    if (open.length % 1000 === 0) say(`${open.length} streams open`);
  }
  return open;
}

/** The bytes of a request for a stream, with a prompt of so many kilobytes. */
export function requestBytes(key, { path, fields }, bodyKb) {
  const content = 'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil((bodyKb * 1024) / 45));
  const body = JSON.stringify({
    model: 'idle',
    stream: true,
    ...fields,
    messages: [{ role: 'user', content }],
  });
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
