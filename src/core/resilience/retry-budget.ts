import { RollingPair } from './window.ts';

/** Milliseconds the budget looks back. */
const WINDOW_MS = 10_000;
/** Further attempts that are allowed in any window, however few requests came. */
const MINIMUM = 3;

/**
 * Bounds further attempts by a share of requests in any 10 s, at least three, so that a failing upstream under load gets
 * at most 1.2 times the requests plus three (RELIABILITY R6). Pure; times are monotonic milliseconds.
 */
export class RetryBudget {
  readonly #counts = new RollingPair(WINDOW_MS);

  /** A request came. */
  request(now: number): void {
    this.#counts.add(1, 0, now);
  }

  /** Takes one further attempt if `percent` of the window's requests, or the minimum, still allow it. */
  take(percent: number, now: number): boolean {
    const allowed = Math.max(MINIMUM, Math.floor((this.#counts.first(now) * percent) / 100));
    if (percent === 0 || this.#counts.second(now) + 1 > allowed) return false;
    this.#counts.add(0, 1, now);
    return true;
  }
}
