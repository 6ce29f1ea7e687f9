import type { DatabaseSync } from 'node:sqlite';
import type { Claim, OthersSpend } from '../../core/policy/budget-claims.ts';
import type { SharedSpend } from '../../ports/shared-spend.ts';

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
export function createSharedSpend(
  raw: DatabaseSync,
  slot: number,
  takeOver: SharedSpend['takeOver'],
): SharedSpend {
  const tick = raw.prepare('UPDATE share_clock SET version = version + 1 RETURNING version');
  const put = raw.prepare(
    'INSERT OR REPLACE INTO budget_claims (account, bucket, slot, nano, version) VALUES (?, ?, ?, ?, ?)',
  );
  const others = raw.prepare(OTHERS);
  const clock = raw.prepare('SELECT version FROM share_clock');
  const rest = raw.prepare(
    'SELECT count(*) AS others, ifnull(max(joined), 0) AS newest FROM processes WHERE slot <> ?',
  );
  const changed = raw.prepare(
    `SELECT DISTINCT account FROM budget_claims WHERE version > ? AND slot <> ? LIMIT ${MAX_ACCOUNTS + 1}`,
  );
  const next = (): number => Number(tick.get()?.['version']);
  const rowsOf = (account: string, from: number, to: number) => others.all(account, from, to, slot);
  let seen = '';
  return {
    async join() {
      return inTransaction(raw, () => {
        const version = next();
        raw.prepare('INSERT OR REPLACE INTO processes VALUES (?, ?, ?)').run(slot, version, version);
        raw.prepare('DELETE FROM budget_claims WHERE slot = ?').run(slot);
        return version;
      });
    },
    async isAcknowledged(version) {
      const late = raw.prepare('SELECT 1 FROM processes WHERE slot <> ? AND acknowledged < ?');
      return late.get(slot, version) === undefined;
    },
    async acknowledge(version) {
      raw.prepare('UPDATE processes SET acknowledged = ? WHERE slot = ?').run(version, slot);
    },
    async news(since) {
      const version = Number(clock.get()?.['version']);
      const found = rest.get(slot);
      const names = raw.prepare("SELECT group_concat(slot || ':' || joined) AS slots FROM processes").get();
      const running = String(names?.['slots'] ?? '');
      const left = running !== seen;
      seen = running;
      const accounts = changed.all(since, slot).map((row) => String(row['account']));
      return {
        version,
        others: Number(found?.['others'] ?? 0),
        newest: Number(found?.['newest'] ?? 0),
        accounts: accounts.slice(0, MAX_ACCOUNTS),
        everything: left || accounts.length > MAX_ACCOUNTS,
      };
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
    takeOver,
    async leave() {
      inTransaction(raw, () => {
        next();
        forgetProcess(raw, slot);
      });
    },
  };
}

function fits({ limitNano, ownNano }: Claim, rows: readonly Record<string, unknown>[]): boolean {
  if (limitNano === undefined) return true;
  return rows.reduce((sum, row) => sum + Number(row['committed']), ownNano) <= limitNano;
}

/** The process with this number is gone and what it spent is settled. */
export function forgetProcess(raw: DatabaseSync, slot: number): void {
  raw.prepare('DELETE FROM budget_claims WHERE slot = ?').run(slot);
  raw.prepare('DELETE FROM processes WHERE slot = ?').run(slot);
}

function inTransaction<T>(raw: DatabaseSync, work: () => T): T {
  raw.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    raw.exec('COMMIT');
    return result;
  } catch (error) {
    if (raw.isTransaction) raw.exec('ROLLBACK');
    throw error;
  }
}
