import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ProcessRegister } from '../../ports/processes.ts';
import { type Database, openDatabase } from './database.ts';
import { createProcessRegister, forgetProcess } from './processes.ts';
import { createSharedCounts } from './shared-counts.ts';

let directory: string;
let databases: Database[];
let registers: ProcessRegister[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-processes-'));
  databases = [];
  for (let slot = 1; slot <= 2; slot++) databases.push(await openDatabase(join(directory, 'sluice.db')));
  registers = databases.map(({ raw }, at) => createProcessRegister(raw, at + 1, async () => 0));
});
afterEach(() => {
  for (const { raw } of databases) raw.close();
  rmSync(directory, { recursive: true });
});

test('a process that joins is acknowledged by all others, and forgotten when it leaves', async () => {
  const [one, two] = registers as [ProcessRegister, ProcessRegister];
  const first = await one.join();
  expect(await one.isAcknowledged(first)).toBe(true);
  const second = await two.join();
  expect(await two.isAcknowledged(second)).toBe(false);
  const news = await one.news();
  expect(news).toMatchObject({ others: 1, newest: second, changed: true });
  await one.acknowledge(news.newest);
  expect(await two.isAcknowledged(second)).toBe(true);
  expect((await one.news()).changed).toBe(false);
  await two.leave();
  expect(await one.news()).toMatchObject({ others: 0, changed: true });
});

test('what a killed process left is no elder once another has its number', async () => {
  const [one, two] = registers as [ProcessRegister, ProcessRegister];
  await two.join();
  const mine = await one.join();
  expect(await one.isEldest(mine)).toBe(false);
  expect(await one.isAcknowledged(mine)).toBe(false);
  const other = await two.join();
  expect(await one.isAcknowledged(mine)).toBe(true);
  expect(await one.isEldest(mine)).toBe(true);
  expect(await two.isEldest(other)).toBe(false);
});

test('leases of a process that is gone end, what it let through counts on as nobody’s', async () => {
  const [one, two] = databases.map(({ raw }, at) => createSharedCounts(raw, at + 1));
  const wish = (account: string, until: number) => ({ account, until, amount: 3, least: 1, limit: 4 });
  await one?.exchange([], [wish('lease/concurrency/k', 900), wish('rate/rpm/k', 900)], 0);
  const asked = [wish('lease/concurrency/k', 900), wish('rate/rpm/k', 900)];
  expect((await two?.exchange([], asked, 0))?.map(({ amount }) => amount)).toEqual([1, 1]);
  expect(await two?.others(['lease/concurrency/k', 'rate/rpm/k'], 0)).toEqual([3, 3]);
  forgetProcess((databases[0] as Database).raw, 1);
  expect(await two?.others(['lease/concurrency/k', 'rate/rpm/k'], 0)).toEqual([0, 3]);
  expect(await two?.inherit(0)).toEqual([{ account: 'rate/rpm/k', until: 900, amount: 3 }]);
  expect(await two?.others(['rate/rpm/k'], 900)).toEqual([0]);
  await registers[0]?.join();
  expect(await two?.inherit(0)).toBeUndefined();
});
