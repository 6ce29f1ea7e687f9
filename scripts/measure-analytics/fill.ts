import { decodeHead, encodeExchange } from '../../src/adapters/journal/exchange-text.ts';
import type { Database } from '../../src/adapters/sqlite/database.ts';
import { ExchangeWriter } from '../../src/adapters/sqlite/exchange-writer.ts';
import { sumUpDay, sumUpHour } from '../../src/adapters/sqlite/rollups.ts';
import { DAY_MS, HOUR_MS } from '../../src/core/durations.ts';
import { START, sample } from './samples.ts';

/** As the ingest of the journal does. */
export const BATCH_ROWS = 4000;

/** How much, over how long, and whom to tell. */
export interface Filling {
  readonly rows: number;
  readonly days: number;
  readonly tell: (line: string) => void;
}

/**
 * Fills a database with the ledger's own writer, hours and days summed up as maintenance does. Nine tenths of the time went
 * into postings, which at a rate as low as this are nearly a row per exchange and filter, each on another page; so while it
 * fills, a temporary table without an index stands before theirs, and they are written at the end in the order of their key.
 * `test/e2e/analytics-fill.test.ts` holds the outcome against the ingest of a journal, table by table.
 */
export function fill({ raw }: Database, { rows, days, tell }: Filling): void {
  const perMs = rows / (days * DAY_MS);
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
  raw.exec('PRAGMA temp_store = FILE; PRAGMA cache_size = -262144');
  raw.exec('CREATE TEMP TABLE postings (facet TEXT NOT NULL, last INTEGER NOT NULL, places BLOB)');
  const writer = new ExchangeWriter(raw);
  let summing = 0;
  for (let from = 0; from < rows; from += BATCH_ROWS) {
    const batch = Array.from({ length: Math.min(BATCH_ROWS, rows - from) }, (_, offset) => {
      const record = sample(from + offset, perMs);
      const text = encodeExchange(record);
      return { id: record.id, text, head: decodeHead(text) };
    });
    raw.exec('BEGIN IMMEDIATE');
    const bytes = writer.insert(batch);
    raw.prepare('UPDATE ingest_state SET raw_bytes = raw_bytes + ?').run(bytes);
    raw.exec('COMMIT');
    // What maintenance does every minute; an hour behind, as there.
    const now = START + Math.floor(from / perMs) - HOUR_MS;
    const summed = performance.now();
    while (sumUpDay(raw, now));
    while (sumUpHour(raw, now));
    summing += performance.now() - summed;
    if ((from / BATCH_ROWS) % 100 === 99) tell(`${from + BATCH_ROWS} of ${rows} rows after ${seconds()} s`);
  }
  tell(`rows after ${seconds()} s, of which sums of hours and days ${(summing / 1000).toFixed(0)} s`);
  raw.exec('INSERT OR REPLACE INTO main.postings SELECT * FROM temp.postings ORDER BY facet, last, rowid');
  raw.exec('DROP TABLE temp.postings');
  tell(`filled ${rows} rows over ${days} days in ${seconds()} s`);
}
