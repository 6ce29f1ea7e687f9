import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, hold, NOON, systemClock } from '../../../test/contract/ledger-samples.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { type Database, openDatabase } from './database.ts';
import { Ingestor } from './ingest.ts';

let directory: string;
let journal: Journal;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-ingest-'));
  journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock, segmentBytes: 2000 });
  database = await openDatabase(join(directory, 'sluice.db'));
});
afterEach(async () => {
  await journal.close();
  database.raw.close();
  rmSync(directory, { recursive: true });
});

const started = () => {
  const ingestor = new Ingestor(database.raw, {
    directory: journal.directory,
    firstSegment: journal.firstSegment,
    slot: 1,
  });
  return { ingestor, recovered: ingestor.recover() };
};
const rows = () =>
  database.raw.prepare('SELECT count(*) AS n, count(DISTINCT id) AS ids FROM exchanges').get();
const spent = () => database.raw.prepare('SELECT sum(cost_nano) AS cost FROM rollups').get()?.['cost'];

function runToEnd(ingestor: Ingestor): number {
  let runs = 1;
  while (!ingestor.run(journal.position()).done) runs += 1;
  return runs;
}

test('a worker started again takes no running request for a crashed one', async () => {
  const first = started().ingestor;
  await journal.hold(hold('exc_open'));
  for (let index = 0; index < 9; index += 1) await journal.settle(exchange(`exc_${index}`));
  runToEnd(first);
  const { ingestor, recovered } = started();
  expect(recovered.crashed).toBe(0);
  expect(ingestor.openHolds).toBe(1);
  await journal.settle(exchange('exc_open'));
  runToEnd(ingestor);
  expect(ingestor.openHolds).toBe(0);
  expect(rows()).toEqual({ n: 10, ids: 10 });
  expect(spent()).toBe(10_000);
});

test('reads no further than it is told, and in batches', async () => {
  const { ingestor } = started();
  await Promise.all(Array.from({ length: 5000 }, (_, index) => journal.settle(exchange(`exc_${index}`))));
  const position = journal.position();
  await journal.settle(exchange('exc_later'));
  expect(ingestor.run(position).report.rows).toBe(4000);
  while (!ingestor.run(position).done);
  expect(rows()).toEqual({ n: 5000, ids: 5000 });
  runToEnd(ingestor);
  expect(rows()).toEqual({ n: 5001, ids: 5001 });
});

test('a batch the database refuses is taken again, once', async () => {
  const { ingestor } = started();
  await journal.hold(hold('exc_1'));
  await journal.settle(exchange('exc_1'));
  database.raw.exec(
    'CREATE TRIGGER refuse BEFORE INSERT ON rollups BEGIN SELECT RAISE(ABORT, $$full$$); END'.replaceAll(
      '$$',
      "'",
    ),
  );
  expect(() => ingestor.run(journal.position())).toThrow();
  expect(rows()).toEqual({ n: 0, ids: 0 });
  database.raw.exec('DROP TRIGGER refuse');
  runToEnd(ingestor);
  expect(rows()).toEqual({ n: 1, ids: 1 });
  expect(spent()).toBe(1000);
});

test('a hold far too old is charged, and its late settle changes nothing', async () => {
  const { ingestor } = started();
  await journal.hold(hold('exc_old', { startedAt: NOON }));
  await journal.hold(hold('exc_new', { startedAt: NOON + 10 }));
  runToEnd(ingestor);
  expect(ingestor.expireHolds(NOON + 5)).toBe(1);
  expect(ingestor.openHolds).toBe(1);
  await journal.settle(exchange('exc_old'));
  runToEnd(ingestor);
  expect(rows()).toEqual({ n: 1, ids: 1 });
  expect(spent()).toBe(5000);
});
