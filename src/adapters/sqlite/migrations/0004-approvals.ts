import { type Kysely, sql } from 'kysely';

const TABLES = [
  `CREATE TABLE approvals (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, organization_id TEXT, requested_by TEXT NOT NULL, key_id TEXT,
    subject TEXT NOT NULL, details TEXT NOT NULL, request_hash TEXT, status TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, decided_at INTEGER, decided_by TEXT, reason TEXT,
    used_at INTEGER
  ) STRICT`,
  'CREATE INDEX approvals_newest ON approvals (created_at, id)',
  `CREATE INDEX approvals_open ON approvals (request_hash, expires_at) WHERE status IN ('pending', 'approved')`,
];

/** What waits, or has waited, for somebody's yes. */
export async function approvals(database: Kysely<unknown>): Promise<void> {
  for (const statement of TABLES) await sql.raw(statement).execute(database);
}
