import type { DatabaseSync } from 'node:sqlite';
import type { CountedUntil, CountGrant, CountWish } from '../../core/policy/shared-count.ts';
import type { SharedCounts } from '../../ports/shared-counts.ts';
import { inTransaction } from './transaction.ts';

const PRUNE_MS = 60_000;

/** What all count against an account, by its end and by whether it is this process's. */
const SUMS = `
  SELECT until, slot = ?2 AS own, sum(amount) AS amount FROM shared_counts
  WHERE account = ?1 AND until > ?3 GROUP BY until, slot = ?2`;

/** Counts shared through the database; `slot` is this process's number. */
export function createSharedCounts(raw: DatabaseSync, slot: number): SharedCounts {
  const put = raw.prepare(
    'INSERT OR REPLACE INTO shared_counts (account, until, slot, amount) VALUES (?, ?, ?, ?)',
  );
  const drop = raw.prepare('DELETE FROM shared_counts WHERE account = ? AND until = ? AND slot = ?');
  const add = raw.prepare(
    `INSERT INTO shared_counts (account, until, slot, amount) VALUES (?, ?, ?, ?)
     ON CONFLICT (account, until, slot) DO UPDATE SET amount = amount + excluded.amount`,
  );
  const sums = raw.prepare(SUMS);
  const prune = raw.prepare('DELETE FROM shared_counts WHERE until <= ?');
  const alone = raw.prepare('SELECT 1 FROM processes WHERE slot <> ?');
  const left = raw.prepare('SELECT account, until, amount FROM shared_counts WHERE slot <> ? AND until > ?');
  let prunedAt = Number.NEGATIVE_INFINITY;

  function tell({ account, until, amount }: CountedUntil): void {
    if (amount > 0) put.run(account, until, slot, amount);
    else drop.run(account, until, slot);
  }

  /** What is free for a wish, and what the others count. */
  function look({ account, amount, least, limit }: CountWish, now: number): CountGrant {
    const rows = sums.all(account, slot, now);
    const counted = rows.reduce((sum, row) => sum + Number(row['amount']), 0);
    const free = limit - counted;
    const others = rows
      .filter((row) => row['own'] === 0)
      .map((row) => ({ until: Number(row['until']), amount: Number(row['amount']) }));
    return { amount: free >= least ? Math.max(0, Math.min(amount, free)) : 0, others };
  }

  function grant(wish: CountWish, now: number): CountGrant {
    const granted = look(wish, now);
    if (granted.amount > 0) add.run(wish.account, wish.until, slot, granted.amount);
    return granted;
  }

  return {
    async exchange(told, wishes, now) {
      // Refusals write nothing, so a storm of them keeps nobody from writing.
      const grants = told.length > 0 ? undefined : wishes.map((wish) => look(wish, now));
      if (grants?.every(({ amount }) => amount === 0)) return grants;
      return inTransaction(raw, () => {
        if (now - prunedAt > PRUNE_MS) {
          prune.run(now);
          prunedAt = now;
        }
        for (const counted of told) tell(counted);
        return wishes.map((wish) => grant(wish, now));
      });
    },
    async others(accounts, now) {
      return accounts.map((account) =>
        sums
          .all(account, slot, now)
          .filter((row) => row['own'] === 0)
          .reduce((sum, row) => sum + Number(row['amount']), 0),
      );
    },
    async inherit(now) {
      if (alone.get(slot) !== undefined) return undefined;
      return left.all(slot, now).map((row) => ({
        account: String(row['account']),
        until: Number(row['until']),
        amount: Number(row['amount']),
      }));
    },
    async clear() {
      raw.exec('DELETE FROM shared_counts');
    },
  };
}
