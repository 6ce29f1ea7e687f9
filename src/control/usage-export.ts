import { nanoToUsd } from '../core/cost/money.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SpendDimension, SpendRow, Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { type CsvCell, csvOf } from './csv.ts';
import { FOCUS_COLUMNS, FOCUS_DIMENSIONS, focusRow } from './focus.ts';
import { extentOf } from './rights.ts';
import { namesIn, type SpendNames } from './spend-names.ts';
import { dimensionsIn, spanOf } from './usage.ts';

/** What is built in memory at a time. */
const MAX_ROWS = 200_000;
const NAMED: ReadonlySet<string> = new Set(['key', 'team', 'project', 'organization']);

/** Every dimension as a column, with the name behind the id where there is one. */
function plainTable(
  rows: readonly SpendRow[],
  groupBy: readonly SpendDimension[],
  names: SpendNames,
): string {
  const labels = groupBy.flatMap((name) => (NAMED.has(name) ? [`${name}_id`, name] : [name]));
  const header = ['start', ...labels, 'requests', 'errors', 'unpriced_requests', 'input_tokens'];
  const table = rows.map((row): CsvCell[] => [
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
  ]);
  const rest = ['cache_read_tokens', 'cache_write_tokens', 'output_tokens', 'average_latency_ms', 'cost_usd'];
  return csvOf([...header, ...rest], table);
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
      const query = { from, to, groupBy, extent, interval, limit: MAX_ROWS + 1 };
      const rows = await ports.store.usage.spend(query);
      if (rows.length > MAX_ROWS) {
        throw badRequest('from', `This is more than ${MAX_ROWS} rows; ask for a shorter time.`);
      }
      const names = await namesIn(rows, ports.store, caller);
      if (!focus) return plainTable(rows, groupBy, names);
      return csvOf(
        FOCUS_COLUMNS,
        rows.map((row) => focusRow(row, names, interval ?? 'day')),
      );
    },
  };
}
