import type { RateLimits } from './virtual-key.ts';

/** Milliseconds a limit per minute looks back. */
const WINDOW_MS = 60_000;
const BUCKETS = 20;
const BUCKET_MS = WINDOW_MS / BUCKETS;
/** The window's buckets and the one being filled: together they cover every event of the last 60 s. */
const RING = BUCKETS + 1;

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

/** Grant or refusal, with the state of the limits either way. */
export type RateDecision = { readonly requests?: LimitState; readonly tokens?: LimitState } & (
  | { readonly granted: true; readonly lease: Lease }
  | {
      readonly granted: false;
      readonly refusedBy: 'rpm' | 'tpm' | 'concurrency';
      /** 0 when only the end of another request can help. */
      readonly retryAfterMs: number;
    }
);

interface State {
  seenAt: number;
  requests: SlidingCount | undefined;
  tokens: SlidingCount | undefined;
  leases: Set<{ readonly expiresAt: number }>;
}

/**
 * Limits per identity: requests and tokens in any 60 s, and requests in flight. Pure; the caller passes the time.
 * A refused request takes nothing from any of the three.
 */
export class RateLimiter {
  readonly #states = new Map<string, State>();

  /** Asks for a place under `limits` for the identity `id` (a key, a team, a deployment). */
  acquire(id: string, limits: RateLimits, request: RateRequest): RateDecision {
    const state = this.#stateOf(id, request.now);
    const now = state.seenAt;
    const { requests, tokens } = countersOf(state, limits, now);
    const wish = limits.tpm === undefined ? 0 : Math.min(Math.max(0, request.tokens), limits.tpm);
    const seen = () => ({
      ...(requests && limits.rpm !== undefined ? { requests: requests.state(limits.rpm, now) } : {}),
      ...(tokens && limits.tpm !== undefined ? { tokens: tokens.state(limits.tpm, now) } : {}),
    });
    if (limits.concurrency !== undefined && liveLeases(state, now) >= limits.concurrency) {
      return { granted: false, refusedBy: 'concurrency', retryAfterMs: 0, ...seen() };
    }
    if (requests && limits.rpm !== undefined && requests.sum() + 1 > limits.rpm) {
      return {
        granted: false,
        refusedBy: 'rpm',
        retryAfterMs: requests.waitFor(1, limits.rpm, now),
        ...seen(),
      };
    }
    if (tokens && limits.tpm !== undefined && tokens.sum() + wish > limits.tpm) {
      return {
        granted: false,
        refusedBy: 'tpm',
        retryAfterMs: tokens.waitFor(wish, limits.tpm, now),
        ...seen(),
      };
    }
    const requestBucket = requests?.add(1) ?? 0;
    const bucket = tokens?.add(wish) ?? 0;
    const place = { expiresAt: request.expiresAt };
    state.leases.add(place);
    const lease = leaseOf({ state, place, requests, requestBucket, tokens, wish, bucket });
    return { granted: true, lease, ...seen() };
  }

  /** Requests of this identity in flight. */
  inFlight(id: string): number {
    return this.#states.get(id)?.leases.size ?? 0;
  }

  /** Forgets identities that neither ran nor called for longer than the window. Call it now and then. */
  sweep(now: number): void {
    for (const [id, state] of this.#states) {
      if (liveLeases(state, now) === 0 && now - state.seenAt > WINDOW_MS + BUCKET_MS) {
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
      state = { seenAt: now, requests: undefined, tokens: undefined, leases: new Set() };
      this.#states.set(id, state);
    }
    state.seenAt = Math.max(state.seenAt, now);
    return state;
  }
}

function countersOf(state: State, limits: RateLimits, now: number) {
  state.requests ??= limits.rpm === undefined ? undefined : new SlidingCount(now);
  state.tokens ??= limits.tpm === undefined ? undefined : new SlidingCount(now);
  state.requests?.advance(now);
  state.tokens?.advance(now);
  return { requests: state.requests, tokens: state.tokens };
}

/** Leases in flight; those never given back are dropped when their time is over. */
function liveLeases(state: State, now: number): number {
  for (const place of state.leases) {
    if (place.expiresAt <= now) {
      state.leases.delete(place);
    }
  }
  return state.leases.size;
}

interface Place {
  readonly state: State;
  readonly place: { readonly expiresAt: number };
  readonly requests: SlidingCount | undefined;
  /** Absolute number of the bucket the request was counted in. */
  readonly requestBucket: number;
  readonly tokens: SlidingCount | undefined;
  readonly wish: number;
  /** Absolute number of the bucket the estimate was counted in. */
  readonly bucket: number;
}

function leaseOf({ state, place, requests, requestBucket, tokens, wish, bucket }: Place): Lease {
  let open = true;
  function release(now: number, used?: number): void {
    if (!open) {
      return;
    }
    open = false;
    state.leases.delete(place);
    state.seenAt = Math.max(state.seenAt, now);
    if (tokens !== undefined && used !== undefined) {
      tokens.advance(state.seenAt);
      tokens.correct(bucket, Math.max(0, used) - wish);
    }
  }
  return {
    release,
    cancel(now) {
      if (!open) {
        return;
      }
      requests?.advance(Math.max(state.seenAt, now));
      requests?.correct(requestBucket, -1);
      release(now, 0);
    },
  };
}

/** A count over the last 60 s in buckets of 3 s; rounds against the caller by at most one bucket. */
class SlidingCount {
  readonly #ring = new Float64Array(RING);
  #bucket: number;
  #sum = 0;

  constructor(now: number) {
    this.#bucket = Math.floor(now / BUCKET_MS);
  }

  /** Drops what is older than the window. Time that runs backwards changes nothing. */
  advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    const steps = Math.min(bucket - this.#bucket, RING);
    for (let step = 1; step <= steps; step += 1) {
      const slot = (this.#bucket + step) % RING;
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
    const slot = this.#bucket % RING;
    this.#ring[slot] = this.#at(slot) + amount;
    this.#sum += amount;
    return this.#bucket;
  }

  /** Replaces an estimate: less than estimated is given back where it was counted, more is counted now. */
  correct(bucket: number, difference: number): void {
    if (difference >= 0) {
      this.add(difference);
    } else if (this.#bucket - bucket < RING) {
      const slot = bucket % RING;
      const given = Math.min(this.#at(slot), -difference);
      this.#ring[slot] = this.#at(slot) - given;
      this.#sum -= given;
    }
  }

  /** Milliseconds until `amount` fits under `limit`. */
  waitFor(amount: number, limit: number, now: number): number {
    let rest = this.#sum;
    for (let age = RING - 1; age >= 0; age -= 1) {
      const bucket = this.#bucket - age;
      rest -= bucket < 0 ? 0 : this.#at(bucket % RING);
      if (rest + amount <= limit) {
        return Math.max(1, (bucket + RING) * BUCKET_MS - now);
      }
    }
    return WINDOW_MS;
  }

  state(limit: number, now: number): LimitState {
    return {
      limit,
      remaining: Math.max(0, limit - this.#sum),
      resetMs: this.#sum === 0 ? 0 : this.waitFor(limit, limit, now),
    };
  }

  #at(slot: number): number {
    return this.#ring[slot] ?? 0;
  }
}
