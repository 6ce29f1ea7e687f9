import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  exchange,
  hold,
  NOON,
  quietLog,
  SPEND_VALUES,
  systemClock,
} from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import type { SpendDimension, SpendQuery, SpendRow } from '../../ports/store.ts';
import { decodeExchange } from '../journal/exchange-text.ts';
import { openJournal } from '../journal/journal.ts';
import { type Database, openDatabase } from './database.ts';
import { Ingestor } from './ingest.ts';
import { openSqlite } from './open.ts';
import { sumUpDay, sumUpHour } from './rollups.ts';
import { packMissing } from './session-days.ts';
import { createUsageStore } from './usage.ts';

// Sums are what one gets by adding up the log: whatever is asked, and whatever happened while it was written.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIDNIGHT = NOON - 12 * HOUR;
const CHILD = fileURLToPath(new URL('../../../test/contract/ledger-child.ts', import.meta.url));

const VALUES: typeof SPEND_VALUES = {
  ...SPEND_VALUES,
  model: ({ model, error }) => (error === 'model_not_found' ? '(unknown model)' : model),
};
const PLAIN = ['model', 'provider', 'key', 'user', 'team', 'project', 'organization'] as const;
const TAGS = ['session', 'tag:feature', 'tag:env'] as const;
const FILTERS: Readonly<Record<string, (record: ExchangeRecord) => string | undefined>> = {
  keyId: ({ keyId }) => keyId,
  model: ({ model, error }) => (error === 'model_not_found' ? '(unknown model)' : model),
  provider: ({ provider }) => provider,
  user: ({ user }) => user,
  teamId: ({ place }) => place?.teamId,
};

/** The same by looking at the log: integers only, so that nothing is rounded. */
function expected(log: readonly ExchangeRecord[], query: SpendQuery): Map<string, string> {
  const sums = new Map<string, { counts: bigint[]; latencies: number[] }>();
  const step = query.interval === 'day' ? DAY : HOUR;
  const [from, to] = [Math.floor(query.from / HOUR) * HOUR, Math.ceil(query.to / HOUR) * HOUR];
  for (const record of log) {
    const { startedAt, outcome, cost, usage } = record;
    if (startedAt < from || startedAt >= to) continue;
    const asked = query as unknown as Record<string, unknown>;
    if (
      Object.keys(FILTERS).some(
        (name) => asked[name] !== undefined && FILTERS[name]?.(record) !== asked[name],
      )
    )
      continue;
    const start = query.interval === undefined ? null : startedAt - (startedAt % step);
    const name = JSON.stringify([start, ...query.groupBy.map((one) => VALUES[one]?.(record) || null)]);
    const sum = sums.get(name) ?? { counts: Array<bigint>(10).fill(0n), latencies: [] };
    sums.set(name, sum);
    const more = [
      1,
      outcome === 'answered' ? 0 : 1,
      cost?.total ?? 0,
      usage.input + usage.audioInput,
      usage.cacheRead,
      usage.cacheWrite5m + usage.cacheWrite1h,
      usage.output + usage.audioOutput,
      cost === undefined && outcome !== 'refused' ? 1 : 0,
      outcome === 'refused' ? 1 : 0,
      outcome === 'abandoned' ? 1 : 0,
    ];
    sum.counts = sum.counts.map((count, index) => count + BigInt(more[index] ?? 0));
    sum.latencies.push(record.latencyMs);
  }
  return new Map(
    [...sums].map(([name, { counts, latencies }]) => [
      name,
      `${counts.join()} ${latencies.sort((a, b) => a - b).join()}`,
    ]),
  );
}

