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
  'refused',
  'abandoned',
] as const;

/** Sessions are counted as a tag that no client can send; they are many, so few cubes have them. */
export const SESSION_TAG = '\u0001session';

/** Added to a cube's number for its rows by day. */
export const BY_DAY = 10;

type Kind = 'plain' | 'tag' | 'session';

const PLACE = ['organization_id', 'team_id', 'project_id'] as const;

/** By number, the fewest rows first. */
const CUBES: readonly ReadonlySet<NameColumn>[] = (
  [
    [],
    [...PLACE],
    ['model', 'provider'],
    [...PLACE, 'model', 'provider'],
    ['key_id', ...PLACE],
    ['organization_id', 'user_name'],
    ['key_id', ...PLACE, 'model', 'provider'],
  ] as const
).map((columns) => new Set<NameColumn>(['tag_value', ...columns]));

/**
 * How the cubes are made, in order: `from` an earlier one, or the rollups. Not every kind of row has every cube, because tags
 * and sessions make many rows: what they have no cube for comes from the next larger one.
 */
const STEPS: readonly { readonly id: number; readonly from?: number; readonly kinds: readonly Kind[] }[] = [
  { id: 6, kinds: ['plain', 'tag'] },
  { id: 5, kinds: ['plain'] },
  { id: 4, from: 6, kinds: ['plain'] },
  { id: 4, kinds: ['session'] },
  { id: 3, from: 6, kinds: ['plain', 'tag'] },
  { id: 2, from: 3, kinds: ['plain', 'tag'] },
  { id: 1, from: 3, kinds: ['plain', 'tag'] },
  { id: 0, from: 2, kinds: ['plain', 'tag'] },
  { id: 0, from: 4, kinds: ['session'] },
];

const KIND_SQL: Readonly<Record<Kind, string>> = {
  plain: "tag_name = ''",
  tag: `tag_name NOT IN ('', '${SESSION_TAG}')`,
  session: `tag_name = '${SESSION_TAG}'`,
};

function kindOf(tag: string): Kind {
  if (tag === '') return 'plain';
  return tag === SESSION_TAG ? 'session' : 'tag';
}

function has(id: number, kind: Kind): boolean {
  return STEPS.some((step) => step.id === id && step.kinds.includes(kind));
}

/** Whether the rows of a cube have a name. */
export function knows(id: number, name: NameColumn): boolean {
  return CUBES[id]?.has(name) === true;
}

/** The cube with the fewest rows that knows all of these names; undefined: only the rollups do. */
export function cubeWith(names: ReadonlySet<NameColumn>, tag: string): number | undefined {
  const kind = kindOf(tag);
  const found = CUBES.findIndex((columns, id) => names.isSubsetOf(columns) && has(id, kind));
  return found < 0 ? undefined : found;
}

/** For an insert into a table of sums. */
export const ADD_UP = `ON CONFLICT DO UPDATE SET ${SUM_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join()}`;
const ADD_LATENCIES = 'latencies = latencies_add(latencies, excluded.latencies)';
const SUMS = SUM_COLUMNS.map((name) => `sum(${name})`).join();
const INTO = `INSERT INTO rollup_cubes (cube, hour, tag_name, ${NAME_COLUMNS.join()}, ${SUM_COLUMNS.join()}, latencies)`;

function kept(columns: ReadonlySet<NameColumn>): string {
  return NAME_COLUMNS.map((name) => (columns.has(name) ? name : "''")).join();
}

/** What a row sums up: in the order of `SUM_COLUMNS`, and how long it took. */
export interface Figures {
  readonly sums: readonly number[];
  readonly latencies: Uint8Array;
}

/** Adds what comes late for an hour or a day that its cubes have already. */
export class CubeWriter {
  readonly #insert: StatementSync;

  constructor(raw: DatabaseSync) {
    const values = Array.from({ length: 4 + NAME_COLUMNS.length + SUM_COLUMNS.length }, () => '?').join();
    this.#insert = raw.prepare(`${INTO} VALUES (${values}) ${ADD_UP}, ${ADD_LATENCIES}`);
  }

  /** `names` in the order of `NAME_COLUMNS`; `span` is 0 for the hour's cubes, `BY_DAY` for the day's. */
  add(
    at: { hour: number; tag: string; span: number },
    names: readonly string[],
    { sums, latencies }: Figures,
  ): void {
    for (const [id, columns] of CUBES.entries()) {
      if (has(id, kindOf(at.tag))) {
        const known = NAME_COLUMNS.map((name, index) => (columns.has(name) ? (names[index] ?? '') : ''));
        this.#insert.run(id + at.span, at.hour, at.tag, ...known, ...sums, latencies);
      }
    }
  }
}

/** Makes the cubes of an hour from the rollups, within the caller's transaction. */
export function makeHourCubes(raw: DatabaseSync, hour: number): void {
  const tags = tagNames(raw, hour, hour + 1);
  for (const { id, from, kinds } of STEPS) {
    const columns = CUBES[id] ?? new Set();
    const source = from === undefined ? 'rollups WHERE' : `rollup_cubes WHERE cube = ${from} AND`;
    const own = kinds.map((kind) => KIND_SQL[kind]).join(' OR ');
    const latencies = latenciesOf(kinds);
    raw
      .prepare(
        `${INTO} SELECT ${id}, hour, tag_name, ${kept(columns)}, ${SUMS}, ${latencies} FROM ${source} hour = CAST(? AS INTEGER)
           AND tag_name IN (SELECT value FROM json_each(?)) AND (${own})
         GROUP BY tag_name, ${[...columns].join()}`,
      )
      .run(hour, tags);
  }
}

/** Sessions have none: they are many, and a call for each row costs more than all of its sums. */
function latenciesOf(kinds: readonly Kind[]): string {
  return kinds.includes('session') ? "x''" : 'latencies_sum(latencies)';
}

/** Makes the cubes of a day from those of its hours, within the caller's transaction. */
export function makeDayCubes(raw: DatabaseSync, day: number, end: number): void {
  const tags = tagNames(raw, day, end);
  for (const [id, columns] of CUBES.entries()) {
    for (const kinds of [['plain', 'tag'], ['session']] as const) {
      const own = kinds.map((kind) => KIND_SQL[kind]).join(' OR ');
      raw
        .prepare(
          `${INTO} SELECT ${id + BY_DAY}, CAST(? AS INTEGER), tag_name, ${kept(columns)}, ${SUMS}, ${latenciesOf(kinds)}
           FROM rollup_cubes
           WHERE cube = ${id} AND tag_name IN (SELECT value FROM json_each(?)) AND hour >= ? AND hour < ? AND (${own})
           GROUP BY tag_name, ${[...columns].join()}`,
        )
        .run(day, tags, day, end);
    }
  }
}

function tagNames(raw: DatabaseSync, from: number, to: number): string {
  const found = raw.prepare('SELECT DISTINCT tag_name AS name FROM rollups WHERE hour >= ? AND hour < ?');
  return JSON.stringify(found.all(from, to).map(({ name }) => name));
}
