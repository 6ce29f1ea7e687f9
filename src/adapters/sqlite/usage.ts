import { type Kysely, type RawBuilder, sql } from 'kysely';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import { badRequest } from '../../core/errors/error.ts';
import type { Extent } from '../../ports/place-store.ts';
import type {
  SpendDimension,
  SpendQuery,
  SpendRow,
  SpendScope,
  SpendTotals,
  UsageStore,
} from '../../ports/store.ts';
import { Latencies } from './latencies.ts';
import { cubeWith, type NameColumn, SESSION_TAG } from './rollup-cubes.ts';
import type { Schema } from './schema.ts';
import { sessionSpend, sessionsKnow } from './session-days.ts';
import { bordersOf, sourceOf, widened } from './usage-source.ts';

const MAX_ROWS = 10_000;
/** Hours or days of the first query: rows come in the order of time, so what is beyond the limit need not be read. */
const FIRST_STEPS = 6;
/** Shares of `SpendRow.latency`. */
const SHARES = [0.5, 0.95, 0.99];

/** Sums from the rollups. */
export function createUsageStore(typed: Kysely<Schema>): Omit<UsageStore, 'byModel'> {
  const totals = async (scope: SpendScope, since: number, by: readonly NameColumn[]) => {
    const conditions = scopeConditions(scope);
    if (scope.tag !== undefined) {
      conditions.push(equals('tag_value', scope.tag.value));
    }
    const names = new Set<NameColumn>([...by, ...conditions.flatMap((condition) => condition.names)]);
    const borders = await bordersOf(typed);
    const span = { from: hourOf(since), to: borders.to };
    const source = sourceOf(borders, { ...span, names, tag: scope.tag?.name ?? '', hours: false });
    const columns = by.map((name) => sql`${sql.ref(name)}`);
    const grouping = by.length === 0 ? sql`` : sql`GROUP BY ${sql.join(columns)}`;
    return await sql<Found>`
      SELECT ${sql.join([...columns, SUMS])} FROM ${source} ${where(conditions)} ${grouping}`.execute(typed);
  };
  return {
    spend: (query) => spend(typed, query),
    async total(scope, since) {
      return totalsOf((await totals(scope, since, [])).rows[0] ?? {});
    },
    async totalsByKey(since) {
      const { rows } = await totals({}, since, ['key_id']);
      const known = rows.filter((row) => row['key_id'] !== '');
      return new Map(known.map((row) => [String(row['key_id']), Number(row['costNano'])]));
    },
  };
}

async function spend(typed: Kysely<Schema>, query: SpendQuery): Promise<SpendRow[]> {
  const limit = query.limit ?? MAX_ROWS;
  const tag = tagOf(query.groupBy);
  const borders = await bordersOf(typed);
  const { from, to } = widened(borders, {
    from: Math.max(hourOf(query.from), borders.from),
    to: Math.min(hourOf(query.to + HOUR_MS - 1), borders.to),
  });
  let step = query.interval === undefined ? to - from : stepOf(query.interval) * FIRST_STEPS;
  const rows: FoundRow[] = [];
  for (let start = from; start < to && rows.length < limit; ) {
    // Whole days, also when the span begins within one.
    const days = query.interval === 'day' || start < borders.hoursFrom;
    const end = Math.min(to, days ? start - (start % DAY_MS) + Math.max(step, DAY_MS) : start + step);
    const part = { ...query, from: start, to: end, limit: limit - rows.length };
    const found = await spendBetween(typed, part, { tag, borders });
    rows.push(...found);
    start = end;
    // As far as the rest of the limit will do, when it goes on like this.
    step *= Math.max(1, Math.min(8, Math.floor((limit - rows.length) / (found.length + 1))));
  }
  return rows.map(withPercentiles);
}

interface Planned {
  readonly tag: string | undefined;
  readonly borders: Awaited<ReturnType<typeof bordersOf>>;
}

