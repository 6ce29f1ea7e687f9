/**
 * Where an exchange stands in the log. Its row number is `start in ms × 2048 + a number within the
 * millisecond`, below 2^53 until the year 2109: the table itself is then in the order of the list and needs no index.
 */

/** Rows of one millisecond. More than any process can take; what comes beyond moves to the next millisecond. */
export const PER_MS = 2048;
const MAX_MS = Math.floor(Number.MAX_SAFE_INTEGER / PER_MS);
/** Row numbers of a bucket, ten seconds of starts. Fits 32 bits. */
export const PER_BUCKET = 10_000 * PER_MS;

/** The first row number of the millisecond a time (ms since 1970) lies in. */
export function firstPlace(startedAt: number): number {
  return startedAt > 0 ? Math.min(Math.floor(startedAt), MAX_MS) * PER_MS : 0;
}

/** Milliseconds whose last number is remembered: over two minutes, longer than nearly every exchange lasts. */
const REMEMBERED_MS = 1 << 17;

/** Hands out row numbers, in each millisecond one after the other as far as it remembers. */
export class Places {
  readonly #starts = new Float64Array(REMEMBERED_MS).fill(-1);
  readonly #used = new Uint16Array(REMEMBERED_MS);

  /** A number that is probably free: the caller must expect that it is not. */
  next(startedAt: number): number {
    const start = firstPlace(startedAt);
    const slot = (start / PER_MS) % REMEMBERED_MS;
    if (this.#starts[slot] !== start) {
      this.#starts[slot] = start;
      this.#used[slot] = 0;
    }
    const used = this.#used[slot] ?? 0;
    if (used >= PER_MS) {
      return start;
    }
    this.#used[slot] = used + 1;
    return start + used;
  }
}
