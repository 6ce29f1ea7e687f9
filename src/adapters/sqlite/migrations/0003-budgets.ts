import { type Kysely, sql } from 'kysely';

const TABLES = [
  `CREATE TABLE budgets (
    id TEXT PRIMARY KEY, scope_kind TEXT NOT NULL, scope_id TEXT NOT NULL, organization_id TEXT,
    definition TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT`,
  'CREATE INDEX budgets_newest ON budgets (created_at, id)',
  `CREATE TABLE rate_rules (
    id TEXT PRIMARY KEY, scope_kind TEXT NOT NULL, scope_id TEXT NOT NULL, organization_id TEXT,
    definition TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT`,
  'CREATE INDEX rate_rules_newest ON rate_rules (created_at, id)',
  // Written with the exchanges that were charged, in the same transaction.
  `CREATE TABLE budget_spend (
    account TEXT NOT NULL, bucket INTEGER NOT NULL, settled_nano INTEGER NOT NULL, PRIMARY KEY (account, bucket)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX budget_spend_bucket ON budget_spend (bucket)',
];

/** Budgets and rate limits of any scope, and what each budget has spent by window. */
export async function budgets(database: Kysely<unknown>): Promise<void> {
  for (const statement of TABLES) await sql.raw(statement).execute(database);
}
