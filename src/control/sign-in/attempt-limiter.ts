import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';

const WINDOW_MS = 60_000;
const MAX_NAMES = 50_000;
/** Longest pause of a name that goes on failing. */
const LONGEST_MS = 3_600_000;
/** A name that was left alone for this long begins anew. */
const FORGET_MS = 24 * 3_600_000;

interface Attempts {
  count: number;
  endsAt: number;
  /** Windows in a row in which there were too many. */
  strikes: number;
}

/**
 * Attempts per name and minute, counted before they are carried out: two hundred at once are two hundred, not one. A
 * success forgets them. `escalates`: each time there were too many, the pause is twice as long, up to an hour, so that what
 * is short enough to be guessed in weeks is not; for names that only somebody who knows a password can speak of.
 */
export class AttemptLimiter {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #escalates: boolean;
  readonly #attempts = new Map<string, Attempts>();

  constructor(clock: Clock, limit: number, escalates = false) {
    this.#clock = clock;
    this.#limit = limit;
    this.#escalates = escalates;
  }

  /** Throws `rate_limited`. */
  begin(name: string): void {
    const now = this.#clock.monotonic();
    const known = this.#attempts.get(name);
    if (known === undefined || known.endsAt <= now) {
      const strikes = known === undefined || known.endsAt + FORGET_MS <= now ? 0 : known.strikes;
      this.#attempts.delete(name);
      this.#makeRoom(now);
      this.#attempts.set(name, { count: 1, endsAt: now + WINDOW_MS, strikes });
      return;
    }
    known.count += 1;
    if (known.count <= this.#limit) return;
    if (this.#escalates && known.count === this.#limit + 1) {
      known.endsAt = now + Math.min(LONGEST_MS, WINDOW_MS * 2 ** known.strikes);
      known.strikes += 1;
    }
    const waitS = (known.endsAt - now) / 1000;
    const wait = waitS <= WINDOW_MS / 1000 ? 'wait a minute' : `wait ${Math.ceil(waitS / 60)} minutes`;
    throw new SluiceError('rate_limited', `Too many attempts; ${wait}.`, { retryAfterS: waitS });
  }

  succeeded(name: string): void {
    this.#attempts.delete(name);
  }

  #makeRoom(now: number): void {
    const kept = this.#escalates ? FORGET_MS : 0;
    for (const [name, { endsAt }] of this.#attempts) {
      if (endsAt + kept > now && this.#attempts.size < MAX_NAMES) return;
      this.#attempts.delete(name);
    }
  }
}
