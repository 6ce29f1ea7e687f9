import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import { type Latencies, NO_LATENCIES } from './latencies.ts';
import {
  ADD_UP,
  BY_DAY,
  CubeWriter,
  makeDayCubes,
  makeHourCubes,
  NAME_COLUMNS,
  SESSION_TAG,
  SUM_COLUMNS,
} from './rollup-cubes.ts';
import { packSessions, unpackSessions } from './session-days.ts';

/** Hours whose rows are remembered; exchanges that started earlier cost a look into the table. */
const REMEMBERED_HOURS = 4;

/**
 * Limits of the rollups, per UTC hour, because users, tags and (through wildcard models) model names are the client's
 * to invent. What comes beyond is summed under `OVERFLOW`: money stays exact in all sums but those by that name.
 */
export const ROLLUP_LIMITS = {
  users: 2000,
  tagNames: 64,
  tagValues: 2000,
  sessions: 5000,
  rows: 20_000,
} as const;

/** Stands for the users, tag values, tags and models over the limit. */
export const OVERFLOW = '(other)';

/** Stands for every model that nobody serves: names of the client's invention. */
export const UNKNOWN_MODEL = '(unknown model)';

/** What a sum is of. `tag` and `value` are empty in rows that count every exchange once. */
export interface RollupKey {
  readonly hour: number;
  readonly tag: string;
  readonly value: string;
  readonly key: string;
  readonly model: string;
  readonly provider: string;
  readonly user: string;
  readonly organization: string;
  readonly team: string;
  readonly project: string;
}

/** requests, errors, cost, input, cache read, cache write, output, latency, unpriced, refused, abandoned */
export type Sums = [number, number, number, number, number, number, number, number, number, number, number];

interface Added {
  readonly rollup: RollupKey;
  readonly sums: Sums;
  readonly latencies: Latencies | undefined;
}

interface Merged {
  readonly row: RollupKey;
  readonly sums: number[];
  readonly latencies: Latencies | undefined;
}

interface Hour {
  readonly rows: Set<string>;
  readonly users: Set<string>;
  readonly tagNames: Set<string>;
  readonly tagValues: Set<string>;
  readonly sessions: Set<string>;
}

/** Adds sums to the hourly rows and keeps their number within the limits. */
export class RollupWriter {
  readonly #hourly: StatementSync;
  readonly #daily: StatementSync;
  readonly #cubes: CubeWriter;
  readonly #unpack: StatementSync;
  readonly #borders: StatementSync;
  readonly #ofHour: StatementSync;
  readonly #hours = new Map<number, Hour>();

