import { DEFAULT_OUTPUT_TOKENS } from '../core/cost/estimate.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { Applied, ScopeIndex } from '../core/policy/scope-index.ts';
import { modelNames } from './budget-finder.ts';
import { extend, type Hold } from './exchange.ts';
import { worstAt } from './fund.ts';
import { helperNames } from './helper-rules.ts';
import type { Granted } from './policy-facts.ts';
import type { ModelRoute } from './runtime.ts';

/** The dearest this request can become at any deployment of a model; `undefined` when one has no known price. */
export function worstOf(exchange: Granted, route: ModelRoute): number | undefined {
  let worst = 0;
  for (const deployment of route.deployments) {
    const amount = worstAt(exchange, deployment);
    if (amount === undefined) return undefined;
    worst = Math.max(worst, amount);
  }
  return worst;
}

/** The most tokens this request may be answered with, all choices together. */
export function outputReach(exchange: Granted): number {
  const { envelope, grant } = exchange;
  const longest = grant.route.deployments.map(
    ({ profile }) => profile.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS,
  );
  const most = envelope.maxOutputTokens ?? Math.max(DEFAULT_OUTPUT_TOKENS, ...longest);
  return most * Math.max(1, envelope.choices);
}

/**
 * Budgets on models that this request may fall back to, besides those that pay anyway: they hold too, and pay if theirs is
 * the model that answers. A fallback whose own budget cannot hold the amount is left out. What a dearer fallback costs more
 * is set aside when it comes to that, see `fund`.
 */
export function payersOfFallbacks(
  exchange: Granted,
  amountNano: number,
  given: { readonly budgets: ScopeIndex<Budget>; readonly book: BudgetBook; readonly now: number },
): NonNullable<Hold['perhaps']> {
  const { budgets, book, now } = given;
  if (!budgets.hasModels || !exchange.client.fallback) return NONE;
  const { grant, runtime } = exchange;
  const named = grant.fallbacks ?? grant.route;
  const names = new Set([...named.fallbacks, ...Object.values(named.fallbacksOn).flat()]);
  const kept = new Set<string>();
  const perhaps: { budgetId: string; models: readonly string[] }[] = [];
  for (const name of names) {
    const route = runtime.resolve(name);
    if (route === undefined) continue;
    const models = modelNames(name, route);
    const payers = besides(exchange, models, budgets).map(({ account }) => account);
    if (!payers.every((id) => (book.view(id, now)?.remainingNano ?? amountNano) >= amountNano)) continue;
    kept.add(name);
    for (const budgetId of payers) perhaps.push({ budgetId, models });
  }
  if (kept.size < names.size) keepFallbacks(exchange, named, kept);
  return perhaps;
}

const NONE: NonNullable<Hold['perhaps']> = Object.freeze([]);

/** Budgets on models that the vendor may call within the call, besides those that pay anyway, with those models' names. */
export function budgetsOfHelpers(
  exchange: Granted,
  budgets: ScopeIndex<Budget>,
): readonly { readonly applied: Applied<Budget>; readonly models: readonly string[] }[] {
  if (!budgets.hasModels) return [];
  return helperNames(exchange).flatMap((models) =>
    besides(exchange, models, budgets).map((applied) => ({ applied, models })),
  );
}

/** Budgets on models besides those that pay anyway. */
function besides(
  exchange: Granted,
  models: readonly string[],
  index: ScopeIndex<Budget>,
): readonly Applied<Budget>[] {
  const { scopes } = exchange.principal;
  const none = { tags: {}, endUser: undefined, session: undefined };
  const own = modelNames(exchange.envelope.model, exchange.grant.route);
  const paying = new Set(index.find(scopes, { ...none, models: own }).map(({ account }) => account));
  return index.find(scopes, { ...none, models }).filter(({ account }) => !paying.has(account));
}

function keepFallbacks(
  exchange: Granted,
  named: Pick<ModelRoute, 'fallbacks' | 'fallbacksOn'>,
  kept: ReadonlySet<string>,
): void {
  const only = (names: readonly string[]): readonly string[] => names.filter((name) => kept.has(name));
  const fallbacks = only(named.fallbacks);
  const fallbacksOn = Object.fromEntries(
    Object.entries(named.fallbacksOn).map(([cause, names]) => [cause, only(names)]),
  );
  const { grant } = exchange;
  const changed =
    grant.fallbacks === undefined
      ? { ...grant, route: { ...grant.route, fallbacks, fallbacksOn } }
      : { ...grant, fallbacks: { fallbacks, fallbacksOn } };
  extend(exchange, { grant: changed });
}
