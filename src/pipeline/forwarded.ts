import type { ByteTap } from '../formats/tap.ts';
import type { DeadlineWatch } from './deadline-watch.ts';
import type { Facts, Routed } from './exchange.ts';
import type { Prepared } from './prepare.ts';
import type { ProgressClock } from './progress.ts';

/** Whose bytes they are. */
interface Origin {
  readonly answer: { cancel(): void };
  readonly progress: ProgressClock;
  readonly watch: DeadlineWatch;
  readonly prepared: Prepared;
  /** Id of the deployment that answers. */
  readonly deployment: string;
}

/** How far a stream has been read before its rest is handed over. */
interface Read {
  readonly tap: ByteTap;
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Pieces held back until the first content. */
  readonly held: readonly Uint8Array[];
  readonly ended: boolean;
}

type Step = IteratorResult<Uint8Array>;

/** How long the end of a body may take after the answer's last word; the connection can be used again only then. Milliseconds. */
const MAX_REST_MS = 1000;

const END: Step = { done: true, value: undefined };

function observe(facts: Facts, tap: ByteTap): void {
  facts.deliveredBytes = tap.state.contentBytes;
  if (tap.state.usage !== undefined) facts.usage = tap.state.usage;
  facts.usageAt = tap.state.usageAt;
  if (tap.state.finish !== undefined) facts.finish = tap.state.finish;
}

/**
 * The bytes of an upstream's stream on their way to the client: what was held, then each chunk as the tap lets it through. An
 * iterator by hand: an async generator would cost four promises more for each chunk. Its last `next`, a failure or `return`
 * closes the upstream.
 */
export class Forwarded implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #exchange: Routed;
  readonly #origin: Origin;
  readonly #tap: ByteTap;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: readonly Uint8Array[];
  readonly #terminates: boolean;
  #begun = false;
  #ended: boolean;

  constructor(exchange: Routed, origin: Origin, { tap, chunks, held, ended }: Read) {
    this.#exchange = exchange;
    this.#origin = origin;
    this.#terminates = origin.prepared.codec.tap?.hasTerminator === true;
    this.#tap = tap;
    this.#chunks = chunks;
    this.#held = held;
    this.#ended = ended;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    return this.#begun ? this.#read() : this.#begin();
  }

  return(): Promise<Step> {
    this.#close();
    return Promise.resolve(END);
  }

  #begin(): Promise<Step> {
    this.#begun = true;
    const { id } = this.#tap.state;
    observe(this.#exchange.facts, this.#tap);
    if (id !== undefined) this.#exchange.issued(id, this.#origin.deployment);
    const [first, ...others] = this.#held;
    this.#held = [];
    if (first === undefined) return this.#read();
    const value = others.length === 0 ? first : Buffer.concat([first, ...others]);
    this.#notice(value);
    return Promise.resolve({ done: false, value });
  }

  #read(): Promise<Step> {
    const { error } = this.#tap.state;
    if (error !== undefined) return this.#fail(error);
    if (this.#ended) return this.return();
    if (this.#exchange.facts.lastPiece !== undefined) this.#hurry();
    this.#origin.progress.wait();
    return this.#chunks.next().then(this.#take, this.#broke);
  }

  readonly #take = ({ done, value }: Step): Step | Promise<Step> => {
    const { progress } = this.#origin;
    const tap = this.#tap;
    progress.arrived();
    this.#ended = done === true;
    const piece = done === true ? tap.end() : tap.push(value);
    observe(this.#exchange.facts, tap);
    if (!this.#ended && tap.state.error === undefined) {
      try {
        progress.judgeBytes(piece, tap.state.contentBytes);
      } catch (error) {
        return this.#fail(error);
      }
    }
    if (piece.length === 0) return this.#read();
    this.#notice(piece);
    return { done: false, value: piece };
  };

  /** Remembers the piece with the terminator. */
  #notice(piece: Uint8Array): void {
    const { state } = this.#tap;
    if (!state.done || !this.#terminates || state.error !== undefined) return;
    this.#exchange.facts.lastPiece ??= piece;
  }

  /** What follows the terminator is nobody's: a body that goes on regardless is not read for long. */
  #hurry(): void {
    const { progress, answer, watch } = this.#origin;
    progress.expect(watch.now() + MAX_REST_MS, answer);
    watch.add(progress);
  }

  /** A connection that breaks after the answer has said its last word breaks nothing: the client has it whole. */
  readonly #broke = (error: unknown): Step | Promise<Step> =>
    this.#tap.state.done ? this.#take(END) : this.#fail(error);

  #fail(error: unknown): Promise<Step> {
    this.#close();
    return Promise.reject(error);
  }

  #close(): void {
    this.#ended = true;
    this.#origin.watch.forget(this.#origin.progress);
    this.#origin.answer.cancel();
  }
}
