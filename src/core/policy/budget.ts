import {
  type Account,
  type AccountState,
  advance,
  type BudgetDefinition,
  chargeOf,
  limitAt,
  openAccount,
  passed,
  sameWindow,
  spendPart,
} from './budget-account.ts';
import { advanceOthers, type Claim, claimOf, type OthersSpend, putOthers, rangeOf } from './budget-claims.ts';
import { partMs, rollingMs, windowEndOf } from './budget-window.ts';
import { add, amountOf } from './nano.ts';

export { windowEndOf, windowStartOf } from './budget-window.ts';

/** A budget at one moment. */
export interface BudgetView {
  readonly limitNano: number;
  readonly settledNano: number;
  readonly heldNano: number;
  /** Never below 0, also when spend went past the limit. */
  readonly remainingNano: number;
  readonly windowStart: number;
  /** Absent for `total` and for rolling windows. */
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
  /** Budgets that hold although their limit is passed; `true`: all of them. */
  readonly force?: boolean | ReadonlySet<string>;
}

/** `refusedBy` names the first budget that could not hold the amount. */
export type Reserved = { readonly granted: true } | { readonly granted: false; readonly refusedBy: string };

/** Settled spend has reached a share of a budget's limit, for the first time in its window. */
export interface ThresholdReached {
  readonly id: string;
  readonly percent: number;
  readonly limitNano: number;
  readonly settledNano: number;
  readonly windowStart: number;
}

interface Share {
  readonly account: Account;
  readonly windowStart: number;
}

interface OpenHold {
  readonly amount: number;
  readonly force: Reservation['force'];
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
  #listener: ((reached: ThresholdReached) => void) | undefined;
  /** Accounts whose claims are older than they are; absent while nobody shares them. */
  #changed: Set<string> | undefined;

  /** Calls back when settled spend reaches a threshold: once per window and threshold. One listener. */
  onThreshold(listener: (reached: ThresholdReached) => void): void {
    this.#listener = listener;
  }

  /**
   * Adds a budget or changes its definition. `settledNano` (or `spent`, by window or part) is what the store knows of its
   * current window; it counts only where the book does not know better: for a new budget or a changed window.
   */
  define(id: string, definition: BudgetDefinition, state: AccountState): void {
    const known = this.#accounts.get(id);
    if (known !== undefined && sameWindow(known.definition, definition)) {
      known.definition = definition;
      known.limitUntil = Number.NEGATIVE_INFINITY;
      known.told = Math.min(known.told, passed(known, limitAt(known, state.now)));
      return;
    }
    const account = openAccount(id, definition, state);
    this.#accounts.set(id, account);
    this.#changed?.add(id);
  }

  /** Forgets a budget. Its open holds settle into nothing. */
  remove(id: string): void {
    this.#accounts.delete(id);
  }

  /** Whether there is a budget of this id. */
  has(id: string): boolean {
    return this.#accounts.has(id);
  }

  /** Number of budgets. */
  get size(): number {
    return this.#accounts.size;
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
    const { force } = wish;
    const shares: Share[] = [];
    for (const id of wish.budgetIds) {
      const account = this.#current(id, now);
      if (account === undefined || holds(shares, account)) {
        continue;
      }
      const wanted = burdenOf(account) + amount;
      if (!isForced(force, id) && wanted > limitAt(account, now)) {
        return { granted: false, refusedBy: id };
      }
      shares.push({ account, windowStart: account.windowStart });
    }
    for (const { account } of shares) {
      account.held = add(account.held, amount);
      this.#changed?.add(account.id);
    }
    this.#holds.set(wish.holdId, { amount, expiresAt: wish.expiresAt, shares, force });
    return { granted: true };
  }

