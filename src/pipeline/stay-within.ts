import type { EffectivePolicy } from '../core/policy/policy.ts';
import { mayReach } from '../core/policy/policy-check.ts';
import type { Route } from './exchange.ts';
import { type Granted, reachOf } from './policy-facts.ts';

type ChooseRoute = <E extends Granted>(exchange: E) => E & Route;

function keep(policy: EffectivePolicy, candidates: Route['candidates']): Route['candidates'] {
  return candidates.filter(({ deployment }) => mayReach(policy, reachOf(deployment)));
}

/**
 * The last look before anything is sent: no candidate leaves the providers and regions that policy allows, from wherever it
 * came. With nothing left the attempt answers that no provider serves the model.
 */
export function stayWithin(chooseRoute: ChooseRoute): ChooseRoute {
  return (exchange) => {
    const routed = chooseRoute(exchange);
    const { policy } = exchange.principal;
    if (policy.regions === undefined && policy.providers === undefined) return routed;
    const { candidatesOn } = routed;
    routed.candidates = keep(policy, routed.candidates);
    routed.candidatesOn = (cause) => keep(policy, candidatesOn(cause));
    return routed;
  };
}