async function spendBetween(typed: Kysely<Schema>, query: SpendQuery, planned: Planned): Promise<FoundRow[]> {
  const read = (await sessions(typed, query, planned)) ?? (await grouped(typed, query, planned));
  const tagged = query.groupBy.find(isTagLike);
  if (tagged === undefined) return read;
  // A tag without a value says as much as none.
  const found = read.filter(({ group }) => group[tagged] !== null);
  if (read.length === query.limit) return found;
  const total = async (tag: string | undefined) => {
    const one = { ...query, groupBy: [], interval: undefined, percentiles: false };
    return (await grouped(typed, one, { ...planned, tag }))[0]?.requests;
  };
  if (found.length === read.length && (await total(planned.tag)) === (await total(undefined))) {
    return found;
  }
  // What carries the tag is known; what does not is the rest of all.
  const without = query.groupBy.filter((dimension) => !isTagLike(dimension));
  // One histogram less another: only where both are known.
  const percentiles = query.percentiles === true && knowsLatencies(namesOf(query), planned.tag);
  const everything = { ...query, groupBy: without, percentiles, limit: Number.MAX_SAFE_INTEGER };
  const all = await grouped(typed, everything, { ...planned, tag: undefined });
  return [...found, ...untagged(all, found, query.groupBy)].sort(inOrder).slice(0, query.limit);
}

/** Over several days from the pieces by day; undefined for what these cannot tell. */
async function sessions(
  typed: Kysely<Schema>,
  query: SpendQuery,
  planned: Planned,
): Promise<FoundRow[] | undefined> {
  const { from, to, limit = MAX_ROWS } = query;
  if (planned.tag !== SESSION_TAG || query.interval !== undefined || to - from < 2 * DAY_MS) return undefined;
  const by = query.groupBy.map((dimension) => [dimension, columnOf(dimension)] as const);
  const conditions = conditionsOf(query);
  const names = namesOf(query);
  const tests = conditions.map(({ passes }) => passes).filter((test) => test !== undefined);
  if (!sessionsKnow(names) || tests.length < conditions.length) return undefined;
  const passes = (value: (column: NameColumn) => string) => tests.every((test) => test(value));
  return sessionSpend(typed, { from, to, by, passes, limit }, (span) =>
    grouped(typed, { ...query, ...span, limit: Number.MAX_SAFE_INTEGER }, planned),
  );
}

interface Condition {
  readonly names: readonly NameColumn[];
  readonly holds: RawBuilder<unknown>;
  /** The same of a row that is no row of a table; undefined where only the database knows. */
  readonly passes: ((value: (column: NameColumn) => string) => boolean) | undefined;
}

function equals(column: NameColumn, wanted: string): Condition {
  return {
    names: [column],
    holds: sql`${sql.ref(column)} = ${wanted}`,
    passes: (value) => value(column) === wanted,
  };
}

function where(conditions: readonly Condition[]) {
  return conditions.length === 0
    ? sql``
    : sql`WHERE ${sql.join(
        conditions.map(({ holds }) => holds),
        sql` AND `,
      )}`;
}

const COLUMNS: Readonly<Record<string, NameColumn>> = {
  model: 'model',
  provider: 'provider',
  key: 'key_id',
  user: 'user_name',
  team: 'team_id',
  project: 'project_id',
  organization: 'organization_id',
  session: 'tag_value',
};

const SUMS = sql<SpendTotals>`
  sum(requests) AS requests, sum(errors) AS errors, sum(cost_nano) AS "costNano",
  sum(input_tokens) AS "inputTokens", sum(cache_read_tokens) AS "cacheReadTokens",
  sum(cache_write_tokens) AS "cacheWriteTokens", sum(output_tokens) AS "outputTokens",
  sum(latency_ms) AS "latencyMs", sum(unpriced) AS unpriced, sum(refused) AS refused, sum(abandoned) AS abandoned`;

type Found = Record<string, string | number | null>;

