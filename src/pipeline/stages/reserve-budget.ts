import { SluiceError } from '../../core/errors/error.ts';
import type { BudgetBook } from '../../core/policy/budget.ts';
import type { Budget } from '../../core/policy/budget-rule.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import type { Applied, ScopeIndex } from '../../core/policy/scope-index.ts';
import type { ApprovalDesk } from '../../ports/approval-desk.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { BudgetClaims } from '../../ports/shared-spend.ts';
import { approvalWish } from '../approval-wish.ts';
import { BudgetFinder, type Payers } from '../budget-finder.ts';
import { exceeded, refused } from '../budget-refusal.ts';
import { downgradeTarget } from '../downgrade-target.ts';
import { extend, type Hold } from '../exchange.ts';
import { holdRecord } from '../hold-record.ts';
import type { Granted } from '../policy-facts.ts';
import { budgetsOfHelpers, outputReach, payersOfFallbacks, worstOf } from '../worst-case.ts';

/** A hold that nothing settled is charged in full after this long; longer than any exchange may run. */
const HOLD_MS = 6 * 3_600_000;

export interface ReservePorts {
  readonly book: BudgetBook;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly budgets: () => ScopeIndex<Budget>;
  readonly approvals: ApprovalDesk;
  /** Where other processes spend from the same budgets. */
  readonly claims?: BudgetClaims;
}

const NOBODY: Payers = { applied: [], ids: [], soft: new Set(), hard: false };
const NO_BUDGET_HOLD = { budgetId: undefined, charges: undefined };

/** What one request tries to get past its budgets with. */
interface Bid {
  readonly payers: Payers;
  /** Budgets that hold although their limit is passed. */
  forced: ReadonlySet<string>;
}

function unknownPrice(): SluiceError {
  return new SluiceError(
    'price_unknown',
    'A budget applies to this request, and the price of this model is not known. Set `price` on its provider or deployment.',
    { param: 'model' },
  );
}

/** Puts a cheaper model in the place of the one asked for. False when it cannot stand in. */
function downgrade(exchange: Granted, budget: Budget): boolean {
  const { principal, grant, facts } = exchange;
  if (exchange.operation !== 'chat') return false;
  const route = downgradeTarget(exchange, budget.downgradeTo);
  if (route === undefined || route.name === grant.route.name || !allowsModel(principal.policy, route.name)) {
    return false;
  }
  const from = grant.route.name;
  // What it falls back to may be dearer than what it stands in for.
  extend(exchange, { grant: { ...grant, route: { ...route, fallbacks: [], fallbacksOn: {} } } });
  facts.ruling = { ...facts.ruling, downgradedFrom: from, downgradedTo: route.name, budget: budget.id };
  const { slot } = exchange as Granted & { slot?: { headers: Readonly<Record<string, string>> } };
  const header = encodeURI(`${from} -> ${route.name}; budget=${budget.id}`.toWellFormed());
  if (slot !== undefined) {
    extend(exchange, { slot: { ...slot, headers: { ...slot.headers, 'x-sluice-downgraded': header } } });
  }
  return true;
}

/** Puts the worst case aside in every budget that applies, or in none. Throws `price_unknown` or `budget_exceeded`. */
class Reserver {
  readonly #ports: ReservePorts;
  readonly #finder: BudgetFinder;

  constructor(ports: ReservePorts) {
    this.#ports = ports;
    this.#finder = new BudgetFinder(ports.book);
  }

  reserve(exchange: Granted): Hold | Promise<Hold> {
    const payers = this.#finder.find(exchange, this.#ports.budgets(), this.#ports.clock.now());
    if (payers === undefined) {
      // A budget may still be on a model that this one's vendor calls in.
      if (budgetsOfHelpers(exchange, this.#ports.budgets()).length > 0) {
        return this.#bid(exchange, { payers: NOBODY, forced: NOBODY.soft });
      }
      return { amountNano: worstOf(exchange, exchange.grant.route) ?? 0, ...NO_BUDGET_HOLD };
    }
    return this.#bid(exchange, { payers, forced: payers.soft });
  }

  #bid(exchange: Granted, bid: Bid): Hold | Promise<Hold> {
    const { book, clock } = this.#ports;
    const { payers } = bid;
    const now = clock.now();
    for (let turn = 0; turn <= payers.applied.length * 2 + 1; turn++) {
      const amountNano = worstOf(exchange, exchange.grant.route);
      if (amountNano === undefined) throw unknownPrice();
      const budgets = this.#ports.budgets();
      const helpers = this.#helpers(exchange, budgets, now);
      const perhaps = [...payersOfFallbacks(exchange, amountNano, { budgets, book, now }), ...helpers.payers];
      const budgetIds =
        perhaps.length === 0 ? payers.ids : [...payers.ids, ...perhaps.map(({ budgetId }) => budgetId)];
      const wish = {
        holdId: exchange.id,
        budgetIds,
        amountNano,
        expiresAt: now + HOLD_MS,
        force: helpers.soft.size === 0 ? bid.forced : new Set([...bid.forced, ...helpers.soft]),
      };
      const decision = book.reserve(wish, now);
      if (decision.granted) {
        const hold = this.#hold(exchange, { amountNano, payers, perhaps });
        return this.#ports.claims?.active === true ? this.#claimed(exchange, bid, hold) : hold;
      }
      const asked = this.#refused(exchange, bid, { refusedBy: decision.refusedBy, amountNano });
      if (asked !== undefined) return asked;
    }
    throw new SluiceError('internal', 'Budgets could not agree on this request.');
  }

