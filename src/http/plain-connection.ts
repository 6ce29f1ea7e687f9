import type { Socket } from 'node:net';
import { PlainRequest } from './client-request.ts';
import { mayBePlain, type PlainHead, PlainHeads } from './plain-head.ts';
import { type AnswerLine, PlainResponse } from './plain-response.ts';

/** What a connection is told by its server. */
export interface PlainHost {
  /** Counts up, see `TICK_MS`. */
  readonly tick: number;
  /** No further request is taken once an answer is out. */
  readonly closing: boolean;
  /** Largest head read here. Bytes. */
  readonly maxHeadBytes: number;
  /** Ticks an idle connection is kept open; 0 for ever. */
  readonly idleTicks: number;
  readonly isServed: (path: string) => boolean;
  serve(request: PlainRequest, response: PlainResponse): void;
  /** The lines at the end of a head, see {@link AnswerLine}. */
  lastLines(keepAlive: boolean, dated: boolean): string;
  /** From now on the connection is node's. */
  handOver(connection: PlainConnection, unread: Buffer | undefined): void;
  /** The peer ended in the middle of a request. */
  cutOff(socket: Socket, unread: Buffer): void;
  forget(connection: PlainConnection): void;
}

/** A request that has not arrived to its end after so many ticks is node's, and so is a connection that has said nothing yet. */
const ARRIVAL_TICKS = 4;

/** A head in more reads than this is not plain. */
const MAX_HEAD_READS = 32;

/** How much is taken from the socket while an answer is under way. Bytes. */
const MAX_AHEAD_BYTES = 64 * 1024;

const NOTHING = Buffer.alloc(0);
const HEAD_END = Buffer.from('\r\n\r\n');

/** Whether a plain request may begin with these bytes: as far as its head goes. */
function beginsPlainly(bytes: Buffer): boolean {
  const end = bytes.indexOf(HEAD_END);
  return mayBePlain(bytes.toString('latin1', 0, end < 0 ? bytes.length : end + 2));
}

/**
 * One client connection, read here as long as everything on it is plain (`plain-head.ts`). With the first byte that is not, or that
 * takes too long, everything unanswered goes back into the socket and the socket to node's own HTTP server, for good.
 */
export class PlainConnection implements AnswerLine {
  readonly socket: Socket;
  readonly #host: PlainHost;
  readonly #heads: PlainHeads;
  /** Read and not answered. */
  #unread: Buffer = NOTHING;
  /** Pieces that came after {@link #unread}, joined when enough are there. */
  #pieces: Buffer[] = [];
  #size = 0;
  #reads = 0;
  /** The head of the request whose body is arriving, and the bytes both take. */
  #head: PlainHead | undefined;
  #needed = 0;
  #bodyAt = 0;
  #response: PlainResponse | undefined;
  #fresh = true;
  /** Nothing more is read. */
  #done = false;
  #since: number;