function compare(rows: readonly SpendRow[], wanted: Map<string, string>, query: SpendQuery): void {
  const what = JSON.stringify(query);
  const found = new Map<string, string>();
  for (const row of rows) {
    const name = JSON.stringify([row.start ?? null, ...query.groupBy.map((one) => row.group[one] ?? null)]);
    expect(found.has(name), `${name} twice: ${what}`).toBe(false);
    const counts = [row.requests, row.errors, row.costNano, row.inputTokens, row.cacheReadTokens];
    const more = [row.cacheWriteTokens, row.outputTokens, row.unpriced, row.refused, row.abandoned];
    found.set(name, [...counts, ...more].join());
    const [, text = ''] = wanted.get(name)?.split(' ') ?? [];
    const latencies = text.split(',').map(Number);
    expect(row.latencyMs).toBe(latencies.reduce((sum, one) => sum + one, 0));
    if (row.latency === undefined) continue;
    for (const [share, value] of [
      [0.5, row.latency.p50],
      [0.95, row.latency.p95],
      [0.99, row.latency.p99],
    ] as const) {
      const exact = latencies[Math.ceil(share * latencies.length) - 1] ?? 0;
      expect(Math.abs(value - exact), `${share} of ${text}`).toBeLessThanOrEqual(0.02 * exact + 0.5);
    }
  }
  const sums = [...wanted].map(([name, text]) => `${name} ${text.split(' ')[0]}`);
  expect([...found].map(([name, text]) => `${name} ${text}`).toSorted(), what).toEqual(sums.toSorted());
}

function logOf({ raw }: Database): ExchangeRecord[] {
  return raw
    .prepare('SELECT id, record FROM exchanges')
    .all()
    .map(({ id, record }) => decodeExchange(String(id), String(record)));
}

const some = <T>(...values: T[]) => fc.constantFrom(...values);
/** Mostly one after the other; sometimes the clock jumps to and fro, by hours, days and years. */
const someStart = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 5 * DAY }) },
  { weight: 1, arbitrary: some(-DAY, -400 * DAY, 3650 * DAY, 5 * DAY - 1, 2 * DAY, 2 * DAY - 1) },
);
const someRecord = fc.record({
  at: someStart,
  keyId: some(undefined, 'key_1', 'key_2', 'key_3'),
  model: some('m1', 'm2', 'm\t3'),
  provider: some(undefined, 'p1', 'p2'),
  user: some(undefined, 'ann', 'bob', "o'hara"),
  session: some(undefined, 's1', 's2', 's\u0000["",""]'),
  tags: some<Record<string, string>>(
    {},
    { feature: 'a' },
    { feature: 'b', env: 'x' },
    { env: 'y', feature: 'a' },
    { feature: '' },
  ),
  outcome: some<ExchangeRecord['outcome']>('answered', 'answered', 'failed', 'refused', 'abandoned', 'cut'),
  unknown: fc.boolean(),
  total: fc.oneof(fc.integer({ min: 0, max: 1e6 }), some(0, 1, 333_333_333, 9_007_199_254)),
  latencyMs: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 4_000_000 })),
  team: some(undefined, 'team_1', 'team_2'),
});

type Facts = typeof someRecord extends fc.Arbitrary<infer T> ? T : never;

function recordOf(facts: Facts, index: number): ExchangeRecord {
  const { at, total, unknown, team, outcome, ...rest } = facts;
  const { cost } = exchange('x');
  const place = {
    organizationId: team === 'team_2' ? 'org_2' : 'org_default',
    teamId: team,
    projectId: undefined,
    ownerId: undefined,
  };
  return exchange(`exc_${index}`, {
    ...rest,
    startedAt: MIDNIGHT + at,
    outcome,
    status: outcome === 'answered' ? 200 : 500,
    error: outcome === 'refused' && unknown ? 'model_not_found' : undefined,
    cost: unknown || cost === undefined ? undefined : { ...cost, input: total, output: 0, total },
    ...(team === undefined ? {} : { place }),
  });
}

/** What may happen between two batches. */
const someEvent = fc.oneof(
  fc.record({ kind: some('sum up'), until: fc.integer({ min: 0, max: 7 * DAY }) }),
  fc.record({ kind: some('ingest', 'refuse', 'die', 'forget the place', 'pack'), until: some(0) }),
);
const someQuery = fc
  .record({
    plain: fc.subarray([...PLAIN], { maxLength: 3 }),
    tag: some(undefined, ...TAGS),
    interval: some(undefined, 'hour' as const, 'day' as const),
    from: some(-500 * DAY, 0, 5 * HOUR + 1, DAY, 2 * DAY + 7 * HOUR),
    length: some(HOUR, DAY, 3 * DAY, 4 * DAY + 5 * HOUR, 5000 * DAY),
    filter: some<Partial<SpendQuery>>(
      {},
      {},
      { keyId: 'key_1' },
      { model: 'm1', provider: 'p1' },
      { user: 'ann' },
      { teamId: 'team_1' },
      { keyId: 'nobody' },
    ),
  })
  .map(({ plain, tag, interval, from, length, filter }): SpendQuery => {
    const groupBy: SpendDimension[] = [...plain, ...(tag === undefined ? [] : [tag])];
    const start = MIDNIGHT + from;
    return { ...filter, groupBy, interval, from: start, to: start + length, percentiles: true, limit: 1e9 };
  });

