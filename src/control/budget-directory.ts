import { DAY_MS } from '../core/durations.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import { type BudgetRaise, sameWindow } from '../core/policy/budget-account.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import { ScopeIndex } from '../core/policy/scope-index.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Store } from '../ports/store.ts';
import { type ModelNames, ownedByAccount, type SpentBy, spentBefore } from './spent-before.ts';

/** The longest window that ends, and some more. */
const KEPT_SPEND_MS = 63 * DAY_MS;

/** What the directory works with. */
export interface BudgetDirectoryPorts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly book: BudgetBook;
  readonly clock: Clock;
  /** Every key that is not revoked. */
  readonly keys: () => Iterable<VirtualKey>;
  /** Every name that a past request counts under. */
  readonly modelNames: ModelNames;
}

/**
 * Budgets and rate limits of any scope in memory: what the data plane reads. Changes are stored first and then swapped in as
 * a new index. Budgets of keys (`budget` field) are not in here: they come with the key.
 */
export class BudgetDirectory {
  readonly #ports: BudgetDirectoryPorts;
  readonly #budgets = new Map<string, Budget>();
  readonly #rules = new Map<string, RateRule>();
  /** Of budgets that the file declares. */
  readonly #raises = new Map<string, readonly BudgetRaise[]>();
  /** Changes happen one after the other: one that is half done must not be taken for another process's. */
  #last: Promise<unknown> = Promise.resolve();
  #budgetIndex = new ScopeIndex<Budget>([]);
  #ruleIndex = new ScopeIndex<RateRule>([]);

  constructor(ports: BudgetDirectoryPorts) {
    this.#ports = ports;
  }

  /** Reads everything, and what each budget has spent in its current window. */
  async load(): Promise<void> {
    const { store, clock } = this.#ports;
    await store.budgets.pruneSpend(clock.now() - KEPT_SPEND_MS);
    await this.refresh();
  }