  /** Budgets on models that the vendor may call in: they hold too, and pay if theirs was one. `soft`: those that only warn. */
  #helpers(
    exchange: Granted,
    budgets: ScopeIndex<Budget>,
    now: number,
  ): { readonly payers: NonNullable<Hold['perhaps']>; readonly soft: ReadonlySet<string> } {
    const found = budgetsOfHelpers(exchange, budgets);
    if (found.length === 0) return { payers: [], soft: NOBODY.soft };
    const opened = found.map(({ applied, models }) => ({ ...this.#finder.opened(applied, now), models }));
    return {
      payers: opened.map(({ account, models }) => ({ budgetId: account, models })),
      soft: new Set(opened.filter(({ rule }) => rule.action === 'warn').map(({ account }) => account)),
    };
  }

  /** Asks for a yes, or resolves to nothing when a cheaper model may try again. Throws `budget_exceeded` otherwise. */
  #refused(
    exchange: Granted,
    bid: Bid,
    { refusedBy, amountNano }: { readonly refusedBy: string; readonly amountNano: number },
  ): Promise<Hold> | undefined {
    const payer = bid.payers.applied.find(({ account }) => account === refusedBy);
    if (payer === undefined) throw refused(this.#ports, exchange, { id: refusedBy, amountNano });
    if (payer.rule.action === 'approve') return this.#ask(exchange, bid, { payer, amountNano });
    if (payer.rule.action !== 'downgrade' || !this.#standIn(exchange, bid, payer)) {
      throw refused(this.#ports, exchange, { id: payer.account, amountNano, budget: payer.rule });
    }
    return undefined;
  }

  /** The hold, once no other process has the money. */
  async #claimed(exchange: Granted, bid: Bid, hold: Hold): Promise<Hold> {
    const { claims, book } = this.#ports;
    let refusedBy: string | undefined;
    try {
      refusedBy = await claims?.claim(exchange.id);
    } catch (error) {
      book.release(exchange.id);
      throw error;
    }
    if (refusedBy === undefined) return hold;
    book.release(exchange.id);
    const { amountNano } = hold;
    return (await this.#refused(exchange, bid, { refusedBy, amountNano })) ?? this.#bid(exchange, bid);
  }

  /** True when the request can be tried again with a cheaper model. */
  #standIn(exchange: Granted, bid: Bid, { rule, account }: Applied<Budget>): boolean {
    const changed = downgrade(exchange, rule);
    if (rule.hard || bid.forced.has(account)) return changed;
    const standsIn =
      changed || exchange.grant.route.name === downgradeTarget(exchange, rule.downgradeTo)?.name;
    if (standsIn) bid.forced = new Set([...bid.forced, account]);
    return standsIn;
  }

  async #ask(
    exchange: Granted,
    bid: Bid,
    { payer, amountNano }: { readonly payer: Applied<Budget>; readonly amountNano: number },
  ): Promise<Hold> {
    const error = exceeded(this.#ports, exchange, { id: payer.account, amountNano, budget: payer.rule });
    const wish = approvalWish(exchange, {
      subject: error.message,
      details: { ...error.facts.details } as never,
    });
    const approval = await this.#ports.approvals.pass(wish);
    exchange.facts.ruling = { ...exchange.facts.ruling, approval };
    // One yes covers every budget that asks for one: whoever decided saw the whole request.
    const asking = bid.payers.applied.filter(({ rule }) => rule.action === 'approve');
    bid.forced = new Set([...bid.forced, ...asking.map(({ account }) => account)]);
    return await this.#bid(exchange, bid);
  }

  #hold(
    exchange: Granted,
    held: {
      readonly amountNano: number;
      readonly payers: Payers;
      readonly perhaps: NonNullable<Hold['perhaps']>;
    },
  ): Hold {
    const { amountNano, payers, perhaps } = held;
    const [first = perhaps[0]?.budgetId] = payers.ids;
    return {
      amountNano,
      budgetId: first,
      charges: this.#ports.book.chargesOf(exchange.id),
      perhaps: perhaps.length === 0 ? undefined : perhaps,
      cutAtTokens: payers.hard ? outputReach(exchange) : undefined,
    };
  }
}

/**
 * Holds the worst case before the call: in memory against every budget that applies, and in the journal, so that a killed
 * process can charge it. Every exchange is journalled, also without a budget.
 */
export function createReserveBudget(
  ports: ReservePorts,
): <E extends Granted>(exchange: E) => Promise<E & { hold: Hold }> {
  const reserver = new Reserver(ports);
  const journalled = <E extends Granted>(exchange: E, hold: Hold): Promise<E & { hold: Hold }> => {
    const reserved = exchange as E & { hold: Hold };
    reserved.hold = hold;
    return ports.ledger.hold(holdRecord(reserved, hold.amountNano)).then(() => reserved);
  };
  return (exchange) => {
    const found = reserver.reserve(exchange);
    return found instanceof Promise
      ? found.then((hold) => journalled(exchange, hold))
      : journalled(exchange, found);
  };
}
