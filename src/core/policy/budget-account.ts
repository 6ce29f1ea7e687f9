import { advanceOthers, type OthersSpend, putOthers } from './budget-claims.ts';
import { partMs, rollingMs, windowEndOf, windowStartOf } from './budget-window.ts';
import { add, amountOf } from './nano.ts';
import type { BudgetWindow } from './virtual-key.ts';

/** More money for a while. */
export interface BudgetRaise {
  readonly amountNano: number;
  readonly expiresAt: number;
}

/** A budget as the book needs it. Money is nano-dollars in safe integers, times are wall-clock milliseconds. */
export interface BudgetDefinition {
  readonly limitNano: number;
  readonly window: BudgetWindow;
  /** The last hour, day, … instead of the calendar's. */
  readonly rolling?: boolean | undefined;
  /** IANA name whose clocks calendar windows follow; UTC when absent. */
  readonly timeZone?: string | undefined;
  readonly raises?: readonly BudgetRaise[] | undefined;
  /** Percentages of the limit at which spend is told of, ascending. */
  readonly thresholds?: readonly number[] | undefined;
}

/** Spend of a window (its start) or, of a rolling budget, of one of its parts. */
export interface Spent {
  readonly bucket: number;
  readonly nano: number;
}

/** What a budget has spent and holds in its window. Changed in place by its one owner, the book. */
export interface Account {
  readonly id: string;
  definition: BudgetDefinition;
  /** The limit with its raises, until `limitUntil`. */
  limit: number;
  limitUntil: number;
  windowStart: number;
  /** When the calendar window is over; of a rolling one, when its newest part is. */
  until: number;
  settled: number;
  held: number;
  /** Parts of a rolling window: start → spend. */
  parts: Map<number, number> | undefined;
  /** By bucket what others have spent and hold: other processes, or nobody in particular before there was the budget. */
  others: Map<number, OthersSpend>;
  othersSettled: number;
  othersHeld: number;
  /** Parts whose claim is older than what they hold. Only of rolling windows. */
  readonly unwritten: Set<number>;
  /** Thresholds already told of in this window: how many. */
  told: number;
  toldAt: number;
  /** What `chargeOf` said last, and of which window. */
  charge: string;
  chargeStart: number;
}

/** What a budget begins with. */
export interface AccountState {
  readonly now: number;
  readonly settledNano?: number;
  readonly spent?: readonly Spent[];
  readonly others?: readonly OthersSpend[];
}

/** Whether two definitions count over the same time. */
export function sameWindow(left: BudgetDefinition, right: BudgetDefinition): boolean {
  return (
    left.window === right.window &&
    (left.rolling ?? false) === (right.rolling ?? false) &&
    (left.timeZone ?? 'UTC') === (right.timeZone ?? 'UTC')
  );
}

/** A new account with what the store knows of its current window. */
export function openAccount(id: string, definition: BudgetDefinition, state: AccountState): Account {
  const account: Account = {
    id,
    definition,
    limit: 0,
    limitUntil: Number.NEGATIVE_INFINITY,
    windowStart: 0,
    until: Number.NEGATIVE_INFINITY,
    settled: 0,
    held: 0,
    parts: isRolling(definition) ? new Map() : undefined,
    others: new Map(),
    othersSettled: 0,
    othersHeld: 0,
    unwritten: new Set(),
    told: 0,
    toldAt: Number.NEGATIVE_INFINITY,
    charge: '',
    chargeStart: Number.NEGATIVE_INFINITY,
  };
  advance(account, state.now);
  if (account.parts === undefined) {
    const ofWindow = state.spent?.filter(({ bucket }) => bucket === account.windowStart) ?? [];
    account.settled = amountOf(ofWindow.reduce((sum, { nano }) => sum + nano, state.settledNano ?? 0));
  } else {
    for (const { bucket, nano } of state.spent ?? []) spendPart(account, bucket, nano);
    // Nothing says when it was spent: it stays for a whole window.
    if (state.settledNano !== undefined) spendPart(account, account.windowStart, state.settledNano);
  }
  if (state.others !== undefined) {
    putOthers(account, state.others);
    advanceOthers(account);
  }
  for (const bucket of account.parts?.keys() ?? []) account.unwritten.add(bucket);
  account.told = passed(account, limitAt(account, state.now));
  account.toldAt = account.windowStart;
  return account;
}

/** A window (or part) of the account as the ledger names it; nearly always the same as the last time. */
export function chargeOf(account: Account, windowStart: number): string {
  if (account.chargeStart !== windowStart) {
    account.charge = `${windowStart}@${account.id}`;
    account.chargeStart = windowStart;
  }
  return account.charge;
}

/** How many thresholds are behind. */
export function passed(account: Account, limit: number): number {
  const settled = account.settled + account.othersSettled;
  const { thresholds = [] } = account.definition;
  return thresholds.filter((percent) => settled * 100 >= limit * percent).length;
}

/** Moves to the window of `now`; never back. */
export function advance(account: Account, now: number): void {
  const { definition } = account;
  if (account.parts !== undefined) {
    advanceParts(account, account.parts, now);
    return;
  }
  const start = windowStartOf(definition.window, now, definition.timeZone);
  if (start > account.windowStart) {
    account.windowStart = start;
    account.settled = 0;
    account.held = 0;
    account.told = 0;
    advanceOthers(account);
  }
  account.until =
    windowEndOf(definition.window, account.windowStart, definition.timeZone) ?? Number.POSITIVE_INFINITY;
}

function advanceParts(account: Account, parts: Map<number, number>, now: number): void {
  const { definition } = account;
  const step = partMs(definition);
  const start = Math.floor(now / step) * step;
  if (start < account.windowStart) return;
  account.windowStart = start;
  account.until = start + step;
  advanceOthers(account);
  for (const [part, nano] of parts) {
    if (part + rollingMs(definition) >= start) continue;
    parts.delete(part);
    account.unwritten.delete(part);
    account.settled -= nano;
  }
  if (account.toldAt + rollingMs(definition) <= start) {
    account.told = Math.min(account.told, passed(account, limitAt(account, now)));
  }
}

/** Counts spend of a rolling window where it was held; what has left the window counts nowhere. */
export function spendPart(account: Account, start: number, nano: number): void {
  const { parts, definition, windowStart } = account;
  const amount = amountOf(nano);
  if (parts === undefined || amount === 0 || start + rollingMs(definition) < windowStart) return;
  const before = parts.get(start) ?? 0;
  const after = add(before, amount);
  parts.set(start, after);
  account.unwritten.add(start);
  account.settled = add(account.settled, after - before);
}

function isRolling(definition: BudgetDefinition): boolean {
  return definition.rolling === true && definition.window !== 'total';
}

/** The limit and its raises; worked out again when the next raise ends. */
export function limitAt(account: Account, now: number): number {
  if (now < account.limitUntil) return account.limit;
  const { limitNano, raises = [] } = account.definition;
  let limit = limitNano;
  let until = Number.POSITIVE_INFINITY;
  for (const { amountNano, expiresAt } of raises) {
    if (expiresAt <= now) continue;
    limit = add(limit, amountOf(amountNano));
    until = Math.min(until, expiresAt);
  }
  account.limit = limit;
  account.limitUntil = until;
  return limit;
}
