import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, NOON } from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import type { ExchangeFilter } from '../../ports/store.ts';
import { decodeHead, encodeExchange } from '../journal/exchange-text.ts';
import { type Database, openDatabase } from './database.ts';
import { ExchangeWriter } from './exchange-writer.ts';
import { createExchangeTexts } from './exchanges.ts';
import { PER_MS } from './places.ts';

let directory: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-exchanges-'));
  database = await openDatabase(join(directory, 'sluice.db'));
});
afterEach(() => {
  database.raw.close();
  rmSync(directory, { recursive: true });
});

function insert(writer: ExchangeWriter, records: readonly ExchangeRecord[]): void {
  database.raw.exec('BEGIN');
  writer.insert(
    records.map((record) => {
      const text = encodeExchange(record);
      return { id: record.id, text, head: decodeHead(text) };
    }),
  );
  database.raw.exec('COMMIT');
}

async function idsOf(filter: ExchangeFilter, limit: number): Promise<string[]> {
  const texts = createExchangeTexts(database.raw);
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await texts.list(filter, { limit, cursor });
    found.push(...page.data.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const someRecord = fc.record({
  startedAt: fc.integer({ min: NOON, max: NOON + 60_000 }),
  keyId: oneOf('k1', 'k2', undefined),
  model: oneOf('m1', 'm2'),
  provider: oneOf('p1', 'p2', undefined),
  status: oneOf(200, 429, 503),
  clientRequestId: oneOf('r1', undefined, undefined),
  tags: oneOf<Record<string, string>>({}, { env: 'prod' }, { env: 'dev', team: 'a' }),
});
const someFilter = fc.record(
  {
    keyId: oneOf('k1', 'k2'),
    model: oneOf('m1', 'm2'),
    provider: oneOf('p1', 'p2'),
    status: oneOf(200, 429, 503),
    clientRequestId: oneOf('r1'),
    tag: oneOf<NonNullable<ExchangeFilter['tag']>>({ name: 'env' }, { name: 'env', value: 'prod' }),
    from: fc.integer({ min: NOON, max: NOON + 30_000 }),
    to: fc.integer({ min: NOON + 20_000, max: NOON + 60_000 }),
  },
  { requiredKeys: [] },
);

function matches(record: ExchangeRecord, filter: ExchangeFilter): boolean {
  const { tag, from = 0, to = Number.POSITIVE_INFINITY, ...same } = filter;
  const value = tag === undefined ? '' : record.tags[tag.name];
  return (
    Object.entries(same).every(([name, wanted]) => record[name as keyof ExchangeRecord] === wanted) &&
    record.startedAt >= from &&
    record.startedAt < to &&
    (tag === undefined || (value !== undefined && (tag.value ?? value) === value))
  );
}

test('any filter finds what a look at every record finds, page by page, also after pruning', async () => {
  const runs = fc.array(fc.tuple(fc.array(someRecord, { maxLength: 25 }), fc.boolean()), { maxLength: 4 });
  const limits = fc.integer({ min: 1, max: 7 });
  await fc.assert(
    fc.asyncProperty(
      runs,
      fc.array(someFilter, { maxLength: 5 }),
      limits,
      async (batches, filters, limit) => {
        database.raw.exec('DELETE FROM exchanges; DELETE FROM postings');
        let writer = new ExchangeWriter(database.raw);
        const records: ExchangeRecord[] = [];
        for (const [facts, restart] of batches) {
          const batch = facts.map((fact, index) => exchange(`exc_${records.length + index}`, fact));
          if (restart) writer = new ExchangeWriter(database.raw);
          insert(writer, batch);
          records.push(...batch);
        }
        const before = NOON + 15_000;
        for (const cutOff of [0, before]) {
          await createExchangeTexts(database.raw).prune({ before: cutOff });
          const left = records.filter((record) => record.startedAt >= cutOff);
          for (const filter of [{}, ...filters]) {
            const expected = left.filter((record) => matches(record, filter));
            const found = await idsOf(filter, limit);
            expect(found.toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
            const starts = found.map((id) => records[Number(id.slice(4))]?.startedAt ?? 0);
            expect(starts).toEqual(starts.toSorted((left, right) => right - left));
          }
        }
        await createExchangeTexts(database.raw).prune({ before: NOON + 1e6 });
        expect(database.raw.prepare('SELECT count(*) AS n FROM postings').get()).toEqual({ n: 0 });
      },
    ),
    { numRuns: 60 },
  );
});

test('more exchanges than a millisecond has room for are all there, once', async () => {
  const records = Array.from({ length: PER_MS * 2 + 100 }, (_, index) => exchange(`exc_${index}`));
  const writer = new ExchangeWriter(database.raw);
  insert(writer, records.slice(0, 3000));
  insert(writer, records);
  expect(new Set(await idsOf({ keyId: 'key_1' }, 500)).size).toBe(records.length);
  expect(database.raw.prepare('SELECT sum(requests) AS n FROM rollups').get()).toEqual({ n: records.length });
});

test('a place that is taken, and an id that is there, are told apart', async () => {
  insert(new ExchangeWriter(database.raw), [exchange('exc_0'), exchange('exc_1')]);
  // A new writer begins the millisecond anew.
  insert(new ExchangeWriter(database.raw), [exchange('exc_1'), exchange('exc_2'), exchange('exc_2')]);
  expect(await idsOf({ model: 'gpt-4o' }, 2)).toEqual(['exc_2', 'exc_1', 'exc_0']);
  expect(database.raw.prepare('SELECT sum(requests) AS n FROM rollups').get()).toEqual({ n: 3 });
});

test('an exchange from before 1970 or after 2109 does not stop the journal', async () => {
  const starts = [-5, 0, 1e17, Number.NaN];
  insert(
    new ExchangeWriter(database.raw),
    starts.map((startedAt, index) => exchange(`exc_${index}`, { startedAt })),
  );
  expect((await idsOf({}, 10)).toSorted()).toEqual(['exc_0', 'exc_1', 'exc_2', 'exc_3']);
});
