import type { DatabaseSync, StatementSync } from 'node:sqlite';

const HOUR_MS = 3_600_000;
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
  readonly #upsert: StatementSync;
  readonly #ofHour: StatementSync;
  readonly #hours = new Map<number, Hour>();

  constructor(raw: DatabaseSync) {
    this.#upsert = raw.prepare(
      `INSERT INTO rollups (tag_name, hour, key_id, model, provider, user_name, tag_value, requests, errors,
         cost_nano, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, latency_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         requests = requests + excluded.requests, errors = errors + excluded.errors,
         cost_nano = cost_nano + excluded.cost_nano, input_tokens = input_tokens + excluded.input_tokens,
         cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
         cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
         output_tokens = output_tokens + excluded.output_tokens, latency_ms = latency_ms + excluded.latency_ms`,
    );
    this.#ofHour = raw.prepare(
      `SELECT tag_name AS tag, key_id AS key, model, provider, user_name AS user, tag_value AS value
       FROM rollups WHERE hour = ?`,
    );
  }

  /** Within the caller's transaction. */
  add(wanted: RollupKey, sums: Sums): void {
    const { tag, hour, key, model, provider, user, value } = this.#within(wanted);
    this.#upsert.run(tag, hour, key, model, provider, user, value, ...sums);
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
