import { InFlight, type UnderWay } from '../resilience/in-flight.ts';
import type { RateLimits } from './virtual-key.ts';

/** One limit at one moment, for `x-ratelimit-*`. */
export interface LimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Until the whole limit is free again, milliseconds. */
  readonly resetMs: number;
}

/** A place in the limits, to be given back exactly once (later calls do nothing). */
export interface Lease {
  /** `tokens` is what was really used; absent leaves the estimate standing. */
  release(now: number, tokens?: number): void;
  /** As if it had never been asked for: the request itself is given back too. */
  cancel(now: number): void;
}

/** What is asked for. Times are milliseconds of one clock, best the monotonic one. */
export interface RateRequest {
  /** Estimate of prompt and completion; a wish above the limit itself is served when nothing else ran. */
  readonly tokens: number;
  readonly now: number;
  /** When a lease that was never given back stops counting against `concurrency`. */
  readonly expiresAt: number;
}

/** Requests of the past that belong to a limit's windows. */
export interface PastUse {
  readonly ageMs: number;
  readonly requests: number;
  readonly tokens: number;
}

/** The longest window of these limits, milliseconds; 0 without any. */
export function longestWindow(limits: RateLimits): number {
  return rulesOf(limits).reduce((longest, { windowMs }) => Math.max(longest, windowMs), 0);
}

/** A limit by its name in `RateLimits`. */
export type LimitName = keyof RateLimits;

/** Grant or refusal, with the tightest limit on requests and on tokens either way. */
export type RateDecision = { readonly requests?: LimitState; readonly tokens?: LimitState } & (
  | { readonly granted: true; readonly lease: Lease }
  | {
      readonly granted: false;
      readonly refusedBy: LimitName;
      /** 0 when only the end of another request can help. */
      readonly retryAfterMs: number;
    }
);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

interface Span {
  readonly kind: 'requests' | 'tokens';
  readonly windowMs: number;
  /** Parts the window is counted in; spend leaves it by at most one part too late. */
  readonly buckets: number;
}

const SPANS: Readonly<Record<Exclude<LimitName, 'concurrency'>, Span>> = {
  rpm: { kind: 'requests', windowMs: MINUTE_MS, buckets: 20 },
  rph: { kind: 'requests', windowMs: HOUR_MS, buckets: 60 },
  rpd: { kind: 'requests', windowMs: DAY_MS, buckets: 96 },
  tpm: { kind: 'tokens', windowMs: MINUTE_MS, buckets: 20 },
  tph: { kind: 'tokens', windowMs: HOUR_MS, buckets: 60 },
  tpd: { kind: 'tokens', windowMs: DAY_MS, buckets: 96 },
};

interface Rule extends Span {
  readonly name: keyof typeof SPANS;
  readonly limit: number;
}

/** Limits come from the snapshot, so they are taken apart once. */
const RULES = new WeakMap<RateLimits, readonly Rule[]>();

function rulesOf(limits: RateLimits): readonly Rule[] {
  let rules = RULES.get(limits);
  if (rules === undefined) {
    const found: Rule[] = [];
    for (const name of Object.keys(SPANS) as Rule['name'][]) {
      const limit = limits[name];
      if (limit !== undefined) found.push({ name, limit, ...SPANS[name] });
    }
    rules = found;
    RULES.set(limits, rules);
  }
  return rules;
}

/** A lease that was not given back. */
interface Occupied extends UnderWay {
  readonly expiresAt: number;
}

interface State {
  seenAt: number;
  /** How long it is remembered at rest. */
  keepMs: number;
  /** What `counts` count, in the same order. */
  rules: readonly Rule[];
  counts: readonly SlidingCount[];
  readonly leases: InFlight<Occupied>;
}

/** Something counted, to be corrected later. */
interface Counted {
  readonly count: SlidingCount;
  readonly kind: Span['kind'];
  readonly amount: number;
  readonly bucket: number;
}

/**
 * Limits per identity: requests and tokens in any minute, hour and day, and requests in flight. Pure; the caller passes
 * the time. A refused request takes nothing from any of them.
 */
export class RateLimiter {
  readonly #states = new Map<string, State>();