  /** Takes over what other processes stored, changed or removed. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #refresh(): Promise<void> {
    const { store } = this.#ports;
    const budgets = new Map((await store.budgets.all()).map((budget) => [budget.id, budget]));
    const rules = new Map((await store.rateRules.all()).map((rule) => [rule.id, rule]));
    for (const budget of [...this.#budgets.values()]) {
      if (budget.source === 'api' && !budgets.has(budget.id)) this.#forget(budget.id);
    }
    const changed = [...budgets.values()].filter((budget) => this.#isNews(budget));
    const spent = changed.length === 0 ? NO_SPEND : await this.#spent();
    for (const budget of changed) this.#takeOver(budget, spent);
    for (const { id, source } of [...this.#rules.values()]) {
      if (source === 'api' && !rules.has(id)) this.#rules.delete(id);
    }
    for (const rule of rules.values()) this.#rules.set(rule.id, rule);
    this.#swap();
  }

  #isNews(budget: Budget): boolean {
    const { id } = budget;
    const known = budget.source === 'file' ? this.#raises.get(id) : this.#budgets.get(id);
    return JSON.stringify(known) !== JSON.stringify(budget.source === 'file' ? budget.raises : budget);
  }

  /** A budget as it is stored. Of one that the file declares, only its raises are. */
  #takeOver(stored: Budget, spent: SpentBy): void {
    const { id } = stored;
    let budget = stored;
    if (stored.source === 'file') {
      this.#raises.set(id, stored.raises ?? []);
      const declared = this.#budgets.get(id);
      if (declared === undefined) return;
      budget = { ...declared, raises: stored.raises ?? [] };
    }
    const before = this.#budgets.get(id);
    this.#budgets.set(id, budget);
    if (before !== undefined && sameWindow(before, budget)) this.#redefine(budget);
    else this.#open(budget, spent);
  }

  /** For the data plane; another object after every change. */
  budgets(): ScopeIndex<Budget> {
    return this.#budgetIndex;
  }

  /** For the data plane; another object after every change. */
  rateRules(): ScopeIndex<RateRule> {
    return this.#ruleIndex;
  }

  budget(id: string): Budget | undefined {
    return this.#budgets.get(id);
  }

  rule(id: string): RateRule | undefined {
    return this.#rules.get(id);
  }

  allBudgets(): Iterable<Budget> {
    return this.#budgets.values();
  }

  allRules(): Iterable<RateRule> {
    return this.#rules.values();
  }

  /** Takes over a budget that is new or was changed, and stores it; of one that the file declares, its raises. */
  putBudget(budget: Budget): Promise<void> {
    return this.#inTurn(async () => {
      if (budget.source === 'file') await this.#keepRaises(budget);
      await this.#put(budget, undefined);
      this.#swap();
    });
  }

  /** `spent`: read already, where many are put at once. */
  async #put(budget: Budget, spent: SpentBy | undefined): Promise<void> {
    const before = this.#budgets.get(budget.id);
    const { store } = this.#ports;
    const begins = before === undefined || !sameWindow(before, budget);
    // What it has spent is stored first: other processes hear of a budget that has its beginning.
    const found = begins ? await this.#begin(budget, before, spent) : NO_SPEND;
    if (budget.source === 'api') {
      await (before === undefined ? store.budgets.insert(budget) : store.budgets.update(budget));
    }
    this.#budgets.set(budget.id, budget);
    if (begins) this.#open(budget, found);
    else this.#redefine(budget);
  }

  /** The file knows nothing of raises of what it declares, so they are kept beside it. */
  async #keepRaises(budget: Budget): Promise<void> {
    const { store } = this.#ports;
    const known = this.#raises.has(budget.id);
    await (known ? store.budgets.update(budget) : store.budgets.insert(budget));
    this.#raises.set(budget.id, budget.raises ?? []);
  }

  removeBudget(budget: Budget): Promise<void> {
    return this.#inTurn(async () => {
      if (budget.source === 'api') await this.#ports.store.budgets.remove(budget.id);
      this.#forget(budget.id);
      this.#swap();
    });
  }

  #forget(id: string): void {
    const { book } = this.#ports;
    this.#budgets.delete(id);
    for (const account of [...book.ids()]) {
      if (account === id || account.startsWith(`${id}/`)) book.remove(account);
    }
  }

  putRule(rule: RateRule): Promise<void> {
    return this.#inTurn(async () => {
      const { rateRules } = this.#ports.store;
      await (this.#rules.has(rule.id) ? rateRules.update(rule) : rateRules.insert(rule));
      this.#rules.set(rule.id, rule);
      this.#swap();
    });
  }

  removeRule(rule: RateRule): Promise<void> {
    return this.#inTurn(async () => {
      await this.#ports.store.rateRules.remove(rule.id);
      this.#rules.delete(rule.id);
      this.#swap();
    });
  }

  /** Brings what the configuration file declares in line: new ones in, changed ones updated, missing ones out. */
  syncFile(budgets: readonly Budget[], rules: readonly RateRule[]): Promise<void> {
    return this.#inTurn(() => this.#syncFile(budgets, rules));
  }

  async #syncFile(budgets: readonly Budget[], rules: readonly RateRule[]): Promise<void> {
    const wanted = new Set([...budgets, ...rules].map(({ id }) => id));
    for (const { id, source } of [...this.#budgets.values()]) {
      if (source === 'file' && !wanted.has(id)) this.#forget(id);
    }
    for (const { id, source } of [...this.#rules.values()]) {
      if (source === 'file' && !wanted.has(id)) this.#rules.delete(id);
    }
    const spent = budgets.length === 0 ? undefined : await this.#spent();
    for (const budget of budgets) {
      const raises = this.#raises.get(budget.id);
      await this.#put(raises === undefined ? budget : { ...budget, raises }, spent);
    }
    for (const rule of rules) this.#rules.set(rule.id, rule);
    this.#swap();
  }

  /** Forgets members who spend nothing. Call it now and then. */
  sweep(): void {
    const { book, clock } = this.#ports;
    const now = clock.now();
    for (const id of [...book.ids()]) {
      if (!id.includes('/')) continue;
      const view = book.view(id, now);
      if (view !== undefined && view.settledNano === 0 && view.heldNano === 0) book.remove(id);
    }
  }

  /** A budget whose window begins to count: from what was charged to it, and what was spent before there was the budget. */
  async #begin(budget: Budget, earlier: Budget | undefined, spent: SpentBy | undefined): Promise<SpentBy> {
    const { store, ledger, clock } = this.#ports;
    // One that the file declares was there before, unless nothing was ever charged to it.
    const known = spent !== undefined && [...spent.keys()].some((account) => isOf(budget, account));
    if (budget.source === 'file' && known && earlier === undefined) return spent;
    await ledger.flush();
    const before = await spentBefore(this.#ports, budget, clock.now());
    // What was charged to windows of another kind is known from the log like everything else.
    return ownedByAccount(await store.budgets.begin(before, earlier?.id));
  }

  async #spent(): Promise<SpentBy> {
    const { store, clock } = this.#ports;
    return ownedByAccount(await store.budgets.spendSince(clock.now() - KEPT_SPEND_MS));
  }

  /** Opens the accounts of a budget anew: its own, and those of members who have spent something. */
  #open(budget: Budget, spent: SpentBy): void {
    const { book, clock } = this.#ports;
    const now = clock.now();
    for (const id of [...book.ids()]) if (isOf(budget, id)) book.remove(id);
    book.define(budget.id, budget, { now, ...spent.get(budget.id) });
    for (const [account, rows] of spent) {
      if (account !== budget.id && isOf(budget, account)) book.define(account, budget, { now, ...rows });
    }
  }

  #redefine(budget: Budget): void {
    const { book, clock } = this.#ports;
    for (const id of book.ids()) if (isOf(budget, id)) book.define(id, budget, { now: clock.now() });
  }

  #swap(): void {
    this.#budgetIndex = new ScopeIndex([...this.#budgets.values()]);
    this.#ruleIndex = new ScopeIndex([...this.#rules.values()]);
  }
}

const NO_SPEND: SpentBy = new Map();

/** Whether an account is the budget's own or that of one of its members. */
function isOf({ id }: Budget, account: string): boolean {
  return account === id || account.startsWith(`${id}/`);
}
