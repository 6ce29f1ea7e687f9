import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAttemptStore } from './attempt-store.ts';
import { type Database, openDatabase } from './database.ts';
import { createTurnStore } from './turn-store.ts';

let directory: string;
let databases: [Database, Database];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-attempts-'));
  const path = join(directory, 'sluice.db');
  databases = [await openDatabase(path), await openDatabase(path)];
});
afterEach(() => {
  for (const { raw } of databases) raw.close();
  rmSync(directory, { recursive: true });
});

test('attempts at two processes are counted together, and forgotten when nothing of them matters any more', async () => {
  const [one, two] = databases.map(({ raw }) => createAttemptStore(raw));
  const rule = { limit: 3, escalates: false };
  const waits: (number | undefined)[] = [];
  for (const store of [one, two, one, two, one]) waits.push(await store?.begin('ada', rule, 1000));
  expect(waits).toEqual([0, 0, 0, 60_000, 60_000]);
  await two?.forget('ada');
  expect(await one?.begin('ada', rule, 2000)).toBe(0);
  await one?.begin('bob', rule, 200_000);
  expect(databases[0].raw.prepare('SELECT name FROM attempts').all()).toEqual([{ name: 'bob' }]);
});

test('a turn is one process’s until it is given back or over', async () => {
  const [one, two] = databases.map(({ raw }, at) => createTurnStore(raw, at + 1));
  expect(await one?.take('x', 0, 100)).toBe(true);
  expect(await two?.take('x', 50, 150)).toBe(false);
  expect(await one?.take('x', 60, 160)).toBe(true);
  await two?.give('x');
  expect(await two?.take('x', 100, 200)).toBe(false);
  await one?.give('x');
  expect(await two?.take('x', 110, 210)).toBe(true);
  expect(await one?.take('x', 210, 310)).toBe(true);
  // The machine was started anew: what seems to last for hours is from before.
  await one?.take('x', 9e9, 9e9 + 100);
  expect(await two?.take('x', 5, 105)).toBe(true);
});
