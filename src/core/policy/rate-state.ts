import { DAY_MS, HOUR_MS, MINUTE_MS } from '../durations.ts';
import { InFlight } from '../resilience/in-flight.ts';
import type { LeaseCount, Occupied } from './lease-count.ts';
import { type LimitState, SlidingCount, type Span } from './sliding-count.ts';
import type { RateLimits } from './virtual-key.ts';

/** A limit by its name in `RateLimits`. */
export type LimitName = keyof RateLimits;

/** What each limit counts. */
export const SPANS: Readonly<Record<Exclude<LimitName, 'concurrency'>, Span>> = {
  rpm: { kind: 'requests', windowMs: MINUTE_MS, buckets: 20 },
  rph: { kind: 'requests', windowMs: HOUR_MS, buckets: 60 },
  rpd: { kind: 'requests', windowMs: DAY_MS, buckets: 96 },
  tpm: { kind: 'tokens', windowMs: MINUTE_MS, buckets: 20 },
  tph: { kind: 'tokens', windowMs: HOUR_MS, buckets: 60 },
  tpd: { kind: 'tokens', windowMs: DAY_MS, buckets: 96 },
};

/** One of the limits on requests or tokens. */
export interface Rule extends Span {
  readonly name: keyof typeof SPANS;
  readonly limit: number;
}

/** Limits come from the snapshot, so they are taken apart once. */
const RULES = new WeakMap<RateLimits, readonly Rule[]>();

/** Limits on requests and tokens, one by one. */
export function rulesOf(limits: RateLimits): readonly Rule[] {
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

/** What is counted of one identity. */
export interface RateState {
  readonly id: string;
  seenAt: number;
  /** How long it is remembered at rest. */
  keepMs: number;
  /** What `counts` count, in the same order. */
  rules: readonly Rule[];
  counts: readonly SlidingCount[];
  readonly leases: InFlight<Occupied>;
  /** Whether a limit is set on them. */
  limitsLeases: boolean;
  /** The same leases by their ends, where other processes are to know of them. */
  leased: LeaseCount | undefined;
}

const NO_RULES: readonly Rule[] = Object.freeze([]);

/** An identity that was not seen before. */
export function newState(id: string, now: number): RateState {
  const leases = new InFlight<Occupied>();
  const counted = { rules: NO_RULES, counts: [], leases, limitsLeases: false, leased: undefined };
  return { id, seenAt: now, keepMs: MINUTE_MS, ...counted };
}

/** The counts of these limits, moved to now. Limits that changed keep what was counted under the same name. */
export function countsOf(state: RateState, limits: RateLimits, now: number): readonly SlidingCount[] {
  const rules = rulesOf(limits);
  if (state.rules !== rules) putRules(state, rules, now);
  for (const count of state.counts) count.advance(now);
  return state.counts;
}

function putRules(state: RateState, rules: readonly Rule[], now: number): void {
  const known = new Map(state.rules.map(({ name }, at) => [name, state.counts[at]]));
  state.counts = rules.map((rule) => known.get(rule.name) ?? new SlidingCount(rule, now));
  state.rules = rules;
  for (const { windowMs, buckets } of rules) {
    state.keepMs = Math.max(state.keepMs, windowMs + windowMs / buckets);
  }
}

/** The count of one limit, whatever limits were asked for so far. */
export function countNamed(state: RateState, name: Rule['name'], now: number): SlidingCount | undefined {
  if (!state.rules.some((rule) => rule.name === name)) {
    putRules(state, [...state.rules, { name, limit: Number.POSITIVE_INFINITY, ...SPANS[name] }], now);
  }
  const count = state.counts[state.rules.findIndex((rule) => rule.name === name)];
  count?.advance(now);
  return count;
}

/** Whether less is left of a limit, as a share of it. */
export function isTighter(limit: LimitState, than: LimitState | undefined): boolean {
  return than === undefined || limit.remaining * than.limit < than.remaining * limit.limit;
}

/** The tightest of the limits on requests, and of those on tokens. */
export function statesOf(
  { rules, counts }: RateState,
  now: number,
): { readonly requests: LimitState | undefined; readonly tokens: LimitState | undefined } {
  let requests: LimitState | undefined;
  let tokens: LimitState | undefined;
  for (let at = 0; at < rules.length; at++) {
    const { kind, limit } = rules[at] as Rule;
    const shown = (counts[at] as SlidingCount).state(limit, now);
    if (kind === 'tokens') tokens = isTighter(shown, tokens) ? shown : tokens;
    else requests = isTighter(shown, requests) ? shown : requests;
  }
  return { requests, tokens };
}

/** Leases in flight; those never given back are dropped when their time is over. */
export function liveLeases(state: RateState, now: number): number {
  state.leases.forEach((place) => {
    if (place.expiresAt <= now) dropLease(state, place);
  });
  return state.leases.size;
}

/** It is given back, or over. */
export function dropLease(state: RateState, place: Occupied): void {
  if (state.leases.delete(place)) state.leased?.delete(place);
}
