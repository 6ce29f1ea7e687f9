import { InFlight, type UnderWay } from '../core/resilience/in-flight.ts';

/** Something that has to go on; `at` is when it last did, monotonic ms. */
export interface Watched extends UnderWay {
  at: number;
  readonly idleMs: number;
  stalled(): void;
}

/** How often is looked, at most and at least. Milliseconds. */
const SLOWEST_MS = 1000;
const FASTEST_MS = 25;

/**
 * Tells who has stood still for too long: one coarse timer for all instead of one per request, which most requests would
 * set and clear for nothing (PERFORMANCE, rule 6). A stall is noticed up to a quarter of its limit late, at most a second.
 */
export class IdleWatch {
  readonly #watched = new InFlight<Watched>();
  #timer: NodeJS.Timeout | undefined;
  #everyMs = SLOWEST_MS;

  add(watched: Watched): void {
    this.#watched.add(watched);
    const wanted = Math.max(FASTEST_MS, Math.min(SLOWEST_MS, watched.idleMs / 4));
    if (this.#timer !== undefined && wanted >= this.#everyMs) return;
    clearInterval(this.#timer);
    this.#everyMs = wanted;
    this.#timer = setInterval(() => this.#look(), wanted);
    this.#timer.unref();
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #look(): void {
    if (this.#watched.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#everyMs = SLOWEST_MS;
      return;
    }
    const now = performance.now();
    this.#watched.forEach((watched) => {
      if (now - watched.at <= watched.idleMs) return;
      this.#watched.delete(watched);
      watched.stalled();
    });
  }
}
