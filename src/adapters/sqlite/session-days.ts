import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Kysely, sql } from 'kysely';
import type { SpendRow, SpendTotals } from '../../ports/store.ts';
import { BY_DAY, type NameColumn, SESSION_TAG, SUM_COLUMNS } from './rollup-cubes.ts';
import type { Schema } from './schema.ts';

// Sessions are by far the most names there are. To add up those of many days row by row takes longer than a question may
// take, so the sessions of a day that is over are kept in one piece besides: their names as JSON, their sums as doubles.
// Read so, a session costs a look into a map; and nothing is left out, as it would be if only the dearest were kept.

/** The cube of sessions, keys and places, by day. */
const CUBE = 4 + BY_DAY;

/** What a session of a day is told apart by, in order. */
const COLUMNS = ['tag_value', 'key_id', 'organization_id', 'team_id', 'project_id'] as const;
type Column = (typeof COLUMNS)[number];

/** The order of `SUM_COLUMNS`. */
const TOTALS = [
  'requests',
  'errors',
  'costNano',
  'inputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'outputTokens',
  'latencyMs',
  'unpriced',
  'refused',
  'abandoned',
] as const satisfies readonly (keyof SpendTotals)[];
const WIDTH = TOTALS.length;
const COST = TOTALS.indexOf('costNano');
const DAY_MS = 86_400_000;

/** Columns of text by row: the sessions, and the places (as JSON) by their number. */
interface Names {
  readonly sessions: readonly string[];
  readonly places: readonly (readonly string[])[];
  readonly placed: readonly number[];
}

/** Whether the sessions by day know these names. */
export function sessionsKnow(names: ReadonlySet<NameColumn>): boolean {
  return names.isSubsetOf(new Set<NameColumn>(COLUMNS));
}

/** Forgets a day's piece: something came late for it. */
export function unpackSessions(raw: DatabaseSync): StatementSync {
  return raw.prepare('DELETE FROM session_days WHERE day = ?');
}

/** Puts the sessions of a day (its start, ms) that is summed up into one piece, within the caller's transaction. */
export function packSessions(raw: DatabaseSync, day: number): void {
  const statement = raw.prepare(
    `SELECT ${[...COLUMNS, ...SUM_COLUMNS].join()} FROM rollup_cubes WHERE cube = ? AND tag_name = ? AND hour = ?`,
  );
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  const rows = statement.all(CUBE, SESSION_TAG, day) as unknown as (string | bigint)[][];
  const sessions: string[] = [];
  const placed: number[] = [];
  const places = new Map<string, number>();
  const sums = new Float64Array(rows.length * WIDTH);
  for (const [index, row] of rows.entries()) {
    sessions.push(String(row[0]));
    const place = JSON.stringify(row.slice(1, COLUMNS.length));
    const number = places.get(place) ?? places.size;
    places.set(place, number);
    placed.push(number);
    for (let at = 0; at < WIDTH; at += 1) sums[index * WIDTH + at] = Number(row[COLUMNS.length + at]);
  }
  const names: Names = { sessions, places: [...places.keys()].map((text) => JSON.parse(text)), placed };
  raw
    .prepare('INSERT OR REPLACE INTO session_days (day, names, sums) VALUES (?, ?, ?)')
    .run(day, JSON.stringify(names), new Uint8Array(sums.buffer));
}

/**
 * Makes the piece of the newest day that has none, of those summed up, in a transaction of its own.
 * @returns false when none is missing
 */
export function packMissing(raw: DatabaseSync): boolean {
  const found = raw
    .prepare(
      `WITH RECURSIVE days (day) AS (
         SELECT max(hour) FROM rollup_days WHERE tag_name = ?
         UNION ALL SELECT (SELECT max(hour) FROM rollup_days WHERE tag_name = ? AND hour < day) FROM days
         WHERE day IS NOT NULL)
       SELECT day FROM days WHERE day IS NOT NULL AND day NOT IN (SELECT day FROM session_days) LIMIT 1`,
    )
    .get(SESSION_TAG, SESSION_TAG);
  if (found === undefined) return false;
  raw.exec('BEGIN IMMEDIATE');
  try {
    packSessions(raw, Number(found['day']));
    raw.exec('COMMIT');
  } catch (error) {
    if (raw.isTransaction) raw.exec('ROLLBACK');
    throw error;
  }
  return true;
}

/** What is asked of the sessions of some days. */
interface SessionQuestion {
  readonly from: number;
  readonly to: number;
  /** Dimension and column, in the order of the answer. */
  readonly by: readonly (readonly [dimension: string, column: NameColumn])[];
  /** Whether a place counts. */
  readonly passes: (value: (column: NameColumn) => string) => boolean;
}

/** A piece as it is stored. */
interface SessionDay {
  readonly day: number;
  readonly names: string;
  readonly sums: Uint8Array;
}

/** Adds up sessions from several days, and what is added from elsewhere. */
class SessionSums {
  readonly #by: SessionQuestion['by'];
  readonly #passes: SessionQuestion['passes'];
  readonly #numbers = new Map<string, number>();
  readonly #groups: (readonly string[])[] = [];
  #sums = new Float64Array(WIDTH * 1024);

