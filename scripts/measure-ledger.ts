/**
 * What the ledger costs: CPU per exchange (hold and settle, 64 in flight) on the main thread, apart from building the
 * records, and in the rest of the process, which is the storage worker and its garbage collection; then how long the
 * log and the totals take to answer. `plain` is one key and model; `varied` is 100 keys with two users and
 * three of 20 models each, tags, prices, receipts and the vendor's usage.
 * Run: node scripts/measure-ledger.ts [exchanges] [kernel|disk] [plain|varied] [days]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../src/adapters/journal/journal.ts';
import { openSqlite } from '../src/adapters/sqlite/open.ts';
import type { ExchangeRecord, HoldRecord } from '../src/core/cost/exchange.ts';
import type { PriceSnapshot } from '../src/core/cost/price.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import { exchange, hold, NOON, quietLog, systemClock } from '../test/contract/ledger-samples.ts';

const IN_FLIGHT = 64;
const WARM_UP = 9_984;
const KEYS = 100;
/** Between flushes, which have a time limit. */
const SLICE = 200_064;
const total = Number(process.argv[2] ?? 50_048);
const durability = process.argv[3] === 'disk' ? 'disk' : 'kernel';
const varied = process.argv[4] === 'varied';
/** Exchanges that start within a millisecond: 16, or so many that all of them spread over a number of days. */
const days = Number(process.argv[5] ?? 0);
const perMs = days > 0 ? total / (days * 86_400_000) : 16;
const directory = mkdtempSync(join(tmpdir(), 'sluice-measure-'));
const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock, durability });
/** The time of the data, so that days are summed up when they are over. */
let now = NOON;
const clock = { ...systemClock, now: () => now };
const { store, ledger } = await openSqlite({ directory, journal, clock, log: quietLog });

const RATES = {
  input: 2_500_000,
  cacheRead: 1_250_000,
  cacheWrite5m: 2_500_000,
  cacheWrite1h: 2_500_000,
  output: 10_000_000,
  audioInput: 40_000_000,
  audioOutput: 80_000_000,
  image: 0,
  request: 0,
};
const PRICES: PriceSnapshot[] = Array.from({ length: 20 }, () => ({
  price: RATES,
  source: 'catalog',
  asOf: '2026-01-05T00:00:00Z',
}));
const RAW = {
  prompt_tokens: 120,
  completion_tokens: 50,
  total_tokens: 170,
  prompt_tokens_details: { cached_tokens: 20 },
};
const RECEIPT = JSON.stringify({
  strategy: 'weighted',
  candidates: ['a', 'b', 'c'],
  chosen: 'a',
  reason: 'health',
});

/** Shared, like the strings of a request are between its hold and its settle. */
function common(index: number) {
  const suffix = ((index * 7919) >>> 0).toString(32).padStart(16, '0');
  const startedAt = NOON + Math.floor(index / perMs);
  const plain = { id: `exc_${startedAt.toString(32)}${suffix}`, startedAt };
  const key = (index * 31) % KEYS;
  return varied
    ? {
        ...plain,
        keyId: `key_${key}`,
        model: `model-${(key + (index % 3)) % 20}`,
        tags: { feature: `feature-${key % 10}`, env: 'prod' },
        user: `user-${key}-${index % 2}`,
      }
    : plain;
}

function held(index: number): HoldRecord {
  const facts = common(index);
  return hold(facts.id, facts);
}

function settled(index: number): ExchangeRecord {
  const facts = common(index);
  const sample = exchange(facts.id, facts);
  if (!varied) {
    return sample;
  }
  const provider = `provider-${sample.model.length % 4}`;
  return {
    ...sample,
    provider,
    price: PRICES[index % PRICES.length],
    usage: { ...sample.usage, raw: RAW },
    latencyMs: 120 + (index % 1000) / 7,
    firstByteMs: 80 + (index % 1000) / 11,
    receipt: RECEIPT,
  };
}

async function run(into: Pick<Ledger, 'hold' | 'settle'>, from: number, count: number): Promise<void> {
  for (let start = from; start < from + count; start += IN_FLIGHT) {
    now = NOON + Math.floor(start / perMs);
    const indexes = Array.from({ length: IN_FLIGHT }, (_, offset) => start + offset);
    await Promise.all(indexes.map((index) => into.hold(held(index))));
    await Promise.all(indexes.map((index) => into.settle(settled(index))));
  }
}

