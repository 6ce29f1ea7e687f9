import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openSecretBox } from '../../src/adapters/secret-box/secret-box.ts';
import { openSqlite, type Sqlite } from '../../src/adapters/sqlite/open.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { createHeadFile } from '../../src/adapters/system/head-file.ts';
import { AuditLog } from '../../src/control/audit.ts';

// S8: whoever owns the database file changes it as he likes; `verify` finds every change.

const ENTRIES = 60;
const TAMPERS = 1000;

type Row = Record<string, string | number>;

let folder: string;
let sqlite: Sqlite;
let audit: AuditLog;
let raw: DatabaseSync;
let good: readonly Row[];
let head: { readonly sequence: number; readonly hash: string };

const COLUMNS = ['sequence', 'at', 'actor', 'action', 'target', 'details', 'previous_hash', 'hash'];

/** A generator of numbers that is the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function write(rows: readonly Row[]): void {
  raw.exec('BEGIN; DELETE FROM audit');
  const insert = raw.prepare(
    `INSERT INTO audit (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  );
  for (const row of rows) insert.run(...COLUMNS.map((name) => row[name] ?? ''));
  raw.exec('COMMIT');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tamper-'));
  const clock = systemClock;
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const journal = openJournal({ directory: `${folder}/journal`, clock });
  sqlite = await openSqlite({ directory: folder, journal, clock, log });
  const heads = [createHeadFile(`${folder}/audit.head`)];
  audit = new AuditLog({ store: sqlite.store, secrets: openSecretBox(folder), clock, heads });
  for (let index = 0; index < ENTRIES; index += 1) {
    const caller = { actor: index % 3 === 0 ? 'admin-key' : 'user:u1', address: '192.0.2.7' };
    const details = { before: { limit: index }, after: { limit: index + 1 } };
    await audit.append(caller, { action: 'budgets.update', target: `budget_${index % 5}`, details });
  }
  raw = new DatabaseSync(join(folder, 'sluice.db'));
  good = raw.prepare(`SELECT ${COLUMNS.join(', ')} FROM audit ORDER BY sequence`).all() as Row[];
  const last = good.at(-1) as Row;
  head = { sequence: Number(last['sequence']), hash: String(last['hash']) };
  // Our own slips are stopped in the database; an attacker begins by removing that.
  expect(() => raw.exec("UPDATE audit SET actor = 'x'")).toThrow(/append-only/);
  expect(() => raw.exec('DELETE FROM audit')).toThrow(/append-only/);
  raw.exec('DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP INDEX audit_organization');
  // It would refuse details that are no JSON.
  raw.exec('ALTER TABLE audit DROP COLUMN organization_id');
});

afterAll(async () => {
  raw.close();
  await sqlite.ledger.close();
  await sqlite.store.close();
  rmSync(folder, { recursive: true, force: true });
});

type Tamper = (rows: Row[], random: () => number) => readonly Row[];
const pick = (rows: readonly Row[], random: () => number) => Math.floor(random() * rows.length);

const TAMPERING: Readonly<Record<string, Tamper>> = {
  edit(rows, random) {
    const row = rows[pick(rows, random)] as Row;
    const column = COLUMNS[1 + Math.floor(random() * (COLUMNS.length - 1))] as string;
    const value = row[column];
    if (typeof value === 'number') row[column] = value + 1 + Math.floor(random() * 1000);
    else {
      const at = Math.floor(random() * (String(value).length + 1));
      row[column] = `${String(value).slice(0, at)}${random() < 0.5 ? 'x' : '{'}${String(value).slice(at)}`;
    }
    return rows;
  },
  delete(rows, random) {
    rows.splice(pick(rows, random), 1 + Math.floor(random() * 3));
    return rows;
  },
  deleteAndRenumber(rows, random) {
    rows.splice(pick(rows, random), 1);
    return rows.map((row, index) => ({ ...row, sequence: index + 1 }));
  },
  swap(rows, random) {
    const first = pick(rows, random);
    const second = (first + 1 + Math.floor(random() * (rows.length - 1))) % rows.length;
    const [a, b] = [rows[first] as Row, rows[second] as Row];
    const number = a['sequence'] as number;
    a['sequence'] = b['sequence'] as number;
    b['sequence'] = number;
    return rows;
  },
  truncate: (rows, random) => rows.slice(0, pick(rows, random)),
  insert(rows, random) {
    const at = pick(rows, random);
    const forged = { ...(rows[at] as Row), actor: 'user:nobody' };
    rows.splice(at, 0, forged);
    return rows.map((row, index) => ({ ...row, sequence: index + (random() < 0 ? 0 : 1) }));
  },
  prepend: (rows) => [{ ...(rows[0] as Row), sequence: 0 }, ...rows],
  append(rows) {
    const last = rows.at(-1) as Row;
    return [...rows, { ...last, sequence: rows.length + 1, previous_hash: last['hash'] as string }];
  },
};

test(`${TAMPERS} random tampers: every one is found`, { timeout: 120_000 }, async () => {
  const random = randomFrom(20_261_121);
  const kinds = Object.keys(TAMPERING);
  const missed: string[] = [];
  for (let index = 0; index < TAMPERS; index += 1) {
    const kind = kinds[Math.floor(random() * kinds.length)] as string;
    write(
      (TAMPERING[kind] as Tamper)(
        good.map((row) => ({ ...row })),
        random,
      ),
    );
    const { valid } = await audit.verify();
    if (valid) missed.push(`${index} ${kind}`);
  }
  expect(missed).toEqual([]);
  write(good);
  expect(await audit.verify()).toMatchObject({ valid: true, entries: ENTRIES });
});

test('the end is cut off in the database, and the heads with it: a head kept outside tells', async () => {
  const path = join(folder, 'audit.head');
  const file = readFileSync(path, 'utf8');
  const setting = raw.prepare("SELECT value FROM settings WHERE name = 'audit/head'").get() as {
    value: string;
  };
  write(good.slice(0, 10));
  expect(await audit.verify()).toMatchObject({ valid: false, problem: 'cut_off', entries: 10 });
  rmSync(path);
  expect(await audit.verify()).toMatchObject({ valid: false, problem: 'cut_off' });
  raw.exec("DELETE FROM settings WHERE name = 'audit/head'");
  expect(await audit.verify()).toMatchObject({ valid: false, problem: 'head_missing' });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(file), sequence: 10, hash: good[9]?.['hash'] }));
  expect(await audit.verify()).toMatchObject({ valid: false, problem: 'head_forged' });
  rmSync(path);
  expect(await audit.verify(head)).toMatchObject({ valid: false, problem: 'cut_off' });
  write([]);
  expect(await audit.verify(head)).toMatchObject({ valid: false, problem: 'cut_off', entries: 0 });
  write(good);
  expect(await audit.verify({ ...head, hash: 'x' })).toMatchObject({ valid: false, problem: 'altered' });
  writeFileSync(path, file);
  raw
    .prepare("INSERT INTO settings (name, value, updated_at) VALUES ('audit/head', ?, 0)")
    .run(setting.value);
  expect(await audit.verify(head)).toMatchObject({ valid: true, head });
});

test('a log whose heads were removed says so for good', async () => {
  rmSync(join(folder, 'audit.head'));
  raw.exec("DELETE FROM settings WHERE name = 'audit/head'");
  await audit.open();
  expect(await audit.verify()).toMatchObject({ valid: true, entries: ENTRIES + 1 });
  expect(await sqlite.store.audit.head()).toMatchObject({ action: 'audit.head_missing' });
});

test('of many entries at once from two processes none is lost', async () => {
  const store = sqlite.store;
  const other = new AuditLog({ store, secrets: openSecretBox(folder), clock: systemClock });
  const before = (await store.audit.head())?.sequence ?? 0;
  const caller = { actor: 'a', address: '' };
  const entry = { action: 'x', target: '', details: {} };
  await Promise.all(
    Array.from({ length: 30 }, (_, index) => (index % 2 ? audit : other).append(caller, entry)),
  );
  expect(await audit.verify()).toMatchObject({ valid: true, entries: before + 30 });
});

test('a log that was cut off does not become whole by what is appended afterwards, nor by a restart', async () => {
  const caller = { actor: 'admin-key', address: '192.0.2.7' };
  const entry = { action: 'budgets.update', target: 'budget_1', details: {} };
  for (const restarted of [false, true]) {
    write(good);
    rmSync(join(folder, 'audit.head'), { force: true });
    raw.exec("DELETE FROM settings WHERE name = 'audit/head'");
    const heads = [createHeadFile(`${folder}/audit.head`)];
    const ports = { store: sqlite.store, secrets: openSecretBox(folder), clock: systemClock, heads };
    const first = new AuditLog(ports);
    await first.append(caller, entry);
    expect((await first.verify()).valid).toBe(true);
    raw.exec(`DELETE FROM audit WHERE sequence > ${head.sequence - 2}`);
    const later = restarted ? new AuditLog(ports) : first;
    expect(await later.verify()).toMatchObject({
      valid: false,
      problem: 'cut_off',
      entries: head.sequence - 2,
    });
    for (let index = 0; index < 5; index += 1) await later.append(caller, entry);
    const verdict = await new AuditLog(ports).verify();
    expect(verdict).toMatchObject({ valid: false, problem: 'cut_off', firstBad: head.sequence - 1 });
    const [told] = raw.prepare("SELECT details FROM audit WHERE action = 'audit.cut_off'").all() as Row[];
    expect(JSON.parse(String(told?.['details']))).toMatchObject({
      reached: head.sequence + 1,
      found: head.sequence - 2,
    });
  }
});
