import { SluiceError } from '../../core/errors/error.ts';
import { completionTokens, promptTokens } from '../../core/model/index.ts';
import type { Outcome } from '../../core/resilience/fleet.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Place } from '../admission.ts';
import { chargeExchange } from '../charge.ts';
import type { Ender, Ending } from '../compose.ts';
import type { Exchange } from '../exchange.ts';
import { outcomeOf } from '../outcome.ts';

function outcome(exchange: Exchange, ending: Ending, elapsedMs: number): Outcome {
  if (ending.kind === 'answered') return { kind: 'good' };
  if (ending.kind !== 'cut' || !(ending.error instanceof SluiceError)) return { kind: 'neutral' };
  return outcomeOf(ending.error, exchange, elapsedMs);
}

/**
 * Gives the place at the deployment back and tells the fleet how its answer ended: for a stream after its last byte. Runs
 * at every kind of ending.
 */
export function createLeaveDeployment(ports: { readonly clock: Clock; readonly log: Log }): Ender<Exchange> {
  return (exchange: Exchange & { place?: Place }, ending) => {
    const { place } = exchange;
    if (place === undefined) return;
    const { usage } = chargeExchange(exchange);
    const elapsedMs = ports.clock.monotonic() - exchange.startedMono;
    const opened = place.end(
      outcome(exchange, ending, elapsedMs),
      promptTokens(usage) + completionTokens(usage),
    );
    if (opened) {
      const error = 'error' in ending && ending.error instanceof SluiceError ? ending.error.code : undefined;
      ports.log.warn('circuit.opened', { deployment: place.deployment.id, error });
    }
  };
}
