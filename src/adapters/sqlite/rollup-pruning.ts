import type { DatabaseSync } from 'node:sqlite';
import { DAY_MS } from '../../core/durations.ts';
import { BY_DAY } from './rollup-cubes.ts';

/** How long sums are kept, milliseconds since 1970. */
export interface RollupLimits {
  /** Hours of days that ended before this go; the day's sums stay. */
  readonly hoursBefore?: number;
  /** Days that ended before this go. */
  readonly daysBefore?: number;
}

/**
 * Deletes the sums of a bit of time, the oldest first: an hour of a day that is summed up, or a day. Each in a
 * transaction of its own, so that ingest and questions never wait long.
 * @returns false when nothing is too old
 */
export function pruneRollups(raw: DatabaseSync, { hoursBefore = 0, daysBefore = 0 }: RollupLimits): boolean {
  // What has no day any more has no hours either.
  return pruneHour(raw, Math.max(hoursBefore, daysBefore)) || pruneDay(raw, daysBefore);
}

function pruneHour(raw: DatabaseSync, before: number): boolean {
  const found = raw
    .prepare('SELECT (SELECT min(hour) FROM rollups) AS hour, days_through AS through FROM ingest_state')
    .get();
  const hour = found?.['hour'];
  if (typeof hour !== 'number') return false;
  const end = hour - (hour % DAY_MS) + DAY_MS;
  if (end > before || end > Number(found?.['through'] ?? 0)) return false;
  inTransaction(raw, () => {
    // Before anything is gone: from now on the day answers for its hours.
    raw.prepare('UPDATE ingest_state SET hours_from = max(hours_from, ?)').run(end);
    for (const tag of tagsOf(raw, 'rollups', hour)) {
      deleteCubes(raw, { first: 0, tag, hour });
    }
    raw.prepare('DELETE FROM rollups WHERE hour = ?').run(hour);
  });
  return true;
}

function pruneDay(raw: DatabaseSync, before: number): boolean {
  const day = raw.prepare("SELECT min(hour) AS day FROM rollup_days WHERE tag_name = ''").get()?.['day'];
  if (typeof day !== 'number' || day + DAY_MS > before) return false;
  inTransaction(raw, () => {
    for (const tag of tagsOf(raw, 'rollup_days', day)) {
      deleteCubes(raw, { first: BY_DAY, tag, hour: day });
      raw.prepare('DELETE FROM rollup_days WHERE tag_name = ? AND hour = ?').run(tag, day);
    }
    raw.prepare('DELETE FROM session_days WHERE day = ?').run(day);
    raw.prepare('DELETE FROM model_hours WHERE hour < ?').run(day + DAY_MS);
  });
  return true;
}

/** One by one, so that an index leads to the rows. */
function deleteCubes(raw: DatabaseSync, of: { first: number; tag: string; hour: number }): void {
  const statement = raw.prepare('DELETE FROM rollup_cubes WHERE cube = ? AND tag_name = ? AND hour = ?');
  for (let cube = of.first; cube < of.first + BY_DAY; cube += 1) statement.run(cube, of.tag, of.hour);
}

/** The tag names of an hour, or of a day: from name to name, not row by row. */
function tagsOf(raw: DatabaseSync, table: 'rollups' | 'rollup_days', hour: number): string[] {
  const from = table === 'rollups' ? 'rollups WHERE hour = :hour AND' : 'rollup_days WHERE';
  const found = raw.prepare(
    `WITH RECURSIVE tags (name) AS (
       SELECT min(tag_name) FROM ${from} tag_name >= ''
       UNION ALL SELECT (SELECT min(tag_name) FROM ${from} tag_name > name) FROM tags WHERE name IS NOT NULL)
     SELECT name FROM tags WHERE name IS NOT NULL AND :hour IS NOT NULL`,
  );
  return found.all({ hour }).map(({ name }) => String(name));
}

function inTransaction(raw: DatabaseSync, work: () => void): void {
  raw.exec('BEGIN IMMEDIATE');
  try {
    work();
    raw.exec('COMMIT');
  } catch (error) {
    if (raw.isTransaction) raw.exec('ROLLBACK');
    throw error;
  }
}
