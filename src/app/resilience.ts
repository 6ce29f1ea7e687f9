import { RateLimiter } from '../core/policy/rate.ts';
import { Fleet } from '../core/resilience/fleet.ts';
import { RetryBudget } from '../core/resilience/retry-budget.ts';
import { Sessions } from '../core/resilience/sessions.ts';
import { Admission } from '../pipeline/admission.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';

/** What all pipelines share about the health of deployments. It outlives configurations. */
export interface Resilience {
  readonly fleet: Fleet;
  readonly admission: Admission;
  readonly retries: RetryBudget;
  readonly sessions: Sessions;
}

/** A fleet of which nothing is known yet, shown in the metrics as `sluice_circuit_open`. */
export function createResilience(ports: { readonly clock: Clock; readonly metrics: Metrics }): Resilience {
  const { clock, metrics } = ports;
  const fleet = new Fleet();
  metrics.gauge('sluice_circuit_open', () =>
    fleet
      .view(clock.monotonic())
      // Names that only a client made up never answered, and no circuit of theirs ever opened.
      .filter(({ state, latencyMs }) => state !== 'closed' || latencyMs !== undefined)
      .map(({ id, state }) => ({ labels: { deployment: id }, value: state === 'closed' ? 0 : 1 })),
  );
  return {
    fleet,
    admission: new Admission({ clock, metrics, fleet, limiter: new RateLimiter() }),
    retries: new RetryBudget(),
    sessions: new Sessions(),
  };
}
