import type { Lease, RateLimiter, RateRequest } from './rate.ts';
import { isTighter, type LimitName } from './rate-state.ts';
import type { Scoped } from './scope-index.ts';
import type { LimitState } from './sliding-count.ts';
import type { RateLimits } from './virtual-key.ts';

/** Rate limits on a scope. */
export interface RateRule extends Scoped {
  readonly name: string;
  readonly limits: RateLimits;
  /** How long a request may wait for its turn, milliseconds; 0 refuses at once. */
  readonly maxWaitMs: number;
  /** Requests that may wait at once. */
  readonly maxWaiting: number;
  readonly source: 'api' | 'file';
  /** Set by who runs the gateway: nobody inside the organization changes it. */
  readonly locked?: boolean | undefined;
  readonly createdAt: number;
}

/** How requests wait for a limit. */
export interface LimitQueue {
  /** 0: nobody waits. */
  readonly maxWaitMs: number;
  readonly maxWaiting: number;
}

/** Limits and the name their counts are kept under. */
export interface RatePlace {
  readonly id: string;
  readonly limits: RateLimits;
  /** Absent: what is over the limit is refused. */
  readonly queue?: LimitQueue | undefined;
  /** The rule they come from; absent where they belong to a key or its place. */
  readonly rule?: RateRule;
}

/** What several limits together decided, with the tightest of them. */
export type JointDecision = {
  readonly requests?: LimitState | undefined;
  readonly tokens?: LimitState | undefined;
} & (
  | { readonly granted: true; readonly leases: readonly Lease[] }
  | {
      readonly granted: false;
      readonly place: RatePlace;
      readonly refusedBy: LimitName;
      readonly retryAfterMs: number;
    }
);

/** Asks for a place in all of these limits: in every one or in none. */
export function acquireAll(
  limiter: RateLimiter,
  places: readonly RatePlace[],
  request: RateRequest,
): JointDecision {
  const leases: Lease[] = [];
  let requests: LimitState | undefined;
  let tokens: LimitState | undefined;
  for (const place of places) {
    const decision = limiter.acquire(place.id, place.limits, request);
    if (!decision.granted) {
      for (const lease of leases) lease.cancel(request.now);
      const { refusedBy, retryAfterMs } = decision;
      // What refused is what to look at.
      return {
        granted: false,
        place,
        refusedBy,
        retryAfterMs,
        requests: decision.requests,
        tokens: decision.tokens,
      };
    }
    leases.push(decision.lease);
    if (decision.requests !== undefined && isTighter(decision.requests, requests))
      requests = decision.requests;
    if (decision.tokens !== undefined && isTighter(decision.tokens, tokens)) tokens = decision.tokens;
  }
  return { granted: true, leases, requests, tokens };
}
