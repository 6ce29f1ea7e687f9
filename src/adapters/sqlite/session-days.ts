import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Kysely, sql } from 'kysely';
import { DAY_MS } from '../../core/durations.ts';
import type { SpendRow, SpendTotals } from '../../ports/store.ts';
import { BY_DAY, type NameColumn, SESSION_TAG, SUM_COLUMNS } from './rollup-cubes.ts';
import type { Schema } from './schema.ts';

// Sessions are by far the most names there are. To add up those of many days row by row takes longer than a question may
// take, so the sessions of a day that is over are kept in one piece besides: their names as JSON, hashes of these, and their
// sums as doubles. Read so, a session costs a look into a table of numbers, and only the names that are shown are read; and
// nothing is left out, as it would be if only the dearest were kept.

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

/** The places of a day, and by row the number of its place. */
interface Places {
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
  const told: Places = { places: [...places.keys()].map((text) => JSON.parse(text)), placed };
  raw
    .prepare(
      'INSERT OR REPLACE INTO session_days (day, sessions, places, hashes, sums) VALUES (?, ?, ?, ?, ?)',
    )
    .run(
      day,
      JSON.stringify(sessions),
      JSON.stringify(told),
      Buffer.concat(sessions.map(hashOf)),
      new Uint8Array(sums.buffer),
    );
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
  /** JSON of the names by row. */
  readonly sessions: string;
  /** JSON of {@link Places}. */
  readonly places: string;
  /** {@link hashOf} by row. */
  readonly hashes: Uint8Array;
  readonly sums: Uint8Array;
}

/** Rows from one source: what each is called, where it belongs, and its figures one behind the other. */
interface Portion {
  readonly figures: Float64Array;
  /** The number of each row's group, `NONE` where the row does not count. */
  readonly numbers: Uint32Array;
  readonly groupAt: (index: number) => readonly string[];
}

const NONE = 0xffff_ffff;

/** Bytes of a hash. */
const HASH_BYTES = 8;

/**
 * The first 64 bits of the name's SHA-256. Names are told apart by it: of 200,000 sessions in one question two are alike
 * with a chance of one in a billion (n² ÷ 2⁶⁵).
 */
function hashOf(name: string): Buffer {
  return hash('sha256', name, 'buffer').subarray(0, HASH_BYTES);
}

/** The bytes as a buffer of their own, which typed arrays of any width can look at. */
function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  const whole = bytes.byteLength - (bytes.byteLength % width);
  return bytes.slice(0, whole).buffer as ArrayBuffer;
}

