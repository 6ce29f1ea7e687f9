import type { DatabaseSync } from 'node:sqlite';
import type { ProcessRegister } from '../../ports/processes.ts';
import { inTransaction } from './transaction.ts';

/** What is let through counts on when who let it through is gone; it is nobody's then (slot 0). */
const KEEP_COUNTS = `
  INSERT INTO shared_counts (account, until, slot, amount)
  SELECT account, until, 0, amount FROM shared_counts WHERE slot = ?1 AND account GLOB 'rate/*'
  ON CONFLICT (account, until, slot) DO UPDATE SET amount = amount + excluded.amount`;

/** The processes on one database; `slot` is this one's number. */
export function createProcessRegister(
  raw: DatabaseSync,
  slot: number,
  takeOver: ProcessRegister['takeOver'],
): ProcessRegister {
  const tick = raw.prepare('UPDATE share_clock SET version = version + 1 RETURNING version');
  const rest = raw.prepare(
    'SELECT count(*) AS others, ifnull(max(joined), 0) AS newest FROM processes WHERE slot <> ?',
  );
  const next = (): number => Number(tick.get()?.['version']);
  let seen = '';
  return {
    async join() {
      return inTransaction(raw, () => {
        const version = next();
        forgetProcess(raw, slot);
        raw.prepare('INSERT INTO processes VALUES (?, ?, ?)').run(slot, version, version);
        return version;
      });
    },
    async isAcknowledged(version) {
      const late = raw.prepare('SELECT 1 FROM processes WHERE slot <> ? AND acknowledged < ?');
      return late.get(slot, version) === undefined;
    },
    async isEldest(version) {
      const elder = raw.prepare('SELECT 1 FROM processes WHERE slot <> ? AND joined < ?');
      return elder.get(slot, version) === undefined;
    },
    async acknowledge(version) {
      raw.prepare('UPDATE processes SET acknowledged = ? WHERE slot = ?').run(version, slot);
    },
    async news() {
      const found = rest.get(slot);
      const names = raw.prepare("SELECT group_concat(slot || ':' || joined) AS slots FROM processes").get();
      const running = String(names?.['slots'] ?? '');
      const changed = running !== seen;
      seen = running;
      return { others: Number(found?.['others'] ?? 0), newest: Number(found?.['newest'] ?? 0), changed };
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

/** The process with this number is gone and what it spent is settled. Its leases and turns end with it. */
export function forgetProcess(raw: DatabaseSync, slot: number): void {
  raw.prepare('DELETE FROM budget_claims WHERE slot = ?').run(slot);
  raw.prepare(KEEP_COUNTS).run(slot);
  for (const table of ['shared_counts', 'turns', 'processes']) {
    raw.prepare(`DELETE FROM ${table} WHERE slot = ?`).run(slot);
  }
}
