import { nanoToUsd } from '../core/cost/money.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SpendDimension, Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { extentOf } from './rights.ts';

const DEFAULT_SPAN_MS = 30 * 86_400_000;
const DIMENSIONS: ReadonlySet<string> = new Set(['model', 'provider', 'key', 'user']);

function dimensions(text: string | undefined): SpendDimension[] {
  if (text === undefined || text === '') return [];
  return text.split(',').map((entry) => {
    const name = entry.trim();
    if (DIMENSIONS.has(name) || /^tag:.{1,100}$/.test(name)) return name as SpendDimension;
    throw badRequest(
      'group_by',
      '`group_by` takes model, provider, key, user and tag:NAME, separated by commas.',
    );
  });
}

/** Spend and tokens, from rollups. */
export function createUsageHandlers(ports: {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}): Pick<Handlers, 'getUsage'> {
  return {
    async getUsage(input, caller) {
      await caughtUp(ports);
      const to = input.to === undefined ? ports.clock.now() : Date.parse(input.to);
      const from = input.from === undefined ? to - DEFAULT_SPAN_MS : Date.parse(input.from);
      if (from >= to) throw badRequest('from', '`from` must lie before `to`.');
      const rows = await ports.store.usage.spend({
        from,
        to,
        groupBy: dimensions(input.group_by),
        extent: extentOf(caller, 'usage:read', input.organization_id),
        interval: input.interval,
      });
      return {
        from: toTime(from),
        to: toTime(to),
        data: rows.map((row) => ({
          start: row.start === undefined ? null : toTime(row.start),
          group: { ...row.group },
          requests: row.requests,
          errors: row.errors,
          cost_usd: nanoToUsd(row.costNano),
          input_tokens: row.inputTokens,
          cache_read_tokens: row.cacheReadTokens,
          cache_write_tokens: row.cacheWriteTokens,
          output_tokens: row.outputTokens,
          average_latency_ms: row.requests === 0 ? 0 : Math.round(row.latencyMs / row.requests),
        })),
      };
    },
  };
}
