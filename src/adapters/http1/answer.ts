import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { SluiceError } from '../../core/errors/error.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import { decompressed, streamTooLarge } from './coding.ts';
import { toSluiceError } from './errors.ts';
import type { Line } from './line.ts';

type Headers = Readonly<Record<string, string>>;

/** Above this many queued bytes the upstream's socket is paused until the client has taken some. */
const HIGH_WATER_BYTES = 256 * 1024;

const DECODERS: Readonly<
  Record<string, (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip) as never,
  'x-gzip': promisify(gunzip) as never,
  deflate: promisify(inflate) as never,
  br: promisify(brotliDecompress) as never,
};

function tooLarge(): SluiceError {
  return new SluiceError('upstream_too_large', 'The provider sent an answer above the size limit.');
}

/** The connection that an answer comes over. */
export interface AnswerSource {
  readonly paused: boolean;
  pause(): void;
  resume(): void;
  /** Closes the connection; the answer is told by `onError`. */
  abort(): void;
}

/** An answer while it comes in: told piece by piece by its connection, read by the pipeline. No web streams, one promise per piece. */
export class ReceivedAnswer implements UpstreamAnswer {
  status = 0;
  headers: Headers = {};
  /** When the whole exchange with the upstream must be over, by `performance.now()`. */
  readonly expiresAt: number;
  readonly #started: (answer: UpstreamAnswer) => void;
  readonly #failed: (error: SluiceError) => void;
  #source: AnswerSource | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #limit = Number.POSITIVE_INFINITY;
  #ended = false;
  #error: SluiceError | undefined;
  #cancelled = false;
  #taken = 0;
  readonly #maxStreamBytes: number;
  #wake: (() => void) | undefined;
  #line: Line | undefined;

  /** `timeouts.totalMs` bounds the whole exchange with the upstream; 0: no bound. */
  constructor(
    started: (answer: UpstreamAnswer) => void,
    failed: (error: SluiceError) => void,
    limits: Pick<UpstreamRequest, 'timeouts' | 'maxStreamBytes'>,
  ) {
    const { totalMs } = limits.timeouts;
    this.#started = started;
    this.#failed = failed;
    this.#maxStreamBytes = limits.maxStreamBytes ?? Number.POSITIVE_INFINITY;
    this.expiresAt = totalMs > 0 ? performance.now() + totalMs : Number.POSITIVE_INFINITY;
  }

  /** From now on a place in `line` is taken, until the exchange with the upstream is over. */
  holding(line: Line): this {
    this.#line = line;
    return this;
  }

  /** Gives the place in the line back. Idempotent. */
  release(): void {
    const line = this.#line;
    this.#line = undefined;
    line?.give();
  }

  /** The request is about to be sent over `source`. */
  onSource(source: AnswerSource): void {
    this.#source = source;
  }

  /** Status and headers, names in lower case. Called once. */
  onHead(status: number, headers: Headers): void {
    this.status = status;
    this.headers = headers;
    this.#started(this);
  }

  onData(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes > this.#limit) {
      this.#error = tooLarge();
      this.cancel();
    } else if (this.#limit === Number.POSITIVE_INFINITY && this.#queuedBytes > HIGH_WATER_BYTES) {
      this.#source?.pause();
    }
    if (this.#limit === Number.POSITIVE_INFINITY || this.#error !== undefined) this.#notify();
  }

  get bodyBytes(): number {
    const arrived = this.#taken + this.#queuedBytes;
    const announced = Number(this.headers['content-length']);
    return announced > arrived ? announced : arrived;
  }

  onEnd(): void {
    this.#ended = true;
    this.release();
    this.#notify();
  }

  /** The connection broke or never came to be. */
  onError(error: Error): void {
    this.#ended = true;
    this.release();
    this.#error ??= toSluiceError(error, this.status !== 0);
    if (this.status === 0) this.#failed(this.#error);
    this.#notify();
  }

  cancel(): void {
    if (this.#cancelled || this.#ended) return;
    this.#cancelled = true;
    this.#source?.abort();
  }

  async bytes(limit: number): Promise<Uint8Array> {
    this.#limit = limit;
    // Much may have come before anybody asked for it.
    if (this.#source?.paused === true) this.#source.resume();
    while (!this.#ended && this.#error === undefined && this.#queuedBytes <= limit) await this.#more();
    if (this.#error === undefined && this.#queuedBytes > limit) {
      this.#error = tooLarge();
      this.cancel();
    }
    if (this.#error !== undefined) throw this.#error;
    const [first] = this.#queue;
    const whole = this.#queue.length === 1 && first !== undefined ? first : Buffer.concat(this.#queue);
    this.#queue = [];
    return this.#isPlain() ? whole : this.#decode(whole, limit);
  }

  /** Names of codings know no case (RFC 9110 §8.4.1). */
  get #coding(): string {
    return this.headers['content-encoding']?.toLowerCase() ?? '';
  }

  #isPlain(): boolean {
    const coding = this.#coding;
    return coding === '' || coding === 'identity';
  }

  async #decode(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
    const decoder = DECODERS[this.#coding];
    if (decoder === undefined) {
      throw new SluiceError('upstream_malformed', 'The provider sent an unknown content encoding.');
    }
    try {
      return await decoder(bytes, { maxOutputLength: limit });
    } catch (cause) {
      throw new SluiceError(
        'upstream_malformed',
        'The provider sent a compressed answer that does not decode.',
        {
          cause,
        },
      );
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#isPlain()) return this.#chunks();
    const chunks = { [Symbol.asyncIterator]: () => this.#chunks() };
    return decompressed(chunks, this.#coding, this.#maxStreamBytes);
  }

  #chunks(): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.cancel();
        return { done: true, value: undefined };
      },
    };
  }

  /** Without an async function, which would cost two promises more for each chunk. */
  #next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#takeQueued();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return this.#more().then(() => this.#next());
  }

  /** What has arrived since the last call, in one piece: small events that come together are handled and sent together. */
  #takeQueued(): Uint8Array | undefined {
    const [first] = this.#queue;
    if (first === undefined) return undefined;
    const chunk = this.#queue.length === 1 ? first : Buffer.concat(this.#queue);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#taken += chunk.length;
    if (this.#taken > this.#maxStreamBytes) {
      this.#error = streamTooLarge();
      this.cancel();
      return undefined;
    }
    if (this.#source?.paused === true) this.#source.resume();
    return chunk;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