/** Numbers groups in the order in which they come: a table with open addressing, at most half full. */
class GroupNumbers {
  /** By group: both halves of the hash, and the tail. */
  #keys = new Uint32Array(3 * 1024);
  /** Group number plus one by place; 0 is free. */
  #places = new Uint32Array(2048);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of the group with this hash and tail. */
  of(low: number, high: number, tail: number): number {
    const mask = this.#places.length - 1;
    let place = firstPlace(low, tail) & mask;
    for (let taken = this.#places[place]; taken !== 0 && taken !== undefined; taken = this.#places[place]) {
      const at = 3 * (taken - 1);
      if (this.#keys[at] === low && this.#keys[at + 1] === high && this.#keys[at + 2] === tail)
        return taken - 1;
      place = (place + 1) & mask;
    }
    const number = this.#size++;
    if (3 * this.#size > this.#keys.length) {
      const larger = new Uint32Array(this.#keys.length * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys[3 * number] = low;
    this.#keys[3 * number + 1] = high;
    this.#keys[3 * number + 2] = tail;
    this.#places[place] = this.#size;
    if (2 * this.#size > this.#places.length) this.#spread();
    return number;
  }

  /** Twice as many places. */
  #spread(): void {
    const mask = this.#places.length * 2 - 1;
    this.#places = new Uint32Array(mask + 1);
    for (let number = 0; number < this.#size; number += 1) {
      let place = firstPlace(this.#keys[3 * number] ?? 0, this.#keys[3 * number + 2] ?? 0) & mask;
      while (this.#places[place] !== 0) place = (place + 1) & mask;
      this.#places[place] = number + 1;
    }
  }
}

/** Where a group is looked for first. */
function firstPlace(low: number, tail: number): number {
  return low ^ Math.imul(tail, 0x9e37_79b1);
}

/**
 * Adds up sessions from several days, and what is added from elsewhere. First only the costs, which decide what is shown;
 * everything else is added up for that alone.
 */
class SessionSums {
  readonly #by: SessionQuestion['by'];
  readonly #passes: SessionQuestion['passes'];
  readonly #numbers = new GroupNumbers();
  readonly #tails = new Map<string, number>();
  readonly #portions: Portion[] = [];
  #costs = new Float64Array(1024);

  constructor({ by, passes }: Pick<SessionQuestion, 'by' | 'passes'>) {
    this.#by = by;
    this.#passes = passes;
  }

  addDay({ sessions, places: told, hashes, sums }: SessionDay): void {
    const { places, placed } = JSON.parse(told) as Places;
    const figures = new Float64Array(aligned(sums, 8));
    const halves = new Uint32Array(aligned(hashes, 4));
    const bySession = this.#by.some(([, column]) => column === 'tag_value');
    // What a row of this place is called, but for its session; undefined where the place does not count.
    const tails = places.map((place) => {
      const value = (column: NameColumn) => place[COLUMNS.indexOf(column as Column) - 1] ?? '';
      if (!this.#passes(value)) return undefined;
      return this.#tailOf(this.#by.map(([, column]) => (column === 'tag_value' ? '' : value(column))));
    });
    const numbers = new Uint32Array(placed.length);
    for (let index = 0; index < placed.length; index += 1) {
      const tail = tails[placed[index] ?? 0];
      const low = bySession ? (halves[2 * index] ?? 0) : 0;
      const high = bySession ? (halves[2 * index + 1] ?? 0) : 0;
      const cost = figures[index * WIDTH + COST] ?? 0;
      numbers[index] = tail === undefined ? NONE : this.#count(this.#numbers.of(low, high, tail), cost);
    }
    let names: readonly string[] | undefined;
    const groupAt = (index: number) =>
      this.#by.map(([, column]) => {
        if (column !== 'tag_value')
          return places[placed[index] ?? 0]?.[COLUMNS.indexOf(column as Column) - 1] ?? '';
        names ??= JSON.parse(sessions) as readonly string[];
        return names[index] ?? '';
      });
    this.#portions.push({ figures, numbers, groupAt });
  }

  /** Rows of an answer about another time. */
  addRows(rows: readonly SpendRow[]): void {
    const figures = new Float64Array(rows.length * WIDTH);
    const numbers = new Uint32Array(rows.length);
    const groupAt = (index: number) => this.#by.map(([dimension]) => rows[index]?.group[dimension] ?? '');
    for (const [index, row] of rows.entries()) {
      for (const [at, total] of TOTALS.entries()) figures[index * WIDTH + at] = row[total];
      const group = groupAt(index);
      const session = group.find((_, at) => this.#by[at]?.[1] === 'tag_value');
      const rest = group.map((value, at) => (this.#by[at]?.[1] === 'tag_value' ? '' : value));
      const hash = session === undefined ? undefined : hashOf(session);
      const number = this.#numbers.of(
        hash?.readUInt32LE(0) ?? 0,
        hash?.readUInt32LE(4) ?? 0,
        this.#tailOf(rest),
      );
      numbers[index] = this.#count(number, row.costNano);
    }
    this.#portions.push({ figures, numbers, groupAt });
  }

  /** A number for what a group is called besides its session. */
  #tailOf(group: readonly string[]): number {
    const text = this.#by.length === 1 ? group[0] : JSON.stringify(group);
    const number = this.#tails.get(text ?? '') ?? this.#tails.size;
    this.#tails.set(text ?? '', number);
    return number;
  }

  #count(number: number, cost: number): number {
    if (number >= this.#costs.length) {
      const larger = new Float64Array(number * 2);
      larger.set(this.#costs);
      this.#costs = larger;
    }
    this.#costs[number] = (this.#costs[number] ?? 0) + cost;
    return number;
  }

  /** The rows with the highest cost, then the most requests. */
  top(limit: number): SpendRow[] {
    const costs = this.#costs.subarray(0, this.#numbers.size);
    // Sorting plain numbers is ten times quicker than sorting rows by them.
    const least = costs.slice().sort()[Math.max(0, costs.length - limit)] ?? 0;
    const shown = new Map<number, { readonly group: readonly string[]; readonly sums: number[] }>();
    for (const { figures, numbers, groupAt } of this.#portions) {
      for (let index = 0; index < numbers.length; index += 1) {
        const number = numbers[index] ?? NONE;
        if (number === NONE || (costs[number] ?? 0) < least) continue;
        const row = shown.get(number) ?? { group: groupAt(index), sums: Array<number>(WIDTH).fill(0) };
        shown.set(number, row);
        for (let at = 0; at < WIDTH; at += 1) {
          row.sums[at] = (row.sums[at] ?? 0) + (figures[index * WIDTH + at] ?? 0);
        }
      }
    }
    return [...shown.values()]
      .sort((left, right) => of(right, COST) - of(left, COST) || of(right, 0) - of(left, 0))
      .slice(0, limit)
      .map(({ group, sums }) => this.#rowOf(group, sums));
  }

  #rowOf(group: readonly string[], sums: readonly number[]): SpendRow {
    const named: Record<string, string | null> = {};
    for (const [at, [dimension]] of this.#by.entries()) {
      const value = group[at] ?? '';
      named[dimension] = value === '' ? null : value;
    }
    // Written out: ten thousand rows made from entries took a third of the time.
    const at = (index: number) => sums[index] ?? 0;
    return {
      group: named,
      requests: at(0),
      errors: at(1),
      costNano: at(2),
      inputTokens: at(3),
      cacheReadTokens: at(4),
      cacheWriteTokens: at(5),
      outputTokens: at(6),
      latencyMs: at(7),
      unpriced: at(8),
      refused: at(9),
      abandoned: at(10),
    };
  }
}

function of(row: { readonly sums: readonly number[] }, total: number): number {
  return row.sums[total] ?? 0;
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
    if (through < end) all.addRows(await rowsOf({ from: through, to: end }));
  };
  const first = Math.ceil(from / DAY_MS) * DAY_MS;
  const { rows } = await sql<SessionDay>`SELECT day, sessions, places, hashes, sums FROM session_days
    WHERE day >= ${first} AND day <= ${to - DAY_MS} ORDER BY day`.execute(typed);
  for (const piece of rows) {
    await take(piece.day);
    all.addDay(piece);
    through = piece.day + DAY_MS;
  }
  await take(to);
  return all.top(limit);
}
