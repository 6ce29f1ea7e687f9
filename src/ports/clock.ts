/**
 * Time. `now` is wall-clock milliseconds since 1970; `monotonic` never jumps, is the same for all processes of a
 * machine, and is for durations and timers.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
  /** Calls back once after `ms`; the returned function cancels. Resolution may be coarse (up to 50 ms). */
  after(ms: number, callback: () => void): () => void;
}
