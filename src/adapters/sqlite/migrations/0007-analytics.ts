import { type Kysely, sql } from 'kysely';

const SUMS = `requests INTEGER NOT NULL, errors INTEGER NOT NULL, cost_nano INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, latency_ms INTEGER NOT NULL, unpriced INTEGER NOT NULL`;
const NAMES = `tag_value TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    user_name TEXT NOT NULL, organization_id TEXT NOT NULL, team_id TEXT NOT NULL, project_id TEXT NOT NULL`;
const BY_NAME = 'tag_value, key_id, model, provider, user_name, organization_id, team_id, project_id';
const FIGURES =
  'requests, errors, cost_nano, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, latency_ms';

/** What was summed before knew no places: the keys say where they belong now. */
const COPY = `INSERT INTO rollups (hour, tag_name, ${BY_NAME}, ${FIGURES}, unpriced)
    SELECT hour, tag_name, tag_value, key_id, iif(model = '', '(unknown model)', model), provider, user_name,
      coalesce(k.organization_id, 'org_default'), coalesce(k.team_id, ''), coalesce(k.project_id, ''), ${FIGURES}, 0
    FROM rollups_before LEFT JOIN virtual_keys k ON k.id = key_id`;

const STATEMENTS = [
  'ALTER TABLE rollups RENAME TO rollups_before',
  // Days are summed up from the hours again.
  'DROP TABLE rollup_days',
  // By hour first: what is written together lies together, and no second index is needed.
  `CREATE TABLE rollups (
    hour INTEGER NOT NULL, tag_name TEXT NOT NULL, ${NAMES}, ${SUMS}, PRIMARY KEY (hour, tag_name, ${BY_NAME})
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE rollup_days (
    hour INTEGER NOT NULL, tag_name TEXT NOT NULL, ${NAMES}, ${SUMS}, PRIMARY KEY (tag_name, hour, ${BY_NAME})
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE rollup_cubes (
    cube INTEGER NOT NULL, hour INTEGER NOT NULL, tag_name TEXT NOT NULL, ${NAMES}, ${SUMS},
    PRIMARY KEY (cube, tag_name, hour, ${BY_NAME})
  ) STRICT, WITHOUT ROWID`,
  COPY,
  'DROP TABLE rollups_before',
  'ALTER TABLE ingest_state ADD COLUMN hours_through INTEGER NOT NULL DEFAULT 0',
  // From here on rollups and log agree on where an exchange belonged.
  'ALTER TABLE ingest_state ADD COLUMN placed_from INTEGER NOT NULL DEFAULT 0',
  'UPDATE ingest_state SET placed_from = coalesce((SELECT max(hour) + 3600000 FROM rollups), 0), days_through = 0',
];

/** Rollups know organization, team, project and session, count what had no price, and have coarser sums beside them. */
export async function analytics(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database);
}
