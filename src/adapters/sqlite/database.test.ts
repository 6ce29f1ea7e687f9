import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from './database.ts';
import { toPlain } from './failure.ts';
import { MIGRATIONS } from './migrations.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-database-'));
  path = join(directory, 'sluice.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

const second = {
  ...MIGRATIONS,
  '9998_second': {
    up: async (database: Kysely<unknown>) => void (await sql`CREATE TABLE more (id TEXT)`.execute(database)),
  },
};
const failing = {
  ...MIGRATIONS,
  '9999_failing': {
    up: async (database: Kysely<unknown>) => {
      await sql`CREATE TABLE half (id TEXT)`.execute(database);
      await sql`CREATE TABLE half (id TEXT)`.execute(database);
    },
  },
};
const conflict = (words: string) =>
  expect.objectContaining({ code: 'conflict', message: expect.stringContaining(words) });

test('opens again what it made', async () => {
  (await openDatabase(path)).raw.close();
  const { raw } = await openDatabase(path);
  expect(raw.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  expect(raw.prepare('PRAGMA auto_vacuum').get()).toEqual({ auto_vacuum: 2 });
  raw.close();
});

test('a new migration runs once and leaves a copy of what was before', async () => {
  (await openDatabase(path)).raw.close();
  (await openDatabase(path, second)).raw.close();
  const copy = `${path}.before-9998_second`;
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  const { raw } = await openDatabase(copy);
  expect(raw.prepare("SELECT count(*) AS found FROM sqlite_schema WHERE name = 'more'").get()).toEqual({
    found: 0,
  });
  raw.close();
  const again = await openDatabase(path, second);
  expect(again.raw.prepare('SELECT * FROM more').all()).toEqual([]);
  again.raw.close();
});

test('half a copy of an earlier try is none', async () => {
  (await openDatabase(path)).raw.close();
  const copy = `${path}.before-9998_second`;
  writeFileSync(`${copy}.part`, 'half a copy');
  (await openDatabase(path, second)).raw.close();
  expect(existsSync(`${copy}.part`)).toBe(false);
  (await openDatabase(copy)).raw.close();
});

test('a full disk is told as that', async () => {
  const full = Object.assign(new Error('database or disk is full'), { errcode: 13 });
  const migrations = { ...MIGRATIONS, '9999_full': { up: () => Promise.reject(full) } };
  const thrown: unknown = await openDatabase(path, migrations).catch((error: unknown) => error);
  expect(toPlain(thrown).message).toContain('check its disk');
});

test('a newer schema is refused and left alone', async () => {
  (await openDatabase(path, second)).raw.close();
  await expect(openDatabase(path)).rejects.toThrowError(conflict('9998_second'));
});

test('an altered schema is refused, and what was altered is named', async () => {
  const { raw } = await openDatabase(path);
  raw.exec('ALTER TABLE settings ADD COLUMN extra TEXT');
  raw.close();
  await expect(openDatabase(path)).rejects.toThrowError(conflict('settings'));
});

test('a migration that fails changes nothing', async () => {
  (await openDatabase(path)).raw.close();
  await expect(openDatabase(path, failing)).rejects.toThrowError(
    expect.objectContaining({ code: 'internal' }),
  );
  const { raw } = await openDatabase(path);
  expect(raw.prepare("SELECT count(*) AS found FROM sqlite_schema WHERE name = 'half'").get()).toEqual({
    found: 0,
  });
  raw.close();
  expect(existsSync(`${path}.before-9999_failing`)).toBe(true);
});
