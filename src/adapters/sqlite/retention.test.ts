import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, NOON, quietLog, systemClock } from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import type { SpendDimension } from '../../ports/store.ts';
import { decodeHead, encodeExchange } from '../journal/exchange-text.ts';
import { openJournal } from '../journal/journal.ts';
import { type Database, openDatabase } from './database.ts';
import { ExchangeWriter } from './exchange-writer.ts';
import { createExchangeTexts } from './exchanges.ts';
import { openSqlite } from './open.ts';
import { pruneRollups } from './rollup-pruning.ts';
import { sumUpDay } from './rollups.ts';
import { packMissing } from './session-days.ts';
import { createUsageStore } from './usage.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIDNIGHT = NOON - 12 * HOUR;
let directory: string;
let path: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-retention-'));
  path = join(directory, 'sluice.db');
  database = await openDatabase(path);
});
afterEach(() => {
  database.raw.close();
  rmSync(directory, { recursive: true });
});

/** Ten days; names that repeat, tags with several values, sessions that last over midnight. */
function records(days = 10, perDay = 48): ExchangeRecord[] {
  return Array.from({ length: days * perDay }, (_, index) => {
    const { cost } = exchange('x');
    const total = 1 + ((index * 7919) % 100_003);
    return exchange(`exc_${index}`, {
      startedAt: MIDNIGHT + Math.floor((index * DAY) / perDay),
      keyId: `key_${index % 3}`,
      model: `model-${index % 2}`,
      user: index % 4 === 0 ? undefined : `user-${index % 5}`,
      session: index % 3 === 0 ? undefined : `session-${Math.floor(index / 20)}`,
      tags: index % 2 === 0 ? { feature: `f${index % 5}` } : {},
      latencyMs: 1 + ((index * 31) % 900),
      cost: cost && { ...cost, input: total, output: 0, total },
    });
  });
}

function insert(all: readonly ExchangeRecord[]): void {
  const writer = new ExchangeWriter(database.raw);
  for (let from = 0; from < all.length; from += 1000) {
    database.raw.exec('BEGIN');
    const bytes = writer.insert(
      all.slice(from, from + 1000).map((record) => {
        const text = encodeExchange(record);
        return { id: record.id, text, head: decodeHead(text) };
      }),
    );
    database.raw.prepare('UPDATE ingest_state SET raw_bytes = raw_bytes + ?').run(bytes);
    database.raw.exec('COMMIT');
  }
}

const count = (text: string) =>
  Number(database.raw.prepare(`SELECT count(*) AS n FROM ${text}`).get()?.['n']);

const GROUPINGS: (readonly SpendDimension[])[] = [
  [],
  ['key'],
  ['model', 'key'],
  ['user'],
  ['user', 'model'],
  ['tag:feature'],
  ['tag:feature', 'key'],
  ['session'],
  ['session', 'key'],
];

async function answers(from: number, to: number): Promise<unknown> {
  const usage = createUsageStore(database.typed);
  const found: Record<string, unknown> = {};
  for (const groupBy of GROUPINGS) {
    for (const interval of [undefined, 'day'] as const) {
      const rows = await usage.spend({ from, to, groupBy, interval, percentiles: true });
      found[`${groupBy.join()} ${interval}`] = rows.map((row) => JSON.stringify(row)).toSorted();
    }
  }
  found['total'] = await usage.total({ keyId: 'key_1' }, from);
  found['by key'] = await usage.totalsByKey(from);
  return found;
}

