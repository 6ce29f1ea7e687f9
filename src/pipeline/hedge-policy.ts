import { RollingPair } from '../core/resilience/window.ts';
import type { HedgePolicy } from './runtime.ts';

/** Times remembered of each deployment. */
const SAMPLES = 128;
/** Fewer say nothing about a percentile. */
const MIN_SAMPLES = 10;
/** Deployments remembered; only those of hedged models are. */
const MAX_DEPLOYMENTS = 1000;
/** Milliseconds over which second calls are a share of requests. */
const WINDOW_MS = 10_000;
/** Second calls that are allowed in any window, however few requests came. */
const MINIMUM = 1;

/** How long deployments took to begin an answer, the last of each. Pure. */
export class BeginningTimes {
  readonly #times = new Map<string, number[]>();

  /** An answer began after `ms`. Streams and whole answers cannot be compared. */
  add(deployment: string, stream: boolean, ms: number): void {
    const id = `${stream} ${deployment}`;
    let times = this.#times.get(id);
    if (times === undefined) {
      if (this.#times.size >= MAX_DEPLOYMENTS) this.#times.delete(this.#times.keys().next().value ?? '');
      times = [];
      this.#times.set(id, times);
    }
    times.push(ms);
    if (times.length > SAMPLES) times.shift();
  }

  /** The time that `percent` of the last answers took at most; `undefined` while too few are known. */
  percentile(deployment: string, stream: boolean, percent: number): number | undefined {
    const times = this.#times.get(`${stream} ${deployment}`) ?? [];
    if (times.length < MIN_SAMPLES) return undefined;
    const sorted = [...times].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)];
  }

  /** After how long a second deployment is asked; `undefined`: not yet known, none is. Milliseconds. */
  delay(policy: HedgePolicy, deployment: string, stream: boolean): number | undefined {
    const { afterMs, percentile } = policy;
    if (percentile === undefined) return afterMs;
    const usual = this.percentile(deployment, stream, percentile);
    return usual === undefined ? afterMs : Math.max(usual, afterMs ?? 0);
  }
}

/** Bounds second calls of each model by a share of its requests in any ten seconds, at least one. Pure. */
export class HedgeBudget {
  readonly #models = new Map<string, RollingPair>();

  #of(model: string): RollingPair {
    let counts = this.#models.get(model);
    if (counts === undefined) {
      if (this.#models.size >= MAX_DEPLOYMENTS) this.#models.delete(this.#models.keys().next().value ?? '');
      counts = new RollingPair(WINDOW_MS);
      this.#models.set(model, counts);
    }
    return counts;
  }

  /** A request for a hedged model came. */
  request(model: string, now: number): void {
    this.#of(model).add(1, 0, now);
  }

  /** Takes one second call, if there is one left. */
  take(model: string, maxPercent: number, now: number): boolean {
    const counts = this.#of(model);
    const allowed =
      maxPercent === 0 ? 0 : Math.max(MINIMUM, Math.floor((counts.first(now) * maxPercent) / 100));
    if (counts.second(now) + 1 > allowed) return false;
    counts.add(0, 1, now);
    return true;
  }
}
