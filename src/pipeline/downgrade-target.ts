import type { Tier } from '../core/routing/model/types.ts';
import type { Exchange } from './exchange.ts';
import type { ModelRoute } from './runtime.ts';

const TIERS: ReadonlySet<string> = new Set<Tier>(['easy', 'medium', 'hard', 'needs_info']);

function isTier(name: string): name is Tier {
  return TIERS.has(name);
}

/**
 * The model that stands in when a budget is used up: one of this name, or what a router serves a tier of this name with;
 * the router that decided this request, else the first that has such a tier. Undefined when there is none.
 */
export function downgradeTarget(exchange: Exchange, name: string | undefined): ModelRoute | undefined {
  if (name === undefined) return undefined;
  const { runtime, facts } = exchange;
  const route = runtime.resolve(name);
  if (route !== undefined || !isTier(name)) return route;
  const decided = facts.routing?.plan.byTier[name];
  if (decided !== undefined) return runtime.resolve(decided);
  for (const router of runtime.routing?.routers ?? []) {
    const model = router.planWith(router.baseline ?? name).byTier[name];
    if (model !== undefined) return runtime.resolve(model);
  }
  return undefined;
}
