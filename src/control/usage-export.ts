import { nanoToUsd } from '../core/cost/money.ts';
import { DAY_MS } from '../core/durations.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SpendDimension, SpendQuery, SpendRow, Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { type CsvCell, csvOf } from './csv.ts';
import { FOCUS_COLUMNS, FOCUS_DIMENSIONS, focusRow } from './focus.ts';
import { extentOf } from './rights.ts';
import { nameBook, type SpendNames } from './spend-names.ts';
import { dimensionsIn, scopeOf, spanOf } from './usage.ts';

/** Groups of an answer without an interval, which is made in one piece. */
const MAX_GROUPS = 200_000;
/** Rows in memory at a time, unless a single day has more. */
const MAX_ROWS = 50_000;
/** Below this twice as many days are asked for next. */
const FEW_ROWS = 5000;
const MAX_DAYS = 32;
/** Rows of text handed over at a time. */
const ROWS_PER_CHUNK = 500;
/** Looked up in the course of an export. */
const MAX_NAMES = 20_000;
const NAMED: ReadonlySet<string> = new Set(['key', 'team', 'project', 'organization']);

interface Layout {
  readonly header: readonly string[];
  readonly cells: (row: SpendRow, names: SpendNames) => CsvCell[];
}

/** Every dimension as a column, with the name behind the id where there is one. */
function plainLayout(groupBy: readonly SpendDimension[]): Layout {
  const labels = groupBy.flatMap((name) => (NAMED.has(name) ? [`${name}_id`, name] : [name]));
  const counts = ['requests', 'errors', 'unpriced_requests', 'input_tokens', 'cache_read_tokens'];
  const rest = ['cache_write_tokens', 'output_tokens', 'average_latency_ms', 'cost_usd', 'failed_requests'];
  const last = [
    'refused_requests',
    'abandoned_requests',
    'p50_latency_ms',
    'p95_latency_ms',
    'p99_latency_ms',
  ];
  return {
    header: ['start', ...labels, ...counts, ...rest, ...last],
    cells: (row, names) => [
      row.start === undefined ? null : toTime(row.start),
      ...groupBy.flatMap((name) => {
        const value = row.group[name] ?? null;
        return NAMED.has(name) ? [value, names[name]?.[value ?? ''] ?? null] : [value];
      }),
      row.requests,
      row.errors,
      row.unpriced,
      row.inputTokens,
      row.cacheReadTokens,
      row.cacheWriteTokens,
      row.outputTokens,
      row.requests === 0 ? 0 : Math.round(row.latencyMs / row.requests),
      { decimal: nanoToUsd(row.costNano) },
      row.errors - row.refused - row.abandoned,
      row.refused,
      row.abandoned,
      row.latency?.p50 ?? null,
      row.latency?.p95 ?? null,
      row.latency?.p99 ?? null,
    ],
  };
}

function focusLayout(step: 'hour' | 'day'): Layout {
  return { header: FOCUS_COLUMNS, cells: (row, names) => focusRow(row, names, step) };
}

/**
 * The rows of an answer, some days at a time: an export of years needs no more memory than its fullest day. Days are UTC
 * days, because where hours are pruned nothing less can be asked for.
 */
async function* portions(store: Store, query: SpendQuery): AsyncGenerator<readonly SpendRow[]> {
  if (query.interval === undefined) {
    const rows = await store.usage.spend({ ...query, limit: MAX_GROUPS + 1 });
    if (rows.length > MAX_GROUPS) {
      throw badRequest('from', `This is more than ${MAX_GROUPS} groups; ask for a shorter time.`);
    }
    yield rows;
    return;
  }
  const earliest = { ...query, groupBy: [], interval: 'day', percentiles: false, limit: 1 } as const;
  const [first] = await store.usage.spend(earliest);
  let days = 1;
  for (let from = Math.max(query.from, first?.start ?? query.to); from < query.to; ) {
    const to = Math.min(query.to, from - (from % DAY_MS) + days * DAY_MS);
    const limit = days === 1 ? Number.MAX_SAFE_INTEGER : MAX_ROWS + 1;
    const rows = await store.usage.spend({ ...query, from, to, limit });
    if (days > 1 && rows.length > MAX_ROWS) {
      days = 1;
      continue;
    }
    yield rows;
    from = to;
    days = rows.length < FEW_ROWS ? Math.min(MAX_DAYS, days * 2) : 1;
  }
}

async function* textOf(
  layout: Layout,
  rows: AsyncIterator<readonly SpendRow[]>,
  names: (rows: readonly SpendRow[]) => Promise<SpendNames>,
): AsyncGenerator<string> {
  try {
    yield csvOf([layout.header]);
    for (let some = await rows.next(); some.done !== true; some = await rows.next()) {
      for (let from = 0; from < some.value.length; from += ROWS_PER_CHUNK) {
        const part = some.value.slice(from, from + ROWS_PER_CHUNK);
        const known = await names(part);
        yield csvOf(part.map((row) => layout.cells(row, known)));
      }
    }
  } finally {
    await rows.return?.();
  }
}

/** The same, its first portion fetched: what is wrong with a question shows while an error can still be answered. */
async function begun<T>(rows: AsyncGenerator<T>): Promise<AsyncIterator<T>> {
  const first = await rows.next();
  let given = false;
  return {
    async next() {
      if (given) return rows.next();
      given = true;
      return first;
    },
    return: () => rows.return(undefined),
  };
}

/** Spend as a table for spreadsheets and for tools that read FOCUS. */
export function createUsageExportHandlers(ports: {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}): Pick<Handlers, 'exportUsage'> {
  return {
    async exportUsage(input, caller) {
      const focus = input.format === 'focus';
      if (focus && input.group_by !== undefined) {
        throw badRequest('group_by', '`format=focus` has its own grouping; leave `group_by` out.');
      }
      const groupBy = focus ? FOCUS_DIMENSIONS : dimensionsIn(input.group_by);
      const interval = input.interval ?? (focus ? 'day' : undefined);
      const { from, to } = spanOf(input, ports.clock);
      const extent = extentOf(caller, 'usage:read', input.organization_id);
      await caughtUp(ports);
      const query = { ...scopeOf(input), from, to, groupBy, extent, interval, percentiles: !focus };
      const rows = await begun(portions(ports.store, query));
      const layout = focus ? focusLayout(interval ?? 'day') : plainLayout(groupBy);
      return textOf(layout, rows, nameBook(ports.store, caller, MAX_NAMES));
    },
  };
}
