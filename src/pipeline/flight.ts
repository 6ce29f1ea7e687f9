import { SluiceError } from '../core/errors/error.ts';
import type { StreamEvent } from '../core/model/index.ts';
import type { Clock } from '../ports/clock.ts';
import { timeLeft } from './deadline.ts';
import type { Answer, Exchange, Facts } from './exchange.ts';
import type { Tether } from './tether.ts';

/** One batch of a stream's events, or one piece of its bytes. */
type Piece = Uint8Array | readonly unknown[];

/** What a follower is told of the leader's answer. */
export interface Beginning {
  readonly answer: Answer;
  readonly plan: Facts['plan'];
  /** Who made it. */
  readonly origin?: Facts['origin'];
}

/** A follower's share of the answer. */
export interface Following extends Beginning {
  /** Takes nothing any more. */
  leave(): void;
}

interface Waiter {
  resolve(told: Following | 'lead'): void;
  reject(error: unknown): void;
}

/** Where one follower is in the stream. */
interface Reader {
  at: number;
}

/** Calls that followers may make after the leader has failed, all of them together. */
const MORE_ATTEMPTS = 1;

function sizeOf(piece: Piece): number {
  // Events are small objects: their text and something for the frame.
  if (piece instanceof Uint8Array) return piece.length;
  let size = 0;
  for (const event of piece as readonly { readonly text?: string }[])
    size += 100 + 2 * (event.text?.length ?? 0);
  return size;
}

/** Bytes kept by all flights together. */
export class FlightBuffers {
  bytes = 0;
}

/** What bounds a flight. */
interface FlightLimits {
  /** Of this flight. */
  readonly maxBytes: number;
  /** Of all flights. */
  readonly maxTotalBytes: number;
  readonly buffers: FlightBuffers;
  /** Nobody can join any more. */
  readonly closed: () => void;
}

/**
 * One call at a provider that equal requests share. The first request leads and makes the call; followers get everything
 * it gets, from a buffer bounded in bytes. The leader's client may leave: the call goes on while anybody follows.
 */
export class Flight {
  readonly #limits: FlightLimits;
  readonly #waiters = new Set<Waiter>();
  readonly #readers = new Set<Reader>();
  #beginning: Beginning | undefined;
  #pieces: Piece[] = [];
  /** Number of the first piece still kept. */
  #base = 0;
  #bytes = 0;
  #open = true;
  #over = false;
  #error: unknown;
  #more = MORE_ATTEMPTS;
  #wakers: (() => void)[] = [];
  #tether: Tether | undefined;
  #release: (() => void) | undefined;

  constructor(limits: FlightLimits) {
    this.#limits = limits;
  }

  /** Requests that wait for the answer or read it, besides the leader. */
  get followers(): number {
    return this.#waiters.size + this.#readers.size;
  }

  /** The leader's call goes on for as long as anybody follows. */
  lead(tether: Tether): void {
    this.#tether = tether;
    this.#release = undefined;
    this.#tie();
  }

  /** Waits until the answer has begun, or until this request has to lead. Throws what the leader failed with. */
  async follow(exchange: Exchange, clock: Clock): Promise<Following | 'lead'> {
    const begun = this.#beginning;
    if (begun !== undefined) return this.#join(begun);
    if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
    return await new Promise((resolve, reject) => {
      const left = timeLeft(exchange, clock.monotonic());
      const done = (): void => {
        this.#waiters.delete(waiter);
        cancel?.();
        exchange.signal.removeEventListener('abort', gone);
      };
      const waiter: Waiter = {
        resolve: (told) => {
          done();
          resolve(told);
        },
        reject: (error) => {
          done();
          this.#tie();
          reject(error);
        },
      };
      const gone = (): void => waiter.reject(new SluiceError('client_closed', 'The client left.'));
      const late = (): void =>
        waiter.reject(
          new SluiceError(
            'upstream_timeout',
            'The time limit of this request ran out before its answer began.',
          ),
        );
      const cancel = left === Number.POSITIVE_INFINITY ? undefined : clock.after(Math.max(0, left), late);
      exchange.signal.addEventListener('abort', gone, { once: true });
      this.#waiters.add(waiter);
      this.#tie();
    });
  }

