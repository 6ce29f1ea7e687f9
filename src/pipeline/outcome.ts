import type { SluiceError } from '../core/errors/error.ts';
import type { ErrorCode } from '../core/errors/table.ts';
import type { Outcome } from '../core/resilience/member.ts';
import type { Exchange } from './exchange.ts';

/** Failures by the deployment's own fault: only these count against its circuit. */
const FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_overloaded',
  'upstream_unreachable',
  'upstream_malformed',
  'upstream_timeout',
  'upstream_cut',
]);

/** Refusals of the request itself: the deployment is alive and reads what it is sent. */
const UNDERSTOOD: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_refused',
  'upstream_content_filter',
  'context_overflow',
]);

/** Rest after a 429 that does not say how long. */
const DEFAULT_REST_S = 1;

const NEUTRAL: Outcome = { kind: 'neutral' };

/**
 * What a failed call says about its deployment. `elapsedMs`: since the exchange began. A client that set its own short
 * time limit proves nothing, and neither does one that left: else one client could close a deployment for all.
 */
export function outcomeOf(failure: SluiceError, exchange: Exchange, elapsedMs: number): Outcome {
  const { code, facts } = failure;
  if (exchange.signal.aborted) return NEUTRAL;
  if (code === 'upstream_rate_limited') {
    const restS = Math.min(facts.retryAfterS ?? DEFAULT_REST_S, exchange.runtime.maxRetryAfterS);
    return { kind: 'limited', restMs: restS * 1000 };
  }
  if (code === 'upstream_auth' || code === 'upstream_quota') {
    // 403 is about what the key may do here: another model of the same account may be open to it.
    return { kind: 'refused', here: facts.upstreamStatus === 403 };
  }
  if (UNDERSTOOD.has(code)) return { kind: 'good' };
  const own = exchange.client.timeoutMs;
  if (code === 'upstream_timeout' && own !== undefined && elapsedMs >= own * 0.9) return NEUTRAL;
  return FAULTS.has(code) ? { kind: 'bad' } : NEUTRAL;
}
