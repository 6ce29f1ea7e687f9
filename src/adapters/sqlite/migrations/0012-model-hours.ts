import { type Kysely, sql } from 'kysely';

const SUMS =
  'sum(requests), sum(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens), sum(cost_nano)';

const STATEMENTS = [
  // By the model asked for and the deployment that answered; '' where that is not known.
  `CREATE TABLE model_hours (
    hour INTEGER NOT NULL, model TEXT NOT NULL, deployment TEXT NOT NULL, organization_id TEXT NOT NULL,
    requests INTEGER NOT NULL, tokens INTEGER NOT NULL, cost_nano INTEGER NOT NULL,
    PRIMARY KEY (hour, model, deployment, organization_id)
  ) STRICT, WITHOUT ROWID`,
  // What was counted before knows the asked name only. Where hours are pruned already, the day stands in its first hour.
  `INSERT INTO model_hours SELECT hour, model, '', organization_id, ${SUMS}
   FROM rollups WHERE tag_name = '' GROUP BY 1, 2, 4`,
  `INSERT INTO model_hours SELECT hour, model, '', organization_id, ${SUMS}
   FROM rollup_days WHERE tag_name = '' AND hour < (SELECT hours_from FROM ingest_state)
   GROUP BY 1, 2, 4 HAVING true ON CONFLICT DO NOTHING`,
];

/** Sums by every name a model goes by: what budgets and limits on models begin with. */
export async function modelHours(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database);
}
