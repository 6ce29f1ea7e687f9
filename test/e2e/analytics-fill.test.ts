import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { BATCH_ROWS, fill } from '../../scripts/measure-analytics/fill.ts';
import { START, sample } from '../../scripts/measure-analytics/samples.ts';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { Ingestor } from '../../src/adapters/sqlite/ingest.ts';
import { sumUpDay, sumUpHour } from '../../src/adapters/sqlite/rollups.ts';
import { DAY_MS } from '../../src/core/durations.ts';
import { systemClock } from '../contract/ledger-samples.ts';

const ROWS = 5 * BATCH_ROWS;
const DAYS = 3;

/** Tables the figures depend on; the place reached in the journal is not among them. */
const TABLES = [
  'exchanges',
  'postings',
  'rollups',
  'rollup_days',
  'rollup_cubes',
  'session_days',
  'budget_spend',
  '(SELECT raw_bytes, days_through, hours_through FROM ingest_state)',
];

function digests(raw: DatabaseSync): Record<string, string> {
  return Object.fromEntries(
    TABLES.map((table) => {
      const hash = createHash('sha256');
      let rows = 0;
      for (const row of raw.prepare(`SELECT * FROM ${table}`).iterate()) {
        hash.update(
          JSON.stringify(Object.values(row), (_, value) =>
            value instanceof Uint8Array ? [...value] : value,
          ),
        );
        rows += 1;
      }
      return [table, `${rows} rows ${hash.digest('hex')}`];
    }),
  );
}

// Twenty thousand exchanges, twice: 25 s of CPU.
test('what the measurement is filled with is what ingest would have written, to the last byte', {
  timeout: 600_000,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-fill-'));
  try {
    const quick = await openDatabase(join(directory, 'quick.db'));
    fill(quick, { rows: ROWS, days: DAYS, tell: () => undefined });
    const found = digests(quick.raw);
    quick.raw.close();

    const real = await openDatabase(join(directory, 'real.db'));
    const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock });
    const ingestor = new Ingestor(real.raw, journal);
    ingestor.recover();
    const perMs = ROWS / (DAYS * DAY_MS);
    for (let from = 0; from < ROWS; from += BATCH_ROWS) {
      const batch = Array.from({ length: BATCH_ROWS }, (_, offset) => sample(from + offset, perMs));
      await Promise.all(batch.map((record) => journal.settle(record)));
      while (!ingestor.run(journal.position()).done);
      const now = START + Math.floor(from / perMs) - 3_600_000;
      while (sumUpDay(real.raw, now));
      while (sumUpHour(real.raw, now));
    }
    await journal.close();
    const expected = digests(real.raw);
    real.raw.close();
    expect(Number.parseInt(expected['postings'] ?? '0', 10)).toBeGreaterThan(ROWS);
    expect(Number.parseInt(expected['session_days'] ?? '0', 10)).toBe(2);
    expect(found).toEqual(expected);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