test('hours go after their time, oldest first, and every sum by day stays what it was', async () => {
  insert(records());
  while (sumUpDay(database.raw, MIDNIGHT + 9 * DAY));
  const before = await answers(MIDNIGHT, MIDNIGHT + 10 * DAY);
  const rows = count('rollups');
  // Not before its day is over and summed up, however short hours are kept.
  const limits = { hoursBefore: MIDNIGHT + 5 * DAY };
  expect(pruneRollups(database.raw, limits)).toBe(true);
  expect(count(`rollups WHERE hour < ${MIDNIGHT + HOUR}`)).toBe(0);
  expect(count(`rollups WHERE hour = ${MIDNIGHT + HOUR}`)).toBeGreaterThan(0);
  // In the middle of it as at its end.
  expect(await answers(MIDNIGHT, MIDNIGHT + 10 * DAY)).toEqual(before);
  while (pruneRollups(database.raw, limits));
  expect(count(`rollups WHERE hour < ${limits.hoursBefore}`)).toBe(0);
  expect(count(`rollup_cubes WHERE cube < 10 AND hour < ${limits.hoursBefore}`)).toBe(0);
  expect(count('rollups')).toBe(rows / 2);
  expect(await answers(MIDNIGHT, MIDNIGHT + 10 * DAY)).toEqual(before);
  expect(pruneRollups(database.raw, { hoursBefore: MIDNIGHT + 99 * DAY })).toBe(true);
  while (pruneRollups(database.raw, { hoursBefore: MIDNIGHT + 99 * DAY }));
  expect(count(`rollups WHERE hour < ${MIDNIGHT + 9 * DAY}`)).toBe(0);
  expect(count('rollups')).toBeGreaterThan(0);
  expect(await answers(MIDNIGHT, MIDNIGHT + 10 * DAY)).toEqual(before);
});

test('where hours are gone a question is answered by whole days, once', async () => {
  insert(records());
  while (sumUpDay(database.raw, MIDNIGHT + 9 * DAY));
  const usage = createUsageStore(database.typed);
  const all = { from: MIDNIGHT, to: MIDNIGHT + 10 * DAY, groupBy: [] };
  const [whole] = await usage.spend(all);
  while (pruneRollups(database.raw, { hoursBefore: MIDNIGHT + 4 * DAY }));
  for (const groupBy of GROUPINGS) {
    const hours = await usage.spend({ ...all, groupBy, interval: 'hour' });
    expect(
      hours.reduce((sum, { costNano }) => sum + costNano, 0),
      groupBy.join(),
    ).toBe(whole?.costNano);
    for (const { start = 0, wholeDay } of hours) {
      expect(wholeDay).toBe(start < MIDNIGHT + 4 * DAY ? true : undefined);
      if (wholeDay) expect(start % DAY).toBe(0);
    }
  }
  const [day] = await usage.spend({ ...all, to: MIDNIGHT + DAY });
  const [part] = await usage.spend({ ...all, from: MIDNIGHT + 5 * HOUR, to: MIDNIGHT + 6 * HOUR });
  expect(part).toEqual(day);
  // What comes late for such a day is added to the day, and to nothing that is gone.
  insert([exchange('exc_late', { startedAt: MIDNIGHT + 3 * HOUR, session: 'late' })]);
  expect(count(`rollups WHERE hour < ${MIDNIGHT + 4 * DAY}`)).toBe(0);
  const [after] = await usage.spend(all);
  expect(after?.requests).toBe((whole?.requests ?? 0) + 1);
  expect(after?.costNano).toBe((whole?.costNano ?? 0) + 1000);
});

test('days go after theirs, with everything that was made of them', async () => {
  insert(records());
  while (sumUpDay(database.raw, MIDNIGHT + 9 * DAY));
  const rest = await answers(MIDNIGHT + 6 * DAY, MIDNIGHT + 10 * DAY);
  while (pruneRollups(database.raw, { daysBefore: MIDNIGHT + 6 * DAY }));
  for (const table of ['rollups', 'rollup_days', 'rollup_cubes']) {
    expect(count(`${table} WHERE hour < ${MIDNIGHT + 6 * DAY}`), table).toBe(0);
    expect(count(table)).toBeGreaterThan(0);
  }
  expect(count(`session_days WHERE day < ${MIDNIGHT + 6 * DAY}`)).toBe(0);
  expect(await answers(MIDNIGHT + 6 * DAY, MIDNIGHT + 10 * DAY)).toEqual(rest);
  expect(await answers(0, MIDNIGHT + 10 * DAY)).toEqual(rest);
});

