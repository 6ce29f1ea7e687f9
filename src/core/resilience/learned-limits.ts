import type { Allowance, LimitKind, ToldLimits } from './limit-headers.ts';

/** Tokens a call will likely take. */
export interface Wanted {
  readonly prompt: number;
  readonly output: number;
}

/** The least a call can take. */
export const NOTHING: Wanted = Object.freeze({ prompt: 1, output: 1 });

/**
 * An allowance that fills up again evenly, as the token buckets of OpenAI and Anthropic do (both document `reset` as the
 * time until the limit is whole again). Without a limit nothing is known before the reset. Monotonic milliseconds.
 */
class Bucket {
  readonly kind: LimitKind;
  readonly #told: Allowance;
  readonly #at: number;
  #taken = 0;

  constructor(told: Allowance, now: number) {
    this.kind = told.kind;
    this.#told = told;
    this.#at = now;
  }

  take(amount: number): void {
    this.#taken += amount;
  }

  /** Milliseconds until `amount` is there; 0 when it is. More than the whole limit counts as the whole. */
  waitFor(amount: number, now: number): number {
    const { limit, remaining, resetMs } = this.#told;
    const passed = now - this.#at;
    if (passed >= resetMs) return 0;
    if (limit === undefined || limit <= remaining) {
      return remaining - this.#taken >= Math.min(amount, limit ?? amount) ? 0 : resetMs - passed;
    }
    const perMs = (limit - remaining) / resetMs;
    const missing = Math.min(amount, limit) - (remaining - this.#taken + perMs * passed);
    return missing <= 1e-9 ? 0 : Math.min(resetMs - passed, missing / perMs);
  }

  /** What is left, 0 to 1; 1 when the limit is not known or whole again. */
  headroom(now: number): number {
    const { limit, remaining, resetMs } = this.#told;
    const passed = now - this.#at;
    if (limit === undefined || passed >= resetMs) return 1;
    const filled = Math.max(0, limit - remaining) * (passed / resetMs);
    return Math.min(1, Math.max(0, (remaining - this.#taken + filled) / limit));
  }
}

/** What a call of this size takes of an allowance. */
function amountOf(kind: LimitKind, { prompt, output }: Wanted): number {
  if (kind === 'requests') return 1;
  return kind === 'output' ? output : prompt;
}

/** What one credential may still do at one deployment, learned from its last answer. Pure. */
export class LearnedLimits {
  readonly #buckets = new Map<string, Bucket>();

  learn(told: ToldLimits, now: number): void {
    for (const allowance of told) this.#buckets.set(allowance.name, new Bucket(allowance, now));
  }

  /** Milliseconds until such a request fits. */
  waitFor(wanted: Wanted, now: number): number {
    let wait = 0;
    for (const bucket of this.#buckets.values()) {
      wait = Math.max(wait, bucket.waitFor(amountOf(bucket.kind, wanted), now));
    }
    return wait;
  }

  take(wanted: Wanted): void {
    for (const bucket of this.#buckets.values()) bucket.take(amountOf(bucket.kind, wanted));
  }

  /** The smallest part of any limit that is left, 0 to 1. */
  headroom(now: number): number {
    let least = 1;
    for (const bucket of this.#buckets.values()) least = Math.min(least, bucket.headroom(now));
    return least;
  }
}
