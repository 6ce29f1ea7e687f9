import { mayReach } from '../core/policy/policy-check.ts';
import type { Route } from './exchange.ts';
import { limitsHelpers, mayTakeHelpers } from './helper-rules.ts';
import { type Granted, reachOf } from './policy-facts.ts';

type ChooseRoute = <E extends Granted>(exchange: E) => E & Route;

function keep(exchange: Granted, candidates: Route['candidates']): Route['candidates'] {
  const { policy } = exchange.principal;
  return candidates.filter(
    ({ deployment }) => mayReach(policy, reachOf(deployment)) && mayTakeHelpers(exchange, deployment),
  );
}

/**
 * The last look before anything is sent: no candidate leaves the providers and regions that policy allows, or would call a
 * model that it does not, from wherever it came. With nothing left the attempt answers that no provider serves the model.
 */
export function stayWithin(chooseRoute: ChooseRoute): ChooseRoute {
  return (exchange) => {
    const routed = chooseRoute(exchange);
    const { policy } = exchange.principal;
    const bounded = policy.regions !== undefined || policy.providers !== undefined;
    if (!bounded && !limitsHelpers(exchange)) return routed;
    const { candidatesOn } = routed;
    routed.candidates = keep(exchange, routed.candidates);
    routed.candidatesOn = (cause) => keep(exchange, candidatesOn(cause));
    return routed;
  };
}
