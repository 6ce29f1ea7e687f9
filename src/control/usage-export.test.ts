import { expect, test } from 'vitest';
import { usdToNano } from '../core/cost/money.ts';
import type { SpendQuery, SpendRow, Store } from '../ports/store.ts';
import { operator } from './caller.ts';
import { createChargebackHandlers } from './chargeback.ts';
import { csvOf } from './csv.ts';
import { createUsageExportHandlers } from './usage-export.ts';

const DAY = Date.UTC(2026, 10, 3);

function row(group: SpendRow['group'], costNano: number, change: Partial<SpendRow> = {}): SpendRow {
  return {
    start: DAY,
    group: { organization: 'org_default', provider: 'openai', project: null, ...group },
    requests: 2,
    errors: 0,
    costNano,
    inputTokens: 10,
    cacheReadTokens: 3,
    cacheWriteTokens: 2,
    outputTokens: 5,
    latencyMs: 100,
    unpriced: 0,
    refused: 0,
    abandoned: 0,
    ...change,
  };
}

const ROWS = [
  row({ team: 'team_1', key: 'key_1', model: 'gpt-4o' }, 1_000_000_001),
  row({ team: 'team_1', key: 'key_2', model: '=HYPERLINK("http://x")' }, 7),
  row({ team: null, key: null, model: 'claude', project: 'prj_1' }, 0, { unpriced: 2 }),
  row({ team: 'team_2', key: 'key_3', model: 'gpt-4o' }, 333_333_333),
];
const TOTAL = 1_333_333_341;

function ports(rows: readonly SpendRow[]) {
  const name = async (id: string) => (id.endsWith('_1') ? { name: `named ${id}` } : undefined);
  const store = {
    usage: {
      spend: async ({ from, to, limit = 1e9 }: SpendQuery) =>
        rows.filter(({ start = 0 }) => start >= from && start < to).slice(0, limit),
    },
    keys: { get: name },
    places: { get: (_kind: string, _tenant: unknown, id: string) => name(id) },
  } as unknown as Store;
  const ledger = { flush: async () => undefined } as never;
  return { store, ledger, clock: { now: () => DAY, monotonic: () => 0, after: () => () => undefined } };
}
const NOVEMBER = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' };

async function whole(text: AsyncIterable<string>): Promise<string> {
  let all = '';
  for await (const part of text) all += part;
  return all;
}

const caller = operator('admin-key', '127.0.0.1');

/** Cells of a CSV text, quotes undone. */
function cells(text: string): string[][] {
  expect(text.endsWith('\r\n')).toBe(true);
  return text
    .trimEnd()
    .split('\r\n')
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      ),
    );
}

test('what a spreadsheet would run is text, in quotes; numbers stay numbers', () => {
  const bad = ['=1+1', '+1', '-1', '@x', '\t=1', ' =1', '\r=1', '＝1', '|x', '%x'];
  const [, ...found] = cells(
    csvOf([['a', 'b'], ...bad.filter((text) => text !== '\r=1').map((text) => [text, -1])]),
  );
  for (const [cell, number] of found) {
    expect(cell?.startsWith("'")).toBe(true);
    expect(number).toBe('-1');
  }
  expect(csvOf([['a'], ['x,"y"\nz']])).toBe('a\r\n"x,""y""\nz"\r\n');
  expect(csvOf([['a'], ['\r=1']])).toBe('a\r\n"\'\r=1"\r\n');
  expect(
    csvOf([
      ['a', 'b'],
      [null, { decimal: '0.000000001' }],
    ]),
  ).toBe('a,b\r\n,0.000000001\r\n');
});

test('the CSV has names beside ids, and counts what has no price', async () => {
  const { exportUsage } = createUsageExportHandlers(ports(ROWS));
  const text = await exportUsage(
    { format: 'csv', group_by: 'team,key,model', interval: 'day', ...NOVEMBER },
    caller,
  );
  const [header = [], ...rows] = cells(await whole(text));
  expect(header.slice(0, 6)).toEqual(['start', 'team_id', 'team', 'key_id', 'key', 'model']);
  expect(rows[0]?.slice(1, 6)).toEqual(['team_1', 'named team_1', 'key_1', 'named key_1', 'gpt-4o']);
  expect(rows[1]?.[5]).toBe('\'=HYPERLINK("http://x")');
  expect(rows.map((one) => one[header.indexOf('unpriced_requests')])).toEqual(['0', '0', '2', '0']);
  const costs = rows.map((one) => usdToNano(one[header.indexOf('cost_usd')] ?? ''));
  expect(costs.reduce((sum, cost) => sum + cost, 0)).toBe(TOTAL);
});

