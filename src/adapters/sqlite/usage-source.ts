import { type Kysely, type RawBuilder, sql } from 'kysely';
import { BY_DAY, cubeWith, type NameColumn, SUM_COLUMNS } from './rollup-cubes.ts';
import type { Schema } from './schema.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How far the rollups reach, and how far they are summed up. Milliseconds, exclusive at the end. */
export interface Borders {
  readonly from: number;
  readonly to: number;
  readonly hoursThrough: number;
  readonly daysThrough: number;
}

/** What a question needs to know of a time. */
export interface Wanted {
  readonly from: number;
  readonly to: number;
  readonly names: ReadonlySet<NameColumn>;
  /** '' for rows that count every exchange once. */
  readonly tag: string;
  /** By hour throughout; else whole days come as one. */
  readonly hours: boolean;
}

export async function bordersOf(typed: Kysely<Schema>): Promise<Borders> {
  const found = await sql<{ oldest: number | null; newest: number | null; hours: number; days: number }>`
    SELECT (SELECT min(hour) FROM rollups) AS oldest, (SELECT max(hour) FROM rollups) AS newest,
      hours_through AS hours, days_through AS days FROM ingest_state`.execute(typed);
  const [row] = found.rows;
  const oldest = row?.oldest ?? 0;
  return {
    from: oldest,
    to: (row?.newest ?? oldest - HOUR_MS) + HOUR_MS,
    hoursThrough: row?.hours ?? 0,
    daysThrough: row?.days ?? 0,
  };
}

/** The rows that answer: of the smallest cube that knows the names, by day where days are summed up. */
export function sourceOf(borders: Borders, wanted: Wanted): RawBuilder<unknown> {
  const { from, to } = wanted;
  const firstDay = Math.ceil(from / DAY_MS) * DAY_MS;
  const endOfDays = Math.min(Math.floor(to / DAY_MS) * DAY_MS, borders.daysThrough);
  const parts =
    wanted.hours || firstDay >= endOfDays
      ? hourParts(borders, wanted, { from, to })
      : [
          ...hourParts(borders, wanted, { from, to: firstDay }),
          dayPart(wanted, { from: firstDay, to: endOfDays }),
          ...hourParts(borders, wanted, { from: endOfDays, to }),
        ];
  const [only] = parts;
  if (only === undefined) {
    return sql`(${columnsOf(wanted)} FROM rollups WHERE 0)`;
  }
  return sql`(${sql.join(parts, sql` UNION ALL `)})`;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function hourParts(borders: Borders, wanted: Wanted, { from, to }: Span): RawBuilder<unknown>[] {
  if (from >= to) {
    return [];
  }
  const id = cubeWith(wanted.names, wanted.tag);
  const border = id === undefined ? from : Math.min(to, Math.max(from, borders.hoursThrough));
  const parts: RawBuilder<unknown>[] = [];
  if (id !== undefined && from < border) {
    parts.push(cubePart(wanted, id, { from, to: border }));
  }
  if (border < to) {
    const hours = sql`SELECT value FROM json_each(${JSON.stringify(hoursOf({ from: border, to }))})`;
    parts.push(sql`${columnsOf(wanted)} FROM rollups WHERE hour IN (${hours}) AND tag_name = ${wanted.tag}`);
  }
  return parts;
}

function dayPart(wanted: Wanted, { from, to }: Span): RawBuilder<unknown> {
  const id = cubeWith(wanted.names, wanted.tag);
  if (id !== undefined) {
    return cubePart(wanted, id + BY_DAY, { from, to });
  }
  return sql`${columnsOf(wanted)} FROM rollup_days WHERE tag_name = ${wanted.tag} AND hour >= ${from} AND hour < ${to}`;
}

function cubePart(wanted: Wanted, id: number, { from, to }: Span): RawBuilder<unknown> {
  return sql`${columnsOf(wanted)} FROM rollup_cubes
    WHERE cube = ${sql.lit(id)} AND tag_name = ${wanted.tag} AND hour >= ${from} AND hour < ${to}`;
}

/** Only what is asked for: every column costs. */
function columnsOf({ names }: Wanted): RawBuilder<unknown> {
  return sql`SELECT ${sql.join(['hour', ...names, ...SUM_COLUMNS].map((name) => sql.ref(name)))}`;
}

function hoursOf({ from, to }: Span): number[] {
  return Array.from({ length: Math.ceil((to - from) / HOUR_MS) }, (_, index) => from + index * HOUR_MS);
}
