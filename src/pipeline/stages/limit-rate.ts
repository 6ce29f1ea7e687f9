import { SluiceError } from '../../core/errors/error.ts';
import type { LimitState, RateDecision, RateLimiter } from '../../core/policy/rate.ts';
import type { Clock } from '../../ports/clock.ts';
import { promptEstimate } from '../estimate.ts';
import { type Exchange, extend, type Principal, type Slot } from '../exchange.ts';

/** A lease that was never given back stops counting after this long. */
const LEASE_MS = 3_600_000;

const NO_SLOT: Slot = Object.freeze({ headers: Object.freeze({}), release: () => undefined });

/** `1s`, `6m0s`, `120ms`: durations as OpenAI spells them in `x-ratelimit-reset-*`. */
function spell(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function limitHeaders(decision: RateDecision): Record<string, string> {
  const headers: Record<string, string> = {};
  const add = (kind: string, state: LimitState | undefined) => {
    if (state === undefined) return;
    headers[`x-ratelimit-limit-${kind}`] = String(state.limit);
    headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(state.remaining)));
    headers[`x-ratelimit-reset-${kind}`] = spell(state.resetMs);
  };
  add('requests', decision.requests);
  add('tokens', decision.tokens);
  return headers;
}

const WORDS = {
  rpm: 'requests per minute',
  tpm: 'tokens per minute',
  concurrency: 'requests at the same time',
} as const;

/** The key's requests, tokens and concurrency → slot. Refuses with 429; waiting in a queue comes with balancing. */
export function createLimitRate(ports: {
  readonly limiter: RateLimiter;
  readonly clock: Clock;
}): <E extends Exchange & { principal: Principal }>(exchange: E) => E & { slot: Slot } {
  return (exchange) => {
    const { key } = exchange.principal;
    const limits = key?.limits;
    if (key === undefined || limits === undefined || Object.keys(limits).length === 0) {
      return extend(exchange, { slot: NO_SLOT });
    }
    const now = ports.clock.monotonic();
    const tokens = promptEstimate(exchange) + (exchange.envelope.maxOutputTokens ?? 0);
    const decision = ports.limiter.acquire(key.id, limits, { tokens, now, expiresAt: now + LEASE_MS });
    const headers = limitHeaders(decision);
    if (!decision.granted) {
      throw new SluiceError(
        'rate_limited',
        `This key may make ${limits[decision.refusedBy]} ${WORDS[decision.refusedBy]}. Try again later.`,
        { retryAfterS: Math.max(1, Math.ceil(decision.retryAfterMs / 1000)), headers },
      );
    }
    const slot: Slot = {
      headers,
      release: (used) => decision.lease.release(ports.clock.monotonic(), used),
    };
    return extend(exchange, { slot });
  };
}
