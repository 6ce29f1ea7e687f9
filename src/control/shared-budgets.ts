import { SluiceError } from '../core/errors/error.ts';
import type { BudgetBook, ThresholdReached } from '../core/policy/budget.ts';
import type { OthersSpend } from '../core/policy/budget-claims.ts';
import type { Clock } from '../ports/clock.ts';
import type { BudgetClaims, SharedSpend } from '../ports/shared-spend.ts';
import type { Shared } from './processes.ts';

/** Accounts asked about at once. */
const MAX_ASKED = 500;

export interface SharedBudgetsPorts {
  readonly store: { readonly shared: SharedSpend };
  readonly book: BudgetBook;
  readonly clock: Clock;
}

/** Keeps the budgets of this process in step with those of others on the same database, see `SharedSpend`. */
export class SharedBudgets implements BudgetClaims, Shared {
  readonly #ports: SharedBudgetsPorts;
  #active = false;
  #version = -1;

  constructor(ports: SharedBudgetsPorts) {
    this.#ports = ports;
  }

  get active(): boolean {
    return this.#active;
  }

  async claim(holdId: string): Promise<string | undefined> {
    const { store, book, clock } = this.#ports;
    const claims = book.claimsOf(holdId, clock.now());
    if (claims.length === 0) return undefined;
    let refusedBy: string | undefined;
    try {
      refusedBy = await store.shared.claim(claims);
    } catch (cause) {
      book.putBack(claims);
      throw new SluiceError(
        'ledger_unavailable',
        'The storage that processes share budgets through does not answer; try again in a moment.',
        { retryAfterS: 1, cause },
      );
    }
    if (refusedBy !== undefined) {
      book.putBack(claims);
      await this.#ask([refusedBy]).catch(() => undefined);
    }
    return refusedBy;
  }

  /** True for one process only: who tells of a threshold. */
  async isTeller({ id, percent, windowStart }: ThresholdReached): Promise<boolean> {
    if (!this.#active) return true;
    const account = `told/${percent}/${id}`;
    const [bucket, nano] = [windowStart, 1];
    const claim = { account, from: bucket, to: bucket, ownNano: 1, limitNano: 1, parts: [{ bucket, nano }] };
    return (await this.#ports.store.shared.claim([claim]).catch(() => undefined)) === undefined;
  }

  share(active: boolean): void {
    this.#active = active;
    this.#ports.book.share(active);
  }

  async publish(): Promise<void> {
    const { store, book, clock } = this.#ports;
    const claims = book.takeClaims(clock.now());
    if (claims.length === 0) return;
    try {
      await store.shared.claim(claims);
    } catch (error) {
      book.putBack(claims);
      throw error;
    }
  }

  async refresh(all: boolean): Promise<void> {
    if (!this.#active && !all) return;
    const { version, accounts } = await this.#ports.store.shared.changed(this.#version);
    if (all || accounts === undefined) await this.#ask(undefined);
    else if (accounts.length > 0) await this.#ask(accounts);
    this.#version = version;
  }

  async #ask(accounts: readonly string[] | undefined): Promise<void> {
    const { store, book, clock } = this.#ports;
    const ranges = book.ranges(accounts, clock.now());
    for (let from = 0; from < ranges.length; from += MAX_ASKED) {
      const asked = ranges.slice(from, from + MAX_ASKED);
      const rows = new Map<string, OthersSpend[]>();
      for (const row of await store.shared.others(asked)) {
        const known = rows.get(row.account);
        if (known === undefined) rows.set(row.account, [row]);
        else known.push(row);
      }
      for (const { account } of asked) book.putOthers(account, rows.get(account) ?? [], clock.now());
    }
  }
}
