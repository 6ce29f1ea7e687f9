import { SluiceError } from '../core/errors/error.ts';
import type { BudgetBook, ThresholdReached } from '../core/policy/budget.ts';
import type { OthersSpend } from '../core/policy/budget-claims.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { BudgetClaims, SharedSpend } from '../ports/shared-spend.ts';

/** How often figures are told to the others and asked from them. */
const TICK_MS = 250;
/** The others acknowledge within a tick; one that does not in this time is stopped, and spends nothing. */
const JOIN_MS = 10_000;
const JOIN_POLL_MS = 50;
/** Accounts asked about at once. */
const MAX_ASKED = 500;

export interface SharedBudgetsPorts {
  readonly store: { readonly shared: SharedSpend };
  readonly book: BudgetBook;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the budgets of this process in step with those of others on the same database, see `SharedSpend`. Alone it does
 * nothing but ask now and then whether it still is.
 */
export class SharedBudgets implements BudgetClaims {
  readonly #ports: SharedBudgetsPorts;
  #active = false;
  #version = -1;
  #acknowledged = 0;
  #failing = false;
  #closed = false;
  #ticking: Promise<void> | undefined;
  #cancel: () => void = () => undefined;

  private constructor(ports: SharedBudgetsPorts) {
    this.#ports = ports;
  }

  /** Joins the others: resolves when all of them know, or do not answer. Call it when the book has its budgets. */
  static async open(ports: SharedBudgetsPorts): Promise<SharedBudgets> {
    const shared = new SharedBudgets(ports);
    const { store, clock, log } = ports;
    await store.shared.takeOver();
    const version = await store.shared.join();
    const until = clock.monotonic() + JOIN_MS;
    while (!(await store.shared.isAcknowledged(version))) {
      if (clock.monotonic() > until) {
        log.warn('budgets.process_silent', { waited_ms: JOIN_MS });
        break;
      }
      await new Promise<void>((resolve) => clock.after(JOIN_POLL_MS, resolve));
    }
    await shared.#tick();
    shared.#again();
    return shared;
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

  /** Takes the claims back. Everything must be settled and in the store. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#ticking;
    await this.#ports.store.shared.leave().catch(() => undefined);
  }

  #again(): void {
    if (this.#closed) return;
    this.#cancel = this.#ports.clock.after(TICK_MS, () => {
      this.#ticking = this.#poll();
    });
  }

  async #poll(): Promise<void> {
    try {
      await this.#tick();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed) {
        this.#ports.log.warn('budgets.share_failed', { error: String(error) });
      }
      this.#failing = true;
    }
    this.#again();
  }

  async #tick(): Promise<void> {
    const { store, book, clock } = this.#ports;
    const news = await store.shared.news(this.#version);
    this.#active = news.others > 0;
    book.share(this.#active);
    const claims = book.takeClaims(clock.now());
    if (claims.length > 0) {
      try {
        await store.shared.claim(claims);
      } catch (error) {
        book.putBack(claims);
        throw error;
      }
    }
    // Only now: from here on every request claims, and what ran before is claimed.
    if (news.newest > this.#acknowledged) {
      await store.shared.acknowledge(news.newest);
      this.#acknowledged = news.newest;
    }
    if (news.everything) await this.#ask(undefined);
    else if (news.accounts.length > 0) await this.#ask(news.accounts);
    this.#version = news.version;
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
