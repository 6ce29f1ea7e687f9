import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Timeline } from './clock.ts';

/** How a client behaves. Times are milliseconds. */
export interface Manners {
  /** When it hangs up, counted from its call; `undefined`: never. */
  readonly leavesAfterMs: number | undefined;
  /** It hangs up when it has so many bytes of the answer; `undefined`: never. */
  readonly leavesAfterBytes: number | undefined;
  /** It hangs up when the last byte is written, before it has it. */
  readonly leavesAtEnd: boolean;
  /** How long it takes to take what is in its buffer. */
  readonly readMs: number;
  /** It takes nothing any more after so many bytes; `undefined`: it reads on. */
  readonly stallsAfterBytes: number | undefined;
}

/** What a request carries. */
export interface Sent {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** When the body is complete, after the headers. 0: with them. */
  readonly bodyMs: number;
}

const HIGH_WATER_BYTES = 16_384;

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1';
  setTimeout(_ms: number, callback?: () => void): this {
    if (callback !== undefined) this.on('timeout', callback);
    return this;
  }
}

/** The half of a connection that the client writes. */
class FakeRequest extends EventEmitter {
  readonly method = 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: string[];
  readonly socket = new FakeSocket();
  complete = false;

  constructor(sent: Sent) {
    super();
    this.url = sent.path;
    this.headers = sent.headers;
    this.rawHeaders = Object.entries(sent.headers).flat();
    this.complete = sent.bodyMs === 0;
  }

  resume(): this {
    return this;
  }
}

/** A fault of the gateway that the client can see at once. */
type Complain = (what: string) => void;

interface ResponseWiring {
  readonly timeline: Timeline;
  readonly manners: Manners;
  readonly complain: Complain;
  /** The client hung up by its own will. */
  readonly left: () => void;
}

/** The half of a connection that the gateway writes, with the client's buffer behind it. */
class FakeResponse extends EventEmitter {
  readonly req: FakeRequest;
  shouldKeepAlive = true;
  headersSent = false;
  destroyed = false;
  writableFinished = false;
  writableEnded = false;
  status = 0;
  headers: Readonly<Record<string, string>> = {};
  readonly taken: Buffer[] = [];
  takenBytes = 0;
  #buffered: Buffer[] = [];
  #bufferedBytes = 0;
  #reading = false;
  #needsDrain = false;
  readonly #wiring: ResponseWiring;

  constructor(req: FakeRequest, wiring: ResponseWiring) {
    super();
    this.req = req;
    this.#wiring = wiring;
  }

  writeHead(status: number, headers: Record<string, string>): this {
    if (this.headersSent) this.#wiring.complain('headers were written twice');
    this.headersSent = true;
    this.status = status;
    this.headers = { ...headers };
    return this;
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.destroyed) return false;
    if (this.writableEnded) {
      this.#wiring.complain('bytes were written after the end');
      return false;
    }
    if (!this.headersSent) this.#wiring.complain('bytes were written before the headers');
    const bytes = Buffer.from(chunk as string);
    this.#buffered.push(bytes);
    this.#bufferedBytes += bytes.length;
    this.#read();
    this.#needsDrain = this.#bufferedBytes >= HIGH_WATER_BYTES;
    return !this.#needsDrain;
  }

  end(chunk?: Uint8Array | string): this {
    if (chunk !== undefined) this.write(chunk);
    if (this.destroyed) return this;
    if (this.writableEnded) this.#wiring.complain('the answer was ended twice');
    this.writableEnded = true;
    if (this.#wiring.manners.leavesAtEnd) this.leave();
    else this.#read();
    return this;
  }

  /** The client closes the connection. */
  leave(): void {
    if (this.destroyed || this.writableFinished) return;
    this.#wiring.left();
    this.destroy();
  }

  /** Either side closes the connection. */
  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#buffered = [];
    if (!this.req.complete) this.req.emit('close');
    this.emit('close');
    return this;
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#wiring.timeline.in(this.#wiring.manners.readMs, () => {
      this.#reading = false;
      if (!this.destroyed) this.#take();
    });
  }

  #take(): void {
    const { leavesAfterBytes, stallsAfterBytes } = this.#wiring.manners;
    if (stallsAfterBytes !== undefined && this.takenBytes >= stallsAfterBytes) return;
    for (const bytes of this.#buffered) {
      this.taken.push(bytes);
      this.takenBytes += bytes.length;
    }
    this.#buffered = [];
    this.#bufferedBytes = 0;
    if (leavesAfterBytes !== undefined && this.takenBytes >= leavesAfterBytes && !this.writableEnded) {
      this.leave();
      return;
    }
    if (this.writableEnded) {
      this.writableFinished = true;
      this.emit('finish');
      this.emit('close');
      return;
    }
    if (this.#needsDrain) {
      this.#needsDrain = false;
      this.emit('drain');
    }
  }
}

/** One client's call, from its first byte to the last of the answer. */
export class ClientCall {
  /** Its number, by which providers know it again. */
  readonly mark: number;
  readonly sent: Sent;
  readonly manners: Manners;
  readonly startedAt: number;
  /** When it hung up by its own will. */
  leftAt: number | undefined;
  /** The gateway closed the connection before the answer was complete. */
  droppedAt: number | undefined;
  /** The process at the other end died. */
  crashed = false;
  /** `serve` came back. */
  servedAt: number | undefined;
  readonly #timeline: Timeline;
  readonly #request: FakeRequest;
  readonly #response: FakeResponse;

  constructor(
    given: { readonly mark: number; readonly sent: Sent; readonly manners: Manners },
    wiring: { readonly timeline: Timeline; readonly complain: Complain; readonly left: () => void },
  ) {
    this.mark = given.mark;
    this.sent = given.sent;
    this.manners = given.manners;
    this.#timeline = wiring.timeline;
    this.startedAt = wiring.timeline.now;
    this.#request = new FakeRequest(given.sent);
    this.#response = new FakeResponse(this.#request, {
      ...wiring,
      manners: given.manners,
      left: () => {
        this.leftAt = this.#timeline.now;
        wiring.left();
      },
    });
    this.#response.once('close', () => {
      if (!this.#response.writableFinished && this.leftAt === undefined) this.droppedAt = this.#timeline.now;
    });
  }

  get request(): IncomingMessage {
    return this.#request as unknown as IncomingMessage;
  }

  get response(): ServerResponse {
    return this.#response as unknown as ServerResponse;
  }

  get status(): number {
    return this.#response.headersSent ? this.#response.status : 0;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#response.headers;
  }

  /** Bytes written to it so far that it has taken. */
  get text(): string {
    return Buffer.concat(this.#response.taken).toString('utf8');
  }

  /** It has the whole answer, as HTTP tells it. */
  get complete(): boolean {
    return this.#response.writableFinished;
  }

  /** Nothing more will come. */
  get over(): boolean {
    return this.complete || this.#response.destroyed || this.crashed;
  }

  /** Begins to send. To be called once the gateway listens to it. */
  begin(): void {
    const { body, bodyMs } = this.sent;
    const arrive = (): void => {
      if (this.#response.destroyed) return;
      this.#request.complete = true;
      this.#request.emit('data', Buffer.from(body));
      this.#request.emit('end');
    };
    this.#timeline.in(bodyMs, arrive);
    const { leavesAfterMs } = this.manners;
    if (leavesAfterMs !== undefined) this.#timeline.in(leavesAfterMs, () => this.#response.leave());
  }

  /** The process died: the connection is reset, and nobody is there to be told. */
  crash(): void {
    this.crashed = true;
    this.#response.removeAllListeners();
    this.#response.destroyed = true;
  }
}