test('FOCUS charges have the periods, the accounts and the exact sum', async () => {
  const { exportUsage } = createUsageExportHandlers(ports(ROWS));
  const [header = [], ...rows] = cells(
    await whole(await exportUsage({ format: 'focus', ...NOVEMBER }, caller)),
  );
  const column = (name: string) => rows.map((one) => one[header.indexOf(name)]);
  expect(column('ChargePeriodStart')[0]).toBe('2026-11-03T00:00:00Z');
  expect(column('ChargePeriodEnd')[0]).toBe('2026-11-04T00:00:00Z');
  expect(column('BillingPeriodEnd')[0]).toBe('2026-12-01T00:00:00Z');
  expect(column('SubAccountName')).toEqual(['named team_1', 'named team_1', '', 'team_2']);
  expect(column('ConsumedQuantity')[0]).toBe('20');
  expect(column('Tags')[2]).toBe('{"sluice/project":"named prj_1"}');
  for (const name of ['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost']) {
    expect(column(name).reduce((sum, cost) => sum + usdToNano(cost ?? ''), 0)).toBe(TOTAL);
  }
  await expect(exportUsage({ format: 'focus', group_by: 'key' }, caller)).rejects.toThrow('group_by');
});

test('too many rows are refused, not left out', async () => {
  const { exportUsage } = createUsageExportHandlers(ports(Array.from({ length: 200_001 }, () => row({}, 1))));
  await expect(exportUsage({ format: 'csv', ...NOVEMBER }, caller)).rejects.toThrow('shorter time');
});

test('an export is made as it is read, some days at a time, and stops when nobody reads on', async () => {
  const days = Array.from({ length: 100 }, (_, day) => day);
  const all = days.flatMap((day) =>
    Array.from({ length: day === 90 ? 60_000 : 5 * day }, (_, key) =>
      row({ key: `key_${key}`, team: null, model: 'm' }, 1, { start: DAY - (100 - day) * 86_400_000 }),
    ),
  );
  const fake = ports(all);
  let fetched = 0;
  let most = 0;
  const store = {
    ...fake.store,
    usage: {
      spend: async (query: SpendQuery) => {
        const found = await fake.store.usage.spend(query);
        fetched += found.length;
        most = Math.max(most, found.length);
        return found;
      },
    },
  } as unknown as Store;
  const { exportUsage } = createUsageExportHandlers({ ...fake, store });
  const asked = { format: 'csv', interval: 'day', group_by: 'key', from: '1999-01-01T00:00:00Z' } as const;
  const half = await exportUsage(asked, caller);
  for await (const text of half) if (text.includes('key_50,')) break;
  expect(fetched).toBeLessThan(12_000);
  let lines = 0;
  const starts: string[] = [];
  for await (const text of await exportUsage(asked, caller)) {
    expect(text.length).toBeLessThan(200_000);
    for (const line of text.trimEnd().split('\r\n')) {
      lines += 1;
      starts.push(line.slice(0, 24));
    }
  }
  expect(lines).toBe(all.length + 1);
  expect(starts.slice(1)).toEqual(starts.slice(1).toSorted());
  // No portion but the fullest day's was more than was asked for.
  expect(most).toBe(60_000);
});

test('teams of a chargeback report, and their models, sum to its total', async () => {
  const { getChargeback } = createChargebackHandlers(ports(ROWS));
  const report = await getChargeback({ month: '2026-11' }, caller);
  expect([report.from, report.to]).toEqual(['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z']);
  const december = await getChargeback({ month: '2026-12' }, caller);
  expect([december.from, december.to]).toEqual(['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  expect([december.total.cost_usd, december.data]).toEqual(['0', []]);
  const sum = (of: readonly { cost_usd: string }[]) =>
    of.reduce((all, { cost_usd }) => all + usdToNano(cost_usd), 0);
  expect(usdToNano(report.total.cost_usd)).toBe(TOTAL);
  expect(sum(report.data)).toBe(TOTAL);
  expect(sum(report.data.flatMap(({ models }) => models))).toBe(TOTAL);
  expect(report.data.map(({ team_id, team }) => [team_id, team])).toEqual([
    ['team_1', 'named team_1'],
    ['team_2', null],
    [null, null],
  ]);
  expect(report.total.unpriced_requests).toBe(2);
});
