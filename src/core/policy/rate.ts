import { leaseUntil, type Occupied } from './lease-count.ts';
import { partsOf, RateSharing, type Taking, type Told, takingsOf, type Wanted } from './rate-sharing.ts';
import {
  countNamed,
  countsOf,
  dropLease,
  type LimitName,
  liveLeases,
  newState,
  type RateState,
  type Rule,
  rulesOf,
  statesOf,
} from './rate-state.ts';
import type { CountedUntil } from './shared-count.ts';
import type { LimitState, SlidingCount } from './sliding-count.ts';
import type { RateLimits } from './virtual-key.ts';

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

/** Grant or refusal, with the tightest limit on requests and on tokens either way. */
export type RateDecision = {
  readonly requests: LimitState | undefined;
  readonly tokens: LimitState | undefined;
} & (
  | { readonly granted: true; readonly lease: Lease }
  | {
      readonly granted: false;
      readonly refusedBy: LimitName;
      /** 0 when only the end of another request can help. */
      readonly retryAfterMs: number;
    }
);

/** Something counted, to be corrected later. */
interface Counted {
  readonly count: SlidingCount;
  readonly kind: Rule['kind'];
  readonly amount: number;
  readonly bucket: number;
}

/** A request for places in several limits. */
export interface JointRequest {
  readonly places: readonly { readonly id: string; readonly limits: RateLimits }[];
  readonly request: Omit<RateRequest, 'now'>;
}

/**
 * Limits per identity: requests and tokens in any minute, hour and day, and requests in flight. Pure; the caller passes
 * the time. A refused request takes nothing from any of them.
 *
 * Where other processes count against the same limits, each uses only what the others know of: `acquire` refuses until
 * what `want` names was granted.
 */
export class RateLimiter {
  readonly #states = new Map<string, RateState>();
  /** Absent while this process is alone. */
  #sharing: RateSharing | undefined;

  /** Asks for a place under `limits` for the identity `id` (a key, a team, a deployment). */
  acquire(id: string, limits: RateLimits, request: RateRequest): RateDecision {
    const state = this.#stateOf(id, request.now);
    const now = state.seenAt;
    const counts = countsOf(state, limits, now);
    const { rules } = state;
    state.limitsLeases = limits.concurrency !== undefined;
    this.#sharing?.share(state);
    if (limits.concurrency !== undefined && isFull(state, limits.concurrency, request)) {
      return { granted: false, refusedBy: 'concurrency', retryAfterMs: 0, ...statesOf(state, now) };
    }
    for (let at = 0; at < rules.length; at++) {
      const rule = rules[at] as Rule;
      const count = counts[at] as SlidingCount;
      const wish = wishOf(rule, request.tokens);
      if (!hasRoom(count, rule, wish)) {
        const retryAfterMs = count.waitFor(wish, rule.limit, now);
        const shown = { [rule.kind]: count.state(rule.limit, now) };
        return { granted: false, refusedBy: rule.name, retryAfterMs, ...statesOf(state, now), ...shown };
      }
    }
    const counted: Counted[] = [];
    for (let at = 0; at < rules.length; at++) {
      const { kind } = rules[at] as Rule;
      const count = counts[at] as SlidingCount;
      const amount = wishOf(rules[at] as Rule, request.tokens);
      counted.push({ count, kind, amount, bucket: count.add(amount) });
    }
    const place = { slot: -1, expiresAt: request.expiresAt };
    state.leases.add(place);
    state.leased?.add(place);
    const { requests, tokens } = statesOf(state, now);
    return { granted: true, lease: new Place(state, place, counted), requests, tokens };
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

  /** Whether other processes count against the same limits. */
  get sharing(): boolean {
    return this.#sharing !== undefined;
  }

  /** Others count too from now on: all that is counted here is to be told them. */
  share(): void {
    if (this.#sharing !== undefined) return;
    this.#sharing = new RateSharing();
    for (const state of this.#states.values()) this.#sharing.share(state);
  }

  /** This process is alone again, and counts what those that are gone have counted. */
  unshare(inherited: Iterable<CountedUntil>, now: number): void {
    this.#sharing = undefined;
    for (const state of this.#states.values()) {
      for (const count of state.counts) count.forgetOthers();
      state.leased = undefined;
    }
    for (const { account, until, amount } of inherited) {
      const parts = partsOf(account);
      if (parts === undefined) continue;
      const state = this.#stateOf(parts.id, now);
      countNamed(state, parts.name, state.seenAt)?.addUntil(until, amount);
    }
  }

  /** What to ask the others for, so that all of these can be let through. */
  want(requests: Iterable<JointRequest>, now: number): readonly Wanted[] {
    return this.#sharing?.want(this.#takings(requests, now)) ?? [];
  }

  *#takings(requests: Iterable<JointRequest>, now: number): Generator<Taking> {
    for (const { places, request } of requests) {
      for (const { id, limits } of places) {
        const state = this.#stateOf(id, now);
        countsOf(state, limits, state.seenAt);
        state.limitsLeases = limits.concurrency !== undefined;
        this.#sharing?.share(state);
        const { expiresAt, tokens } = request;
        yield* takingsOf(state, { limits, expiresAt, amountOf: (rule) => wishOf(rule, tokens) });
      }
    }
  }

  /** What the others are to be told. */
  takeUnwritten(now: number): Told | undefined {
    return this.#sharing?.take(now);
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

  #stateOf(id: string, now: number): RateState {
    let state = this.#states.get(id);
    if (state === undefined) {
      state = newState(id, now);
      this.#states.set(id, state);
    }
    state.seenAt = Math.max(state.seenAt, now);
    return state;
  }
}

/** A wish above the limit itself is served when nothing else ran. */
function wishOf(rule: Rule, tokens: number): number {
  return rule.kind === 'requests' ? 1 : Math.min(Math.max(0, tokens), rule.limit);
}

/** Where processes share the count, what they know of is used and nothing else. */
function hasRoom(count: SlidingCount, { limit }: Rule, wish: number): boolean {
  const { share } = count;
  return share === undefined ? count.sum() + wish <= limit : share.room(count.until) >= wish;
}

/** Whether `most` leases are out. Leases are looked through only when there seem to be. */
function isFull(state: RateState, most: number, request: RateRequest): boolean {
  const share = state.leased?.share;
  if (share !== undefined) return share.room(leaseUntil(request)) < 1;
  return state.leases.size >= most && liveLeases(state, state.seenAt) >= most;
}

class Place implements Lease {
  readonly #state: RateState;
  readonly #place: Occupied;
  readonly #counted: readonly Counted[];
  #open = true;

  constructor(state: RateState, place: Occupied, counted: readonly Counted[]) {
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
    dropLease(this.#state, this.#place);
    this.#state.seenAt = Math.max(this.#state.seenAt, now);
    for (const { count } of this.#counted) count.advance(this.#state.seenAt);
    return true;
  }
}
