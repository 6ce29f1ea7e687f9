import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { Outbox } from '../../ports/outbox.ts';
import type { UpstreamRequest } from '../../ports/upstream.ts';
import type { AnswerSource, ReceivedAnswer } from './answer.ts';
import { type AnswerEvents, AnswerReader } from './answer-reader.ts';
import type { Connect } from './connect.ts';
import { AnswerTimeoutError } from './errors.ts';
import { MovingDeadline } from './moving-deadline.ts';
import type { RequestHeads } from './request-heads.ts';

/** Where a connection leads, and who wants to hear of it. */
export interface ConnectionHome {
  readonly connect: Connect;
  readonly target: buildConnector.Options;
  readonly maxHeaderBytes: number;
  readonly heads: RequestHeads;
  /** Where small requests are sent from. */
  readonly outbox: Outbox;
  /** The connection is free for another request. */
  idle(connection: Connection): void;
  /** The connection is no more. */
  gone(connection: Connection): void;
  /** The connection was closed before the request reached anybody: another one, opened for it, has to carry it. */
  again(request: UpstreamRequest, answer: ReceivedAnswer): void;
}

/** A request on its way. */
interface Turn {
  readonly request: UpstreamRequest;
  readonly answer: ReceivedAnswer;
}

/** Milliseconds a connection is kept without a request, where the server does not name less. */
const KEEP_MS = 30_000;

/** A server closes at the time it names: not used any more this long before. Milliseconds. */
const KEEP_MARGIN_MS = 2000;

/** Bounds of the wait for a server's system to say that nobody was there to read. Milliseconds. */
const MIN_REFUSAL_MS = 5;
const MAX_REFUSAL_MS = 500;

/** Larger bodies are cheaper to send beside their head than to copy. Bytes. */
const MAX_JOINED_BYTES = 16 * 1024;

const OWNER = Symbol('connection');

/** Every socket reads into the same memory: what arrives is taken in before the next socket gets its turn. */
export const ONREAD = {
  buffer: Buffer.allocUnsafeSlow(64 * 1024),
  callback(this: Socket & { [OWNER]?: Connection }, length: number, buffer: Uint8Array): boolean {
    this[OWNER]?.receive(buffer as Buffer, length);
    return true;
  },
};

/** Milliseconds a server keeps a connection, told by `Keep-Alive: timeout=5`. */
function keptFor(headers: Readonly<Record<string, string>>): number {
  const hint = headers['keep-alive'];
  const seconds = hint === undefined ? undefined : /\btimeout=(\d{1,6})/.exec(hint)?.[1];
  return seconds === undefined ? KEEP_MS : Math.min(KEEP_MS, Number(seconds) * 1000 - KEEP_MARGIN_MS);
}

/** One HTTP/1.1 connection to an origin: one request at a time, another only after its answer has been read to the end. */
export class Connection implements AnswerSource, AnswerEvents {
  readonly #home: ConnectionHome;
  readonly #reader: AnswerReader;
  readonly #limit = new MovingDeadline(() => this.#expired());
  #socket: Socket | undefined;
  /** Not connected yet. */
  #opening: Socket | undefined;
  #turn: Turn | undefined;
  #ended = false;
  #closed = false;
  /** An answer has come over this connection before. */
  #used = false;
  /** Something has come since the request was sent. */
  #heard = false;
  /** How long connecting took, a round trip or more. Milliseconds. */
  #connectMs = 0;
  #asked = false;
  paused = false;

  constructor(home: ConnectionHome) {
    this.#home = home;
    this.#reader = new AnswerReader(this, home.maxHeaderBytes);
  }

