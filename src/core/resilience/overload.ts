/**
 * What is taken on. `normal`: everything. `no_large`: no large bodies. `nothing`: no new requests. `cancel`: none, and the
 * youngest under way is given up.
 */
export type Admittance = 'normal' | 'no_large' | 'nothing' | 'cancel';

/** How the process is, at one moment. */
export interface Reading {
  /** Share of the memory it may use, 0 to 1. */
  readonly memory: number;
  /** Delay of the event loop since the last reading, as a random arrival met it; below `LATE_MS`, at most so much. */
  readonly lagMs: number;
  /** Requests worked on. */
  readonly running: number;
}

/** Steps of the ladder (RELIABILITY F22): shares of memory. */
const NO_LARGE_AT = 0.8;
const NOTHING_AT = 0.9;
const CANCEL_AT = 0.95;
/** A loop this late in two readings on end cannot keep up with what it has. */
export const LATE_MS = 150;
const LATE_READINGS = 2;
/** With less to do than this, lateness is the machine's fault: refusing requests would not help. */
const BUSY_REQUESTS = 32;

/** Decides over new requests by memory and event-loop lag. Pure; fed with a reading every quarter of a second. */
export class OverloadLadder {
  #late = 0;
  #memory = 0;
  #admittance: Admittance = 'normal';

  get admittance(): Admittance {
    return this.#admittance;
  }

  read({ memory, lagMs, running }: Reading): Admittance {
    this.#late = lagMs >= LATE_MS && running >= BUSY_REQUESTS ? this.#late + 1 : 0;
    // The lower of two readings: what the collector has not come to yet is no need.
    const needed = Math.min(memory, this.#memory);
    this.#memory = memory;
    if (needed >= CANCEL_AT) this.#admittance = 'cancel';
    else if (needed >= NOTHING_AT || this.#late >= LATE_READINGS) this.#admittance = 'nothing';
    else this.#admittance = needed >= NO_LARGE_AT ? 'no_large' : 'normal';
    return this.#admittance;
  }
}
