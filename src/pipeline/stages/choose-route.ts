import { isModelAllowed } from '../../core/policy/key.ts';
import { balance, type Strategy } from '../../core/resilience/balance.ts';
import type { Fleet } from '../../core/resilience/fleet.ts';
import type { Sessions } from '../../core/resilience/sessions.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { continues, sessionOf } from '../affinity.ts';
import {
  type Candidate,
  type Exchange,
  extend,
  type Grant,
  type Principal,
  type Route,
} from '../exchange.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';

export interface ChooseRoutePorts {
  readonly random: Random;
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly sessions: Sessions;
}

/** An exchange that may be sent. */
type Chosen = Exchange & { principal: Principal; grant: Grant };

/** List price of a deployment for ordering: one input and one output token; unknown prices come last. */
function listPrice(deployment: Deployment): number {
  const price = deployment.price?.price;
  return price === undefined ? Number.POSITIVE_INFINITY : price.input + price.output;
}

function strategyOf(route: ModelRoute, objective: Grant['objective']): Strategy {
  if (objective === 'cost') return 'lowest_cost';
  if (objective === 'fast') return 'lowest_latency';
  return route.strategy;
}

/** A model's deployments by its strategy, the one the session used last in front, those that rest at the end. */
function ordered(
  ports: ChooseRoutePorts,
  exchange: Chosen,
  { route, now }: { readonly route: ModelRoute; readonly now: number },
): readonly Deployment[] {
  const { deployments } = route;
  if (deployments.length < 2) return deployments;
  const { fleet, random } = ports;
  const { stream } = exchange.envelope;
  const places = deployments.map((deployment) => ({
    item: deployment,
    weight: deployment.weight,
    inFlight: fleet.inFlight(deployment),
    latencyMs: fleet.latency(deployment, stream, now),
    cost: listPrice(deployment),
  }));
  const strategy = strategyOf(route, exchange.grant.objective);
  const order = balance(places, strategy, () => random.uniform()).map(({ item }) => item);
  const session = continues(exchange) ? sessionOf(exchange, route) : undefined;
  const last = session === undefined ? undefined : ports.sessions.find(session, now);
  const at = last === undefined ? -1 : order.findIndex(({ id }) => id === last);
  if (at > 0) order.unshift(...order.splice(at, 1));
  const usable = order.filter((deployment) => fleet.usable(deployment, now));
  if (usable.length === order.length) return order;
  return [...usable, ...order.filter((deployment) => !usable.includes(deployment))];
}

/**
 * Leaves out open circuits as long as anything else is left, and puts those whose every credential was refused last. With
 * nothing else left all are tried as they stand: the last deployment is never given up (R7).
 */
function healthy(fleet: Fleet, candidates: readonly Candidate[], now: number): readonly Candidate[] {
  if (candidates.length < 2) return candidates;
  const admitted = candidates.filter(({ deployment }) => fleet.admits(deployment, now));
  const left = admitted.length === 0 ? candidates : admitted;
  const barred = left.filter(({ deployment }) => fleet.barred(deployment, now));
  if (barred.length === 0 || barred.length === left.length) return left;
  return [...left.filter((candidate) => !barred.includes(candidate)), ...barred];
}

/**
 * Which deployments to try, in order: those of the model by its strategy and health, then those of its fallback models.
 * Fallbacks the key may not use are left out.
 */
export function createChooseRoute(ports: ChooseRoutePorts): <E extends Chosen>(exchange: E) => E & Route {
  return (exchange) => {
    const { route } = exchange.grant;
    const candidatesOf = (of: ModelRoute, now: number): Candidate[] =>
      ordered(ports, exchange, { route: of, now }).map((deployment) => ({ deployment, route: of }));
    const fallbacks = (names: readonly string[], now: number): Candidate[] => {
      if (!exchange.client.fallback) return [];
      return names.flatMap((name) => {
        const other = exchange.runtime.resolve(name);
        if (other === undefined || !isModelAllowed(exchange.principal.key?.models, other.name)) return [];
        return candidatesOf(other, now);
      });
    };
    const now = ports.clock.monotonic();
    const all = [...candidatesOf(route, now), ...fallbacks(route.fallbacks, now)];
    return extend(exchange, {
      candidates: healthy(ports.fleet, all, now),
      candidatesOn: (cause: string) => fallbacks(route.fallbacksOn[cause] ?? [], ports.clock.monotonic()),
    });
  };
}
