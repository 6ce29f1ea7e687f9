import { InFlight, type UnderWay } from '../core/resilience/in-flight.ts';
import type { Clock } from '../ports/clock.ts';

/** Something that has to happen in time. */
export interface Awaited extends UnderWay {
  /** Monotonic milliseconds; may be moved while it is watched. */
  readonly deadline: number;
  /** It has not happened in time. Called once. */
  expire(): void;
}

/** How often deadlines are looked at: a timer each would cost more than they are worth (PERFORMANCE, rule 6). */
const TICK_MS = 50;

/** Watches many deadlines with one timer, which only runs while there is any. */
export class DeadlineWatch {
  readonly #clock: Clock;
  readonly #awaited = new InFlight<Awaited>();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The watch's own clock, monotonic milliseconds. */
  now(): number {
    return this.#clock.monotonic();
  }

  /** Begins to watch; `forget` ends it. */
  add(awaited: Awaited): void {
    this.#awaited.add(awaited);
    if (!this.#ticking) this.#tick();
  }

  forget(awaited: Awaited): void {
    this.#awaited.delete(awaited);
  }

  #tick(): void {
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => {
      this.#ticking = false;
      const now = this.#clock.monotonic();
      this.#awaited.forEach((awaited) => {
        if (awaited.deadline > now) return;
        this.#awaited.delete(awaited);
        awaited.expire();
      });
      if (this.#awaited.size > 0) this.#tick();
    });
  }
}