  /**
   * Sets more money aside under an open hold, in all of its budgets or in none; `amountNano` is the new whole amount. A
   * hold that pays from no budget, or is large enough already, is granted.
   */
  raise(holdId: string, amountNano: number, now: number): Reserved {
    const hold = this.#holds.get(holdId);
    const amount = amountOf(amountNano);
    if (hold === undefined || amount <= hold.amount) return { granted: true };
    const more = amount - hold.amount;
    const { force } = hold;
    // A hold burdens the window it was made in, also after that has ended.
    const burdened = hold.shares.filter(({ account, windowStart }) => {
      this.#current(account.id, now);
      return account.parts !== undefined || account.windowStart === windowStart;
    });
    for (const { account } of burdened) {
      if (!isForced(force, account.id) && burdenOf(account) + more > limitAt(account, now)) {
        return { granted: false, refusedBy: account.id };
      }
    }
    for (const { account } of burdened) {
      account.held = add(account.held, more);
      this.#changed?.add(account.id);
    }
    this.#holds.set(holdId, { ...hold, amount });
    return { granted: true };
  }

  /** Whether any budget pays for this hold. */
  isPaid(holdId: string): boolean {
    return (this.#holds.get(holdId)?.shares.length ?? 0) > 0;
  }

  /** Which budgets and windows an open hold will be charged to, for the ledger: see {@link readCharges}. */
  chargesOf(holdId: string): string | undefined {
    const shares = this.#holds.get(holdId)?.shares ?? [];
    let text: string | undefined;
    for (const { account, windowStart } of shares) {
      const charge = chargeOf(account, windowStart);
      text = text === undefined ? charge : `${text}\n${charge}`;
    }
    return text;
  }

  /**
   * Replaces the hold by what was really spent, once; false when the hold is not open (any more). Budgets in `spared` pay
   * nothing.
   */
  settle(holdId: string, costNano: number, spared?: ReadonlySet<string>): boolean {
    const hold = this.#holds.get(holdId);
    if (hold === undefined) {
      return false;
    }
    this.#holds.delete(holdId);
    // A cost that is no number must not make the call free.
    const cost = Number.isNaN(costNano) ? hold.amount : amountOf(costNano);
    for (const { account, windowStart } of hold.shares) {
      this.#changed?.add(account.id);
      const paid = spared?.has(account.id) === true ? 0 : cost;
      if (account.parts !== undefined) {
        account.held = Math.max(0, account.held - hold.amount);
        spendPart(account, windowStart, paid);
      } else if (account.windowStart === windowStart) {
        account.held = Math.max(0, account.held - hold.amount);
        account.settled = add(account.settled, paid);
      }
      if (account.definition.thresholds !== undefined) {
        this.#tell(account);
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
    const { definition, windowStart } = account;
    const settled = add(account.settled, account.othersSettled);
    const held = add(account.held, account.othersHeld);
    const limitNano = limitAt(account, now);
    const rolling = account.parts !== undefined;
    return {
      limitNano,
      settledNano: settled,
      heldNano: held,
      remainingNano: Math.max(0, limitNano - settled - held),
      windowStart: rolling ? windowStart - rollingMs(definition) + partMs(definition) : windowStart,
      windowEnd: rolling ? undefined : windowEndOf(definition.window, windowStart, definition.timeZone),
    };
  }

  /**
   * When `amountNano` could be held: `now` when only what runs at the moment is in the way, the end of the window, or the
   * moment enough spend leaves a rolling one. Undefined: never, the amount does not fit or the budget has no window.
   */
  freesAt(id: string, amountNano: number, now: number): number | undefined {
    const account = this.#current(id, now);
    if (account === undefined) return now;
    const { definition } = account;
    const settled = account.settled + account.othersSettled;
    const room = limitAt(account, now) - amountOf(amountNano);
    if (settled <= room) return now;
    if (room < 0) return undefined;
    if (account.parts === undefined) {
      return windowEndOf(definition.window, account.windowStart, definition.timeZone);
    }
    let rest = settled;
    const others = [...account.others.values()].map(
      ({ bucket, settledNano }) => [bucket, settledNano] as const,
    );
    for (const [start, nano] of [...account.parts, ...others].sort(([a], [b]) => a - b)) {
      rest -= nano;
      if (rest <= room) return start + rollingMs(definition) + partMs(definition);
    }
    return now;
  }

  /** From now on (or no longer) others spend from these budgets too: `takeClaims` tells what they must know. */
  share(shared: boolean): void {
    if (!shared) this.#changed = undefined;
    else this.#changed ??= new Set(this.#accounts.keys());
  }

  /** What is to be claimed before an open hold may be spent. Its limits are asked unless it was forced. */
  claimsOf(holdId: string, now: number): readonly Claim[] {
    const hold = this.#holds.get(holdId);
    return (hold?.shares ?? []).map(({ account }) => {
      this.#current(account.id, now);
      return claimOf(account, isForced(hold?.force, account.id) ? undefined : limitAt(account, now));
    });
  }

  /** Claims of all accounts that changed since the last time; `putBack` takes those that could not be written. */
  takeClaims(now: number): readonly Claim[] {
    const claims: Claim[] = [];
    for (const id of this.#changed ?? []) {
      const account = this.#current(id, now);
      if (account !== undefined) claims.push(claimOf(account, undefined));
    }
    this.#changed?.clear();
    return claims;
  }

  putBack(claims: readonly Claim[]): void {
    for (const { account: id, parts } of claims) {
      this.#changed?.add(id);
      for (const { bucket } of parts) this.#accounts.get(id)?.unwritten.add(bucket);
    }
  }

  /** The buckets of these budgets (all when absent) that count now. */
  ranges(ids: Iterable<string> | undefined, now: number): ReturnType<typeof rangeOf>[] {
    const ranges: ReturnType<typeof rangeOf>[] = [];
    for (const id of ids ?? this.#accounts.keys()) {
      const account = this.#current(id, now);
      if (account !== undefined) ranges.push(rangeOf(account));
    }
    return ranges;
  }

  /** Replaces what others have spent and hold of a budget. */
  putOthers(id: string, rows: readonly OthersSpend[], now: number): void {
    const account = this.#current(id, now);
    if (account === undefined) return;
    putOthers(account, rows);
    advanceOthers(account);
    if (account.definition.thresholds !== undefined) this.#tell(account, now);
  }

  #current(id: string, now: number): Account | undefined {
    const account = this.#accounts.get(id);
    if (account !== undefined && now >= account.until) {
      advance(account, now);
    }
    return account;
  }

  #tell(account: Account, now?: number): void {
    const { thresholds = [] } = account.definition;
    if (now !== undefined) limitAt(account, now);
    while (account.told < thresholds.length) {
      const percent = thresholds[account.told] ?? 100;
      const settled = add(account.settled, account.othersSettled);
      if (settled * 100 < account.limit * percent) return;
      account.told += 1;
      account.toldAt = account.windowStart;
      const { id, limit, windowStart } = account;
      this.#listener?.({ id, percent, limitNano: limit, settledNano: settled, windowStart });
    }
  }
}

function holds(shares: readonly Share[], account: Account): boolean {
  for (const share of shares) if (share.account === account) return true;
  return false;
}

/** Everything that counts against the limit. */
function burdenOf({ settled, held, othersSettled, othersHeld }: Account): number {
  return settled + held + othersSettled + othersHeld;
}

function isForced(force: Reservation['force'], id: string): boolean {
  return force === true || (typeof force === 'object' && force.has(id));
}

/** What {@link BudgetBook.chargesOf} wrote: budget ids and the windows (or parts) to charge. */
export function readCharges(text: string): { readonly id: string; readonly bucket: number }[] {
  return text.split('\n').map((charge) => {
    const at = charge.indexOf('@');
    return { id: charge.slice(at + 1), bucket: Number(charge.slice(0, at)) };
  });
}
