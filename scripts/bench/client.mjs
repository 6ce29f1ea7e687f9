// One connection of the load generator: writes bytes that were built beforehand and finds the end of the answer.
import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const EVENT = Buffer.from('data: ');
const LAST_CHUNK = '0\r\n\r\n';
/** Answers are read into one buffer that all connections share, as each is looked at before the next is read. */
const SHARED = Buffer.allocUnsafe(256 * 1024);

export class ClientConnection {
  #socket;
  #finished;
  #failed;
  #rest = '';
  #missing = 0;
  #chunked = false;
  #inBody = false;
  #tail = '';
  #kept;
  sentAt = 0;
  firstAt = 0;

  /** `finished(connection)`: an answer is complete. `failed(sentence)`: it never will be. */
  constructor(port, { finished, failed }) {
    this.#finished = finished;
    this.#failed = failed;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: SHARED,
        callback: (size, buffer) => {
          this.#take(buffer.subarray(0, size));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('the connection was closed'));
  }

  connected() {
    return new Promise((resolve) => this.#socket.once('connect', resolve));
  }

  /** Sends one request; `keep`: the answer's text is collected for `kept`; `due`: when it should have been sent. */
  send(bytes, { keep = false, due = performance.now() } = {}) {
    this.#kept = keep ? [] : undefined;
    this.firstAt = 0;
    this.sentAt = due;
    this.#socket.write(bytes);
  }

  /** The answer of the last request sent with `keep`. */
  get kept() {
    return this.#kept?.join('') ?? '';
  }

  close() {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #fail(sentence) {
    this.#failed?.(sentence);
    this.#failed = undefined;
  }

  #take(bytes) {
    this.#kept?.push(bytes.latin1Slice());
    if (this.#inBody) this.#body(bytes);
    else this.#head(bytes);
  }

  #head(bytes) {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      this.#rest += bytes.latin1Slice();
      return;
    }
    const head = this.#rest + bytes.latin1Slice(0, end);
    this.#rest = '';
    if (!head.startsWith('HTTP/1.1 200')) return this.#fail(`answered: ${head.slice(0, 400)}`);
    const length = /\r\ncontent-length: (\d+)/i.exec(head);
    this.#chunked = length === null;
    this.#missing = length === null ? 0 : Number(length[1]);
    this.#inBody = true;
    this.#tail = '';
    if (end + 4 < bytes.length) this.#body(bytes.subarray(end + 4));
  }

  #body(bytes) {
    if (!this.#chunked) {
      this.#missing -= bytes.length;
      if (this.#missing <= 0) this.#done();
      return;
    }
    if (this.firstAt === 0 && bytes.indexOf(EVENT) >= 0) this.firstAt = performance.now();
    this.#tail = (this.#tail + bytes.latin1Slice(Math.max(0, bytes.length - 5))).slice(-5);
    if (this.#tail === LAST_CHUNK) this.#done();
  }

  #done() {
    this.#inBody = false;
    this.#finished(this);
  }
}
