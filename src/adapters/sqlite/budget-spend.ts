import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { readCharges } from '../../core/policy/budget.ts';
import { decodeWho, whoText } from '../journal/exchange-text.ts';

/** Adds what exchanges cost to the budgets that paid, in the transaction that stores the exchanges. */
export class BudgetSpendWriter {
  readonly #add: StatementSync;
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
  }

  /** `text` is the exchange's. */
  add(text: string, costNano: number | null): void {
    const who = whoText(text);
    if (who !== this.#who) {
      this.#who = who;
      this.#charges = decodeWho(who)[4] ?? undefined;
    }
    if (this.#charges === undefined || costNano === null || costNano === 0) return;
    this.#sums.set(this.#charges, (this.#sums.get(this.#charges) ?? 0) + costNano);
  }

  write(): void {
    for (const [charges, nano] of this.#sums) {
      for (const { id, bucket } of readCharges(charges)) this.#add.run(id, bucket, this.#slot, nano);
    }
    this.#sums = new Map();
  }

  /** The transaction failed. */
  forget(): void {
    this.#sums = new Map();
  }
}
