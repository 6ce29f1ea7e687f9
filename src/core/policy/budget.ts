import type { BudgetWindow } from './virtual-key.ts';

/** A budget as the book needs it. Money is nano-dollars in safe integers, times are wall-clock milliseconds. */
export interface BudgetDefinition {
  readonly limitNano: number;
  readonly window: BudgetWindow;
}

/** A budget at one moment. */
export interface BudgetView {
  readonly limitNano: number;
  readonly settledNano: number;
  readonly heldNano: number;
  /** Never below 0, also when spend went past the limit. */
  readonly remainingNano: number;
  readonly windowStart: number;
  /** Absent for `total`. */
  readonly windowEnd: number | undefined;
}

/** A wish to set money aside. */
export interface Reservation {
  readonly holdId: string;
  /** Every budget that pays: all of them hold the amount, or none does. */
  readonly budgetIds: readonly string[];
  readonly amountNano: number;
  /** When the hold counts as lost and is charged in full. */
  readonly expiresAt: number;
  /** Hold although a limit is passed, for budgets that only warn. */
  readonly force?: boolean;
}

/** `refusedBy` names the first budget that could not hold the amount. */
export type Reserved = { readonly granted: true } | { readonly granted: false; readonly refusedBy: string };

interface Account {
  definition: BudgetDefinition;
  windowStart: number;
  settled: number;
  held: number;
}

interface Share {
  readonly account: Account;
  readonly windowStart: number;
}

interface OpenHold {
  readonly amount: number;
  readonly expiresAt: number;
  readonly shares: readonly Share[];
}

/**
 * Budgets and the money held against them. Pure: no clock, no I/O; one owner, no concurrency of its own.
 *
 * - reserve when `settled + held + amount ≤ limit`, settle or release once per hold id, expire what was lost
 * - a hold belongs to the window it was made in: settled after the window has ended, it does not burden the next one
 * - a window only ever moves forward, so a clock that jumps back and forth cannot empty it twice
 */
export class BudgetBook {
  readonly #accounts = new Map<string, Account>();
  readonly #holds = new Map<string, OpenHold>();

  /**
   * Adds a budget or changes its definition. `settledNano` is what was spent in the current window so far, read from
   * the store; absent, a known budget of the same window keeps its sum and a new one starts at 0.
   */
  define(id: string, definition: BudgetDefinition, state: { now: number; settledNano?: number }): void {
    const known = this.#accounts.get(id);
    const windowStart = windowStartOf(definition.window, state.now);
    if (known === undefined) {
      const settled = amountOf(state.settledNano ?? 0);
      this.#accounts.set(id, { definition, windowStart, settled, held: 0 });
      return;
    }
    if (known.definition.window !== definition.window) {
      known.windowStart = windowStart;
      known.settled = 0;
      known.held = 0;
    }
    known.definition = definition;
    if (state.settledNano !== undefined) {
      known.settled = amountOf(state.settledNano);
    }
  }

  /** Forgets a budget. Its open holds settle into nothing. */
  remove(id: string): void {
    this.#accounts.delete(id);
  }

  /** The ids of all budgets. */
  ids(): IterableIterator<string> {
    return this.#accounts.keys();
  }

  /** Number of open holds. */
  get openHolds(): number {
    return this.#holds.size;
  }

  /**
   * Sets money aside in every named budget or in none. Unknown budgets are skipped. A hold id that is open already is
   * granted again without holding twice.
   */
  reserve(wish: Reservation, now: number): Reserved {
    if (this.#holds.has(wish.holdId)) {
      return { granted: true };
    }
    const amount = amountOf(wish.amountNano);
    const shares: Share[] = [];
    for (const id of new Set(wish.budgetIds)) {
      const account = this.#current(id, now);
      if (account === undefined) {
        continue;
      }
      const wanted = account.settled + account.held + amount;
      if (wish.force !== true && wanted > account.definition.limitNano) {
        return { granted: false, refusedBy: id };
      }
      shares.push({ account, windowStart: account.windowStart });
    }
    for (const { account } of shares) {
      account.held = add(account.held, amount);
    }
    this.#holds.set(wish.holdId, { amount, expiresAt: wish.expiresAt, shares });
    return { granted: true };
  }

  /** Replaces the hold by what was really spent, once; false when the hold is not open (any more). */
  settle(holdId: string, costNano: number): boolean {
    const hold = this.#holds.get(holdId);
    if (hold === undefined) {
      return false;
    }
    this.#holds.delete(holdId);
    // A cost that is no number must not make the call free.
    const cost = Number.isNaN(costNano) ? hold.amount : amountOf(costNano);
    for (const { account, windowStart } of hold.shares) {
      if (account.windowStart === windowStart) {
        account.held = Math.max(0, account.held - hold.amount);
        account.settled = add(account.settled, cost);
      }
    }
    return true;
  }

  /** Gives the hold back: nothing was spent. False when it is not open. */
  release(holdId: string): boolean {
    return this.settle(holdId, 0);
  }

  /** Charges every hold that expired at or before `now` in full and returns their ids. */
  expire(now: number): string[] {
    const lost: string[] = [];
    for (const [id, hold] of this.#holds) {
      if (hold.expiresAt <= now) {
        lost.push(id);
      }
    }
    for (const id of lost) {
      this.settle(id, Number.NaN);
    }
    return lost;
  }

  /** The state of a budget; undefined when there is none of this id. */
  view(id: string, now: number): BudgetView | undefined {
    const account = this.#current(id, now);
    if (account === undefined) {
      return undefined;
    }
    const { definition, settled, held, windowStart } = account;
    return {
      limitNano: definition.limitNano,
      settledNano: settled,
      heldNano: held,
      remainingNano: Math.max(0, definition.limitNano - settled - held),
      windowStart,
      windowEnd: windowEndOf(definition.window, windowStart),
    };
  }

  #current(id: string, now: number): Account | undefined {
    const account = this.#accounts.get(id);
    if (account !== undefined) {
      const windowStart = windowStartOf(account.definition.window, now);
      if (windowStart > account.windowStart) {
        account.windowStart = windowStart;
        account.settled = 0;
        account.held = 0;
      }
    }
    return account;
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-01 was a Thursday; the first Monday came four days later. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** Start of the UTC calendar window a moment lies in; 0 for `total`. */
export function windowStartOf(window: BudgetWindow, at: number): number {
  switch (window) {
    case 'hour':
      return Math.floor(at / HOUR_MS) * HOUR_MS;
    case 'day':
      return Math.floor(at / DAY_MS) * DAY_MS;
    case 'week':
      return Math.floor((at - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS;
    case 'month': {
      const date = new Date(at);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    }
    case 'total':
      return 0;
  }
}

/** End of the window that starts at `start`; undefined for `total`. */
export function windowEndOf(window: BudgetWindow, start: number): number | undefined {
  switch (window) {
    case 'hour':
      return start + HOUR_MS;
    case 'day':
      return start + DAY_MS;
    case 'week':
      return start + WEEK_MS;
    case 'month': {
      const date = new Date(start);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
    }
    case 'total':
      return undefined;
  }
}

function amountOf(nano: number): number {
  return nano > 0 ? Math.min(Math.ceil(nano), Number.MAX_SAFE_INTEGER) : 0;
}

function add(left: number, right: number): number {
  return Math.min(left + right, Number.MAX_SAFE_INTEGER);
}