  /** The leader's answer has begun. */
  begin(beginning: Beginning): void {
    this.#beginning = beginning;
    const { kind } = beginning.answer;
    if (kind === 'whole' || kind === 'bytes') this.#close();
    for (const waiter of [...this.#waiters]) waiter.resolve(this.#join(beginning));
    this.#tie();
  }

  /** The next piece of the leader's stream. */
  push(piece: Piece): void {
    if (!this.#open && this.#readers.size === 0) return;
    const size = sizeOf(piece);
    this.#pieces.push(piece);
    this.#bytes += size;
    this.#limits.buffers.bytes += size;
    const { maxBytes, maxTotalBytes, buffers } = this.#limits;
    if (this.#bytes > maxBytes || buffers.bytes > maxTotalBytes) this.#shrink();
    this.#wake();
  }

  /** The leader's stream is over; `error`: it broke off. */
  finish(error?: unknown): void {
    if (this.#over) return;
    this.#error = error;
    this.#over = true;
    this.#close();
    this.#wake();
    this.#tie();
    this.#forget();
  }

  /** The leader failed before its answer began: one follower leads instead, or all are told. */
  fail(error: unknown): void {
    if (this.#beginning !== undefined) {
      this.finish(error);
      return;
    }
    const left = error instanceof SluiceError && error.code === 'client_closed';
    const [next] = this.#waiters;
    if (next !== undefined && (left || this.#more > 0)) {
      if (!left) this.#more--;
      next.resolve('lead');
      return;
    }
    this.#close();
    for (const waiter of [...this.#waiters]) waiter.reject(error);
  }

  /** The answer for one follower that was here when it began or comes later. */
  #join(beginning: Beginning): Following {
    const { kind } = beginning.answer;
    if (kind === 'whole' || kind === 'bytes') return { ...beginning, leave: () => undefined };
    const reader: Reader = { at: 0 };
    this.#readers.add(reader);
    this.#tie();
    const leave = (): void => {
      if (!this.#readers.delete(reader)) return;
      this.#tie();
      this.#forget();
    };
    const pieces: AsyncIterable<Piece> = {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#read(reader, leave),
        return: async () => {
          leave();
          return { done: true, value: undefined };
        },
      }),
    };
    const answer =
      kind === 'byte-stream'
        ? { ...beginning.answer, chunks: pieces as AsyncIterable<Uint8Array> }
        : { ...beginning.answer, events: pieces as AsyncIterable<readonly StreamEvent[]> };
    return { ...beginning, answer, leave };
  }

  async #read(reader: Reader, leave: () => void): Promise<IteratorResult<Piece>> {
    for (;;) {
      const value = this.#pieces[reader.at - this.#base];
      const isLost = reader.at < this.#base;
      if (!isLost && value !== undefined) {
        reader.at++;
        if (!this.#open) this.#forget();
        return { done: false, value };
      }
      if (isLost || this.#over) {
        // Nobody calls `return` after the end or a failure.
        leave();
        if (isLost) throw behind();
        if (this.#error !== undefined) throw this.#error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  /** Too much is kept: nobody may join any more, and followers who lag behind lose the beginning. */
  #shrink(): void {
    this.#close();
    this.#forget();
    while (this.#bytes > this.#limits.maxBytes) this.#dropFirst();
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#limits.closed();
  }

  /** Lets go of what every follower has read already, once nobody can join. */
  #forget(): void {
    if (this.#open) return;
    let least = this.#base + this.#pieces.length;
    for (const { at } of this.#readers) least = Math.min(least, at);
    while (this.#base < least) this.#dropFirst();
  }

  #dropFirst(): void {
    const piece = this.#pieces.shift();
    this.#base++;
    if (piece === undefined) return;
    const size = sizeOf(piece);
    this.#bytes -= size;
    this.#limits.buffers.bytes -= size;
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /** Holds the leader's call while anybody follows, and no longer. */
  #tie(): void {
    const wanted = this.followers > 0 && !this.#over;
    if (wanted && this.#release === undefined) this.#release = this.#tether?.hold();
    if (wanted) return;
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}

function behind(): SluiceError {
  return new SluiceError(
    'upstream_cut',
    'This client read too slowly to share the answer of an equal request.',
  );
}
