import type { DatabaseSync } from 'node:sqlite';
import type { Claim, OthersSpend } from '../../core/policy/budget-claims.ts';
import type { SharedSpend } from '../../ports/shared-spend.ts';
import { inTransaction } from './transaction.ts';

const MAX_ACCOUNTS = 2000;

/** What others have spent and claimed in a range of buckets: the greater of both counts, as spend follows its claim. */
const OTHERS = `
  SELECT bucket, sum(settled) AS settled, sum(max(settled, claimed)) AS committed FROM (
    SELECT bucket, slot, sum(settled) AS settled, sum(claimed) AS claimed FROM (
      SELECT bucket, slot, settled_nano AS settled, 0 AS claimed FROM budget_spend
      WHERE account = ?1 AND bucket >= ?2 AND bucket <= ?3 AND slot <> ?4
      UNION ALL
      SELECT bucket, slot, 0, nano FROM budget_claims
      WHERE account = ?1 AND bucket >= ?2 AND bucket <= ?3 AND slot <> ?4
    ) GROUP BY bucket, slot
  ) GROUP BY bucket`;

/** Budgets shared through the database; `slot` is this process's number. */
export function createSharedSpend(raw: DatabaseSync, slot: number): SharedSpend {
  const tick = raw.prepare('UPDATE share_clock SET version = version + 1 RETURNING version');
  const put = raw.prepare(
    'INSERT OR REPLACE INTO budget_claims (account, bucket, slot, nano, version) VALUES (?, ?, ?, ?, ?)',
  );
  const others = raw.prepare(OTHERS);
  const clock = raw.prepare('SELECT version FROM share_clock');
  const changed = raw.prepare(
    `SELECT DISTINCT account FROM budget_claims WHERE version > ? AND slot <> ? LIMIT ${MAX_ACCOUNTS + 1}`,
  );
  const next = (): number => Number(tick.get()?.['version']);
  const rowsOf = (account: string, from: number, to: number) => others.all(account, from, to, slot);
  return {
    async changed(since) {
      const version = Number(clock.get()?.['version']);
      const accounts = changed.all(since, slot).map((row) => String(row['account']));
      return { version, accounts: accounts.length > MAX_ACCOUNTS ? undefined : accounts };
    },
    async claim(claims) {
      return inTransaction(raw, () => {
        const refused = claims.find((claim) => !fits(claim, rowsOf(claim.account, claim.from, claim.to)));
        if (refused !== undefined) return refused.account;
        const version = next();
        for (const { account, parts } of claims) {
          for (const { bucket, nano } of parts) put.run(account, bucket, slot, nano, version);
        }
        return undefined;
      });
    },
    async others(wishes) {
      return wishes.flatMap(({ account, from, to }) =>
        rowsOf(account, from, to).map((row): OthersSpend => {
          const [settledNano, committed] = [Number(row['settled']), Number(row['committed'])];
          return { account, bucket: Number(row['bucket']), settledNano, heldNano: committed - settledNano };
        }),
      );
    },
  };
}

function fits({ limitNano, ownNano }: Claim, rows: readonly Record<string, unknown>[]): boolean {
  if (limitNano === undefined) return true;
  return rows.reduce((sum, row) => sum + Number(row['committed']), ownNano) <= limitNano;
}
