import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { badRequest } from '../../core/errors/error.ts';
import type {
  SpendDimension,
  SpendQuery,
  SpendRow,
  SpendScope,
  SpendTotals,
  UsageStore,
} from '../../ports/store.ts';
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
      const row = await totals(typed, scope, since).executeTakeFirst();
      return totalsOf(row ?? {});
    },
    async totalsByKey(since) {
      const rows = await typed
        .selectFrom('rollups')
        .select(['key_id', (eb) => eb.fn.sum<number>('cost_nano').as('cost')])
        .where('tag_name', '=', '')
        .where('hour', '>=', hourOf(since))
        .where('key_id', '!=', '')
        .groupBy('key_id')
        .execute();
      return new Map(rows.map((row) => [row.key_id, row.cost]));
    },
  };
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
  const conditions = [
    sql`tag_name = ${tag ?? ''}`,
    sql`hour >= ${hourOf(query.from)}`,
    sql`hour < ${query.to}`,
    ...scopeConditions(query),
  ];
  const found = await sql<Found>`
    SELECT ${sql.join([...fields, SUMS])} FROM rollups WHERE ${sql.join(conditions, sql` AND `)}
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

function totals(
  typed: Kysely<Schema>,
  scope: SpendScope,
  since: number,
): SelectQueryBuilder<Schema, 'rollups', Found> {
  const { tag } = scope;
  return typed
    .selectFrom('rollups')
    .select((eb) => [
      eb.fn.sum<number>('requests').as('requests'),
      eb.fn.sum<number>('errors').as('errors'),
      eb.fn.sum<number>('cost_nano').as('costNano'),
      eb.fn.sum<number>('input_tokens').as('inputTokens'),
      eb.fn.sum<number>('cache_read_tokens').as('cacheReadTokens'),
      eb.fn.sum<number>('cache_write_tokens').as('cacheWriteTokens'),
      eb.fn.sum<number>('output_tokens').as('outputTokens'),
      eb.fn.sum<number>('latency_ms').as('latencyMs'),
    ])
    .where('tag_name', '=', tag?.name ?? '')
    .where('hour', '>=', hourOf(since))
    .$if(tag !== undefined, (rest) => rest.where('tag_value', '=', tag?.value ?? ''))
    .where((eb) => eb.and(scopeConditions(scope)));
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
