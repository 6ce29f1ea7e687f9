import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeHead, encodeExchange } from '../../src/adapters/journal/exchange-text.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { ExchangeWriter } from '../../src/adapters/sqlite/exchange-writer.ts';
import { sumUpDay, sumUpHour } from '../../src/adapters/sqlite/rollups.ts';
import type { ExchangeRecord } from '../../src/core/cost/exchange.ts';
import { usdToNano } from '../../src/core/cost/money.ts';
import { exchange } from '../contract/ledger-samples.ts';
import { cellsOf, focusProblems } from '../support/focus-rules.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** Runs as a formula, needs quotes, and breaks a line. */
const HOSTILE = '=HYPERLINK("http://canary.invalid"),\r\n"x"';
const NOVEMBER = Date.UTC(2025, 10, 1);
const DECEMBER = Date.UTC(2025, 11, 1);
const BIG = { from: Date.UTC(2025, 2, 1), days: 40, perHour: 60 };

let upstream: TestUpstream;
let gateway: TestGateway;
const directory = mkdtempSync(join(tmpdir(), 'sluice-export-'));
const records: ExchangeRecord[] = [];

/** Around the ends of a month, what costs fractions of a cent, nothing, and something unknown; then a lot of plain ones. */
function makeRecords(): void {
  const { cost } = exchange('x');
  const add = (change: Partial<ExchangeRecord>, total: number | undefined) => {
    const known =
      total === undefined || cost === undefined ? undefined : { ...cost, input: total, output: 0, total };
    records.push(exchange(`exc_${records.length}`, { ...change, cost: known }));
  };
  for (const border of [NOVEMBER, DECEMBER]) {
    for (const [index, at] of [-DAY, -HOUR, -1, 0, 1, HOUR - 1, HOUR, DAY].entries()) {
      add(
        { startedAt: border + at, user: HOSTILE, tags: { feature: HOSTILE, 'a b': 'c' } },
        1 + index * 333_333_333,
      );
    }
  }
  const place = { organizationId: 'org_default', teamId: 'team_x', projectId: 'prj_x', ownerId: undefined };
  add({ startedAt: NOVEMBER + 5 * DAY, place, model: HOSTILE }, 1);
  add({ startedAt: NOVEMBER + 5 * DAY, place, outcome: 'failed', status: 502 }, undefined);
  const none = {
    ...exchange('x').usage,
    input: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: 0,
  };
  const refused = { outcome: 'refused', status: 429, provider: undefined, usage: none } as const;
  add({ startedAt: NOVEMBER + 6 * DAY, keyId: undefined, ...refused }, undefined);
  add({ startedAt: NOVEMBER + 6 * DAY, outcome: 'abandoned', status: 499 }, 5);
  for (let hour = 0; hour < BIG.days * 24; hour += 1) {
    for (let key = 0; key < BIG.perHour; key += 1) {
      add({ startedAt: BIG.from + hour * HOUR + key, keyId: `key_${key}`, latencyMs: 10 * key }, 7);
    }
  }
}

beforeAll(async () => {
  makeRecords();
  const database = await openDatabase(join(directory, 'sluice.db'));
  const writer = new ExchangeWriter(database.raw);
  for (let from = 0; from < records.length; from += 4000) {
    const batch = records.slice(from, from + 4000).map((record) => {
      const text = encodeExchange(record);
      return { id: record.id, text, head: decodeHead(text) };
    });
    database.raw.exec('BEGIN');
    writer.insert(batch);
    database.raw.exec('COMMIT');
  }
  while (sumUpDay(database.raw, DECEMBER));
  while (sumUpHour(database.raw, DECEMBER + HOUR));
  database.raw.close();
  upstream = await startUpstream(chatAnswer('hi'));
  gateway = await startGateway({
    dataDir: directory,
    yaml: `version: 1
log: { retention_days: 3650 }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
`,
  });
});

afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
  rmSync(directory, { recursive: true, force: true });
});

function ask(path: string): Promise<Response> {
  return fetch(gateway.url + path, { headers: { authorization: `Bearer ${gateway.adminKey}` } });
}