  constructor(socket: Socket, host: PlainHost) {
    this.socket = socket;
    this.#host = host;
    this.#heads = new PlainHeads(host.isServed);
    this.#since = host.tick;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('timeout', this.#onTimeout);
    socket.on('drain', this.#onDrain);
    socket.on('close', this.#onClose);
  }

  get isIdle(): boolean {
    return this.#response === undefined && this.#size === 0;
  }

  lastLines(keepAlive: boolean, dated: boolean): string {
    return this.#host.lastLines(keepAlive && !this.#host.closing, dated);
  }

  answered(keepAlive: boolean): void {
    const { socket } = this;
    this.#response = undefined;
    // How long its client may take for an answer was limited (`boundRest`).
    if (socket.timeout !== undefined && socket.timeout > 0) socket.setTimeout(0);
    if (!keepAlive || this.#host.closing) {
      this.#done = true;
      socket.destroySoon();
      return;
    }
    this.#since = this.#host.tick;
    if (this.#size === 0) return;
    // Who answered has its turn first.
    process.nextTick(() => this.#next());
  }

  /** Called every tick. */
  check(): void {
    if (this.#response !== undefined || this.#done) return;
    const { tick, idleTicks } = this.#host;
    const waited = tick - this.#since;
    if (this.#size > 0 || this.#fresh) {
      if (waited >= ARRIVAL_TICKS) this.#handOver();
    } else if (idleTicks > 0 && waited >= idleTicks) this.socket.destroy();
  }

  readonly #onData = (piece: Buffer): void => {
    if (this.#done) return;
    if (this.#size === 0) {
      this.#since = this.#host.tick;
      this.#unread = piece;
    } else this.#pieces.push(piece);
    this.#size += piece.length;
    this.#reads++;
    if (this.#response === undefined) this.#read();
    else if (this.#size > MAX_AHEAD_BYTES) this.socket.pause();
  };

  /** Nobody waits for an answer that cannot be followed by a question: node closes then, too (`httpAllowHalfOpen`). */
  readonly #onEnd = (): void => {
    this.#done = true;
    if (this.#response === undefined && this.#size > 0) this.#host.cutOff(this.socket, this.#join());
    else this.socket.end();
  };

  /** `close` follows. */
  readonly #onError = (): void => undefined;

  readonly #onTimeout = (): void => {
    this.socket.destroy();
  };

  readonly #onDrain = (): void => {
    this.#response?.emit('drain');
  };

  readonly #onClose = (): void => {
    this.#done = true;
    const response = this.#response;
    this.#response = undefined;
    this.#size = 0;
    this.#unread = NOTHING;
    this.#pieces = [];
    this.#host.forget(this);
    response?.lost();
  };

  /** What came while the last answer was under way. */
  #next(): void {
    if (this.#response !== undefined || this.#size === 0 || this.#done) return;
    if (this.socket.isPaused()) this.socket.resume();
    this.#read();
  }

  #join(): Buffer {
    if (this.#pieces.length > 0) {
      this.#unread = Buffer.concat([this.#unread, ...this.#pieces], this.#size);
      this.#pieces = [];
    }
    return this.#unread;
  }

  /** Looks at what has arrived: a request, too little of one, or something else. */
  #read(): void {
    if (this.#head === undefined) {
      const bytes = this.#join();
      const end = bytes.indexOf(HEAD_END);
      const bodyAt = end + HEAD_END.length;
      if (end < 0 || bodyAt > this.#host.maxHeadBytes) {
        const isLong = this.#size > this.#host.maxHeadBytes || this.#reads > MAX_HEAD_READS;
        if (end >= 0 || isLong || !beginsPlainly(bytes)) this.#handOver();
        return;
      }
      const head = this.#heads.read(bytes.toString('latin1', 0, end + 2));
      if (head === undefined) {
        this.#handOver();
        return;
      }
      this.#head = head;
      this.#bodyAt = bodyAt;
      this.#needed = bodyAt + head.bodyBytes;
    }
    if (this.#size < this.#needed) return;
    const bytes = this.#join();
    // What is no request is told so after this answer, and by node: it has to see both.
    if (bytes.length > this.#needed && !beginsPlainly(bytes.subarray(this.#needed))) this.#handOver();
    else this.#serve(this.#head, bytes);
  }

  #serve(head: PlainHead, bytes: Buffer): void {
    const body = bytes.subarray(this.#bodyAt, this.#needed);
    this.#unread = bytes.length === this.#needed ? NOTHING : bytes.subarray(this.#needed);
    this.#size = this.#unread.length;
    this.#reads = 0;
    this.#head = undefined;
    this.#fresh = false;
    const request = new PlainRequest(head, body, this.socket);
    const response = new PlainResponse(request, this);
    this.#response = response;
    this.#host.serve(request, response);
  }

  #handOver(): void {
    const { socket } = this;
    this.#done = true;
    const unread = this.#size === 0 ? undefined : this.#join();
    this.#size = 0;
    this.#pieces = [];
    this.#unread = NOTHING;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('timeout', this.#onTimeout);
    socket.off('drain', this.#onDrain);
    socket.off('close', this.#onClose);
    this.#host.handOver(this, unread);
  }
}
