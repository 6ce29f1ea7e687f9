import { type Kysely, sql } from 'kysely';

const STATEMENTS = [
  ...['rollups', 'rollup_days', 'rollup_cubes'].flatMap((table) => [
    `ALTER TABLE ${table} ADD COLUMN refused INTEGER NOT NULL DEFAULT 0`,
    `ALTER TABLE ${table} ADD COLUMN abandoned INTEGER NOT NULL DEFAULT 0`,
  ]),
  // Days have theirs in the cubes.
  "ALTER TABLE rollups ADD COLUMN latencies BLOB NOT NULL DEFAULT x''",
  "ALTER TABLE rollup_cubes ADD COLUMN latencies BLOB NOT NULL DEFAULT x''",
  // Sums by hour before this are pruned; what is there is by day.
  'ALTER TABLE ingest_state ADD COLUMN hours_from INTEGER NOT NULL DEFAULT 0',
  // The sessions of a day in one piece; made again from `rollup_cubes` where it is missing.
  `CREATE TABLE session_days (
    day INTEGER PRIMARY KEY, sessions TEXT NOT NULL, places TEXT NOT NULL, hashes BLOB NOT NULL, sums BLOB NOT NULL
  ) STRICT`,
];

/** Rollups know how long exchanges took and how they failed, are pruned, and have the sessions of a day in one piece. */
export async function latencies(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database);
}
