import { type Kysely, sql } from 'kysely';

const SHARED = [
  // What processes have let through, and what they run at the same time: an amount counts against an account until a time
  // of the clock all of them share (see `ports/shared-counts.ts`). Slot 0 is what those that are gone have counted.
  `CREATE TABLE shared_counts (
    account TEXT NOT NULL, until INTEGER NOT NULL, slot INTEGER NOT NULL, amount REAL NOT NULL,
    PRIMARY KEY (account, until, slot)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX shared_counts_until ON shared_counts (until)',
  // Attempts to sign in, by name; times are of the same clock.
  `CREATE TABLE attempts (
    name TEXT PRIMARY KEY, count INTEGER NOT NULL, ends_at REAL NOT NULL, strikes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX attempts_end ON attempts (ends_at)',
  // What only one process may do at a time.
  `CREATE TABLE turns (
    name TEXT PRIMARY KEY, slot INTEGER NOT NULL, ends_at REAL NOT NULL
  ) STRICT, WITHOUT ROWID`,
];

/** Rate limits, sign-in attempts and turns that several processes share. */
export async function sharedCounts(database: Kysely<unknown>): Promise<void> {
  for (const statement of SHARED) await sql.raw(statement).execute(database);
}