  /** Sends a request, once there is a connection; `answer` hears of all that follows. Throws for a request that cannot be written. */
  send(request: UpstreamRequest, answer: ReceivedAnswer): void {
    this.#turn = { request, answer };
    answer.onSource(this);
    if (this.#socket !== undefined) {
      this.#socket.ref();
      this.#write(this.#socket, this.#turn);
      return;
    }
    this.#limit.setAt(answer.expiresAt);
    const began = performance.now();
    this.#opening = this.#home.connect(this.#home.target, (error, socket) => {
      this.#opening = undefined;
      this.#connectMs = performance.now() - began;
      if (error !== null) this.#fail(error);
      else if (this.#closed) socket.destroy();
      else this.#open(socket);
    });
  }

  #open(socket: Socket & { [OWNER]?: Connection }): void {
    this.#socket = socket;
    socket[OWNER] = this;
    let fault: Error | undefined;
    socket.on('error', (error) => {
      fault = error;
    });
    socket.on('end', () => this.#over(undefined));
    socket.resume();
    socket.on('close', () => this.#over(fault));
    if (this.#turn === undefined) return;
    try {
      this.#write(socket, this.#turn);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #write(socket: Socket, { request, answer }: Turn): void {
    const { body } = request;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const head = this.#home.heads.head(request, bytes?.length);
    this.#reader.expect(request.method);
    this.#heard = false;
    this.#limit.set(request.timeouts.firstByteMs, answer.expiresAt);
    if (bytes === undefined) socket.write(head, 'latin1');
    else if (bytes.length <= MAX_JOINED_BYTES) {
      const whole = Buffer.allocUnsafe(head.length + bytes.length);
      whole.write(head, 'latin1');
      whole.set(bytes, head.length);
      this.#home.outbox.add(() => {
        // Nobody may want it any more.
        if (!socket.destroyed) socket.write(whole);
      });
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(bytes);
      socket.uncork();
    }
  }

  /** The next piece of the answer may take so long, and no longer than the whole exchange. */
  #awaitPiece({ request, answer }: Turn): void {
    this.#limit.set(request.timeouts.idleMs, answer.expiresAt);
  }

  /** Bytes have arrived; they are valid during the call only. */
  receive(buffer: Buffer, length: number): void {
    if (this.#closed) return;
    this.#heard = true;
    let fault: Error | undefined;
    try {
      this.#reader.read(buffer.subarray(0, length));
    } catch (error) {
      fault = error as Error;
    }
    const turn = this.#turn;
    // An answer that is complete stays complete whatever follows it; the connection does not.
    if (this.#ended) this.#complete(fault === undefined);
    else if (fault !== undefined) this.#fail(fault);
    // A head that comes in pieces, or after others (100, 103), has no more time than one that comes at once.
    else if (turn !== undefined && turn.answer.status !== 0 && !this.paused) this.#awaitPiece(turn);
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.#turn?.answer.onHead(status, headers);
  }

  data(bytes: Buffer): void {
    this.#turn?.answer.onData(bytes);
  }

  end(): void {
    this.#ended = true;
  }

  /** The answer is complete: the connection is free before anybody learns of it, so that who waits for one gets this. */
  #complete(reusable: boolean): void {
    const turn = this.#turn;
    this.#turn = undefined;
    this.#ended = false;
    if (this.paused) this.resume();
    const keepMs = turn === undefined ? 0 : keptFor(turn.answer.headers);
    const free = reusable && this.#reader.persistent && this.#socket?.writableLength === 0 && keepMs > 0;
    if (free) {
      this.#used = true;
      this.#limit.set(keepMs);
      // An idle connection keeps no process alive.
      this.#socket?.unref();
      this.#home.idle(this);
    } else this.#close();
    turn?.answer.onEnd();
  }

  pause(): void {
    this.paused = true;
    this.#socket?.pause();
    // Who does not read cannot wait for too long.
    if (this.#turn !== undefined) this.#limit.setAt(this.#turn.answer.expiresAt);
  }

  resume(): void {
    this.paused = false;
    if (this.#turn !== undefined) this.#awaitPiece(this.#turn);
    this.#socket?.resume();
  }

  abort(): void {
    this.#fail(new Error('cancelled'));
  }

  /** Closes the connection whatever it is at. */
  destroy(): void {
    this.#fail(new Error('closed'));
  }

  #expired(): void {
    if (this.#turn === undefined) this.#close();
    else this.#fail(new AnswerTimeoutError());
  }

  /** The other side is done, or the socket failed. Only an answer without a length may end like this. */
  #over(fault: Error | undefined): void {
    if (this.#closed) return;
    const turn = this.#turn;
    if (fault === undefined && turn !== undefined && this.#reader.close()) this.#complete(false);
    else if (turn !== undefined && this.#asked && fault !== undefined) {
      this.#turn = undefined;
      this.#close();
      this.#home.again(turn.request, turn.answer);
    } else if (fault === undefined && turn !== undefined && this.#used && !this.#heard)
      this.#askWhetherRead();
    else this.#fail(fault ?? new Error('other side closed'));
  }

  /**
   * The server closed a connection that was used before, without a byte of an answer. Had it done so before the request came, its
   * system refuses what came (RFC 9293 §3.10.7.1), within a round trip, and nothing can be written any more: then nobody has read
   * the request, and it may go out anew. Otherwise it was read, and whether to try again is for others to say.
   */
  #askWhetherRead(): void {
    if (this.#asked) return;
    this.#asked = true;
    const ask = (): void => {
      if (this.#closed) return;
      // An empty line before a request means nothing (RFC 9112 §2.2); who fails to write hears so by `close`.
      this.#socket?.write('\r\n', (error) => {
        if (error === null || error === undefined) this.#fail(new Error('other side closed'));
      });
    };
    setTimeout(ask, Math.min(Math.max(MIN_REFUSAL_MS, this.#connectMs), MAX_REFUSAL_MS));
  }

  #fail(error: Error): void {
    const turn = this.#turn;
    this.#turn = undefined;
    this.#close();
    turn?.answer.onError(error);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#limit.clear();
    // One that is still being opened counts as little as its request: its place is given to another.
    this.#opening?.destroy();
    this.#socket?.destroy();
    this.#home.gone(this);
  }
}
