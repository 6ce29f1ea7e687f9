import { type Kysely, type RawBuilder, sql } from 'kysely';
import { badRequest } from '../../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../../core/policy/place.ts';
import type { Extent } from '../../ports/place-store.ts';
import type {
  SpendDimension,
  SpendQuery,
  SpendRow,
  SpendScope,
  SpendTotals,
  UsageStore,
} from '../../ports/store.ts';
import { ofTeamsOrOwner } from './keys.ts';
import type { RollupTable, Schema } from './schema.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_ROWS = 10_000;

/** Sums from the rollups. */
export function createUsageStore(typed: Kysely<Schema>): UsageStore {
  return {
    async spend(query) {
      const tag = tagOf(query.groupBy);
      const found = await grouped(typed, query, tag);
      if (tag === undefined || found.length === MAX_ROWS) {
        return found;
      }
      // What carries the tag is known; what does not is the rest of all.
      const without = query.groupBy.filter((dimension) => !dimension.startsWith('tag:'));
      const all = await grouped(typed, { ...query, groupBy: without }, undefined);
      return [...found, ...untagged(all, found, query.groupBy)].sort(inOrder).slice(0, MAX_ROWS);
    },
    async total(scope, since) {
      const source = await sourceOf(
        typed,
        { from: hourOf(since), to: Number.MAX_SAFE_INTEGER },
        scope.tag?.name,
      );
      const conditions = scopeConditions(scope);
      if (scope.tag !== undefined) {
        conditions.push(sql<boolean>`tag_value = ${scope.tag.value}`);
      }
      const found = await sql<Found>`SELECT ${SUMS} FROM ${source} ${where(conditions)}`.execute(typed);
      return totalsOf(found.rows[0] ?? {});
    },
    async totalsByKey(since) {
      const source = await sourceOf(typed, { from: hourOf(since), to: Number.MAX_SAFE_INTEGER }, undefined);
      const found = await sql<{ key_id: string; cost: number }>`
        SELECT key_id, sum(cost_nano) AS cost FROM ${source} WHERE key_id != '' GROUP BY key_id`.execute(
        typed,
      );
      return new Map(found.rows.map((row) => [row.key_id, row.cost]));
    },
  };
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Sums of a time, by day where days are summed up and by hour where not; `hours`: by hour throughout. */
async function sourceOf(typed: Kysely<Schema>, { from, to }: Span, tag: string | undefined, hours = false) {
  const state = await typed.selectFrom('ingest_state').select('days_through').executeTakeFirst();
  const firstDay = Math.ceil(from / DAY_MS) * DAY_MS;
  const endOfDays = Math.min(Math.floor(to / DAY_MS) * DAY_MS, state?.days_through ?? 0);
  const name = tag ?? '';
  if (hours || firstDay >= endOfDays) {
    return sql`(SELECT * FROM rollups WHERE tag_name = ${name} AND hour >= ${from} AND hour < ${to})`;
  }
  return sql`(
    SELECT * FROM rollups WHERE tag_name = ${name} AND hour >= ${from} AND hour < ${firstDay}
    UNION ALL
    SELECT * FROM rollup_days WHERE tag_name = ${name} AND hour >= ${firstDay} AND hour < ${endOfDays}
    UNION ALL
    SELECT * FROM rollups WHERE tag_name = ${name} AND hour >= ${endOfDays} AND hour < ${to})`;
}

function where(conditions: readonly RawBuilder<boolean>[]) {
  return conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
}

const COLUMNS: Readonly<Record<string, keyof RollupTable>> = {
  model: 'model',
  provider: 'provider',
  key: 'key_id',
  user: 'user_name',
};

const SUMS = sql<SpendTotals>`
  sum(requests) AS requests, sum(errors) AS errors, sum(cost_nano) AS "costNano",
  sum(input_tokens) AS "inputTokens", sum(cache_read_tokens) AS "cacheReadTokens",
  sum(cache_write_tokens) AS "cacheWriteTokens", sum(output_tokens) AS "outputTokens",
  sum(latency_ms) AS "latencyMs"`;

type Found = Record<string, string | number | null>;

/** The name of the one tag grouped by, or undefined. */
function tagOf(groupBy: readonly SpendDimension[]): string | undefined {
  const names = groupBy.filter((dimension) => dimension.startsWith('tag:'));
  if (names.length > 1) {
    throw badRequest('group_by', 'group_by can name one tag at a time.');
  }
  return names[0]?.slice('tag:'.length);
}

async function grouped(
  typed: Kysely<Schema>,
  query: SpendQuery,
  tag: string | undefined,
): Promise<SpendRow[]> {
  const step = query.interval === 'day' ? DAY_MS : HOUR_MS;
  const start = sql<number>`hour - hour % ${sql.lit(step)}`;
  const columns = query.groupBy.map((dimension) => [dimension, columnOf(dimension)] as const);
  let groupings = columns.map(([, column]) => sql`${sql.ref(column)}`);
  let fields = columns.map(([dimension, column]) => sql`${sql.ref(column)} AS ${sql.id(dimension)}`);
  if (query.interval !== undefined) {
    groupings = [start, ...groupings];
    fields = [sql`${start} AS start`, ...fields];
  }
  const span = { from: hourOf(query.from), to: query.to };
  const source = await sourceOf(typed, span, tag, query.interval === 'hour');
  const found = await sql<Found>`
    SELECT ${sql.join([...fields, SUMS])} FROM ${source} ${where([...scopeConditions(query), ...extentConditions(query.extent)])}
    ${groupings.length === 0 ? sql`HAVING count(*) > 0` : sql`GROUP BY ${sql.join(groupings)}`}
    ORDER BY ${query.interval === undefined ? sql`1 = 1` : start}, sum(cost_nano) DESC, sum(requests) DESC
    LIMIT ${sql.lit(MAX_ROWS)}`.execute(typed);
  return found.rows.map((row) => ({
    ...(query.interval === undefined ? {} : { start: Number(row['start']) }),
    group: Object.fromEntries(query.groupBy.map((dimension) => [dimension, groupValue(row[dimension])])),
    ...totalsOf(row),
  }));
}

function columnOf(dimension: SpendDimension): keyof RollupTable {
  if (dimension.startsWith('tag:')) {
    return 'tag_value';
  }
  const column = COLUMNS[dimension];
  if (column === undefined) {
    throw badRequest('group_by', 'group_by takes model, provider, key, user and tag:NAME.');
  }
  return column;
}

function scopeConditions(scope: Omit<SpendScope, 'tag'>) {
  const wanted = { key_id: scope.keyId, model: scope.model, provider: scope.provider, user_name: scope.user };
  return Object.entries(wanted)
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => sql<boolean>`${sql.ref(column)} = ${value}`);
}

