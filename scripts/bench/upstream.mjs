// The upstream: a raw socket server that finds the end of each request and writes bytes that were built beforehand.
import { createServer } from 'node:net';
import { MARK, MARK_DIGITS, streamAnswer, wholeAnswer } from './wire.ts';

const WHOLE = wholeAnswer();
const STREAM = streamAnswer(100);
const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = Buffer.from('content-length: ');
const MARK_BYTES = Buffer.from(MARK);

/** The number after the mark in a paced request's body, or -1. */
function markOf(bytes) {
  const at = bytes.lastIndexOf(MARK_BYTES);
  return at < 0 ? -1 : Number(bytes.latin1Slice(at + MARK.length, at + MARK.length + MARK_DIGITS));
}

class Connection {
  #socket;
  #mode;
  #missing = 0;
  #rest;
  #mark = -1;

  constructor(socket, mode) {
    this.#socket = socket;
    this.#mode = mode;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', () => socket.destroy());
  }

  #take(bytes) {
    let data = bytes;
    if (this.#missing === 0) {
      if (this.#rest !== undefined) data = Buffer.concat([this.#rest, bytes]);
      const end = data.indexOf(HEAD_END);
      if (end < 0) {
        this.#rest = data;
        return;
      }
      this.#rest = undefined;
      const at = data.indexOf(LENGTH) + LENGTH.length;
      const length = Number.parseInt(data.latin1Slice(at, at + 10), 10);
      this.#missing = end + 4 + length;
    }
    if (this.#mode.holds !== undefined) this.#mark = Math.max(this.#mark, markOf(data));
    this.#missing -= data.length;
    if (this.#missing <= 0) this.#answer();
  }

  #answer() {
    const mark = this.#mark;
    const { holds, delayMs } = this.#mode;
    this.#missing = 0;
    this.#mark = -1;
    if (delayMs === 0 && holds === undefined) return this.#write();
    const from = performance.now();
    setTimeout(() => {
      if (mark >= 0) holds[mark] = performance.now() - from;
      this.#write();
    }, delayMs);
  }

  #write() {
    if (!this.#mode.stream) this.#socket.write(WHOLE);
    else for (const bytes of STREAM) this.#socket.write(bytes);
  }
}

/**
 * Listens on a free port. The returned `mode` may be changed between runs: `stream`, `delayMs`, and `holds`, an array that
 * takes how long each marked request was held, in ms.
 */
export async function openUpstream() {
  const mode = { stream: false, delayMs: 0, holds: undefined };
  const server = createServer((socket) => new Connection(socket, mode));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { mode, port: server.address().port };
}
