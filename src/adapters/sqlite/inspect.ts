import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { toPlain } from './failure.ts';
import { foreignMigration } from './migrations.ts';

/**
 * What would keep a gateway from opening this database, in a sentence; `undefined` when nothing is seen, or there is none
 * yet. Only reads, and only the beginning: it may be large, and a gateway may be at work on it.
 */
export function databaseFault(path: string): string | undefined {
  let raw: DatabaseSync | undefined;
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    raw = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    const table = raw.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'kysely_migration'").get();
    if (table === undefined) return undefined;
    const applied = raw.prepare('SELECT name FROM kysely_migration ORDER BY name').all();
    return foreignMigration(applied.map(({ name }) => String(name)));
  } catch (error) {
    return toPlain(error).message;
  } finally {
    raw?.close();
  }
}