  /** Asks for a place under `limits` for the identity `id` (a key, a team, a deployment). */
  acquire(id: string, limits: RateLimits, request: RateRequest): RateDecision {
    const state = this.#stateOf(id, request.now);
    const now = state.seenAt;
    const counts = countsOf(state, limits, now);
    const { rules } = state;
    if (limits.concurrency !== undefined && isFull(state, limits.concurrency, now)) {
      return { granted: false, refusedBy: 'concurrency', retryAfterMs: 0, ...statesOf(state, now) };
    }
    for (let at = 0; at < rules.length; at++) {
      const rule = rules[at] as Rule;
      const count = counts[at] as SlidingCount;
      const wish = wishOf(rule, request);
      if (count.sum() + wish > rule.limit) {
        const retryAfterMs = count.waitFor(wish, rule.limit, now);
        const shown = { [rule.kind]: count.state(rule.limit, now) };
        return { granted: false, refusedBy: rule.name, retryAfterMs, ...statesOf(state, now), ...shown };
      }
    }
    const counted: Counted[] = [];
    for (let at = 0; at < rules.length; at++) {
      const { kind } = rules[at] as Rule;
      const count = counts[at] as SlidingCount;
      const amount = wishOf(rules[at] as Rule, request);
      counted.push({ count, kind, amount, bucket: count.add(amount) });
    }
    const place = { slot: -1, expiresAt: request.expiresAt };
    state.leases.add(place);
    return { granted: true, lease: new Place(state, place, counted), ...statesOf(state, now) };
  }

  /**
   * Counts what an earlier process let through, so that a restart gives nothing back. `past` may come in any order; what has
   * left every window counts nowhere.
   */
  restore(id: string, limits: RateLimits, past: Iterable<PastUse>, now: number): void {
    const state = this.#stateOf(id, now);
    const counts = countsOf(state, limits, state.seenAt);
    for (const use of past) {
      for (let at = 0; at < state.rules.length; at++) {
        const { kind } = state.rules[at] as Rule;
        (counts[at] as SlidingCount).addAt(state.seenAt - Math.max(0, use.ageMs), use[kind]);
      }
    }
  }

  /** Requests of this identity in flight. */
  inFlight(id: string): number {
    return this.#states.get(id)?.leases.size ?? 0;
  }

  /** Forgets identities that neither ran nor called for longer than their windows. Call it now and then. */
  sweep(now: number): void {
    for (const [id, state] of this.#states) {
      if (liveLeases(state, now) === 0 && now - state.seenAt > state.keepMs) {
        this.#states.delete(id);
      }
    }
  }

  /** Identities remembered. */
  get size(): number {
    return this.#states.size;
  }

  #stateOf(id: string, now: number): State {
    let state = this.#states.get(id);
    if (state === undefined) {
      state = { seenAt: now, keepMs: MINUTE_MS, rules: NO_RULES, counts: [], leases: new InFlight() };
      this.#states.set(id, state);
    }
    state.seenAt = Math.max(state.seenAt, now);
    return state;
  }
}

/** A wish above the limit itself is served when nothing else ran. */
function wishOf(rule: Rule, request: RateRequest): number {
  return rule.kind === 'requests' ? 1 : Math.min(Math.max(0, request.tokens), rule.limit);
}

const NO_RULES: readonly Rule[] = Object.freeze([]);

/** The counts of these limits, moved to now. Limits that changed keep what was counted under the same name. */
function countsOf(state: State, limits: RateLimits, now: number): readonly SlidingCount[] {
  const rules = rulesOf(limits);
  if (state.rules !== rules) {
    const known = new Map(state.rules.map(({ name }, at) => [name, state.counts[at]]));
    state.counts = rules.map((rule) => known.get(rule.name) ?? new SlidingCount(rule, now));
    state.rules = rules;
    for (const { windowMs, buckets } of rules) {
      state.keepMs = Math.max(state.keepMs, windowMs + windowMs / buckets);
    }
  }
  for (const count of state.counts) count.advance(now);
  return state.counts;
}

/** The tightest of the limits on requests, and of those on tokens. */
function statesOf({ rules, counts }: State, now: number): { requests?: LimitState; tokens?: LimitState } {
  const found: { requests?: LimitState; tokens?: LimitState } = {};
  for (let at = 0; at < rules.length; at++) {
    const { kind, limit } = rules[at] as Rule;
    const shown = (counts[at] as SlidingCount).state(limit, now);
    if (isTighter(shown, found[kind])) found[kind] = shown;
  }
  return found;
}

/** Whether less is left of a limit, as a share of it. */
export function isTighter(limit: LimitState, than: LimitState | undefined): boolean {
  return than === undefined || limit.remaining * than.limit < than.remaining * limit.limit;
}

/** Whether `most` leases are out. Leases are looked through only when there seem to be. */
function isFull(state: State, most: number, now: number): boolean {
  return state.leases.size >= most && liveLeases(state, now) >= most;
}