  constructor(raw: DatabaseSync) {
    this.#hourly = raw.prepare(upsertInto('rollups'));
    this.#daily = raw.prepare(upsertInto('rollup_days'));
    this.#cubes = new CubeWriter(raw);
    this.#unpack = unpackSessions(raw);
    this.#borders = raw.prepare(
      'SELECT days_through AS days, hours_through AS hours, hours_from AS pruned FROM ingest_state',
    );
    this.#ofHour = raw.prepare(
      `SELECT tag_name AS tag, key_id AS key, model, provider, user_name AS user, tag_value AS value,
         organization_id AS organization, team_id AS team, project_id AS project
       FROM rollups WHERE hour = ?`,
    );
  }

  /** Within the caller's transaction. */
  add(all: Iterable<Added>): void {
    const borders = this.#borders.get();
    const [days, hours] = [Number(borders?.['days'] ?? 0), Number(borders?.['hours'] ?? 0)];
    const pruned = Number(borders?.['pruned'] ?? 0);
    for (const merged of this.#merged(all)) {
      const { row, sums } = merged;
      const latencies = merged.latencies?.bytes() ?? NO_LATENCIES;
      const { tag, hour, key, model, provider, user, value, organization, team, project } = row;
      const names = [value, key, model, provider, user, organization, team, project];
      if (hour >= pruned) {
        this.#hourly.run(hour, tag, ...names, ...sums, latencies);
        // Late: the hour, and perhaps the day, is summed up already.
        if (hour < hours) this.#cubes.add({ hour, tag, span: 0 }, names, { sums, latencies });
      }
      if (hour < days) {
        const day = hour - (hour % DAY_MS);
        this.#daily.run(day, tag, ...names, ...sums);
        this.#cubes.add({ hour: day, tag, span: BY_DAY }, names, { sums, latencies });
        if (tag === SESSION_TAG) this.#unpack.run(day);
      }
    }
  }

  /** Each row once: sums come by ten seconds, which when little happens are as many as the exchanges. */
  #merged(all: Iterable<Added>): Iterable<Merged> {
    const rows = new Map<number, Map<string, Merged>>();
    for (const { rollup, sums, latencies } of all) {
      const [row, name] = this.#within(rollup);
      const ofHour = rows.get(row.hour) ?? new Map<string, Merged>();
      rows.set(row.hour, ofHour);
      const merged = ofHour.get(name);
      if (merged === undefined) {
        ofHour.set(name, { row, sums: [...sums], latencies });
      } else {
        if (latencies !== undefined) merged.latencies?.include(latencies);
        for (const [index, sum] of sums.entries()) {
          merged.sums[index] = (merged.sums[index] ?? 0) + sum;
        }
      }
    }
    return [...rows.values()].flatMap((ofHour) => [...ofHour.values()]);
  }

  /** Forgets what it believes to be in the table: the transaction failed. */
  forget(): void {
    this.#hours.clear();
  }

  #within(wanted: RollupKey): readonly [RollupKey, string] {
    const hour = this.#hour(wanted.hour);
    const user = admit(hour.users, wanted.user, ROLLUP_LIMITS.users);
    const session = wanted.tag === SESSION_TAG;
    const tag = session ? wanted.tag : admit(hour.tagNames, wanted.tag, ROLLUP_LIMITS.tagNames);
    const pair = `${wanted.tag}\t${wanted.value}`;
    const [values, most] =
      tag === SESSION_TAG
        ? [hour.sessions, ROLLUP_LIMITS.sessions]
        : [hour.tagValues, ROLLUP_LIMITS.tagValues];
    const folded = tag !== wanted.tag || (tag !== '' && admit(values, pair, most) !== pair);
    const value = folded ? OVERFLOW : wanted.value;
    for (const found of [
      { ...wanted, user, tag, value },
      // Too many combinations although each name is within its limit.
      { ...wanted, user: user && OVERFLOW, tag, value: value && OVERFLOW },
    ]) {
      const name = nameOf(found);
      if (admit(hour.rows, name, ROLLUP_LIMITS.rows) !== OVERFLOW) {
        return [found, name];
      }
    }
    const rest = {
      ...wanted,
      user: user && OVERFLOW,
      tag: session ? tag : tag && OVERFLOW,
      value: value && OVERFLOW,
      model: OVERFLOW,
    };
    return [rest, nameOf(rest)];
  }

  #hour(start: number): Hour {
    let hour = this.#hours.get(start);
    if (hour === undefined) {
      hour = {
        rows: new Set(),
        users: new Set(),
        tagNames: new Set(),
        tagValues: new Set(),
        sessions: new Set(),
      };
      for (const row of this.#ofHour.all(start) as unknown as RollupKey[]) {
        hour.rows.add(nameOf(row));
        hour.users.add(row.user);
        if (row.tag !== SESSION_TAG) {
          hour.tagNames.add(row.tag);
        }
        (row.tag === SESSION_TAG ? hour.sessions : hour.tagValues).add(`${row.tag}\t${row.value}`);
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

function upsertInto(table: 'rollups' | 'rollup_days'): string {
  const hourly = table === 'rollups';
  const columns = ['hour', 'tag_name', ...NAME_COLUMNS, ...SUM_COLUMNS, ...(hourly ? ['latencies'] : [])];
  const latencies = hourly ? ', latencies = latencies_add(latencies, excluded.latencies)' : '';
  return `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => '?').join()}) ${ADD_UP}${latencies}`;
}

/**
 * Makes the cubes of the oldest hour that ended before `before` (ms) and has none, in a transaction of its own.
 * @returns false when there was none
 */
export function sumUpHour(raw: DatabaseSync, before: number): boolean {
  const hour = oldestFrom(raw, 'hours_through');
  if (hour === undefined || hour + HOUR_MS > before) {
    return false;
  }
  inTransaction(raw, () => {
    // Another process may have made them meanwhile.
    if (oldestFrom(raw, 'hours_through') !== hour) return;
    makeHourCubes(raw, hour);
    raw.prepare('UPDATE ingest_state SET hours_through = ?').run(hour + HOUR_MS);
  });
  return true;
}

function oldestFrom(raw: DatabaseSync, border: 'hours_through' | 'days_through'): number | undefined {
  const found = raw
    .prepare(`SELECT min(hour) AS oldest FROM rollups WHERE hour >= (SELECT ${border} FROM ingest_state)`)
    .get();
  const oldest = found?.['oldest'];
  return typeof oldest === 'number' ? oldest : undefined;
}

function inTransaction(raw: DatabaseSync, work: () => void): void {
  raw.exec('BEGIN IMMEDIATE');
  try {
    work();
    raw.exec('COMMIT');
  } catch (error) {
    if (raw.isTransaction) {
      raw.exec('ROLLBACK');
    }
    throw error;
  }
}

/**
 * Sums up the oldest day that ended before `before` (ms) and is not summed up yet, in a transaction of its own: months
 * are then read from a row per day instead of 24.
 * @returns false when there was none
 */
export function sumUpDay(raw: DatabaseSync, before: number): boolean {
  const oldest = oldestFrom(raw, 'days_through');
  if (oldest === undefined) {
    return false;
  }
  const day = oldest - (oldest % DAY_MS);
  const end = day + DAY_MS;
  if (end > before) {
    return false;
  }
  while (sumUpHour(raw, end));
  inTransaction(raw, () => {
    if (oldestFrom(raw, 'days_through') !== oldest) return;
    const names = ['tag_name', ...NAME_COLUMNS].join();
    const sums = SUM_COLUMNS.map((name) => `sum(${name})`).join();
    raw
      .prepare(
        `INSERT INTO rollup_days (hour, ${names}, ${SUM_COLUMNS.join()})
         SELECT CAST(? AS INTEGER), ${names}, ${sums} FROM rollups WHERE hour >= ? AND hour < ? GROUP BY ${names}`,
      )
      .run(day, day, end);
    makeDayCubes(raw, day, end);
    packSessions(raw, day);
    raw.prepare('UPDATE ingest_state SET days_through = ?').run(end);
  });
  return true;
}

/** The UTC hour a time lies in; what a wrong clock puts before 1970 is counted in its first. */
export function hourOf(at: number): number {
  return Math.max(0, Math.floor(at / HOUR_MS) * HOUR_MS);
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
  const { tag, key, model, provider, user, value, organization, team, project } = row;
  return JSON.stringify([tag, key, model, provider, user, value, organization, team, project]);
}
