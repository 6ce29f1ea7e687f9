import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';

const WINDOW_MS = 60_000;
const MAX_NAMES = 50_000;

/**
 * Attempts per name and minute, counted before they are carried out: two hundred at once are two hundred, not one. A
 * success forgets them.
 */
export class AttemptLimiter {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #attempts = new Map<string, { count: number; endsAt: number }>();

  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Throws `rate_limited`. */
  begin(name: string): void {
    const now = this.#clock.monotonic();
    const known = this.#attempts.get(name);
    if (known === undefined || known.endsAt <= now) {
      this.#attempts.delete(name);
      this.#makeRoom(now);
      this.#attempts.set(name, { count: 1, endsAt: now + WINDOW_MS });
      return;
    }
    known.count += 1;
    if (known.count <= this.#limit) return;
    throw new SluiceError('rate_limited', 'Too many attempts; wait a minute.', {
      retryAfterS: (known.endsAt - now) / 1000,
    });
  }

  succeeded(name: string): void {
    this.#attempts.delete(name);
  }

  #makeRoom(now: number): void {
    for (const [name, { endsAt }] of this.#attempts) {
      if (endsAt > now && this.#attempts.size < MAX_NAMES) return;
      this.#attempts.delete(name);
    }
  }
}
