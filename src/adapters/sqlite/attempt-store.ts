import type { DatabaseSync } from 'node:sqlite';
import { type Attempts, isForgotten, nextAttempt } from '../../core/policy/attempts.ts';
import type { AttemptStore } from '../../ports/attempt-store.ts';
import { inTransaction } from './transaction.ts';

/** Names remembered; those that end first make room, so that a flood of names costs bounded space. */
const MAX_NAMES = 50_000;
const PRUNE_MS = 60_000;

/** Attempts in the database: counted in the step that looks at them. */
export function createAttemptStore(raw: DatabaseSync): AttemptStore {
  const get = raw.prepare('SELECT count, ends_at, strikes FROM attempts WHERE name = ?');
  const put = raw.prepare(
    'INSERT OR REPLACE INTO attempts (name, count, ends_at, strikes) VALUES (?, ?, ?, ?)',
  );
  const drop = raw.prepare('DELETE FROM attempts WHERE name = ?');
  const ended = raw.prepare('SELECT name, count, ends_at, strikes FROM attempts WHERE ends_at <= ?');
  const excess = raw.prepare(
    `DELETE FROM attempts WHERE name IN (
      SELECT name FROM attempts ORDER BY strikes > 0, ends_at
      LIMIT max(0, (SELECT count(*) FROM attempts) - ${MAX_NAMES})
    )`,
  );
  let prunedAt = Number.NEGATIVE_INFINITY;

  function look(name: string): Attempts | undefined {
    const row = get.get(name);
    return row && attemptsOf(row);
  }

  function prune(now: number): void {
    if (now - prunedAt < PRUNE_MS) return;
    prunedAt = now;
    for (const row of ended.all(now)) if (isForgotten(attemptsOf(row), now)) drop.run(String(row['name']));
    excess.run();
  }

  return {
    async begin(name, rule, now) {
      const known = look(name);
      const paused = nextAttempt(known, rule, now);
      // Who goes on although he is refused keeps nobody from writing.
      if (paused.attempts === known) return paused.waitMs;
      return inTransaction(raw, () => {
        prune(now);
        const { attempts, waitMs } = nextAttempt(look(name), rule, now);
        put.run(name, attempts.count, attempts.endsAt, attempts.strikes);
        return waitMs;
      });
    },
    async forget(name) {
      drop.run(name);
    },
  };
}

function attemptsOf(row: Readonly<Record<string, unknown>>): Attempts {
  return { count: Number(row['count']), endsAt: Number(row['ends_at']), strikes: Number(row['strikes']) };
}