test('a log that is kept longer than the sums is searched all the same', async () => {
  const all = records();
  insert(all);
  while (sumUpDay(database.raw, MIDNIGHT + 9 * DAY));
  while (pruneRollups(database.raw, { hoursBefore: MIDNIGHT + 6 * DAY, daysBefore: MIDNIGHT + 3 * DAY }));
  const log = createExchangeTexts(database.raw);
  const filter = { keyId: 'key_1', tag: { name: 'feature', value: 'f2' } };
  const page = await log.list(filter, { limit: 500 });
  const wanted = all.filter(({ keyId, tags }) => keyId === 'key_1' && tags['feature'] === 'f2');
  expect(page.data.map(({ id }) => id).toSorted()).toEqual(wanted.map(({ id }) => id).toSorted());
  expect((await log.list({ keyId: 'key_1', model: 'nothing' }, { limit: 5 })).data).toEqual([]);
});

test('sessions of a day are in one piece, made again when something came late', async () => {
  insert(records());
  while (sumUpDay(database.raw, MIDNIGHT + 9 * DAY));
  expect(count('session_days')).toBe(9);
  insert([exchange('exc_late', { startedAt: MIDNIGHT + 30 * HOUR, session: 'late' })]);
  expect(count('session_days')).toBe(8);
  const before = await answers(MIDNIGHT + HOUR, MIDNIGHT + 10 * DAY - HOUR);
  expect(packMissing(database.raw)).toBe(true);
  expect(packMissing(database.raw)).toBe(false);
  expect(count('session_days')).toBe(9);
  expect(await answers(MIDNIGHT + HOUR, MIDNIGHT + 10 * DAY - HOUR)).toEqual(before);
  database.raw.exec('DELETE FROM session_days');
  expect(await answers(MIDNIGHT + HOUR, MIDNIGHT + 10 * DAY - HOUR)).toEqual(before);
});

test('the log is capped: the oldest rows go, sums stay, and the file gives its room back', async () => {
  const all = records(10, 3000);
  insert(all);
  database.raw.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const usage = createUsageStore(database.typed);
  const [whole] = await usage.spend({ from: 0, to: MIDNIGHT + 99 * DAY, groupBy: [] });
  const size = statSync(path).size;
  const log = createExchangeTexts(database.raw);
  const maxBytes = 4_000_000;
  const deleted = await log.prune({ maxBytes });
  expect(deleted).toBeGreaterThan(all.length / 2);
  const left = database.raw.prepare('SELECT id FROM exchanges ORDER BY seq').all();
  expect(left.map(({ id }) => id)).toEqual(all.slice(deleted).map(({ id }) => id));
  const kept = Number(database.raw.prepare('SELECT raw_bytes AS n FROM ingest_state').get()?.['n']);
  expect(kept).toBeLessThanOrEqual(maxBytes);
  expect(kept).toBeGreaterThan(maxBytes * 0.9);
  database.raw.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  // All but a reserve that the next rows fill.
  expect(statSync(path).size).toBeLessThan(size * 0.6);
  expect((await usage.spend({ from: 0, to: MIDNIGHT + 99 * DAY, groupBy: [] }))[0]).toEqual(whole);
  expect(await log.prune({ maxBytes })).toBe(0);
});

test('an open database keeps to its limits by itself', async () => {
  insert(records());
  database.raw.close();
  const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock });
  let due: (() => void) | undefined;
  const after = (ms: number, callback: () => void) => {
    if (ms !== 60_000) return systemClock.after(ms, callback);
    due = callback;
    return () => undefined;
  };
  const now = MIDNIGHT + 20 * DAY;
  const retention = { maxAgeMs: 12 * DAY, maxBytes: 1e9, maxHourlyAgeMs: 15 * DAY, maxDailyAgeMs: 18 * DAY };
  const clock = { ...systemClock, now: () => now, after };
  const { store, ledger } = await openSqlite({ directory, journal, clock, log: quietLog, retention });
  due?.();
  await expect
    .poll(async () => (await store.usage.spend({ from: 0, to: now, groupBy: [], interval: 'hour' })).length, {
      timeout: 10_000,
    })
    // Two days are gone, three are left by day, five by hour.
    .toBe(3 + 5 * 24);
  const page = await store.exchanges.list({}, { limit: 500 });
  expect(page.data).toHaveLength(96);
  await ledger.close();
  await store.close();
  database = await openDatabase(path);
});
