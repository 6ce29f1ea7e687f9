import { isModelAllowed } from '../../core/policy/key.ts';
import type { Random } from '../../ports/random.ts';
import {
  type Candidate,
  type Exchange,
  extend,
  type Grant,
  type Principal,
  type Route,
} from '../exchange.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';

/** Deployments in a random order in which the first is `d` with probability weight(d) ÷ sum, and so on without it. */
function byWeight(deployments: readonly Deployment[], random: Random): readonly Deployment[] {
  const left = [...deployments];
  const order: Deployment[] = [];
  while (left.length > 1) {
    const sum = left.reduce((total, deployment) => total + deployment.weight, 0);
    let at = random.uniform() * sum;
    const index = left.findIndex((deployment) => {
      at -= deployment.weight;
      return at < 0;
    });
    order.push(...left.splice(Math.max(0, index), 1));
  }
  return [...order, ...left];
}

/** List price of a deployment for ordering: one input and one output token; unknown prices come last. */
function listPrice(deployment: Deployment): number {
  const price = deployment.price?.price;
  return price === undefined ? Number.POSITIVE_INFINITY : price.input + price.output;
}

function ordered(route: ModelRoute, objective: string | undefined, random: Random): readonly Deployment[] {
  if (route.deployments.length < 2) return route.deployments;
  if (objective === 'cost' || route.strategy === 'lowest_cost') {
    return [...route.deployments].sort((a, b) => listPrice(a) - listPrice(b));
  }
  return route.strategy === 'weighted' ? byWeight(route.deployments, random) : route.deployments;
}

/**
 * Which deployments to try, in order: those of the model by its strategy, then those of its fallback models. Fallbacks
 * the key may not use are left out. Health and measured latency do not count yet: `least_busy` and `lowest_latency` keep
 * the configured order.
 */
export function createChooseRoute(ports: {
  readonly random: Random;
}): <E extends Exchange & { principal: Principal; grant: Grant }>(exchange: E) => E & Route {
  return (exchange) => {
    const { route, objective } = exchange.grant;
    const candidatesOf = (of: ModelRoute): Candidate[] =>
      ordered(of, objective, ports.random).map((deployment) => ({ deployment, route: of }));
    const fallbacks = (names: readonly string[]): Candidate[] => {
      if (!exchange.client.fallback) return [];
      return names.flatMap((name) => {
        const other = exchange.runtime.resolve(name);
        if (other === undefined || !isModelAllowed(exchange.principal.key?.models, other.name)) return [];
        return candidatesOf(other);
      });
    };
    return extend(exchange, {
      candidates: [...candidatesOf(route), ...fallbacks(route.fallbacks)],
      candidatesOn: (cause: string) => fallbacks(route.fallbacksOn[cause] ?? []),
    });
  };
}
