import { worstCase } from '../core/cost/cost.ts';
import { DEFAULT_OUTPUT_TOKENS } from '../core/cost/estimate.ts';
import { priceUnder } from '../core/cost/terms.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import type { Clock } from '../ports/clock.ts';
import type { BudgetClaims } from '../ports/shared-spend.ts';
import { askedTerms } from './asked-terms.ts';
import { callCount } from './charge.ts';
import { promptEstimate, searchReach } from './estimate.ts';
import type { Exchange, Hold } from './exchange.ts';
import { helpersWorst } from './helper-models.ts';
import type { Deployment } from './runtime.ts';

/**
 * The dearest an exchange can become at one deployment, with the models that its vendor may call besides, nano-dollars;
 * `undefined` when its price is not known.
 */
export function worstAt(exchange: Exchange, deployment: Deployment): number | undefined {
  if (exchange.facts.free === true) return 0;
  const { price } = deployment;
  if (price === undefined) return undefined;
  const { envelope } = exchange;
  const most = deployment.profile.maxOutputTokens;
  const output = envelope.maxOutputTokens ?? most ?? DEFAULT_OUTPUT_TOKENS;
  const own = worstCase(priceUnder(price, askedTerms(exchange, price)).price, {
    inputTokens: promptEstimate(exchange),
    maxOutputTokens: output,
    choices: envelope.choices,
    images: envelope.images ?? 0,
    characters: envelope.characters ?? 0,
    audioSeconds: envelope.audioSeconds ?? 0,
    webSearches: price.price.webSearch === undefined ? 0 : searchReach(exchange),
    audio: envelope.audio ?? false,
  });
  const helpers = helpersWorst(exchange, deployment, output);
  return Math.min(own + helpers, Number.MAX_SAFE_INTEGER);
}

/** What is needed to set more money aside. */
export interface FundPorts {
  readonly book: BudgetBook;
  readonly clock: Clock;
  /** Where other processes spend from the same budgets. */
  readonly claims?: BudgetClaims;
  /** Keeps the larger hold, so that a killed process can charge it. */
  readonly journal: (exchange: Exchange, amountNano: number) => Promise<void>;
}

/**
 * Sees to it that the budgets can pay for a call that was not foreseen when the hold was made: at a dearer deployment, or
 * `besides` one that is billed too. Returns why they cannot: `budget_exceeded` or
 * `price_unknown`, or `ledger_unavailable` where that cannot be written down.
 */
export async function fund(
  ports: FundPorts,
  exchange: Exchange & { hold?: Hold },
  wish: {
    readonly deployment: Deployment;
    readonly besides?: boolean;
    /** Calls of another size among those billed already, and what was set aside for them. */
    readonly aside?: { readonly calls: number; readonly nano: number };
  },
): Promise<SluiceError | undefined> {
  const { hold } = exchange;
  if (hold === undefined) return undefined;
  const worst = worstAt(exchange, wish.deployment);
  const paid = ports.book.isPaid(exchange.id);
  if (worst === undefined) {
    if (!paid) return undefined;
    return new SluiceError(
      'price_unknown',
      'The price of this fallback is not known, and a budget has to pay.',
    );
  }
  const { calls: others, nano } = wish.aside ?? NO_OTHERS;
  const calls = 1 + (wish.besides === true ? 1 : 0) + callCount(exchange.facts.billed) - others;
  return raise(ports, exchange, worst * calls + nano);
}

const NO_OTHERS = { calls: 0, nano: 0 };

/**
 * The same for a call of another size that is billed besides, of which the worst case is known; `undefined` where its price
 * is not. False when no budget can pay for it.
 */
export async function fundBesides(
  ports: FundPorts,
  exchange: Exchange & { hold?: Hold },
  worstNano: number | undefined,
): Promise<boolean> {
  const { hold } = exchange;
  if (hold === undefined) return true;
  if (worstNano === undefined) return !ports.book.isPaid(exchange.id);
  return (await raise(ports, exchange, hold.amountNano + worstNano)) === undefined;
}

async function raise(
  ports: FundPorts,
  exchange: Exchange & { hold?: Hold },
  wanted: number,
): Promise<SluiceError | undefined> {
  const { hold } = exchange;
  const amountNano = Math.min(wanted, Number.MAX_SAFE_INTEGER);
  if (hold === undefined || amountNano <= hold.amountNano) return undefined;
  const paid = ports.book.isPaid(exchange.id);
  if (paid && !ports.book.raise(exchange.id, amountNano, ports.clock.now()).granted) {
    return new SluiceError('budget_exceeded', 'The budget cannot pay for this fallback.');
  }
  exchange.hold = { ...hold, amountNano };
  try {
    if (paid && ports.claims?.active === true) {
      const refusedBy = await ports.claims.claim(exchange.id);
      // What was raised here stays held until the exchange ends: nobody spends it.
      if (refusedBy !== undefined) {
        exchange.hold = hold;
        return new SluiceError('budget_exceeded', 'The budget cannot pay for this fallback.');
      }
    }
    await ports.journal(exchange, amountNano);
    return undefined;
  } catch (error) {
    // A call that is not kept is not made. One that runs beside it is not given up for that.
    if (error instanceof SluiceError) return error;
    throw error;
  }
}
