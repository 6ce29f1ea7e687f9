import type { BudgetBook } from '../core/policy/budget.ts';
import type { Spent } from '../core/policy/budget-account.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import { windowStartOf } from '../core/policy/budget-window.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import { ScopeIndex } from '../core/policy/scope-index.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Store } from '../ports/store.ts';

const DAY_MS = 86_400_000;
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
}

/**
 * Budgets and rate limits of any scope in memory: what the data plane reads. Changes are stored first and then swapped in as
 * a new index. Budgets of keys (`budget` field) are not in here: they come with the key.
 */
export class BudgetDirectory {
  readonly #ports: BudgetDirectoryPorts;
  readonly #budgets = new Map<string, Budget>();
  readonly #rules = new Map<string, RateRule>();
  #budgetIndex = new ScopeIndex<Budget>([]);
  #ruleIndex = new ScopeIndex<RateRule>([]);

  constructor(ports: BudgetDirectoryPorts) {
    this.#ports = ports;
  }

  /** Reads everything, and what each budget has spent in its current window. */
  async load(): Promise<void> {
    const { store, book, clock } = this.#ports;
    const now = clock.now();
    await store.budgets.pruneSpend(now - KEPT_SPEND_MS);
    for (const budget of await store.budgets.all()) this.#budgets.set(budget.id, budget);
    for (const rule of await store.rateRules.all()) this.#rules.set(rule.id, rule);
    const spent = await this.#spent(now);
    for (const budget of this.#budgets.values()) this.#define(budget, spent, now);
    // Members who have spent something in a window that is still open.
    for (const [account, rows] of spent) {
      const slash = account.indexOf('/');
      const budget = slash < 0 ? undefined : this.#budgets.get(account.slice(0, slash));
      if (budget !== undefined) book.define(account, budget, { now, spent: rows });
    }
    this.#swap();
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

  /** Takes over a budget that is new or was changed, and stores it unless the configuration file declares it. */
  async putBudget(budget: Budget): Promise<void> {
    await this.#put(budget, undefined);
    this.#swap();
  }

  /** `spent`: read already, where many are put at once. */
  async #put(budget: Budget, spent: ReadonlyMap<string, readonly Spent[]> | undefined): Promise<void> {
    const before = this.#budgets.get(budget.id);
    const { store, book, clock } = this.#ports;
    if (budget.source === 'api') {
      await (before === undefined ? store.budgets.insert(budget) : store.budgets.update(budget));
    }
    if (before === undefined || !sameWindow(before, budget)) await this.#begin(budget, spent);
    else book.define(budget.id, budget, { now: clock.now() });
    this.#budgets.set(budget.id, budget);
    if (before !== undefined && budget.scope.id.endsWith('*')) this.#redefineMembers(budget);
  }

  async removeBudget(budget: Budget): Promise<void> {
    if (budget.source === 'api') await this.#ports.store.budgets.remove(budget.id);
    this.#budgets.delete(budget.id);
    for (const id of [...this.#ports.book.ids()]) {
      if (id === budget.id || id.startsWith(`${budget.id}/`)) this.#ports.book.remove(id);
    }
    this.#swap();
  }

  async putRule(rule: RateRule): Promise<void> {
    const { rateRules } = this.#ports.store;
    if (rule.source === 'api')
      await (this.#rules.has(rule.id) ? rateRules.update(rule) : rateRules.insert(rule));
    this.#rules.set(rule.id, rule);
    this.#swap();
  }

  async removeRule(rule: RateRule): Promise<void> {
    if (rule.source === 'api') await this.#ports.store.rateRules.remove(rule.id);
    this.#rules.delete(rule.id);
    this.#swap();
  }

  /** Brings what the configuration file declares in line: new ones in, changed ones updated, missing ones out. */
  async syncFile(budgets: readonly Budget[], rules: readonly RateRule[]): Promise<void> {
    const wanted = new Set([...budgets, ...rules].map(({ id }) => id));
    for (const budget of [...this.#budgets.values()]) {
      if (budget.source === 'file' && !wanted.has(budget.id)) await this.removeBudget(budget);
    }
    for (const rule of [...this.#rules.values()]) {
      if (rule.source === 'file' && !wanted.has(rule.id)) await this.removeRule(rule);
    }
    const spent = budgets.length === 0 ? undefined : await this.#spent(this.#ports.clock.now());
    for (const budget of budgets) {
      const { raises } = this.#budgets.get(budget.id) ?? {};
      await this.#put(raises === undefined ? budget : { ...budget, raises }, spent);
    }
    for (const rule of rules) await this.putRule(rule);
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

  /** A budget whose window begins to count: from what the ledger has, and else from what the rollups know. */
  async #begin(budget: Budget, spent: ReadonlyMap<string, readonly Spent[]> | undefined): Promise<void> {
    const { store, book, clock } = this.#ports;
    const now = clock.now();
    const known = (spent ?? (await this.#spent(now))).get(budget.id);
    const current = windowStartOf(budget.window, now, budget.timeZone);
    const hasOwn =
      known !== undefined && (budget.rolling === true || known.some(({ bucket }) => bucket === current));
    if (hasOwn) {
      book.remove(budget.id);
      book.define(budget.id, budget, { now, spent: known });
      return;
    }
    const nano = budget.rolling === true ? 0 : await this.#spentBefore(budget, current);
    if (nano > 0) await store.budgets.setSpend({ account: budget.id, bucket: current, nano });
    book.remove(budget.id);
    book.define(budget.id, budget, { now, settledNano: nano });
  }

  /** What a scope has spent since a moment, by hourly sums: money that was spent before there was a budget. */
  async #spentBefore({ scope }: Budget, since: number): Promise<number> {
    const { store, ledger } = this.#ports;
    await ledger.flush();
    const total = async (query: Parameters<typeof store.usage.total>[0]) =>
      (await store.usage.total(query, since)).costNano;
    switch (scope.kind) {
      case 'key':
        return total({ keyId: scope.id });
      case 'model':
        return total({ model: scope.id });
      case 'end_user':
        return total({ user: scope.id });
      case 'tag': {
        const at = scope.id.indexOf('=');
        return total({ tag: { name: scope.id.slice(0, at), value: scope.id.slice(at + 1) } });
      }
      case 'session':
        return 0;
      default: {
        const field = MEMBERSHIP[scope.kind];
        const byKey = await store.usage.totalsByKey(since);
        let sum = 0;
        for (const key of this.#ports.keys()) {
          if (key[field] === scope.id || (scope.kind === 'user' && key.serviceAccountId === scope.id)) {
            sum += byKey.get(key.id) ?? 0;
          }
        }
        return sum;
      }
    }
  }

  async #spent(now: number): Promise<Map<string, Spent[]>> {
    const found = new Map<string, Spent[]>();
    for (const { account, bucket, nano } of await this.#ports.store.budgets.spendSince(now - KEPT_SPEND_MS)) {
      const rows = found.get(account);
      if (rows === undefined) found.set(account, [{ bucket, nano }]);
      else rows.push({ bucket, nano });
    }
    return found;
  }

  #define(budget: Budget, spent: ReadonlyMap<string, Spent[]>, now: number): void {
    this.#ports.book.define(budget.id, budget, { now, spent: spent.get(budget.id) ?? [] });
  }

  #redefineMembers(budget: Budget): void {
    const { book, clock } = this.#ports;
    for (const id of book.ids()) {
      if (id.startsWith(`${budget.id}/`)) book.define(id, budget, { now: clock.now() });
    }
  }

  #swap(): void {
    this.#budgetIndex = new ScopeIndex([...this.#budgets.values()]);
    this.#ruleIndex = new ScopeIndex([...this.#rules.values()]);
  }
}

/** Which field of a key names the place. */
const MEMBERSHIP = {
  organization: 'organizationId',
  team: 'teamId',
  project: 'projectId',
  user: 'userId',
} as const;

function sameWindow(left: Budget, right: Budget): boolean {
  return (
    left.window === right.window &&
    left.timeZone === right.timeZone &&
    (left.rolling ?? false) === (right.rolling ?? false)
  );
}
