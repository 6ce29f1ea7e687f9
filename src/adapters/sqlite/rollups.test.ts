import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, NOON } from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import { decodeHead, encodeExchange } from '../journal/exchange-text.ts';
import { type Database, openDatabase } from './database.ts';
import { ExchangeWriter } from './exchange-writer.ts';
import { OVERFLOW, ROLLUP_LIMITS, sumUpDay } from './rollups.ts';
import { createUsageStore } from './usage.ts';

let directory: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-rollups-'));
  database = await openDatabase(join(directory, 'sluice.db'));
});
afterEach(() => {
  database.raw.close();
  rmSync(directory, { recursive: true });
});

const settled = (record: ExchangeRecord) => {
  const text = encodeExchange(record);
  return { id: record.id, text, head: decodeHead(text) };
};

function insert(writer: ExchangeWriter, count: number, change: (index: number) => Partial<ExchangeRecord>) {
  const rows = Array.from({ length: count }, (_, index) =>
    settled(exchange(`exc_${index}_${Math.random()}`, change(index))),
  );
  database.raw.exec('BEGIN');
  writer.insert(rows);
  database.raw.exec('COMMIT');
}

const count = (text: string) =>
  Number(database.raw.prepare(`SELECT count(*) AS n FROM ${text}`).get()?.['n']);
const all = { from: 0, to: NOON + 1e9 };

test('users over the limit of the hour are summed together, also by a writer that was started later', async () => {
  const extra = 30;
  insert(new ExchangeWriter(database.raw), ROLLUP_LIMITS.users, (index) => ({ user: `user-${index}` }));
  insert(new ExchangeWriter(database.raw), extra, (index) => ({ user: `late-${index}` }));
  const usage = createUsageStore(database.typed);
  expect(count('rollups')).toBe(ROLLUP_LIMITS.users + 1);
  expect((await usage.total({ user: OVERFLOW }, 0)).requests).toBe(extra);
  expect((await usage.total({ user: 'user-7' }, 0)).requests).toBe(1);
  expect((await usage.total({ keyId: 'key_1' }, 0)).costNano).toBe((ROLLUP_LIMITS.users + extra) * 1000);
  // The next hour has room again.
  insert(new ExchangeWriter(database.raw), 1, () => ({ user: 'late-1', startedAt: NOON + 3_600_000 }));
  expect((await usage.total({ user: 'late-1' }, 0)).requests).toBe(1);
});

test('tag values and names over the limit are summed together', async () => {
  const writer = new ExchangeWriter(database.raw);
  insert(writer, ROLLUP_LIMITS.tagValues + 5, (index) => ({ tags: { request: String(index) } }));
  insert(writer, ROLLUP_LIMITS.tagNames + 5, (index) => ({ tags: { [`name-${index}`]: 'x' } }));
  const usage = createUsageStore(database.typed);
  expect((await usage.total({ tag: { name: 'request', value: OVERFLOW } }, 0)).requests).toBe(5);
  // `request` is one of the names.
  expect((await usage.total({ tag: { name: OVERFLOW, value: OVERFLOW } }, 0)).requests).toBe(6);
  const requests = ROLLUP_LIMITS.tagValues + ROLLUP_LIMITS.tagNames + 10;
  expect((await usage.total({}, 0)).requests).toBe(requests);
  const tagged = await usage.spend({ ...all, groupBy: ['tag:request'] });
  expect(tagged.reduce((sum, row) => sum + row.requests, 0)).toBe(requests);
});

test('combinations are bounded too: users and then models give way, keys never', async () => {
  const writer = new ExchangeWriter(database.raw);
  const rows = ROLLUP_LIMITS.rows + 1000;
  insert(writer, rows, (index) => ({
    user: `user-${index % 1000}`,
    model: `model-${Math.floor(index / 1000)}`,
  }));
  insert(writer, 50, (index) => ({ model: `invented-${index}`, keyId: 'key_2' }));
  expect(count('rollups')).toBeLessThanOrEqual(ROLLUP_LIMITS.rows + 4);
  const usage = createUsageStore(database.typed);
  expect((await usage.total({ keyId: 'key_1' }, 0)).requests).toBe(rows);
  expect((await usage.total({ keyId: 'key_2' }, 0)).requests).toBe(50);
});

test('names that run into one another are kept apart', async () => {
  const writer = new ExchangeWriter(database.raw);
  const users = ['a\tb', 'a', 'a\t1 xy'];
  insert(writer, 3, (index) => ({ user: users[index], tags: index === 1 ? { x: 'y' } : {} }));
  const usage = createUsageStore(database.typed);
  for (const user of users) {
    expect((await usage.total({ user }, 0)).requests).toBe(1);
  }
});

test('days that are over are summed up, and every answer stays what it was, also with late exchanges', async () => {
  const hour = 3_600_000;
  const midnight = NOON - 12 * hour;
  const writer = new ExchangeWriter(database.raw);
  // Every five hours over four days with a day missing, and two keys, users and tags.
  const starts = Array.from({ length: 24 }, (_, index) => midnight + index * 5 * hour).filter(
    (start) => start < midnight + 24 * hour || start >= midnight + 48 * hour,
  );
  const spread = (index: number): Partial<ExchangeRecord> => ({
    startedAt: starts[index % starts.length] ?? 0,
    keyId: `key_${index % 2}`,
    user: `user-${index % 3}`,
    tags: index % 2 === 0 ? { feature: `f${index % 4}` } : {},
  });
  insert(writer, 60, spread);
  const usage = createUsageStore(database.typed);
  const answers = async () => {
    const found: unknown[] = [await usage.totalsByKey(0), await usage.totalsByKey(midnight + 7 * hour)];
    for (const from of [0, midnight, midnight + 7 * hour, midnight + 30 * hour]) {
      found.push(await usage.total({ keyId: 'key_1' }, from), await usage.total({}, from));
      found.push(await usage.total({ tag: { name: 'feature', value: 'f2' } }, from));
      for (const to of [midnight + 24 * hour, midnight + 55 * hour, midnight + 999 * hour]) {
        const groupBy = ['tag:feature', 'user'] as const;
        for (const interval of [undefined, 'day', 'hour'] as const) {
          const rows = await usage.spend({ from, to, groupBy, interval });
          found.push(rows.map((row) => JSON.stringify(row)).toSorted());
        }
      }
    }
    return found;
  };
  const before = await answers();
  expect(sumUpDay(database.raw, midnight + 24 * hour - 1)).toBe(false);
  while (sumUpDay(database.raw, midnight + 80 * hour));
  expect(database.raw.prepare('SELECT days_through AS at FROM ingest_state').get()).toEqual({
    at: midnight + 72 * hour,
  });
  expect(count('rollup_days')).toBeGreaterThan(10);
  expect(await answers()).toEqual(before);
  // The rows by hour are the truth the days are held against.
  insert(writer, 20, (index) => ({ ...spread(index), startedAt: midnight + index * 4 * hour }));
  const late = await answers();
  database.raw.exec('UPDATE ingest_state SET days_through = 0; DELETE FROM rollup_days');
  expect(late).toEqual(await answers());
  expect(late).not.toEqual(before);
});
