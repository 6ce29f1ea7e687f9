import { SluiceError } from '../core/errors/error.ts';
import type { StreamEvent } from '../core/model/index.ts';
import { latin1 } from '../formats/bytes.ts';
import type { Clock } from '../ports/clock.ts';
import type { Awaited } from './deadline-watch.ts';

/** Events that say something: content, structure or an ending. */
function says(event: StreamEvent): boolean {
  return event.type === 'delta' ? event.text !== '' : event.type !== 'start' && event.type !== 'usage';
}

/** Comments, `ping` events and empty deltas: signs of life without content. */
function isPing(bytes: Uint8Array): boolean {
  return latin1(bytes)
    .split(/\r?\n\r?\n/)
    .every(
      (event) =>
        !/^data:/m.test(event) || /"type": ?"ping"|"delta": ?\{\}|"(?:content|text|delta)": ?""/.test(event),
    );
}

/**
 * The second of two idle clocks (RELIABILITY R5): cuts a stream that only pings. Silence is the adapter's to notice, so it
 * is enough to look whenever something arrives. Only time spent waiting for the upstream counts: a client that reads slowly
 * is no fault of the provider.
 */
export class ProgressClock implements Awaited {
  slot = -1;
  /** When the first byte of the body is due, monotonic milliseconds. */
  deadline = Number.POSITIVE_INFINITY;
  #answer: { cancel(): void } | undefined;
  #late = false;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #provider: string;
  #since = 0;
  #waitedMs = 0;
  #contentBytes = 0;

  /** `limitMs` 0 switches it off. */
  constructor(clock: Clock, limitMs: number, provider: string) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#provider = provider;
  }

  /** The body has to begin by `deadline`; the answer is cancelled when it has not. */
  expect(deadline: number, answer: { cancel(): void }): void {
    this.deadline = deadline;
    this.#answer = answer;
  }

  expire(): void {
    this.#late = true;
    this.#answer?.cancel();
  }

  /** What a reading failed with: `upstream_timeout` when it was given up for being late. */
  failure(error: unknown): unknown {
    if (!this.#late) return error;
    return new SluiceError(
      'upstream_timeout',
      `\`${this.#provider}\` opened its stream and sent nothing. Try again, or raise \`first_byte_ms\`.`,
      { provider: this.#provider },
    );
  }

  /** Now waiting for the upstream. */
  wait(): void {
    this.#since = this.#clock.monotonic();
  }

  /** Something arrived. */
  arrived(): void {
    this.#waitedMs += this.#clock.monotonic() - this.#since;
  }

  /** Judges decoded events. Throws `upstream_timeout`. */
  judge(events: readonly StreamEvent[]): void {
    if (events.some(says)) this.#waitedMs = 0;
    else this.#demand();
  }

  /** Judges forwarded bytes; `contentBytes`: model output seen so far. Throws `upstream_timeout`. */
  judgeBytes(piece: Uint8Array, contentBytes: number): void {
    const grew = contentBytes > this.#contentBytes;
    this.#contentBytes = contentBytes;
    if (grew) this.#waitedMs = 0;
    else if (this.#over()) {
      if (isPing(piece)) this.#demand();
      this.#waitedMs = 0;
    }
  }

  #over(): boolean {
    return this.#limitMs > 0 && this.#waitedMs > this.#limitMs;
  }

  #demand(): void {
    if (!this.#over()) return;
    throw new SluiceError(
      'upstream_timeout',
      `\`${this.#provider}\` keeps its stream open but sends no content. Try again, or raise \`progress_idle_ms\`.`,
      { provider: this.#provider },
    );
  }
}
