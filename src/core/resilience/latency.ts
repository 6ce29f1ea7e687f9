/** After this long an old sample weighs half of what it did. */
const HALF_LIFE_MS = 30_000;
/** Every sample counts at least this much, also when they come fast. */
const MIN_WEIGHT = 0.1;

/**
 * A decayed mean of times to first byte. A new sample weighs more the longer ago the last one was, and the expectation
 * itself fades with time, so that a place that was slow once is tried again. Milliseconds. Pure.
 */
export class DecayedLatency {
  #mean: number | undefined;
  #at = 0;

  add(ms: number, now: number): void {
    if (this.#mean === undefined) {
      this.#mean = ms;
    } else {
      const weight = Math.max(MIN_WEIGHT, 1 - 0.5 ** (Math.max(0, now - this.#at) / HALF_LIFE_MS));
      this.#mean += weight * (ms - this.#mean);
    }
    this.#at = now;
  }

  /** What to expect; 0 for a place that was never measured, so that it is measured soon. */
  expected(now: number): number {
    if (this.#mean === undefined) return 0;
    // Four times slower to forget than to learn: fading is for places nobody asks any more.
    return this.#mean * 0.5 ** (Math.max(0, now - this.#at) / (4 * HALF_LIFE_MS));
  }

  /** The mean as measured, for the operator. */
  get measured(): number | undefined {
    return this.#mean;
  }
}
