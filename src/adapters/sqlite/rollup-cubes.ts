import type { DatabaseSync, StatementSync } from 'node:sqlite';

// Sums by fewer names than `rollups` has, made once an hour is over, so that a question is answered from the least rows
// that know what it asks. A name that a cube has not is '' in its rows.

/** What rows are told apart by, besides time and tag name; in the order of the primary key. */
export const NAME_COLUMNS = [
  'tag_value',
  'key_id',
  'model',
  'provider',
  'user_name',
  'organization_id',
  'team_id',
  'project_id',
] as const;
export type NameColumn = (typeof NAME_COLUMNS)[number];

export const SUM_COLUMNS = [
  'requests',
  'errors',
  'cost_nano',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'latency_ms',
  'unpriced',
] as const;

/** Sessions are counted as a tag that no client can send; they are many, so few cubes have them. */
export const SESSION_TAG = '\u0001session';

/** Added to a cube's number for its rows by day. */
export const BY_DAY = 10;

interface Cube {
  readonly id: number;
  readonly columns: ReadonlySet<NameColumn>;
  /** The cube it is summed up from; absent: from the rollups. */
  readonly from?: number;
  readonly sessions: boolean;
}

const PLACE = ['organization_id', 'team_id', 'project_id'] as const;
const cube = (id: number, columns: readonly NameColumn[], more: Partial<Cube> = {}): Cube => ({
  id,
  columns: new Set<NameColumn>(['tag_value', ...columns]),
  sessions: false,
  ...more,
});

/** In the order they are made: each from one before it. */
const CUBES: readonly Cube[] = [
  cube(6, ['key_id', ...PLACE, 'model', 'provider']),
  cube(5, ['organization_id', 'user_name'], { sessions: true }),
  cube(4, ['key_id', ...PLACE], { sessions: true }),
  cube(3, [...PLACE, 'model', 'provider'], { from: 6 }),
  cube(2, ['model', 'provider'], { from: 3 }),
  cube(1, [...PLACE], { from: 4, sessions: true }),
  cube(0, [], { from: 1, sessions: true }),
];
/** The fewest rows first. */
const CHOICE: readonly Cube[] = [...CUBES].sort((left, right) => left.id - right.id);

/** Whether the rows of a cube have a name. */
export function knows(id: number, name: NameColumn): boolean {
  return CUBES.some((one) => one.id === id && one.columns.has(name));
}

/** The cube with the fewest rows that knows all of these names; undefined: only the rollups do. */
export function cubeWith(names: ReadonlySet<NameColumn>, tag: string): number | undefined {
  return CHOICE.find(
    ({ columns, sessions }) => names.isSubsetOf(columns) && (sessions || tag !== SESSION_TAG),
  )?.id;
}

const ADD_UP = `ON CONFLICT DO UPDATE SET ${SUM_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join()}`;
const SUMS = SUM_COLUMNS.map((name) => `sum(${name})`).join();
const INTO = `INSERT INTO rollup_cubes (cube, hour, tag_name, ${NAME_COLUMNS.join()}, ${SUM_COLUMNS.join()})`;

function kept(columns: ReadonlySet<NameColumn>): string {
  return NAME_COLUMNS.map((name) => (columns.has(name) ? name : "''")).join();
}

/** Adds what comes late for an hour or a day that its cubes have already. */
export class CubeWriter {
  readonly #insert: StatementSync;

  constructor(raw: DatabaseSync) {
    const values = Array.from({ length: 3 + NAME_COLUMNS.length + SUM_COLUMNS.length }, () => '?').join();
    this.#insert = raw.prepare(`${INTO} VALUES (${values}) ${ADD_UP}`);
  }

  /** `names` in the order of `NAME_COLUMNS`; `span` is 0 for the hour's cubes, `BY_DAY` for the day's. */
  add(
    at: { hour: number; tag: string; span: number },
    names: readonly string[],
    sums: readonly number[],
  ): void {
    for (const { id, columns, sessions } of CUBES) {
      if (sessions || at.tag !== SESSION_TAG) {
        const known = NAME_COLUMNS.map((name, index) => (columns.has(name) ? (names[index] ?? '') : ''));
        this.#insert.run(id + at.span, at.hour, at.tag, ...known, ...sums);
      }
    }
  }
}

/** Makes the cubes of an hour from the rollups, within the caller's transaction. */
export function makeHourCubes(raw: DatabaseSync, hour: number): void {
  const tags = tagNames(raw, hour, hour + 1);
  for (const { id, columns, from, sessions } of CUBES) {
    const own = sessions ? '' : `AND tag_name != '${SESSION_TAG}'`;
    const source = from === undefined ? 'rollups WHERE' : `rollup_cubes WHERE cube = ${from} AND`;
    raw
      .prepare(
        `${INTO} SELECT ${id}, hour, tag_name, ${kept(columns)}, ${SUMS} FROM ${source} hour = CAST(? AS INTEGER)
           AND tag_name IN (SELECT value FROM json_each(?)) ${own}
         GROUP BY tag_name, ${[...columns].join()}`,
      )
      .run(hour, tags);
  }
}

/** Makes the cubes of a day from those of its hours, within the caller's transaction. */
export function makeDayCubes(raw: DatabaseSync, day: number, end: number): void {
  const tags = tagNames(raw, day, end);
  for (const { id, columns } of CUBES) {
    raw
      .prepare(
        `${INTO} SELECT ${id + BY_DAY}, CAST(? AS INTEGER), tag_name, ${kept(columns)}, ${SUMS} FROM rollup_cubes
         WHERE cube = ${id} AND tag_name IN (SELECT value FROM json_each(?)) AND hour >= ? AND hour < ?
         GROUP BY tag_name, ${[...columns].join()}`,
      )
      .run(day, tags, day, end);
  }
}

function tagNames(raw: DatabaseSync, from: number, to: number): string {
  const found = raw.prepare('SELECT DISTINCT tag_name AS name FROM rollups WHERE hour >= ? AND hour < ?');
  return JSON.stringify(found.all(from, to).map(({ name }) => name));
}
