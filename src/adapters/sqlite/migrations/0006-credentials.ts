import { type Kysely, sql } from 'kysely';

const TABLES = [
  `CREATE TABLE credentials (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
    sealed TEXT, reference TEXT, hint TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    CHECK ((sealed IS NULL) <> (reference IS NULL))
  ) STRICT`,
  'CREATE TABLE keyring (name TEXT PRIMARY KEY, wrapped TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT',
];

/** Credentials for providers, and the gateway's own secrets as the master key wraps them. */
export async function credentials(database: Kysely<unknown>): Promise<void> {
  for (const statement of TABLES) await sql.raw(statement).execute(database);
}