async function table(query: Readonly<Record<string, string>>) {
  const answer = await ask(`/api/usage/export?${new URLSearchParams(query)}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="sluice-exportUsage.csv"');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const [header = [], ...rows] = cellsOf(await answer.text());
  const column = (name: string) => {
    expect(header).toContain(name);
    return rows.map((row) => row[header.indexOf(name)] ?? '');
  };
  return { header, rows, column };
}

const span = (from: number, to: number) => ({
  from: new Date(from).toISOString(),
  to: new Date(to).toISOString(),
});
const costOf = (from: number, to: number) =>
  records
    .filter(({ startedAt }) => startedAt >= from && startedAt < to)
    .reduce((sum, { cost }) => sum + (cost?.total ?? 0), 0);
const sum = (costs: readonly string[]) => costs.reduce((all, cost) => all + usdToNano(cost), 0);

test('the CSV keeps what clients write in its cell, and no spreadsheet runs it', async () => {
  for (const [group, value] of [
    ['user', HOSTILE],
    ['tag:feature', HOSTILE],
    ['model', HOSTILE],
  ] as const) {
    const { column, rows, header } = await table({ group_by: group, ...span(NOVEMBER, DECEMBER) });
    expect(column(group)).toContain(`'${value}`);
    expect(rows.every((row) => row.length === header.length)).toBe(true);
    expect(rows.flat().filter((cell) => /^[=+\-@\t\r]/.test(cell))).toEqual([]);
    expect(sum(column('cost_usd'))).toBe(costOf(NOVEMBER, DECEMBER));
  }
});

test('kinds of failure, unknown prices and percentiles are columns', async () => {
  const { column } = await table({ ...span(NOVEMBER, DECEMBER), team_id: 'team_x' });
  expect([column('requests'), column('errors'), column('unpriced_requests')]).toEqual([['2'], ['1'], ['1']]);
  const all = await table(span(NOVEMBER, DECEMBER));
  const kinds = ['failed_requests', 'refused_requests', 'abandoned_requests', 'errors'];
  expect(kinds.map((name) => all.column(name)[0])).toEqual(['1', '1', '1', '3']);
  const many = await table({ ...span(BIG.from, BIG.from + 30 * DAY) });
  for (const [name, exact] of [
    ['p50_latency_ms', 290],
    ['p95_latency_ms', 560],
    ['p99_latency_ms', 590],
  ] as const) {
    expect(Math.abs(Number(many.column(name)[0]) - exact)).toBeLessThanOrEqual(0.02 * exact + 0.5);
  }
});

test('the usage API says the same: filters, kinds of failure, percentiles, and null where there are none', async () => {
  const asked = { ...span(NOVEMBER, DECEMBER) };
  const [all] = (await gateway.client.call('getUsage', asked)).data;
  expect(usdToNano(all?.cost_usd ?? '')).toBe(costOf(NOVEMBER, DECEMBER));
  expect(all).toMatchObject({ errors: 3, failed_requests: 1, refused_requests: 1, abandoned_requests: 1 });
  expect(all?.unpriced_requests).toBe(1);
  for (const found of Object.values(all?.latency_ms ?? { none: 0 }))
    expect(Math.abs(found - 120)).toBeLessThan(3);
  const [one] = (await gateway.client.call('getUsage', { ...asked, team_id: 'team_x', model: HOSTILE })).data;
  expect(one).toMatchObject({ requests: 1, cost_usd: '0.000000001', unpriced_requests: 0 });
  expect((await gateway.client.call('getUsage', { ...asked, key_id: 'nobody' })).data).toEqual([]);
  const sessions = await gateway.client.call('getUsage', { ...asked, group_by: 'session' });
  expect(sessions.data.map(({ latency_ms }) => latency_ms)).toEqual([null]);
});

test('days and months begin at midnight UTC, and nothing else is understood', async () => {
  const { column } = await table({ ...span(NOVEMBER, DECEMBER), interval: 'day' });
  const starts = column('start');
  expect(starts[0]).toBe('2025-11-01T00:00:00.000Z');
  expect(starts.at(-1)).toBe('2025-11-30T00:00:00.000Z');
  expect(sum(column('cost_usd'))).toBe(costOf(NOVEMBER, DECEMBER));
  const before = await table({ ...span(NOVEMBER - DAY, NOVEMBER), interval: 'day' });
  expect(before.column('start')).toEqual(['2025-10-31T00:00:00.000Z']);
  // In another zone the same moment is refused rather than misread: the API takes UTC.
  const offset = await ask(`/api/usage/export?${new URLSearchParams({ from: '2025-11-01T02:00:00+02:00' })}`);
  expect(offset.status).toBe(400);
  const november = (await (await ask('/api/reports/chargeback?month=2025-11')).json()) as {
    total: { cost_usd: string };
  };
  expect(usdToNano(november.total.cost_usd)).toBe(costOf(NOVEMBER, DECEMBER));
  for (const month of ['2025-00', '2025-13', '2025-1', '1999-12', 'x']) {
    expect((await ask(`/api/reports/chargeback?month=${month}`)).status, month).toBe(400);
  }
});

