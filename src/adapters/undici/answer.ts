import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { SluiceError } from '../../core/errors/error.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import { decompressed, streamTooLarge } from './coding.ts';
import { timeoutSentence, toSluiceError } from './errors.ts';
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

function flatten(headers: Record<string, string | string[] | undefined>): Headers {
  const flat: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const key in headers) {
    const value = headers[key];
    if (value !== undefined) flat[key] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}

/** An undici dispatch handler that is also the answer: no web streams, one promise per network chunk at most. */
export class DispatchedAnswer implements UpstreamAnswer, Dispatcher.DispatchHandler {
  status = 0;
  headers: Headers = {};
  readonly #started: (answer: UpstreamAnswer) => void;
  readonly #failed: (error: SluiceError) => void;
  #controller: Dispatcher.DispatchController | undefined;
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
  readonly #timer: NodeJS.Timeout | undefined;

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
    if (totalMs > 0) this.#timer = setTimeout(() => this.#timeOut(), totalMs);
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

  #timeOut(): void {
    this.#error ??= new SluiceError('upstream_timeout', timeoutSentence());
    if (this.status === 0) this.#failed(this.#error);
    this.cancel();
    this.#notify();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled) controller.abort(new Error('cancelled'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.status = status;
    this.headers = flatten(headers);
    this.#started(this);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes > this.#limit) {
      this.#error = new SluiceError(
        'upstream_too_large',
        'The provider sent an answer above the size limit.',
      );
      this.cancel();
    } else if (this.#limit === Number.POSITIVE_INFINITY && this.#queuedBytes > HIGH_WATER_BYTES) {
      controller.pause();
    }
    if (this.#limit === Number.POSITIVE_INFINITY || this.#error !== undefined) this.#notify();
  }

  get bodyBytes(): number {
    const arrived = this.#taken + this.#queuedBytes;
    const announced = Number(this.headers['content-length']);
    return announced > arrived ? announced : arrived;
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    this.#ended = true;
    this.release();
    this.#notify();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    this.#ended = true;
    this.release();
    this.#error ??= toSluiceError(error, this.status !== 0);
    if (this.status === 0) this.#failed(this.#error);
    this.#notify();
  }

  cancel(): void {
    if (this.#cancelled || this.#ended) return;
    this.#cancelled = true;
    clearTimeout(this.#timer);
    this.#controller?.abort(new Error('cancelled'));
  }

  async bytes(limit: number): Promise<Uint8Array> {
    this.#limit = limit;
    while (!this.#ended && this.#error === undefined && this.#queuedBytes <= limit) await this.#more();
    if (this.#error === undefined && this.#queuedBytes > limit) {
      this.#error = new SluiceError(
        'upstream_too_large',
        'The provider sent an answer above the size limit.',
      );
      this.cancel();
    }
    if (this.#error !== undefined) throw this.#error;
    const [first] = this.#queue;
    const whole = this.#queue.length === 1 && first !== undefined ? first : Buffer.concat(this.#queue);
    this.#queue = [];
    return this.#decode(whole, limit);
  }

  async #decode(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
    const coding = this.headers['content-encoding'];
    if (coding === undefined || coding === 'identity' || coding === '') return bytes;
    const decoder = DECODERS[coding];
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
    const coding = this.headers['content-encoding'];
    if (coding === undefined || coding === 'identity' || coding === '') return this.#chunks();
    const chunks = { [Symbol.asyncIterator]: () => this.#chunks() };
    return decompressed(chunks, coding, this.#maxStreamBytes);
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
    if (this.#controller?.paused === true) this.#controller.resume();
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