test('any grouping, filter and interval is the sum over the log, whatever happened meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.array(someRecord, { minLength: 1, maxLength: 25 }), someEvent), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.array(someQuery, { minLength: 12, maxLength: 12 }),
      async (steps, queries) => {
        const directory = mkdtempSync(join(tmpdir(), 'sluice-exact-'));
        const journal = openJournal({
          directory: join(directory, 'journal'),
          clock: systemClock,
          segmentBytes: 20_000,
        });
        const database = await openDatabase(join(directory, 'sluice.db'));
        try {
          let ingestor = new Ingestor(database.raw, journal);
          ingestor.recover();
          const ingest = () => {
            while (!ingestor.run(journal.position()).done);
          };
          let index = 0;
          for (const [batch, { kind, until }] of steps) {
            for (const facts of batch) {
              const record = recordOf(facts, index);
              index += 1;
              await journal.hold(hold(record.id, { startedAt: record.startedAt }));
              await journal.settle(record);
              // A retry of the writer itself: the same line again.
              if (index % 7 === 0) await journal.settle(record);
            }
            if (kind === 'refuse') {
              // In the middle of a batch, when rows and some sums are written already.
              database.raw.exec(`CREATE TRIGGER refuse BEFORE INSERT ON rollups WHEN NEW.tag_name <> '' BEGIN
                SELECT RAISE(ABORT, 'full'); END`);
              try {
                ingest();
              } catch {
                // Taken again below.
              }
              database.raw.exec('DROP TRIGGER refuse');
            } else if (kind === 'die') {
              ingestor = new Ingestor(database.raw, journal);
              ingestor.recover();
            } else if (kind === 'forget the place') {
              ingest();
              database.raw.exec('UPDATE ingest_state SET segment = 0, position = 0');
              ingestor = new Ingestor(database.raw, journal);
              ingestor.recover();
            } else if (kind === 'sum up') {
              while (sumUpDay(database.raw, MIDNIGHT + until));
              while (sumUpHour(database.raw, MIDNIGHT + until));
            } else if (kind === 'pack') {
              while (packMissing(database.raw));
            } else ingest();
          }
          ingest();
          const log = logOf(database);
          expect(log).toHaveLength(index);
          const usage = createUsageStore(database.typed);
          for (const query of queries) compare(await usage.spend(query), expected(log, query), query);
        } finally {
          await journal.close();
          database.raw.close();
          rmSync(directory, { recursive: true });
        }
      },
    ),
    { numRuns: Number(process.env['SLUICE_EXACTNESS_RUNS'] ?? 15), endOnFailure: true },
  );
}, 240_000);

test('after kill -9 in the middle of it, sums are those of the log that is found', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-exact-kill-'));
  try {
    for (const [round, ms] of [300, 120, 500].entries()) {
      const child = spawn(process.execPath, [CHILD, directory, String(round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
      child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
      expect(await ended).toBe('SIGKILL');
    }
    const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock });
    const { store, ledger } = await openSqlite({ directory, journal, clock: systemClock, log: quietLog });
    await ledger.flush();
    await ledger.close();
    await store.close();
    const database = await openDatabase(join(directory, 'sluice.db'));
    const log = logOf(database);
    expect(log.some(({ outcome }) => outcome === 'crashed')).toBe(true);
    const usage = createUsageStore(database.typed);
    for (const groupBy of [[], ['key'], ['model', 'provider'], ['session']] as SpendDimension[][]) {
      for (const interval of [undefined, 'hour', 'day'] as const) {
        const query = { from: 0, to: NOON + DAY, groupBy, interval, percentiles: true };
        compare(await usage.spend(query), expected(log, query), query);
      }
    }
    database.raw.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
