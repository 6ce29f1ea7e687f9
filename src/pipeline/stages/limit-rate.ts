import { SluiceError } from '../../core/errors/error.ts';
import type { RateLimiter, RateRequest } from '../../core/policy/rate.ts';
import {
  acquireAll,
  type JointDecision,
  type RatePlace,
  type RateRule,
} from '../../core/policy/rate-rule.ts';
import type { LimitName } from '../../core/policy/rate-state.ts';
import type { ScopeIndex } from '../../core/policy/scope-index.ts';
import type { LimitState } from '../../core/policy/sliding-count.ts';
import type { PlaceLimits } from '../../core/policy/virtual-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RateShares } from '../../ports/shared-counts.ts';
import { promptEstimate } from '../estimate.ts';
import type { Slot } from '../exchange.ts';
import type { Granted } from '../policy-facts.ts';
import { RatePlaces } from '../rate-places.ts';
import { LONGEST_NAP_MS, RateQueue } from '../rate-queue.ts';

/** A lease that was never given back stops counting after this long. */
const LEASE_MS = 3_600_000;

/** How often who waits looks whether another process gave something back. */
const SHARED_NAP_MS = 50;

const NO_SLOT: Slot = Object.freeze({ headers: Object.freeze({}), release: () => undefined });

export interface LimitRatePorts {
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  /** Limits of the places keys belong to. */
  readonly places: () => { limitsOf(scope: string): PlaceLimits | undefined };
  /** Limits on any scope. */
  readonly rateRules: () => ScopeIndex<RateRule>;
  /** Where other processes count against the same limits. */
  readonly shares?: RateShares;
}

/** `1s`, `6m0s`, `120ms`: durations as OpenAI spells them in `x-ratelimit-reset-*`. */
function spell(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}m${seconds % 60}s`
    : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`;
}

function limitHeaders({ requests, tokens }: JointDecision): Record<string, string> {
  const headers: Record<string, string> = {};
  if (requests !== undefined) {
    headers['x-ratelimit-limit-requests'] = String(requests.limit);
    headers['x-ratelimit-remaining-requests'] = remaining(requests);
    headers['x-ratelimit-reset-requests'] = spell(requests.resetMs);
  }
  if (tokens !== undefined) {
    headers['x-ratelimit-limit-tokens'] = String(tokens.limit);
    headers['x-ratelimit-remaining-tokens'] = remaining(tokens);
    headers['x-ratelimit-reset-tokens'] = spell(tokens.resetMs);
  }
  return headers;
}

function remaining(state: LimitState): string {
  return String(Math.max(0, Math.floor(state.remaining)));
}

const WORDS: Readonly<Record<LimitName, string>> = {
  rpm: 'requests per minute',
  rph: 'requests per hour',
  rpd: 'requests per day',
  tpm: 'tokens per minute',
  tph: 'tokens per hour',
  tpd: 'tokens per day',
  concurrency: 'requests at the same time',
};

function whose({ id, rule }: RatePlace): string {
  if (rule !== undefined) {
    const { kind, id: member } = rule.scope;
    return `The rate limit \`${rule.name}\` of ${kind.replace('_', ' ')} \`${member}\``;
  }
  const [kind = '', ...rest] = id.split(':');
  return kind === 'key' ? 'This key' : `The ${kind} \`${rest.join(':')}\``;
}

type Refused = Extract<JointDecision, { granted: false }>;

/** A request as it asks for its places. */
interface Asking {
  readonly places: readonly RatePlace[];
  readonly request: () => RateRequest;
  readonly ask: () => JointDecision;
}

function withSlot<E extends Granted>(exchange: E, slot: Slot): E & { slot: Slot } {
  const limited = exchange as E & { slot: Slot };
  limited.slot = slot;
  return limited;
}

function refusal(decision: Refused): SluiceError {
  const { place, refusedBy, retryAfterMs } = decision;
  const retryAfterS = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return new SluiceError(
    'rate_limited',
    `${whose(place)} allows ${place.limits[refusedBy]} ${WORDS[refusedBy]}. Try again in ${retryAfterS} s.`,
    {
      retryAfterS,
      headers: limitHeaders(decision),
      details: { limit: place.rule?.id ?? place.id, refused_by: refusedBy },
    },
  );
}

/**
 * Requests, tokens and concurrency of the key, its places and every rule that applies → slot: all of them or none. What is
 * used up refuses with 429, or lets wait where its rule says so.
 */
export function createLimitRate(
  ports: LimitRatePorts,
): <E extends Granted>(exchange: E) => (E & { slot: Slot }) | Promise<E & { slot: Slot }> {
  const { limiter, clock, shares } = ports;
  const finder = new RatePlaces();
  // What another process gives back wakes nobody here.
  const queue = new RateQueue(clock, () => (shares?.active === true ? SHARED_NAP_MS : LONGEST_NAP_MS));

  function slotOf(decision: Extract<JointDecision, { granted: true }>): Slot {
    return {
      headers: limitHeaders(decision),
      release(used) {
        const now = clock.monotonic();
        for (const lease of decision.leases) lease.release(now, used);
        queue.wake();
        if (shares?.active === true) shares.returned();
      },
    };
  }

  /** Lets wait where that is allowed; throws the refusal otherwise. */
  async function refused(exchange: Granted, asking: Asking, decision: Refused): Promise<Slot> {
    const { id, queue: line } = decision.place;
    if (line === undefined || line.maxWaitMs === 0) throw refusal(decision);
    const tenant = exchange.principal.key?.id ?? exchange.client.address;
    const ask = (): JointDecision => {
      const now = asking.ask();
      if (!now.granted && shares?.active === true) shares.fetch(asking, () => queue.wake());
      return now;
    };
    const last = await queue.wait({ id, line }, { tenant, signal: exchange.signal, ask }, decision);
    if (!last.granted) throw refusal(last);
    return slotOf(last);
  }

  async function asked(exchange: Granted, asking: Asking, decision: Refused): Promise<Slot> {
    const shared = shares?.active === true ? await shares.acquire(asking) : decision;
    return shared.granted ? slotOf(shared) : refused(exchange, asking, shared);
  }

  return (exchange) => {
    const places = finder.find(exchange, { places: ports.places(), rules: ports.rateRules() });
    if (places.length === 0) return withSlot(exchange, NO_SLOT);
    const tokens = promptEstimate(exchange) + (exchange.envelope.maxOutputTokens ?? 0);
    const request = (): RateRequest => {
      const now = clock.monotonic();
      return { tokens, now, expiresAt: now + LEASE_MS };
    };
    const decision = acquireAll(limiter, places, request());
    if (decision.granted) return withSlot(exchange, slotOf(decision));
    const ask = (): JointDecision => acquireAll(limiter, places, request());
    return asked(exchange, { places, request, ask }, decision).then((slot) => withSlot(exchange, slot));
  };
}