/** With the histogram as it was found, where one was asked for. */
type FoundRow = SpendRow & { readonly latencies?: Uint8Array };

function isTagLike(dimension: SpendDimension): boolean {
  return dimension === 'session' || dimension.startsWith('tag:');
}

/** The name of the one tag grouped by, or undefined. */
function tagOf(groupBy: readonly SpendDimension[]): string | undefined {
  const names = groupBy.filter(isTagLike);
  if (names.length > 1) {
    throw badRequest('group_by', 'group_by can name one tag, or the session, at a time.');
  }
  return names[0] === 'session' ? SESSION_TAG : names[0]?.slice('tag:'.length);
}

async function grouped(
  typed: Kysely<Schema>,
  query: SpendQuery,
  { tag, borders }: Planned,
): Promise<FoundRow[]> {
  const start = sql<number>`hour - hour % ${sql.lit(stepOf(query.interval))}`;
  const columns = query.groupBy.map((dimension) => [dimension, columnOf(dimension)] as const);
  let groupings: RawBuilder<unknown>[] = columns.map(([, column]) => sql`${sql.ref(column)}`);
  let fields: RawBuilder<unknown>[] = columns.map(
    ([dimension, column]) => sql`${sql.ref(column)} AS ${sql.id(dimension)}`,
  );
  if (query.interval !== undefined) {
    groupings = [start, ...groupings];
    fields = [sql`${start} AS start`, ...fields];
  }
  const conditions = conditionsOf(query);
  const names = namesOf(query);
  const span = { from: query.from, to: query.to, hours: query.interval === 'hour' };
  const latencies = query.percentiles === true && knowsLatencies(names, tag);
  if (latencies) fields = [...fields, sql`latencies_sum(latencies) AS latencies`];
  const source = sourceOf(borders, { ...span, names, tag: tag ?? '', latencies });
  const found = await sql<Found>`
    SELECT ${sql.join([...fields, SUMS])} FROM ${source} ${where(conditions)}
    ${groupings.length === 0 ? sql`HAVING count(*) > 0` : sql`GROUP BY ${sql.join(groupings)}`}
    ORDER BY ${query.interval === undefined ? sql`1 = 1` : start}, sum(cost_nano) DESC, sum(requests) DESC
    LIMIT ${sql.lit(query.limit ?? MAX_ROWS)}`.execute(typed);
  return found.rows.map((row) => {
    const group: Record<string, string | null> = {};
    for (const dimension of query.groupBy) group[dimension] = groupValue(row[dimension]);
    const histogram = latencies ? { latencies: row['latencies'] as unknown as Uint8Array } : {};
    const sums = { ...totalsOf(row), ...histogram };
    if (query.interval === undefined) return { group, ...sums };
    const at = Number(row['start']);
    const whole = query.interval === 'hour' && at < borders.hoursFrom;
    return { start: at, ...(whole ? { wholeDay: true } : {}), group, ...sums };
  });
}

function columnOf(dimension: SpendDimension): NameColumn {
  const column = dimension.startsWith('tag:') ? 'tag_value' : COLUMNS[dimension];
  if (column === undefined) {
    throw badRequest(
      'group_by',
      'group_by takes model, provider, key, user, team, project, organization, session and tag:NAME.',
    );
  }
  return column;
}

function scopeConditions(scope: Omit<SpendScope, 'tag'>): Condition[] {
  const wanted = {
    key_id: scope.keyId,
    model: scope.model,
    provider: scope.provider,
    user_name: scope.user,
    team_id: scope.teamId,
    project_id: scope.projectId,
  };
  return Object.entries(wanted).flatMap(([column, value]) =>
    value === undefined ? [] : [equals(column as NameColumn, value)],
  );
}

/** The columns a question needs. */
function namesOf(query: SpendQuery): Set<NameColumn> {
  return new Set([...query.groupBy.map(columnOf), ...conditionsOf(query).flatMap(({ names }) => names)]);
}

