import { InFlight, type UnderWay } from '../core/resilience/in-flight.ts';
import type { Clock } from '../ports/clock.ts';

/** Something that has to begin in time. */
export interface Awaited extends UnderWay {
  /** Monotonic milliseconds. */
  readonly deadline: number;
  /** It has not begun in time. Called once. */
  expire(): void;
}

/** How often deadlines are looked at: a timer each would cost more than they are worth. */
const TICK_MS = 50;

/** Watches many deadlines with one timer, which only runs while there is any. */
export class FirstByteWatch {
  readonly #clock: Clock;
  readonly #awaited = new InFlight<Awaited>();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
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
