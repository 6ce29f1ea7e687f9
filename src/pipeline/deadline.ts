import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { UpstreamRequest } from '../ports/upstream.ts';
import type { Exchange } from './exchange.ts';

/** What is left of the time the client gives its whole request (`x-sluice-timeout-ms`); infinite without a limit. Milliseconds. */
export function timeLeft(exchange: Exchange, now: number): number {
  const { timeoutMs } = exchange.client;
  return timeoutMs === undefined ? Number.POSITIVE_INFINITY : timeoutMs - (now - exchange.startedMono);
}

/** The client's own time limit ran out, whatever the attempts failed with. */
export function outOfTime(): SluiceError {
  return new SluiceError(
    'upstream_timeout',
    'The time limit of this request ran out before a provider had answered. Raise `x-sluice-timeout-ms`.',
  );
}

/** The request with its timers cut to what is left. Throws `upstream_timeout` when that is nothing. */
export function withinTime(
  request: UpstreamRequest,
  exchange: Exchange,
  clock: Pick<Clock, 'monotonic'>,
): UpstreamRequest {
  if (exchange.client.timeoutMs === undefined) return request;
  const left = Math.ceil(timeLeft(exchange, clock.monotonic()));
  if (left <= 0) throw outOfTime();
  const { timeouts } = request;
  const cut = (ms: number): number => (ms === 0 ? left : Math.min(ms, left));
  return {
    ...request,
    timeouts: { ...timeouts, firstByteMs: cut(timeouts.firstByteMs), totalMs: cut(timeouts.totalMs) },
  };
}
