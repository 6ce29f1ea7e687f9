import { RollingPair } from './window.ts';

/** Milliseconds looked back. */
const WINDOW_MS = 60_000;

/**
 * How fast places become free, learned from those that did in the last minute, so that who is turned away can be told
 * when to come back. Pure; monotonic milliseconds.
 */
export class DrainRate {
  readonly #freed = new RollingPair(WINDOW_MS);
  #since: number | undefined;

  /** A place became free. */
  freed(now: number): void {
    this.#since ??= now;
    this.#freed.add(1, 0, now);
  }

  /** Milliseconds until `count` places will have become free; `undefined` when none did lately. */
  waitFor(count: number, now: number): number | undefined {
    const freed = this.#freed.first(now);
    if (this.#since === undefined || freed === 0) {
      this.#since = undefined;
      return undefined;
    }
    // Of one event no rate can be told; it took at least this long.
    const observedMs = Math.max(1, Math.min(WINDOW_MS, now - this.#since));
    return freed < 2 ? Math.max(observedMs, 1000) * count : (count * observedMs) / freed;
  }
}