/** Rows of keys that belong to what the reader may see. What came without a key is the default organization's. */
function extentConditions(extent: Extent | undefined): RawBuilder<boolean>[] {
  if (extent === undefined || extent.tenant === 'every') {
    return [];
  }
  const { within } = extent;
  const { organizationId } = extent.tenant;
  const keyless = within === undefined && organizationId === DEFAULT_ORGANIZATION_ID;
  const conditions = [
    sql<boolean>`organization_id = ${organizationId}`,
    ...(within === undefined ? [] : [ofTeamsOrOwner(within)]),
  ];
  const keys = sql<boolean>`key_id IN (SELECT id FROM virtual_keys WHERE ${sql.join(conditions, sql` AND `)})`;
  return [keyless ? sql<boolean>`(key_id = '' OR ${keys})` : keys];
}

function totalsOf(row: Found): SpendTotals {
  return {
    requests: Number(row['requests'] ?? 0),
    errors: Number(row['errors'] ?? 0),
    costNano: Number(row['costNano'] ?? 0),
    inputTokens: Number(row['inputTokens'] ?? 0),
    cacheReadTokens: Number(row['cacheReadTokens'] ?? 0),
    cacheWriteTokens: Number(row['cacheWriteTokens'] ?? 0),
    outputTokens: Number(row['outputTokens'] ?? 0),
    latencyMs: Number(row['latencyMs'] ?? 0),
  };
}

const TOTALS = Object.keys(totalsOf({})) as (keyof SpendTotals)[];

/** Per group the sum of all minus the sum of what carries the tag; groups in which everything does are left out. */
function untagged(all: readonly SpendRow[], tagged: readonly SpendRow[], groupBy: readonly SpendDimension[]) {
  const groupOf = (row: SpendRow) =>
    Object.fromEntries(
      groupBy.map((name) => [name, name.startsWith('tag:') ? null : (row.group[name] ?? null)]),
    );
  const nameOf = (row: SpendRow) => JSON.stringify([row.start, groupOf(row)]);
  const rest = new Map<string, SpendRow>();
  for (const row of all) {
    rest.set(nameOf(row), { ...row, group: groupOf(row) });
  }
  for (const row of tagged) {
    const open = rest.get(nameOf(row));
    if (open !== undefined) {
      const left = Object.fromEntries(TOTALS.map((name) => [name, open[name] - row[name]]));
      rest.set(nameOf(row), { ...open, ...left });
    }
  }
  return [...rest.values()].filter((row) => row.requests > 0);
}

/** The order of the query: by start, then by cost and requests, highest first. */
function inOrder(left: SpendRow, right: SpendRow): number {
  return (
    (left.start ?? 0) - (right.start ?? 0) || right.costNano - left.costNano || right.requests - left.requests
  );
}

function groupValue(value: string | number | null | undefined): string | null {
  return value === undefined || value === null || value === '' ? null : String(value);
}

function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}
