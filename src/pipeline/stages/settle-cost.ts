import { completionTokens, promptTokens } from '../../core/model/index.ts';
import type { BudgetBook } from '../../core/policy/budget.ts';
import { chargeExchange, ownCalls } from '../charge.ts';
import type { Ender } from '../compose.ts';
import type { Exchange, Hold, Slot } from '../exchange.ts';

/** Budgets of fallback models and helpers that were not used pay nothing, neither in the book nor in the ledger. */
function spareUnused(exchange: Exchange, hold: Hold): ReadonlySet<string> {
  const { deployment } = exchange.facts;
  const called = ownCalls(exchange).map((call) => call.deployment);
  if (deployment !== undefined) called.push(deployment);
  const perhaps = hold.perhaps ?? [];
  const used = perhaps.filter(({ models }) =>
    called.some(({ model, id }) => models.includes(model) || models.includes(id)),
  );
  const spared = new Set(perhaps.map(({ budgetId }) => budgetId));
  for (const { budgetId } of used) spared.delete(budgetId);
  const paying = hold.charges
    ?.split('\n')
    .filter((charge) => !spared.has(charge.slice(charge.indexOf('@') + 1)));
  hold.charges = paying === undefined || paying.length === 0 ? undefined : paying.join('\n');
  return spared;
}

/** Charges what was really used, gives the rest of the hold back and frees the slot. Runs at every kind of ending. */
export function createSettleCost(ports: { readonly book: BudgetBook }): Ender<Exchange> {
  return (exchange: Exchange & { hold?: Hold; slot?: Slot }) => {
    // Failed before anything was delivered, and nothing is owed: the cost is 0.
    const { usage, cost } = chargeExchange(exchange);
    const { hold } = exchange;
    if (hold?.budgetId !== undefined) {
      const spared = hold.perhaps === undefined ? undefined : spareUnused(exchange, hold);
      ports.book.settle(exchange.id, cost?.total ?? Number.NaN, spared);
    }
    exchange.slot?.release(promptTokens(usage) + completionTokens(usage));
  };
}
