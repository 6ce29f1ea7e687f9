/**
 * A time limit that is moved with every piece of an answer and hardly ever reached: moving it touches no timer. The one
 * timer fires at the earliest limit it was set for, and goes on for the rest where the limit has moved since.
 */
export class MovingDeadline {
  readonly #expired: () => void;
  #at = Number.POSITIVE_INFINITY;
  #firesAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(expired: () => void) {
    this.#expired = expired;
  }

  /** From now on `ms` remain (0: no limit), but no longer than until `latest` of `performance.now()`. */
  set(ms: number, latest = Number.POSITIVE_INFINITY): void {
    this.setAt(ms > 0 ? Math.min(performance.now() + ms, latest) : latest);
  }

  /** The limit is at `at` of `performance.now()`. */
  setAt(at: number): void {
    this.#at = at;
    if (at < this.#firesAt) this.#arm();
  }

  /** Lifts the limit and lets go of the timer. */
  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
    this.#firesAt = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#firesAt = this.#at;
    this.#timer = setTimeout(() => this.#fire(), Math.max(1, Math.ceil(this.#at - performance.now())));
    // The socket keeps the process alive as long as somebody waits.
    this.#timer.unref();
  }

  #fire(): void {
    this.#firesAt = Number.POSITIVE_INFINITY;
    if (this.#at === Number.POSITIVE_INFINITY) return;
    if (performance.now() < this.#at) this.#arm();
    else {
      this.#at = Number.POSITIVE_INFINITY;
      this.#expired();
    }
  }
}
