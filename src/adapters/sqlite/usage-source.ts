import { type Kysely, type RawBuilder, sql } from 'kysely';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import { BY_DAY, cubeWith, type NameColumn, SUM_COLUMNS } from './rollup-cubes.ts';
import type { Schema } from './schema.ts';

/** Named one by one. */
const MOST_HOURS = 10_000;

/** How far the rollups reach, and how far they are summed up. Milliseconds, exclusive at the end. */
export interface Borders {
  readonly from: number;
  readonly to: number;
  /** Before this there are only days. */
  readonly hoursFrom: number;
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
  /** Histograms too; only with names that some cube knows. */
  readonly latencies?: boolean;
}

export async function bordersOf(typed: Kysely<Schema>): Promise<Borders> {
  const found = await sql<Record<string, number | null>>`
    SELECT (SELECT min(hour) FROM rollups) AS oldest, (SELECT max(hour) FROM rollups) AS newest,
      (SELECT min(hour) FROM rollup_days WHERE tag_name = '') AS first,
      (SELECT max(hour) FROM rollup_days WHERE tag_name = '') AS last,
      hours_from AS pruned, hours_through AS hours, days_through AS days FROM ingest_state`.execute(typed);
  const [row] = found.rows;
  const { oldest, newest, first, last } = row ?? {};
  const from = Math.min(oldest ?? Number.POSITIVE_INFINITY, first ?? Number.POSITIVE_INFINITY);
  return {
    from: Number.isFinite(from) ? from : 0,
    to: Math.max(
      newest === undefined || newest === null ? 0 : newest + HOUR_MS,
      last === undefined || last === null ? 0 : last + DAY_MS,
    ),
    hoursFrom: row?.['pruned'] ?? 0,
    hoursThrough: row?.['hours'] ?? 0,
    daysThrough: row?.['days'] ?? 0,
  };
}

/** A time as it can be answered: where hours are pruned, by whole days. */
export function widened({ hoursFrom }: Borders, { from, to }: Span): Span {
  return {
    from: from < hoursFrom ? Math.floor(from / DAY_MS) * DAY_MS : from,
    to: to < hoursFrom ? Math.ceil(to / DAY_MS) * DAY_MS : to,
  };
}

/** The rows that answer: of the smallest cube that knows the names, by day where days are summed up. */
export function sourceOf(borders: Borders, wanted: Wanted): RawBuilder<unknown> {
  const { from, to } = widened(borders, wanted);
  const firstDay = Math.ceil(from / DAY_MS) * DAY_MS;
  const lastDay = Math.min(Math.floor(to / DAY_MS) * DAY_MS, borders.daysThrough);
  // By hour as far as there are hours.
  const endOfDays = wanted.hours ? Math.min(lastDay, borders.hoursFrom) : lastDay;
  const parts =
    firstDay >= endOfDays
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

/** Milliseconds, `to` exclusive. */
export interface Span {
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
    parts.push(
      sql`${columnsOf(wanted)} FROM rollups WHERE ${within({ from: border, to })} AND tag_name = ${wanted.tag}`,
    );
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
function columnsOf({ names, latencies }: Wanted): RawBuilder<unknown> {
  const columns = ['hour', ...names, ...SUM_COLUMNS, ...(latencies === true ? ['latencies'] : [])];
  return sql`SELECT ${sql.join(columns.map((name) => sql.ref(name)))}`;
}

/** Hour by hour, so that an index leads to the tag's rows; not when a wrong clock has made years of it. */
function within({ from, to }: Span): RawBuilder<unknown> {
  if (to - from > MOST_HOURS * HOUR_MS) return sql`hour >= ${from} AND hour < ${to}`;
  return sql`hour IN (SELECT value FROM json_each(${JSON.stringify(hoursOf({ from, to }))}))`;
}

function hoursOf({ from, to }: Span): number[] {
  return Array.from({ length: Math.ceil((to - from) / HOUR_MS) }, (_, index) => from + index * HOUR_MS);
}
