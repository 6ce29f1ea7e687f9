import type { DatabaseSync } from 'node:sqlite';
import { HOUR_MS } from '../../core/durations.ts';
import type { TurnStore } from '../../ports/turn-store.ts';

/** Longer than any turn is taken for: what ends later is from before the machine's clock began anew. */
const LONGEST_MS = HOUR_MS;

/** Turns in the database; `slot` is this process's number. */
export function createTurnStore(raw: DatabaseSync, slot: number): TurnStore {
  const take = raw.prepare(
    `INSERT INTO turns (name, slot, ends_at) VALUES (?1, ?2, ?4)
     ON CONFLICT (name) DO UPDATE SET slot = ?2, ends_at = ?4
     WHERE slot = ?2 OR ends_at <= ?3 OR ends_at > ?3 + ${LONGEST_MS}`,
  );
  const give = raw.prepare('DELETE FROM turns WHERE name = ? AND slot = ?');
  return {
    async take(name, now, endsAt) {
      return Number(take.run(name, slot, now, endsAt).changes) === 1;
    },
    async give(name) {
      give.run(name, slot);
    },
  };
}
