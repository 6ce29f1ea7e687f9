import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  'CREATE INDEX audit_at ON audit (at)',
  // Not against whoever owns the file, whom the chain finds out, but against every slip of our own.
  `CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
  END`,
  `CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
  END`,
];

/** The audit log takes no change and no deletion. */
export async function audit(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database);
}