  constructor({ by, passes }: Pick<SessionQuestion, 'by' | 'passes'>) {
    this.#by = by;
    this.#passes = passes;
  }

  addDay({ names, sums }: SessionDay): void {
    const { sessions, places, placed } = JSON.parse(names) as Names;
    const figures = new Float64Array(sums.slice().buffer);
    const bySession = this.#by.some(([, column]) => column === 'tag_value');
    // What a row of this place is called, but for its session; undefined where the place does not count.
    const tails = places.map((place) => {
      const value = (column: NameColumn) => place[COLUMNS.indexOf(column as Column) - 1] ?? '';
      if (!this.#passes(value)) return undefined;
      const group = this.#by.map(([, column]) => (column === 'tag_value' ? '' : value(column)));
      return { group, text: this.#by.length === 1 ? '' : `\u0000${JSON.stringify(group)}` };
    });
    for (const [index, session] of sessions.entries()) {
      const tail = tails[placed[index] ?? 0];
      if (tail === undefined) continue;
      const name = bySession ? session + tail.text : tail.text;
      let number = this.#numbers.get(name);
      if (number === undefined) {
        const group = this.#by.map(([, column], at) =>
          column === 'tag_value' ? session : (tail.group[at] ?? ''),
        );
        number = this.#open(name, group);
      }
      const [to, from] = [number * WIDTH, index * WIDTH];
      for (let at = 0; at < WIDTH; at += 1) {
        this.#sums[to + at] = (this.#sums[to + at] ?? 0) + (figures[from + at] ?? 0);
      }
    }
  }

  /** A row of an answer about another time. */
  addRow(row: SpendRow): void {
    const group = this.#by.map(([dimension]) => row.group[dimension] ?? '');
    const [session = ''] = group.filter((_, at) => this.#by[at]?.[1] === 'tag_value');
    const rest = group.map((value, at) => (this.#by[at]?.[1] === 'tag_value' ? '' : value));
    const name = session + (this.#by.length === 1 ? '' : `\u0000${JSON.stringify(rest)}`);
    const number = this.#numbers.get(name) ?? this.#open(name, group);
    for (const [at, total] of TOTALS.entries()) {
      const to = number * WIDTH + at;
      this.#sums[to] = (this.#sums[to] ?? 0) + row[total];
    }
  }

  #open(name: string, group: readonly string[]): number {
    const number = this.#groups.length;
    this.#numbers.set(name, number);
    this.#groups.push(group);
    if ((number + 1) * WIDTH > this.#sums.length) {
      const larger = new Float64Array(this.#sums.length * 2);
      larger.set(this.#sums);
      this.#sums = larger;
    }
    return number;
  }

  /** The rows with the highest cost, then the most requests. */
  top(limit: number): SpendRow[] {
    const at = (number: number, total: number) => this.#sums[number * WIDTH + total] ?? 0;
    const least = this.#leastOf(limit);
    const order = [...this.#groups.keys()].filter((number) => at(number, COST) >= least);
    order.sort(
      (left, right) => at(right, COST) - at(left, COST) || at(right, 0) - at(left, 0) || left - right,
    );
    return order.slice(0, limit).map((number) => {
      const group: Record<string, string | null> = {};
      for (const [index, [dimension]] of this.#by.entries()) {
        const value = this.#groups[number]?.[index] ?? '';
        group[dimension] = value === '' ? null : value;
      }
      const sums = Object.fromEntries(TOTALS.map((name, total) => [name, at(number, total)]));
      return { group, ...(sums as unknown as SpendTotals) };
    });
  }

  /** The cost that `limit` rows have at least. Sorting plain numbers is ten times quicker than sorting rows by them. */
  #leastOf(limit: number): number {
    const costs = Float64Array.from(this.#groups.keys(), (number) => this.#sums[number * WIDTH + COST] ?? 0);
    return costs.sort()[Math.max(0, costs.length - limit)] ?? 0;
  }
}

/**
 * The answer to a question about sessions over at least a day that is in one piece; `rowsOf` answers, without a limit, for
 * the hours before and after and for days that are in no piece.
 */
export async function sessionSpend(
  typed: Kysely<Schema>,
  question: SessionQuestion & { readonly limit: number },
  rowsOf: (span: { from: number; to: number }) => Promise<readonly SpendRow[]>,
): Promise<SpendRow[]> {
  const { from, to, limit } = question;
  const all = new SessionSums(question);
  let through = from;
  const take = async (end: number) => {
    if (through < end) for (const row of await rowsOf({ from: through, to: end })) all.addRow(row);
  };
  const first = Math.ceil(from / DAY_MS) * DAY_MS;
  const { rows } = await sql<SessionDay>`SELECT day, names, sums FROM session_days
    WHERE day >= ${first} AND day <= ${to - DAY_MS} ORDER BY day`.execute(typed);
  for (const piece of rows) {
    await take(piece.day);
    all.addDay(piece);
    through = piece.day + DAY_MS;
  }
  await take(to);
  return all.top(limit);
}
