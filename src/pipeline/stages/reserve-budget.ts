import { worstCase } from '../../core/cost/cost.ts';
import { nanoToUsd } from '../../core/cost/money.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { BudgetBook } from '../../core/policy/budget.ts';
import type { BudgetRule, VirtualKey } from '../../core/policy/virtual-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import { promptEstimate } from '../estimate.ts';
import { type Exchange, extend, type Grant, type Hold, type Principal } from '../exchange.ts';

/** A hold that nothing settled is charged in full after this long; longer than any exchange may run. */
const HOLD_MS = 6 * 3_600_000;
/** Output assumed where neither the client nor the catalog names a limit. */
const DEFAULT_OUTPUT_TOKENS = 16_384;

export interface ReservePorts {
  readonly book: BudgetBook;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/** What a hold is made for. */
type Granted = Exchange & { readonly principal: Principal; readonly grant: Grant };

/** The dearest this request can become at any deployment of its model; `undefined` when one has no known price. */
function worstOf(exchange: Granted): number | undefined {
  if (exchange.facts.free === true) return 0;
  let worst = 0;
  const inputTokens = promptEstimate(exchange);
  for (const deployment of exchange.grant.route.deployments) {
    if (deployment.price === undefined) return undefined;
    const maxOutputTokens =
      exchange.envelope.maxOutputTokens ?? deployment.profile.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS;
    const amount = worstCase(deployment.price.price, {
      inputTokens,
      maxOutputTokens,
      choices: exchange.envelope.choices,
      images: exchange.envelope.images ?? 0,
      audio: exchange.envelope.audio ?? false,
    });
    worst = Math.max(worst, amount);
  }
  return worst;
}

function exceeded(ports: ReservePorts, key: VirtualKey, amountNano: number): SluiceError {
  const now = ports.clock.now();
  const view = ports.book.view(key.id, now);
  const frees = view?.windowEnd;
  const left = nanoToUsd(view?.remainingNano ?? 0);
  return new SluiceError(
    'budget_exceeded',
    `The budget of this key has $${left} left in its ${key.budget?.window ?? ''} window; this request could cost $${nanoToUsd(amountNano)}. Lower \`max_tokens\`, raise the budget, or wait for the next window.`,
    {
      ...(frees === undefined ? {} : { retryAfterS: Math.max(1, Math.ceil((frees - now) / 1000)) }),
      details: {
        budget: key.id,
        window: key.budget?.window ?? null,
        limit_usd: nanoToUsd(view?.limitNano ?? 0),
        settled_usd: nanoToUsd(view?.settledNano ?? 0),
        held_usd: nanoToUsd(view?.heldNano ?? 0),
        frees_at: frees === undefined ? null : new Date(frees).toISOString(),
      },
    },
  );
}

/** Puts the worst case aside in the key's budget. Throws `price_unknown` or `budget_exceeded`. */
function reserveFor(
  ports: ReservePorts,
  exchange: Granted,
  rule: { key: VirtualKey; budget: BudgetRule },
): Hold {
  const { key, budget } = rule;
  const amountNano = worstOf(exchange);
  if (amountNano === undefined) {
    throw new SluiceError(
      'price_unknown',
      'This key has a budget, and the price of this model is not known. Set `price` on its provider or deployment.',
      { param: 'model' },
    );
  }
  const now = ports.clock.now();
  const { granted } = ports.book.reserve(
    {
      holdId: exchange.id,
      budgetIds: [key.id],
      amountNano,
      expiresAt: now + HOLD_MS,
      force: budget.action === 'warn',
    },
    now,
  );
  if (!granted) throw exceeded(ports, key, amountNano);
  return { amountNano, budgetId: key.id };
}

/**
 * Holds the worst case before the call: in memory against the budget, and in the journal, so that a killed process can
 * charge it. Every exchange is journalled, also without a budget.
 */
export function createReserveBudget(
  ports: ReservePorts,
): <E extends Granted>(exchange: E) => Promise<E & { hold: Hold }> {
  return async (exchange) => {
    const { key } = exchange.principal;
    const hold: Hold =
      key?.budget === undefined
        ? { amountNano: worstOf(exchange) ?? 0, budgetId: undefined }
        : reserveFor(ports, exchange, { key, budget: key.budget });
    const reserved = extend(exchange, { hold });
    await ports.ledger.hold({
      id: exchange.id,
      startedAt: exchange.startedAt,
      keyId: key?.id,
      model: exchange.envelope.model,
      format: exchange.codec.id,
      stream: exchange.envelope.stream,
      clientRequestId: exchange.client.clientRequestId,
      heldNano: hold.amountNano,
      tags: exchange.client.tags,
      operation: exchange.operation,
      user: exchange.client.user,
    });
    return reserved;
  };
}
