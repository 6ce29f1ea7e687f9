import { SluiceError } from '../../core/errors/error.ts';
import { completionTokens, promptTokens } from '../../core/model/index.ts';
import type { CostHistory } from '../../core/resilience/cost-history.ts';
import type { Outcome } from '../../core/resilience/member.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Place } from '../admission.ts';
import { chargeExchange } from '../charge.ts';
import type { Ender, Ending } from '../compose.ts';
import { costScope } from '../cost-scope.ts';
import type { Exchange, Grant, Principal } from '../exchange.ts';
import { outcomeOf } from '../outcome.ts';

function outcome(exchange: Exchange, ending: Ending, elapsedMs: number): Outcome {
  if (ending.kind === 'answered') return { kind: 'good' };
  if (ending.kind !== 'cut' || !(ending.error instanceof SluiceError)) return { kind: 'neutral' };
  return outcomeOf(ending.error, exchange, elapsedMs);
}

type Left = Exchange & { place?: Place; grant?: Grant; principal?: Principal };

/** Remembers what the request used, where there is a choice that it can inform. */
function learnCost(costs: CostHistory, { grant, principal, facts }: Left, now: number): void {
  const { usage, deployment } = facts;
  if (usage?.source !== 'reported' || deployment === undefined || principal === undefined) return;
  if (grant === undefined || grant.route.deployments.length < 2) return;
  costs.add(
    { route: grant.route.name, deployment: deployment.id, scope: costScope(principal) },
    { prompt: promptTokens(usage), cacheRead: usage.cacheRead, output: completionTokens(usage) },
    now,
  );
}

/**
 * Gives the place at the deployment back and tells the fleet how its answer ended: for a stream after its last byte. Runs
 * at every kind of ending.
 */
export function createLeaveDeployment(ports: {
  readonly clock: Clock;
  readonly log: Log;
  readonly costs: CostHistory;
}): Ender<Exchange> {
  return (exchange: Left, ending) => {
    const { place, tether } = exchange;
    tether?.end();
    if (place === undefined) return;
    const { usage } = chargeExchange(exchange);
    const now = ports.clock.monotonic();
    const elapsedMs = now - exchange.startedMono;
    if (ending.kind === 'answered') learnCost(ports.costs, exchange, now);
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