/** Main-thread CPU of a run, microseconds per exchange. */
async function threadMicros(into: Pick<Ledger, 'hold' | 'settle'>, from: number): Promise<number> {
  const before = process.threadCpuUsage();
  for (let done = 0; done < total; done += SLICE) {
    await run(into, from + done, Math.min(SLICE, total - done));
    await (done + SLICE < total ? ledger.flush() : undefined);
  }
  const used = process.threadCpuUsage(before);
  return (used.user + used.system) / total;
}

const nothing = { hold: () => Promise.resolve(), settle: () => Promise.resolve() };
await run(nothing, 0, WARM_UP);
await run(ledger, -WARM_UP, WARM_UP);
await ledger.flush();
const building = await threadMicros(nothing, 0);
const processBefore = process.cpuUsage();
const started = performance.now();
const main = await threadMicros(ledger, 0);
const appended = performance.now() - started;
await ledger.flush();
const ingested = performance.now() - started;
const all = process.cpuUsage(processBefore);
const allMicros = (all.user + all.system) / total;
console.log(
  `${total} ${varied ? 'varied' : 'plain'} exchanges, groups of ${IN_FLIGHT}, durability ${durability}`,
);
console.log(`main thread, hold + settle: ${(main - building).toFixed(1)} us CPU per exchange`);
console.log(`main thread, building the records: ${building.toFixed(1)} us`);
console.log(`rest of the process, ingest: ${(allMicros - main).toFixed(1)} us`);
console.log(`appended in ${appended.toFixed(0)} ms, queryable after ${ingested.toFixed(0)} ms`);
console.log(`ingest: ${((total / (ingested / 1000)) | 0).toLocaleString('en')} rows/s`);
const bytes = statSync(join(directory, 'sluice.db')).size;
console.log(`database: ${(bytes / (total + WARM_UP)).toFixed(0)} bytes per exchange`);

/** The median of five, milliseconds. */
async function time(name: string, ask: () => Promise<unknown>): Promise<void> {
  const taken: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const asked = performance.now();
    await ask();
    taken.push(performance.now() - asked);
  }
  console.log(`${name}: ${(taken.sort((left, right) => left - right)[2] ?? 0).toFixed(1)} ms`);
}

const page = { limit: 100 };
const middle = NOON + total / perMs / 2;
const week = { from: NOON - 7 * 86_400_000, to: NOON + (days + 1) * 86_400_000 };
await ledger.settle(
  exchange('exc_rare', { startedAt: NOON + 1, keyId: 'key_rare', model: 'model-rare', status: 503 }),
);
await ledger.flush();
if (days > 0) {
  // Once around the maintenance, which sums up the days.
  await new Promise((resolve) => setTimeout(resolve, 62_000));
}
await time('newest 100', () => store.exchanges.list({}, page));
await time('100 from the middle', () => store.exchanges.list({ to: middle }, page));
await time('100 of a key', () => store.exchanges.list({ keyId: 'key_1' }, page));
await time('100 of a key and a model', () =>
  store.exchanges.list({ keyId: 'key_1', model: 'model-7' }, page),
);
await time('100 of a tag', () =>
  store.exchanges.list({ tag: { name: 'feature', value: 'feature-1' } }, page),
);
await time('a status nearly nobody has', () => store.exchanges.list({ status: 503 }, page));
await time('a rare model of a provider', () =>
  store.exchanges.list({ model: 'model-rare', provider: 'openai' }, page),
);
await time('a key that never used the model', () =>
  store.exchanges.list({ keyId: 'key_2', model: 'model-rare' }, page),
);
await time('one by id', () => store.exchanges.get('exc_rare'));
await time('spend by model and key', () => store.usage.spend({ ...week, groupBy: ['model', 'key'] }));
await time('spend by tag and hour', () =>
  store.usage.spend({ ...week, groupBy: ['tag:feature'], interval: 'hour' }),
);
await time('total of a key', () => store.usage.total({ keyId: 'key_1' }, week.from));
await ledger.close();
await store.close();
rmSync(directory, { recursive: true });
