import { nanoToUsd } from '../core/cost/money.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { Clock } from '../ports/clock.ts';
import { downgradeTarget } from './downgrade-target.ts';
import type { Granted } from './policy-facts.ts';

/** What a client sees of a name an operator chose. */
function printable(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll('%20', ' ').slice(0, 200);
}

function whose(budget: Budget | undefined): string {
  if (budget === undefined) return 'A budget';
  if (budget.source === 'key') return 'The budget of this key';
  const { kind, id } = budget.scope;
  return `The budget \`${budget.name}\` of ${kind.replace('_', ' ')} \`${id}\``;
}

/** Whoever reads the refusal wonders why no cheaper model answered. */
function noStandIn(exchange: Granted, { action, downgradeTo }: Partial<Budget> = {}): string {
  if (action !== 'downgrade' || downgradeTo === undefined) return '';
  if (downgradeTarget(exchange, downgradeTo) !== undefined) return '';
  return ` Its cheaper model \`${downgradeTo}\` is not served any more.`;
}

/**
 * `budget_exceeded`, noted for log and audit: which budget, its window, what is settled and held, and when it frees; in the sentence, which every
 * dialect carries, and in `x-sluice-budget`.
 */
export function refused(
  ports: { readonly book: BudgetBook; readonly clock: Clock },
  exchange: Granted,
  by: { readonly id: string; readonly amountNano: number; readonly budget?: Budget },
): SluiceError {
  const error = exceeded(ports, exchange, by);
  const refusal = error.facts.details as Readonly<Record<string, string | null>>;
  exchange.facts.ruling = { ...exchange.facts.ruling, refusal };
  return error;
}

/** The same where it may not be the end: an approval can let the request pass. */
export function exceeded(
  ports: { readonly book: BudgetBook; readonly clock: Clock },
  exchange: Granted,
  refused: { readonly id: string; readonly amountNano: number; readonly budget?: Budget },
): SluiceError {
  const { id, amountNano, budget } = refused;
  const now = ports.clock.now();
  const view = ports.book.view(id, now);
  const frees = ports.book.freesAt(id, amountNano, now);
  const busy = frees === now;
  const window = `${budget?.rolling === true ? 'rolling ' : ''}${budget?.window ?? 'total'}`;
  const usd = (nano: number | undefined): string => nanoToUsd(nano ?? 0);
  const when = busy
    ? 'Running requests hold the rest; try again when they have ended'
    : frees === undefined
      ? 'Lower `max_tokens` or raise the budget; waiting does not help'
      : `It frees at ${new Date(frees).toISOString()}; lower \`max_tokens\`, raise the budget, or wait`;
  const facts = {
    budget: budget?.id ?? id,
    window,
    window_start: new Date(view?.windowStart ?? now).toISOString(),
    limit_usd: usd(view?.limitNano),
    settled_usd: usd(view?.settledNano),
    held_usd: usd(view?.heldNano),
    remaining_usd: usd(view?.remainingNano),
    needed_usd: usd(amountNano),
    frees_at: busy || frees === undefined ? null : new Date(frees).toISOString(),
  };
  const { window_start: _, ...shown } = facts;
  const header = Object.entries(shown).map(([name, value]) => `${name}=${printable(value ?? 'never')}`);
  if (busy) header[header.length - 1] = 'frees_at=running';
  return new SluiceError(
    'budget_exceeded',
    `${whose(budget)} does not cover this request: of $${facts.limit_usd} per ${window} window $${facts.settled_usd} are spent and $${facts.held_usd} held, $${facts.remaining_usd} are left, and it could cost $${facts.needed_usd}.${noStandIn(exchange, budget)} ${when}.`,
    {
      ...(frees === undefined ? {} : { retryAfterS: Math.max(1, Math.ceil((frees - now) / 1000)) }),
      details: { ...facts, scope: budget?.scope.kind ?? null, scope_id: budget?.scope.id ?? null },
      headers: {
        'x-sluice-budget': header.join('; '),
        // Official clients repeat a 429 by themselves; only money in flight comes back that soon.
        ...(busy ? {} : { 'x-should-retry': 'false' }),
        ...('slot' in exchange
          ? (exchange.slot as { headers: Readonly<Record<string, string>> }).headers
          : {}),
      },
    },
  );
}