function knowsLatencies(names: ReadonlySet<NameColumn>, tag: string | undefined): boolean {
  return tag !== SESSION_TAG && cubeWith(names, tag ?? '') !== undefined;
}

function conditionsOf(query: SpendQuery): Condition[] {
  return [...scopeConditions(query), ...extentConditions(query.extent)];
}

/** What the reader may see, by where the key belonged when it was used; his own keys are his wherever they were. */
function extentConditions(extent: Extent | undefined): Condition[] {
  if (extent === undefined || extent.tenant === 'every') {
    return [];
  }
  const { within, tenant } = extent;
  const conditions: Condition[] = [equals('organization_id', tenant.organizationId)];
  if (within === undefined) {
    return conditions;
  }
  const teams = sql`team_id IN (SELECT value FROM json_each(${JSON.stringify(within.teamIds)}))`;
  if (within.ownerId === undefined) {
    const passes: Condition['passes'] = (value) => within.teamIds.includes(value('team_id'));
    return [...conditions, { names: ['team_id'], holds: teams, passes }];
  }
  const own = sql`key_id IN (
    SELECT id FROM virtual_keys WHERE user_id = ${within.ownerId} OR service_account_id = ${within.ownerId})`;
  return [
    ...conditions,
    { names: ['team_id', 'key_id'], holds: sql`(${teams} OR ${own})`, passes: undefined },
  ];
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
    unpriced: Number(row['unpriced'] ?? 0),
    refused: Number(row['refused'] ?? 0),
    abandoned: Number(row['abandoned'] ?? 0),
  };
}

const TOTALS = Object.keys(totalsOf({})) as (keyof SpendTotals)[];

/** Per group the sum of all minus the sum of what carries the tag; groups in which everything does are left out. */
function untagged(all: readonly FoundRow[], tagged: readonly FoundRow[], groupBy: readonly SpendDimension[]) {
  const groupOf = (row: SpendRow) =>
    Object.fromEntries(groupBy.map((name) => [name, isTagLike(name) ? null : (row.group[name] ?? null)]));
  const nameOf = (row: SpendRow) => JSON.stringify([row.start, groupOf(row)]);
  const rest = new Map<string, FoundRow>();
  const histograms = new Map<string, Latencies>();
  for (const row of all) {
    rest.set(nameOf(row), { ...row, group: groupOf(row) });
    if (row.latencies !== undefined) {
      const histogram = new Latencies();
      histogram.add(row.latencies);
      histograms.set(nameOf(row), histogram);
    }
  }
  for (const row of tagged) {
    const open = rest.get(nameOf(row));
    if (open !== undefined) {
      const left = Object.fromEntries(TOTALS.map((name) => [name, open[name] - row[name]]));
      rest.set(nameOf(row), { ...open, ...left });
      if (row.latencies !== undefined) histograms.get(nameOf(row))?.add(row.latencies, -1);
    }
  }
  return [...rest]
    .filter(([, row]) => row.requests > 0)
    .map(([name, row]) => {
      const histogram = histograms.get(name);
      return histogram === undefined ? row : { ...row, latencies: histogram.bytes() };
    });
}

function withPercentiles(found: FoundRow): SpendRow {
  // Without a copy: an answer may have ten thousand of them.
  if (found.latencies === undefined) return found;
  const { latencies, ...row } = found;
  const histogram = new Latencies();
  histogram.add(latencies);
  const [p50, p95, p99] = histogram.percentiles(SHARES) ?? [];
  if (p50 === undefined || p95 === undefined || p99 === undefined) return row;
  return { ...row, latency: { p50, p95, p99 } };
}

/** The order of the query: by start, then by cost and requests, highest first. */
function inOrder(left: SpendTotals & { start?: number }, right: SpendTotals & { start?: number }): number {
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

function stepOf(interval: SpendQuery['interval']): number {
  return interval === 'day' ? DAY_MS : HOUR_MS;
}
