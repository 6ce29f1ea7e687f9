import { type Kysely, sql } from 'kysely';

// What a budget spent is kept by who spent it, so that nobody counts his own money twice. Slot 0 is nobody's: money that
// was spent before there was the budget. What there is so far was spent by the first process.
const SPEND = [
  `CREATE TABLE budget_spend_by_slot (
    account TEXT NOT NULL, bucket INTEGER NOT NULL, slot INTEGER NOT NULL, settled_nano INTEGER NOT NULL,
    PRIMARY KEY (account, bucket, slot)
  ) STRICT, WITHOUT ROWID`,
  `INSERT INTO budget_spend_by_slot (account, bucket, slot, settled_nano)
   SELECT account, bucket, 1, settled_nano FROM budget_spend`,
  'DROP TABLE budget_spend',
  'ALTER TABLE budget_spend_by_slot RENAME TO budget_spend',
  'CREATE INDEX budget_spend_bucket ON budget_spend (bucket)',
];

const PROCESSES = [
  // Running processes; each acknowledges those that joined after it (see `ports/shared-spend.ts`).
  `CREATE TABLE processes (
    slot INTEGER PRIMARY KEY, joined INTEGER NOT NULL, acknowledged INTEGER NOT NULL
  ) STRICT`,
  // The most a process may have spent and hold in a window: raised before it spends, lowered after it has settled.
  `CREATE TABLE budget_claims (
    account TEXT NOT NULL, bucket INTEGER NOT NULL, slot INTEGER NOT NULL, nano INTEGER NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (account, bucket, slot)
  ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX budget_claims_version ON budget_claims (version)',
  'CREATE INDEX budget_claims_bucket ON budget_claims (bucket)',
  `CREATE TABLE share_clock (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT`,
  'INSERT INTO share_clock (id, version) VALUES (1, 0)',
  // How far the journal of each slot is ingested.
  `CREATE TABLE journal_slots (
    slot INTEGER PRIMARY KEY, segment INTEGER NOT NULL, position INTEGER NOT NULL, recovered_through INTEGER NOT NULL
  ) STRICT`,
  `INSERT INTO journal_slots (slot, segment, position, recovered_through)
   SELECT 1, segment, position, recovered_through FROM ingest_state`,
];

const WATCHED = [
  ['budgets', 'budget', 'id'],
  ['rate_rules', 'budget', 'id'],
  ['price_overrides', 'price', 'model'],
] as const;

const CHANGES = WATCHED.flatMap(([table, kind, id]) =>
  (['INSERT', 'UPDATE', 'DELETE'] as const).map(
    (event) =>
      `CREATE TRIGGER ${table}_${event.toLowerCase()}_heard AFTER ${event} ON ${table} BEGIN
        INSERT INTO identity_changes (kind, id) VALUES ('${kind}', ${event === 'DELETE' ? 'OLD' : 'NEW'}.${id});
      END`,
  ),
);

/** Several processes on one data directory: journals of their own, budgets shared, every change heard by all. */
export async function processes(database: Kysely<unknown>): Promise<void> {
  for (const statement of [...SPEND, ...PROCESSES, ...CHANGES]) await sql.raw(statement).execute(database);
}
