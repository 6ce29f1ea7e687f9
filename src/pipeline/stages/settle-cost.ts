import { completionTokens, promptTokens } from '../../core/model/index.ts';
import type { BudgetBook } from '../../core/policy/budget.ts';
import { chargeExchange } from '../charge.ts';
import type { Ender } from '../compose.ts';
import type { Exchange, Hold, Slot } from '../exchange.ts';

/** Charges what was really used, gives the rest of the hold back and frees the slot. Runs at every kind of ending. */
export function createSettleCost(ports: { readonly book: BudgetBook }): Ender<Exchange> {
  return (exchange: Exchange & { hold?: Hold; slot?: Slot }, ending) => {
    // Failed before anything was delivered: nothing is owed, whatever the upstream says.
    const free = ending.kind === 'failed' && exchange.facts.deployment === undefined;
    const { usage, cost } = chargeExchange(exchange);
    if (exchange.hold?.budgetId !== undefined)
      ports.book.settle(exchange.id, free ? 0 : (cost?.total ?? Number.NaN));
    exchange.slot?.release(promptTokens(usage) + completionTokens(usage));
  };
}