/** Leases in flight; those never given back are dropped when their time is over. */
function liveLeases(state: State, now: number): number {
  state.leases.forEach((place) => {
    if (place.expiresAt <= now) state.leases.delete(place);
  });
  return state.leases.size;
}

class Place implements Lease {
  readonly #state: State;
  readonly #place: Occupied;
  readonly #counted: readonly Counted[];
  #open = true;

  constructor(state: State, place: Occupied, counted: readonly Counted[]) {
    this.#state = state;
    this.#place = place;
    this.#counted = counted;
  }

  release(now: number, used?: number): void {
    if (!this.#end(now) || used === undefined) return;
    for (const { count, kind, amount, bucket } of this.#counted) {
      if (kind === 'tokens') count.correct(bucket, Math.max(0, used) - amount);
    }
  }

  cancel(now: number): void {
    if (!this.#end(now)) return;
    for (const { count, amount, bucket } of this.#counted) count.correct(bucket, -amount);
  }

  #end(now: number): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#state.leases.delete(this.#place);
    this.#state.seenAt = Math.max(this.#state.seenAt, now);
    for (const { count } of this.#counted) count.advance(this.#state.seenAt);
    return true;
  }
}

function slotOf(bucket: number, size: number): number {
  return ((bucket % size) + size) % size;
}

/** A count over the last minute, hour or day in parts; rounds against the caller by at most one part. */
class SlidingCount {
  readonly #bucketMs: number;
  /** The window's parts and the one being filled: together they cover every event of the window. */
  readonly #ring: number[];
  #bucket: number;
  #sum = 0;

  constructor({ windowMs, buckets }: Span, now: number) {
    this.#bucketMs = windowMs / buckets;
    this.#ring = new Array<number>(buckets + 1).fill(0);
    this.#bucket = Math.floor(now / this.#bucketMs);
  }

  /** Drops what is older than the window. Time that runs backwards changes nothing. */
  advance(now: number): void {
    const size = this.#ring.length;
    const bucket = Math.floor(now / this.#bucketMs);
    const steps = Math.min(bucket - this.#bucket, size);
    for (let step = 1; step <= steps; step += 1) {
      const slot = (this.#bucket + step) % size;
      this.#sum -= this.#at(slot);
      this.#ring[slot] = 0;
    }
    this.#bucket = Math.max(this.#bucket, bucket);
  }

  sum(): number {
    return this.#sum;
  }

  /** Counts now; returns the bucket for `correct`. */
  add(amount: number): number {
    const slot = this.#bucket % this.#ring.length;
    this.#ring[slot] = this.#at(slot) + amount;
    this.#sum += amount;
    return this.#bucket;
  }

  /** Counts at a time that may lie in the past. Before time 0 of the clock buckets are negative. */
  addAt(at: number, amount: number): void {
    const size = this.#ring.length;
    const bucket = Math.floor(at / this.#bucketMs);
    if (this.#bucket - bucket >= size) return;
    const slot = slotOf(bucket, size);
    this.#ring[slot] = this.#at(slot) + amount;
    this.#sum += amount;
  }

  /** Replaces an estimate: less than estimated is given back where it was counted, more is counted now. */
  correct(bucket: number, difference: number): void {
    if (difference >= 0) {
      this.add(difference);
    } else if (this.#bucket - bucket < this.#ring.length) {
      const slot = bucket % this.#ring.length;
      const given = Math.min(this.#at(slot), -difference);
      this.#ring[slot] = this.#at(slot) - given;
      this.#sum -= given;
    }
  }

  /** Milliseconds until `amount` fits under `limit`. */
  waitFor(amount: number, limit: number, now: number): number {
    const size = this.#ring.length;
    let rest = this.#sum;
    for (let age = size - 1; age >= 0; age -= 1) {
      const bucket = this.#bucket - age;
      rest -= this.#at(slotOf(bucket, size));
      if (rest + amount <= limit) {
        return Math.max(1, (bucket + size) * this.#bucketMs - now);
      }
    }
    return (size - 1) * this.#bucketMs;
  }

  state(limit: number, now: number): LimitState {
    const size = this.#ring.length;
    // Nearly always something was counted just now: it is the last to leave.
    const fresh = this.#at(this.#bucket % size) > 0;
    const resetMs = fresh
      ? Math.max(1, (this.#bucket + size) * this.#bucketMs - now)
      : this.waitFor(limit, limit, now);
    return { limit, remaining: Math.max(0, limit - this.#sum), resetMs: this.#sum === 0 ? 0 : resetMs };
  }

  #at(slot: number): number {
    return this.#ring[slot] ?? 0;
  }
}
