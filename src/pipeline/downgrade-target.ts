import type { Tier } from '../core/routing/model/types.ts';
import type { Exchange } from './exchange.ts';
import type { ModelRoute, Runtime } from './runtime.ts';

const TIERS: ReadonlySet<string> = new Set<Tier>(['easy', 'medium', 'hard', 'needs_info']);

/** Whether a name could mean a tier of a router. */
export function isTierName(name: string): name is Tier {
  return TIERS.has(name);
}

/**
 * The model that a budget's `downgrade_to` means when no request says which router decided: one of this name, or what the
 * first router that has a tier of this name serves it with. Undefined when there is none: a lone provider that takes any
 * name does not count, or money would be spent on a name that nobody knows.
 */
export function downgradeModel(runtime: Runtime, name: string): ModelRoute | undefined {
  const served = runtime.serves?.(name) ?? true;
  const route = served ? runtime.resolve(name) : undefined;
  if (route !== undefined || !isTierName(name)) return route;
  for (const router of runtime.routing?.routers ?? []) {
    const model = router.planWith(router.baseline ?? name).byTier[name];
    if (model !== undefined) return runtime.resolve(model);
  }
  return undefined;
}

/** The model that stands in when a budget is used up; a tier is that of the router that decided this request. */
export function downgradeTarget(exchange: Exchange, name: string | undefined): ModelRoute | undefined {
  if (name === undefined) return undefined;
  const { runtime, facts } = exchange;
  const decided = isTierName(name) ? facts.routing?.plan.byTier[name] : undefined;
  const named = runtime.serves?.(name) ?? true;
  if (decided !== undefined && !(named && runtime.resolve(name) !== undefined))
    return runtime.resolve(decided);
  return downgradeModel(runtime, name);
}
