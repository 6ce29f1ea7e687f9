import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, SqliteAdapter, SqliteDialect, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { SluiceError } from '../../core/errors/error.ts';
import { makePrivateDirectory, makePrivateFile } from '../journal/lock.ts';
import { toPlain } from './failure.ts';
import { defineLatencies } from './latencies.ts';
import { foreignMigration, MIGRATIONS } from './migrations.ts';
import type { Schema } from './schema.ts';

/** One connection, twice: `raw` for the prepared statements of the hot path, `typed` for everything else. */
export interface Database {
  readonly raw: DatabaseSync;
  readonly typed: Kysely<Schema>;
}

/**
 * Opens the database file (made with mode 600 in a directory of mode 700) and brings its schema up to date. A copy
 * named `….before-MIGRATION` is left beside it when an existing schema is changed.
 * @throws SluiceError `conflict` when the schema is newer than this program or was altered by hand
 */
export async function openDatabase(path: string, migrations = MIGRATIONS): Promise<Database> {
  const existed = existsSync(path);
  makePrivateDirectory(dirname(path));
  makePrivateFile(path);
  const raw = new DatabaseSync(path, { timeout: 5000 });
  try {
    // These two only take effect before the first table. Pages of twice the usual size: half as many to log and copy.
    // Vacuum lets retention give pages back.
    raw.exec(
      'PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL',
    );
    // A page that is written again and again is copied from the log into the database once per checkpoint (16 MiB).
    raw.exec('PRAGMA wal_autocheckpoint = 2000; PRAGMA cache_size = -16384');
    raw.exec('PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF');
    defineLatencies(raw);
    const typed = typedOver(raw);
    await migrate({ raw, typed }, migrations, existed ? path : undefined);
    return { raw, typed };
  } catch (error) {
    raw.close();
    throw error;
  }
}

/** SQLite rolls back changes of the schema too; without saying so, kysely would run migrations outside transactions. */
class TransactionalDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** kysely on node:sqlite: its SQLite dialect expects better-sqlite3, which differs in how parameters are passed. */
function typedOver(raw: DatabaseSync): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: new TransactionalDialect({
      database: {
        close: () => undefined,
        prepare(text) {
          const statement = raw.prepare(text);
          // Sums of money may pass 2^53; `rows` decides what becomes of them.
          statement.setReadBigInts(true);
          return {
            reader: statement.columns().length > 0,
            all: (values) => rows(statement.all(...(values as SQLInputValue[]))),
            run: (values) => statement.run(...(values as SQLInputValue[])),
            iterate: (values) => rows(statement.all(...(values as SQLInputValue[]))).values(),
          };
        },
      },
    }),
  });
}

/** Integers as numbers: exact up to 2^53, the nearest double above. */
function rows(found: Record<string, unknown>[]): Record<string, unknown>[] {
  // In place: the rows are ours, and answers of ten thousand of them spent most of their time on copies.
  for (const row of found) {
    for (const name in row) {
      const value = row[name];
      if (typeof value === 'bigint') row[name] = Number(value);
    }
  }
  return found;
}

type Migrations = Readonly<Record<string, Migration>>;

async function migrate(database: Database, migrations: Migrations, backupPath: string | undefined) {
  const applied = await appliedMigrations(database.typed);
  const foreign = foreignMigration(applied, migrations);
  if (foreign !== undefined) {
    throw new SluiceError('conflict', foreign);
  }
  await refuseDrift(database, migrations, applied);
  const next = Object.keys(migrations).sort()[applied.length];
  if (next === undefined) {
    return;
  }
  if (backupPath !== undefined && applied.length > 0) {
    const copy = `${backupPath}.before-${next}`;
    if (!existsSync(copy)) {
      // Under another name until it is whole: a full disk or a power cut leaves half a copy.
      const draft = `${copy}.part`;
      rmSync(draft, { force: true });
      makePrivateFile(draft);
      await sql`VACUUM INTO ${draft}`.execute(database.typed);
      renameSync(draft, copy);
    }
  }
  await runMigrations(database.typed, migrations, undefined);
}

async function runMigrations(typed: Kysely<Schema>, migrations: Migrations, through: string | undefined) {
  const provider = { getMigrations: async () => ({ ...migrations }) };
  const migrator = new Migrator({ db: typed, provider });
  const { error } = await (through === undefined ? migrator.migrateToLatest() : migrator.migrateTo(through));
  if (error !== undefined) {
    // A full or failing disk is told as that.
    if (toPlain(error).code === 'ledger_unavailable') throw error;
    throw new SluiceError('internal', 'The database could not be brought up to date; nothing was changed.', {
      cause: error,
    });
  }
}

async function appliedMigrations(typed: Kysely<Schema>): Promise<string[]> {
  const table = await sql`SELECT 1 FROM sqlite_schema WHERE name = 'kysely_migration'`.execute(typed);
  if (table.rows.length === 0) {
    return [];
  }
  const found = await sql<{ name: string }>`SELECT name FROM kysely_migration ORDER BY name`.execute(typed);
  return found.rows.map((row) => row.name);
}

/** Compares the schema with what the same migrations make of an empty database. */
async function refuseDrift(database: Database, migrations: Migrations, applied: readonly string[]) {
  const last = applied.at(-1);
  if (last === undefined) {
    return;
  }
  const model = new DatabaseSync(':memory:');
  try {
    await runMigrations(typedOver(model), migrations, last);
    const expected = schemaOf(model);
    const actual = schemaOf(database.raw);
    for (const name of new Set([...expected.keys(), ...actual.keys()])) {
      if (expected.get(name) !== actual.get(name)) {
        throw new SluiceError(
          'conflict',
          `The database's schema was altered outside Sluice (${name}). Restore a backup, or use another --data-dir.`,
        );
      }
    }
  } finally {
    model.close();
  }
}

function schemaOf(raw: DatabaseSync): Map<string, string> {
  const found = raw.prepare(
    `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
  );
  return new Map(found.all().map((row) => [`${row['type']} ${row['name']}`, String(row['sql'])]));
}
