import { RateLimiter } from '../core/policy/rate.ts';
import { CostHistory } from '../core/resilience/cost-history.ts';
import { Fleet, type MemberView } from '../core/resilience/fleet.ts';
import { RetryBudget } from '../core/resilience/retry-budget.ts';
import { Sessions } from '../core/resilience/sessions.ts';
import { Turns } from '../core/resilience/turns.ts';
import { Admission } from '../pipeline/admission.ts';
import { Drains } from '../pipeline/drains.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';

/** What all pipelines share about the health of deployments. It outlives configurations. */
export interface Resilience {
  readonly fleet: Fleet;
  readonly admission: Admission;
  readonly retries: RetryBudget;
  readonly sessions: Sessions;
  readonly drains: Drains;
  readonly turns: Turns;
  readonly costs: CostHistory;
}

/** Names that only a client made up never answered, and no circuit of theirs ever opened. */
function isWorthShowing({ state, latencyMs, good, bad }: MemberView): boolean {
  return state !== 'closed' || latencyMs !== undefined || good + bad > 0;
}

/** Gauges of every deployment: read when scraped, nothing is counted on the way. */
function showFleet(fleet: Fleet, admission: Admission, { clock, metrics }: ResiliencePorts): void {
  const each = (name: string, value: (view: MemberView) => number): void =>
    metrics.gauge(name, () =>
      fleet
        .view(clock.monotonic())
        .filter(isWorthShowing)
        .map((view) => ({ labels: { deployment: view.id }, value: value(view) })),
    );
  each('sluice_circuit_open', ({ state }) => (state === 'closed' ? 0 : 1));
  each('sluice_deployment_ejected', ({ ejected }) => (ejected === undefined ? 0 : 1));
  each('sluice_deployment_share', ({ share }) => share);
  each('sluice_deployment_in_flight', ({ inFlight }) => inFlight);
  each('sluice_deployment_waiting', (view) => admission.waiting(view));
  metrics.gauge('sluice_credential_refused', () =>
    fleet.credentials(clock.monotonic()).map(({ provider, index, refused }) => ({
      labels: { provider, credential: String(index) },
      value: refused ? 1 : 0,
    })),
  );
}

interface ResiliencePorts {
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** A fleet of which nothing is known yet, shown in the metrics. */
export function createResilience(ports: ResiliencePorts): Resilience {
  const fleet = new Fleet();
  const admission = new Admission({ ...ports, fleet, limiter: new RateLimiter() });
  showFleet(fleet, admission, ports);
  return {
    fleet,
    admission,
    retries: new RetryBudget(),
    sessions: new Sessions(),
    drains: new Drains(ports.clock),
    turns: new Turns(),
    costs: new CostHistory(),
  };
}
