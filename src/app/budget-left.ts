import type { BudgetBook } from '../core/policy/budget.ts';
import type { Authorized } from '../pipeline/exchange.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * What the budget of the key that asks has left, for routers: a candidate that could cost more is not chosen. Budgets of
 * other scopes are left to the hold, which refuses or downgrades.
 */
export function budgetLeftOf(adapters: {
  readonly book: BudgetBook;
  readonly clock: Clock;
}): (exchange: Authorized) => number | undefined {
  return ({ principal }) => {
    const { key } = principal;
    if (key?.budget === undefined || key.budget.action === 'warn') return undefined;
    return adapters.book.view(key.id, adapters.clock.now())?.remainingNano;
  };
}
