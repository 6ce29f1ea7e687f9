import { nanoToUsd } from '../core/cost/money.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { SpendRow, SpendTotals, Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { extentOf } from './rights.ts';
import { namesIn } from './spend-names.ts';

/** Teams times models of a month; more would not be a report. */
const MAX_ROWS = 1_000_000;

function sumsOf(rows: readonly SpendTotals[]) {
  const sum = (name: keyof SpendTotals) => rows.reduce((all, row) => all + row[name], 0);
  return {
    requests: sum('requests'),
    unpriced_requests: sum('unpriced'),
    input_tokens: sum('inputTokens'),
    cache_read_tokens: sum('cacheReadTokens'),
    cache_write_tokens: sum('cacheWriteTokens'),
    output_tokens: sum('outputTokens'),
    // Whole nano-dollars: the parts of a report add up to its total to the last digit.
    cost_usd: nanoToUsd(rows.reduce((all, row) => all + BigInt(row.costNano), 0n)),
  };
}

/** What every team owes for a month. */
export function createChargebackHandlers(ports: {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}): Pick<Handlers, 'getChargeback'> {
  return {
    async getChargeback({ month, organization_id }, caller) {
      const extent = extentOf(caller, 'usage:read', organization_id);
      await caughtUp(ports);
      const [year = 0, number = 0] = month.split('-').map(Number);
      const [from, to] = [Date.UTC(year, number - 1), Date.UTC(year, number)];
      const groupBy = ['organization', 'team', 'model', 'provider'] as const;
      const rows = await ports.store.usage.spend({ from, to, groupBy, extent, limit: MAX_ROWS });
      const names = await namesIn(rows, ports.store, caller);
      const teams = Map.groupBy(rows, ({ group }) => JSON.stringify([group['organization'], group['team']]));
      return {
        month,
        from: toTime(from),
        to: toTime(to),
        total: sumsOf(rows),
        data: [...teams.values()].sort(byCost).map((ofTeam) => {
          const group = ofTeam[0]?.group ?? {};
          const [organization, team] = [group['organization'] ?? null, group['team'] ?? null];
          return {
            organization_id: organization,
            organization: names['organization']?.[organization ?? ''] ?? null,
            team_id: team,
            team: names['team']?.[team ?? ''] ?? null,
            ...sumsOf(ofTeam),
            models: ofTeam.map((row) => ({
              model: row.group['model'] ?? null,
              provider: row.group['provider'] ?? null,
              ...sumsOf([row]),
            })),
          };
        }),
      };
    },
  };
}

function byCost(left: readonly SpendRow[], right: readonly SpendRow[]): number {
  const cost = (rows: readonly SpendRow[]) => rows.reduce((sum, row) => sum + row.costNano, 0);
  return cost(right) - cost(left);
}
