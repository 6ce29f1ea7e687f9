import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { readCharges } from '../../core/policy/budget.ts';
import { decodeWho } from '../journal/exchange-text.ts';

/** Adds what exchanges cost to the budgets that paid, in the transaction that stores the exchanges. */
export class BudgetSpendWriter {
  readonly #add: StatementSync;
  readonly #touch: StatementSync;
  readonly #tick: StatementSync;
  readonly #slot: number;
  /** Charges (see `readCharges`) → nano-dollars. */
  #sums = new Map<string, number>();
  /** Many exchanges share their payers. */
  #who = '';
  #charges: string | undefined;

  /** `slot`: who spent it. */
  constructor(raw: DatabaseSync, slot: number) {
    this.#slot = slot;
    this.#add = raw.prepare(
      `INSERT INTO budget_spend (account, bucket, slot, settled_nano) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET settled_nano = settled_nano + excluded.settled_nano`,
    );
    this.#touch = raw.prepare(
      'UPDATE budget_claims SET version = (SELECT version FROM share_clock) + 1 WHERE account = ? AND slot = ?',
    );
    this.#tick = raw.prepare('UPDATE share_clock SET version = version + 1');
  }

  /** `who`: see `whoText`. */
  add(who: string, costNano: number | null): void {
    if (who !== this.#who) {
      this.#who = who;
      this.#charges = decodeWho(who)[4] ?? undefined;
    }
    if (this.#charges === undefined || costNano === null || costNano === 0) return;
    this.#sums.set(this.#charges, (this.#sums.get(this.#charges) ?? 0) + costNano);
  }

  /** Processes that share the budgets may have asked already, when the claim was lowered and this was not known yet. */
  write(): void {
    let claimed = 0;
    for (const [charges, nano] of this.#sums) {
      for (const { id, bucket } of readCharges(charges)) {
        this.#add.run(id, bucket, this.#slot, nano);
        claimed += Number(this.#touch.run(id, this.#slot).changes);
      }
    }
    if (claimed > 0) this.#tick.run();
    this.#sums = new Map();
  }

  /** The transaction failed. */
  forget(): void {
    this.#sums = new Map();
  }
}