test('FOCUS charges conform to the specification, by day and by hour, and sum to the nano-dollar', async () => {
  await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sluice-tags': 'feature=x' },
    body: JSON.stringify({ model: 'm', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  }).then((answer) => answer.arrayBuffer());
  for (const [step, length] of [
    ['day', DAY],
    ['hour', HOUR],
  ] as const) {
    const { header, rows, column } = await table({
      format: 'focus',
      interval: step,
      ...span(NOVEMBER - 2 * DAY, Date.now() + HOUR),
    });
    expect(rows.length).toBeGreaterThan(10);
    expect(focusProblems(header, rows)).toEqual([]);
    const ends = column('ChargePeriodEnd');
    for (const [index, start] of column('ChargePeriodStart').entries()) {
      expect(Date.parse(ends[index] ?? '') - Date.parse(start)).toBe(length);
    }
    for (const name of ['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost']) {
      const last = rows.filter((row) => (row[header.indexOf('ChargePeriodStart')] ?? '') < '2026');
      const costs = last.map((row) => row[header.indexOf(name)] ?? '');
      expect(sum(costs), name).toBe(costOf(NOVEMBER - 2 * DAY, Date.UTC(2026, 0, 1)));
    }
    expect(column('x_UnpricedRequests').reduce((all, one) => all + Number(one), 0)).toBe(1);
  }
  expect((await ask('/api/usage/export?format=focus&group_by=key')).status).toBe(400);
});

test('the validator finds what is wrong', () => {
  const header = [
    'BilledCost',
    'ChargeCategory',
    'ServiceCategory',
    'ProviderName',
    'ChargePeriodStart',
    'Own',
  ];
  const problems = focusProblems(header, [['1,5', 'Rent', 'AI', '', '2025-11-01', 'x']]).join('\n');
  for (const part of [
    'Own',
    'EffectiveCost is missing',
    'not a decimal',
    '"Rent"',
    '"AI"',
    'ProviderName "": empty',
    'not a UTC time',
  ]) {
    expect(problems).toContain(part);
  }
  expect(() => cellsOf('a"b\r\n')).toThrow();
  expect(cellsOf('a,"b\r\n""c""",\r\n')).toEqual([['a', 'b\r\n"c"', '']]);
});

function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(gateway.url + path, { headers: { authorization: `Bearer ${gateway.adminKey}` } }, resolve).on(
      'error',
      reject,
    );
  });
}

test('a large export waits for a slow reader, does not grow meanwhile, and is whole', async () => {
  const wide = new URLSearchParams({
    ...span(BIG.from, BIG.from + BIG.days * DAY),
    interval: 'hour',
    group_by: 'key,model,provider,team',
  });
  const path = `/api/usage/export?${wide}`;
  const answer = await open(path);
  await new Promise((resolve) => answer.once('readable', resolve));
  // Nobody reads: what the gateway has written stays in the buffers of a socket.
  await sleep(300);
  const before = process.memoryUsage().rss;
  await sleep(700);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  let text = '';
  answer.setEncoding('utf8');
  for await (const part of answer) text += part;
  const [header = [], ...rows] = cellsOf(text);
  expect(rows).toHaveLength(BIG.days * 24 * BIG.perHour);
  const costs = rows.map((row) => row[header.indexOf('cost_usd')] ?? '');
  expect(sum(costs)).toBe(costOf(BIG.from, BIG.from + BIG.days * DAY));
  // One who hangs up leaves nothing running: the gateway answers as before.
  const left = await open(path);
  await new Promise((resolve) => left.once('readable', resolve));
  left.destroy();
  expect((await ask('/api/status')).status).toBe(200);
});
