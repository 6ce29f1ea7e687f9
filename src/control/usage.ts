import { nanoToUsd } from '../core/cost/money.ts';
import { DAY_MS } from '../core/durations.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SpendDimension, SpendQuery, SpendRow, Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import type { OutputOf } from './contract.ts';
import { extentOf } from './rights.ts';
import { namesIn } from './spend-names.ts';

const DEFAULT_SPAN_MS = 30 * DAY_MS;
const MAX_ROWS = 10_000;
/** All that is named, with one tag or the session: the rows that many names make are cut off at {@link MAX_ROWS}. */
const MAX_DIMENSIONS = 8;
const DIMENSIONS: ReadonlySet<string> = new Set([
  'model',
  'provider',
  'key',
  'user',
  'team',
  'project',
  'organization',
  'session',
]);

/** What `group_by` names, each once. Throws `bad_request` for anything else. */
export function dimensionsIn(text: string | undefined): SpendDimension[] {
  if (text === undefined || text === '') return [];
  const named = text.split(',').map((entry) => {
    const name = entry.trim();
    if (DIMENSIONS.has(name) || /^tag:.{1,100}$/.test(name)) return name as SpendDimension;
    throw badRequest(
      'group_by',
      '`group_by` takes model, provider, key, user, team, project, organization, session and tag:NAME, separated by commas.',
    );
  });
  const dimensions = [...new Set(named)];
  if (dimensions.length > MAX_DIMENSIONS) {
    throw badRequest('group_by', `\`group_by\` takes at most ${MAX_DIMENSIONS} names.`);
  }
  return dimensions;
}

/** The time asked about, by default the last 30 days. Throws `bad_request` when it ends before it begins. */
export function spanOf(
  input: { readonly from?: string | undefined; readonly to?: string | undefined },
  clock: Clock,
): { readonly from: number; readonly to: number } {
  const to = input.to === undefined ? clock.now() : Date.parse(input.to);
  const from = input.from === undefined ? to - DEFAULT_SPAN_MS : Date.parse(input.from);
  if (from >= to) throw badRequest('from', '`from` must lie before `to`.');
  return { from, to };
}

function rowOf(row: SpendRow): OutputOf<'getUsage'>['data'][number] {
  return {
    start: row.start === undefined ? null : toTime(row.start),
    group: { ...row.group },
    requests: row.requests,
    errors: row.errors,
    failed_requests: row.errors - row.refused - row.abandoned,
    refused_requests: row.refused,
    abandoned_requests: row.abandoned,
    cost_usd: nanoToUsd(row.costNano),
    unpriced_requests: row.unpriced,
    input_tokens: row.inputTokens,
    cache_read_tokens: row.cacheReadTokens,
    cache_write_tokens: row.cacheWriteTokens,
    output_tokens: row.outputTokens,
    average_latency_ms: row.requests === 0 ? 0 : Math.round(row.latencyMs / row.requests),
    latency_ms: row.latency ?? null,
  };
}

/** Whose spend is asked about; every fact given must hold. */
export function scopeOf(input: {
  readonly key_id?: string | undefined;
  readonly team_id?: string | undefined;
  readonly project_id?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly user?: string | undefined;
}): Pick<SpendQuery, 'keyId' | 'teamId' | 'projectId' | 'model' | 'provider' | 'user'> {
  const { key_id: keyId, team_id: teamId, project_id: projectId, model, provider, user } = input;
  return { keyId, teamId, projectId, model, provider, user };
}

/** Spend and tokens, from rollups. */
export function createUsageHandlers(ports: {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}): Pick<Handlers, 'getUsage'> {
  return {
    async getUsage(input, caller) {
      const groupBy = dimensionsIn(input.group_by);
      const { from, to } = spanOf(input, ports.clock);
      const extent = extentOf(caller, 'usage:read', input.organization_id);
      await caughtUp(ports);
      // One more than is shown tells whether there are more.
      const found = await ports.store.usage.spend({
        ...scopeOf(input),
        from,
        to,
        groupBy,
        extent,
        interval: input.interval,
        limit: MAX_ROWS + 1,
        percentiles: true,
      });
      const rows = found.slice(0, MAX_ROWS);
      return {
        from: toTime(from),
        to: toTime(to),
        truncated: found.length > MAX_ROWS,
        names: await namesIn(rows, ports.store, caller),
        data: rows.map(rowOf),
      };
    },
  };
}
