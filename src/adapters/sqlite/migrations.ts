import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { identity } from './migrations/0002-identity.ts';
import { budgets } from './migrations/0003-budgets.ts';
import { approvals } from './migrations/0004-approvals.ts';
import { audit } from './migrations/0005-audit.ts';
import { credentials } from './migrations/0006-credentials.ts';
import { analytics } from './migrations/0007-analytics.ts';
import { routeLabels } from './migrations/0008-route-labels.ts';
import { processes } from './migrations/0009-processes.ts';
import { latencies } from './migrations/0010-latencies.ts';
import { sharedCounts } from './migrations/0011-shared-counts.ts';
import { modelHours } from './migrations/0012-model-hours.ts';

/**
 * Forward only, each in its own transaction. A migration that has been released is never edited: write the next one.
 * They are typed against no schema, because the schema's type always describes the newest.
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_first': { up: first },
  '0002_identity': { up: identity },
  '0003_budgets': { up: budgets },
  '0004_approvals': { up: approvals },
  '0005_audit': { up: audit },
  '0006_credentials': { up: credentials },
  '0007_analytics': { up: analytics },
  '0008_route_labels': { up: routeLabels },
  '0009_processes': { up: processes },
  '0010_latencies': { up: latencies },
  '0011_shared_counts': { up: sharedCounts },
  '0012_model_hours': { up: modelHours },
};

const FIRST = [
  `CREATE TABLE virtual_keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, hint TEXT NOT NULL,
    previous_hash TEXT, previous_hash_expires_at INTEGER, created_at INTEGER NOT NULL, expires_at INTEGER,
    blocked INTEGER NOT NULL, revoked_at INTEGER, team_id TEXT, project_id TEXT, user_id TEXT,
    models TEXT, limits TEXT NOT NULL, budget TEXT, metadata TEXT NOT NULL
  ) STRICT`,
  'CREATE INDEX virtual_keys_newest ON virtual_keys (created_at, id) WHERE revoked_at IS NULL',
  'CREATE TABLE exchanges (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, record TEXT NOT NULL) STRICT',
  'CREATE UNIQUE INDEX exchanges_id ON exchanges (id)',
  `CREATE TABLE postings (
    facet TEXT NOT NULL, last INTEGER NOT NULL, places BLOB, PRIMARY KEY (facet, last)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE rollups (
    tag_name TEXT NOT NULL, hour INTEGER NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL,
    provider TEXT NOT NULL, user_name TEXT NOT NULL, tag_value TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, cost_nano INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, latency_ms INTEGER NOT NULL,
    PRIMARY KEY (tag_name, hour, key_id, model, provider, user_name, tag_value)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE rollup_days (
    tag_name TEXT NOT NULL, hour INTEGER NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL,
    provider TEXT NOT NULL, user_name TEXT NOT NULL, tag_value TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, cost_nano INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, latency_ms INTEGER NOT NULL,
    PRIMARY KEY (tag_name, hour, key_id, model, provider, user_name, tag_value)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX rollup_days_key ON rollup_days (tag_name, key_id, hour)',
  'CREATE INDEX rollups_key ON rollups (tag_name, key_id, hour)',
  'CREATE INDEX rollups_hour ON rollups (hour)',
  'CREATE TABLE price_overrides (model TEXT PRIMARY KEY, price TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT',
  `CREATE TABLE settings (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER
  ) STRICT`,
  `CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    target TEXT NOT NULL, details TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT`,
  `CREATE TABLE ingest_state (
    id INTEGER PRIMARY KEY CHECK (id = 1), segment INTEGER NOT NULL, position INTEGER NOT NULL,
    recovered_through INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    days_through INTEGER NOT NULL
  ) STRICT`,
  'INSERT INTO ingest_state (id, segment, position, recovered_through, raw_bytes, days_through) VALUES (1, 0, 0, 0, 0, 0)',
];

/** Why a database with these migrations, in the order of their names, is not ours to open; `undefined` where it is. */
export function foreignMigration(
  applied: readonly string[],
  migrations: object = MIGRATIONS,
): string | undefined {
  const known = Object.keys(migrations).sort();
  const foreign = applied.find((name, index) => known[index] !== name);
  if (foreign === undefined) return undefined;
  return (
    `The database was changed by another version of Sluice (migration ${foreign} is unknown here). ` +
    'Start that version, or use another --data-dir.'
  );
}

async function first(database: Kysely<unknown>): Promise<void> {
  for (const statement of FIRST) {
    await sql.raw(statement).execute(database);
  }
}
