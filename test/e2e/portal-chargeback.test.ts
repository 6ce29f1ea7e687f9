import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeHead, encodeExchange } from '../../src/adapters/journal/exchange-text.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { ExchangeWriter } from '../../src/adapters/sqlite/exchange-writer.ts';
import type { ExchangeRecord } from '../../src/core/cost/exchange.ts';
import { usdToNano } from '../../src/core/cost/money.ts';
import { exchange } from '../contract/ledger-samples.ts';
import { cellsOf } from '../support/focus-rules.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  choose,
  openBrowser,
  openWindow,
  picture,
  type Trouble,
  tooWide,
  violations,
} from './portal-browser.ts';

/** Would open a dialog if the page took it for more than text, and runs in a spreadsheet (T16). */
const HOSTILE = '=1+1<img src=x onerror="alert(1)">';
const DAY = 86_400_000;
const now = new Date();
const THIS_MONTH = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
const LAST_MONTH = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1);

const directory = mkdtempSync(join(tmpdir(), 'sluice-chargeback-'));
let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;
const records: ExchangeRecord[] = [];

function add(startedAt: number, team: string | undefined, model: string, total: number | undefined): void {
  const place = { organizationId: 'org_default', teamId: team, projectId: undefined, ownerId: undefined };
  const { cost } = exchange('x');
  const known =
    total === undefined || cost === undefined ? undefined : { ...cost, input: total, output: 0, total };
  records.push(exchange(`exc_${records.length}`, { startedAt, place, model, cost: known }));
}

beforeAll(async () => {
  // The first start makes the schema and the teams; what they used is put behind its back.
  const first = await startGateway({ dataDir: directory });
  const alpha = await first.client.call('createTeam', { name: 'Alpha' });
  const beta = await first.client.call('createTeam', { name: HOSTILE });
  await first.close(true);
  add(LAST_MONTH, alpha.id, 'gpt-4o', 1_500_000_000);
  add(THIS_MONTH - 1, alpha.id, 'claude', 250_000_001);
  add(LAST_MONTH + DAY, beta.id, HOSTILE, 4_000_000_000);
  add(LAST_MONTH + DAY, beta.id, 'unknown-price', undefined);
  add(LAST_MONTH + DAY, undefined, 'gpt-4o', 7);
  // Neither belongs to last month.
  add(LAST_MONTH - 1, alpha.id, 'gpt-4o', 9_000_000_000);
  add(THIS_MONTH, alpha.id, 'gpt-4o', 3_000_000_000);
  const database = await openDatabase(join(directory, 'sluice.db'));
  database.raw.exec('BEGIN');
  new ExchangeWriter(database.raw).insert(
    records.map((record) => {
      const text = encodeExchange(record);
      return { id: record.id, text, head: decodeHead(text) };
    }),
  );
  database.raw.exec('COMMIT');
  database.raw.close();
  gateway = await startGateway({ dataDir: directory });
  browser = await openBrowser();
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(await gateway.gateway.signInLink());
  await page.waitForURL(`${gateway.url}/`);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
  rmSync(directory, { recursive: true, force: true });
});

const panel = (name: string) => page.getByRole('region', { name, exact: true });
const cells = (name: string, row: string) =>
  panel(name).locator('tbody tr').filter({ hasText: row }).first().locator('td').allTextContents();
const month = (at: number) =>
  new Date(at).toLocaleDateString('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });

test('the page shows what every team spent in the month that is chosen', { timeout: 60_000 }, async () => {
  const pages = page.getByRole('navigation', { name: 'Pages' });
  await pages.getByRole('link', { name: 'Chargeback', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Chargeback' }).waitFor();
  await panel('Alpha').waitFor();
  expect(await cells('Teams', 'Alpha')).toEqual(['Alpha', '$3', '1', '100', '27', '50']);
  await choose(page.getByRole('combobox', { name: 'Month' }), month(LAST_MONTH));
  await panel('No team').waitFor();
  expect(new URL(page.url()).searchParams.get('month')).toBe(new Date(LAST_MONTH).toISOString().slice(0, 7));
  // Dearest first, then what has no team; the total is the sum.
  const names = await panel('Teams').locator('tbody tr td:first-child').allTextContents();
  expect(names).toEqual([HOSTILE, 'Alpha', 'No team', 'Total']);
  expect((await cells('Teams', HOSTILE))[1]).toBe('$4 + ?');
  expect((await cells('Teams', 'Alpha'))[1]).toBe('$1.75');
  expect((await cells('Teams', 'Total'))[1]).toMatch(/^\$5\.75 \+ \?$/);
  await page.getByText('1 request has no known price').first().waitFor();
  expect(await panel('Alpha').locator('tbody tr').count()).toBe(2);
  await picture(page, 'chargeback');
});

test('its CSV is exact, sums to the report and runs nothing', { timeout: 60_000 }, async () => {
  const waiting = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV', exact: true }).click();
  const download = await waiting;
  const wanted = new Date(LAST_MONTH).toISOString().slice(0, 7);
  expect(download.suggestedFilename()).toBe(`sluice-chargeback-${wanted}.csv`);
  const [header = [], ...rows] = cellsOf(readFileSync(await download.path(), 'utf8'));
  const column = (name: string) => rows.map((row) => row[header.indexOf(name)] ?? '');
  expect(rows).toHaveLength(5);
  expect(column('team')).toContain(`'${HOSTILE}`);
  expect(column('model')).toContain(`'${HOSTILE}`);
  const report = await gateway.client.call('getChargeback', { month: wanted });
  const sum = column('cost_usd').reduce((all, cost) => all + usdToNano(cost), 0);
  expect(sum).toBe(usdToNano(report.total.cost_usd));
  expect(sum).toBe(5_750_000_008);
  expect(
    column('unpriced_requests')
      .map(Number)
      .reduce((all, one) => all + one, 0),
  ).toBe(1);
});

test('a month without anything says so, and a month that is none is the running one', {
  timeout: 60_000,
}, async () => {
  await page.goto(`${gateway.url}/chargeback?month=2024-02`);
  await page.getByText('Nothing was used in February 2024').waitFor();
  expect(await page.getByRole('button', { name: 'CSV', exact: true }).isDisabled()).toBe(true);
  expect(await violations(page)).toEqual([]);
  await page.goto(`${gateway.url}/chargeback?month=2024-99`);
  await panel('Alpha').waitFor();
  expect(await page.getByRole('combobox', { name: 'Month' }).inputValue()).toBe(month(THIS_MONTH));
});

test('it is accessible in light and dark, fits a phone, and says what went wrong', {
  timeout: 90_000,
}, async () => {
  const wanted = new Date(LAST_MONTH).toISOString().slice(0, 7);
  await page.goto(`${gateway.url}/chargeback?month=${wanted}`);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await panel('No team').waitFor();
    expect(await violations(page), colorScheme).toEqual([]);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await tooWide(page)).toEqual([]);
  expect(await violations(page)).toEqual([]);
  await picture(page, 'phone-chargeback');
  expect(trouble).toEqual({ errors: [], strangers: [] });
  await page.route('**/api/reports/chargeback*', (route) => route.abort());
  await page.goto(`${gateway.url}/chargeback?month=2024-03`);
  const alert = page.getByRole('alert').filter({ hasText: 'cannot be reached' });
  await alert.waitFor();
  await page.unroute('**/api/reports/chargeback*');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Nothing was used in March 2024').waitFor();
  expect(await page.locator('img').count()).toBe(0);
});
