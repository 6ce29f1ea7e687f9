import { type Kysely, sql } from 'kysely';

const TABLES = [
  `CREATE TABLE route_labels (
    exchange_id TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, router TEXT NOT NULL,
    route_key TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (exchange_id, source)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX route_labels_newest ON route_labels (router, route_key, at)',
  'CREATE INDEX route_labels_at ON route_labels (at)',
  `CREATE TABLE shadow_runs (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, router TEXT NOT NULL, cost_nano INTEGER NOT NULL, run TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX shadow_runs_newest ON shadow_runs (router, at)',
  `CREATE TABLE route_versions (
    router TEXT NOT NULL, route_key TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
    state TEXT NOT NULL, learned BLOB, PRIMARY KEY (router, route_key, version)
  ) STRICT, WITHOUT ROWID`,
];

/** What routers learn from: labels, shadow runs, and versions of what was learned. */
export async function routeLabels(database: Kysely<unknown>): Promise<void> {
  for (const statement of TABLES) await sql.raw(statement).execute(database);
}
