import type { DatabaseSync, StatementSync } from 'node:sqlite';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Hours whose rows are remembered; exchanges that started earlier cost a look into the table. */
const REMEMBERED_HOURS = 4;

/**
 * Limits of the rollups, per UTC hour, because users, tags and (through wildcard models) model names are the client's
 * to invent. What comes beyond is summed under `OVERFLOW`: money stays exact in all sums but those by that name.
 */
export const ROLLUP_LIMITS = { users: 2000, tagNames: 64, tagValues: 2000, rows: 20_000 } as const;

/** Stands for the users, tag values, tags and models over the limit. */
export const OVERFLOW = '(other)';

/** What a sum is of. `tag` and `value` are empty in rows that count every exchange once. */
export interface RollupKey {
  readonly hour: number;
  readonly tag: string;
  readonly value: string;
  readonly key: string;
  readonly model: string;
  readonly provider: string;
  readonly user: string;
}

/** requests, errors, cost, input, cache read, cache write, output, latency */
export type Sums = [number, number, number, number, number, number, number, number];

interface Hour {
  readonly rows: Set<string>;
  readonly users: Set<string>;
  readonly tagNames: Set<string>;
  readonly tagValues: Set<string>;
}

/** Adds sums to the hourly rows and keeps their number within the limits. */
export class RollupWriter {
  readonly #hourly: StatementSync;
  readonly #daily: StatementSync;
  readonly #daysThrough: StatementSync;
  readonly #ofHour: StatementSync;
  readonly #hours = new Map<number, Hour>();

  constructor(raw: DatabaseSync) {
    this.#hourly = raw.prepare(upsertInto('rollups'));
    this.#daily = raw.prepare(upsertInto('rollup_days'));
    this.#daysThrough = raw.prepare('SELECT days_through FROM ingest_state');
    this.#ofHour = raw.prepare(
      `SELECT tag_name AS tag, key_id AS key, model, provider, user_name AS user, tag_value AS value
       FROM rollups WHERE hour = ?`,
    );
  }

  /** Within the caller's transaction. */
  add(all: Iterable<{ readonly rollup: RollupKey; readonly sums: Sums }>): void {
    const daysThrough = Number(this.#daysThrough.get()?.['days_through'] ?? 0);
    for (const { rollup, sums } of all) {
      const { tag, hour, key, model, provider, user, value } = this.#within(rollup);
      this.#hourly.run(tag, hour, key, model, provider, user, value, ...sums);
      if (hour < daysThrough) {
        // Late: the day is summed up already.
        this.#daily.run(tag, hour - (hour % DAY_MS), key, model, provider, user, value, ...sums);
      }
    }
  }

  /** Forgets what it believes to be in the table: the transaction failed. */
  forget(): void {
    this.#hours.clear();
  }

  #within(wanted: RollupKey): RollupKey {
    const hour = this.#hour(wanted.hour);
    const user = admit(hour.users, wanted.user, ROLLUP_LIMITS.users);
    const tag = admit(hour.tagNames, wanted.tag, ROLLUP_LIMITS.tagNames);
    const pair = `${wanted.tag}\t${wanted.value}`;
    const folded =
      tag !== wanted.tag || (tag !== '' && admit(hour.tagValues, pair, ROLLUP_LIMITS.tagValues) !== pair);
    const value = folded ? OVERFLOW : wanted.value;
    for (const found of [
      { ...wanted, user, tag, value },
      // Too many combinations although each name is within its limit.
      { ...wanted, user: user && OVERFLOW, tag, value: value && OVERFLOW },
    ]) {
      if (admit(hour.rows, nameOf(found), ROLLUP_LIMITS.rows) !== OVERFLOW) {
        return found;
      }
    }
    return {
      ...wanted,
      user: user && OVERFLOW,
      tag: tag && OVERFLOW,
      value: value && OVERFLOW,
      model: OVERFLOW,
    };
  }

  #hour(start: number): Hour {
    let hour = this.#hours.get(start);
    if (hour === undefined) {
      hour = { rows: new Set(), users: new Set(), tagNames: new Set(), tagValues: new Set() };
      for (const row of this.#ofHour.all(start) as unknown as RollupKey[]) {
        hour.rows.add(nameOf(row));
        hour.users.add(row.user);
        hour.tagNames.add(row.tag);
        hour.tagValues.add(`${row.tag}\t${row.value}`);
      }
      const [oldest] = this.#hours.keys();
      if (this.#hours.size >= REMEMBERED_HOURS && oldest !== undefined) {
        this.#hours.delete(oldest);
      }
      this.#hours.set(start, hour);
    }
    return hour;
  }
}

const KEYS = 'tag_name, key_id, model, provider, user_name, tag_value';
const SUM_COLUMNS = [
  'requests',
  'errors',
  'cost_nano',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'latency_ms',
];

function upsertInto(table: 'rollups' | 'rollup_days'): string {
  return `INSERT INTO ${table} (tag_name, hour, key_id, model, provider, user_name, tag_value, ${SUM_COLUMNS.join()})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET ${SUM_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join()}`;
}

/**
 * Sums up the oldest day that ended before `before` (ms) and is not summed up yet, in a transaction of its own: months
 * are then read from a row per day instead of 24.
 * @returns false when there was none
 */
export function sumUpDay(raw: DatabaseSync, before: number): boolean {
  const state = raw
    .prepare(`SELECT min(hour) AS oldest FROM rollups WHERE hour >= (SELECT days_through FROM ingest_state)`)
    .get();
  const oldest = state?.['oldest'];
  if (typeof oldest !== 'number') {
    return false;
  }
  const day = oldest - (oldest % DAY_MS);
  const end = day + DAY_MS;
  if (end > before) {
    return false;
  }
  raw.exec('BEGIN IMMEDIATE');
  try {
    const sums = SUM_COLUMNS.map((name) => `sum(${name})`).join();
    raw
      .prepare(
        `INSERT INTO rollup_days (hour, ${KEYS}, ${SUM_COLUMNS.join()})
         SELECT CAST(? AS INTEGER), ${KEYS}, ${sums} FROM rollups WHERE hour >= ? AND hour < ? GROUP BY ${KEYS}`,
      )
      .run(day, day, end);
    raw.prepare('UPDATE ingest_state SET days_through = ?').run(end);
    raw.exec('COMMIT');
  } catch (error) {
    if (raw.isTransaction) {
      raw.exec('ROLLBACK');
    }
    throw error;
  }
  return true;
}

/** The UTC hour a time lies in. */
export function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}

/** The name when it is known, none at all, or there is room for one more; else `OVERFLOW`. */
function admit(known: Set<string>, name: string, limit: number): string {
  if (name === '' || known.has(name)) {
    return name;
  }
  if (known.size >= limit) {
    return OVERFLOW;
  }
  known.add(name);
  return name;
}

function nameOf(row: Omit<RollupKey, 'hour'>): string {
  return JSON.stringify([row.tag, row.key, row.model, row.provider, row.user, row.value]);
}
