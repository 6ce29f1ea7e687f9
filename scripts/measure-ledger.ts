/**
 * What the ledger costs: CPU on the main thread per exchange (hold and settle, 64 in flight) and rows per second of the
 * ingest. Run: node scripts/measure-ledger.ts [exchanges] [kernel|disk]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../src/adapters/journal/journal.ts';
import { openSecretBox } from '../src/adapters/secret-box/secret-box.ts';
import { openSqlite } from '../src/adapters/sqlite/open.ts';
import { exchange, hold, quietLog, systemClock } from '../test/contract/ledger-samples.ts';

const IN_FLIGHT = 64;
const total = Number(process.argv[2] ?? 50_000);
const durability = process.argv[3] === 'disk' ? 'disk' : 'kernel';
const directory = mkdtempSync(join(tmpdir(), 'sluice-measure-'));
const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock, durability });
const { store, ledger } = await openSqlite({ directory, journal, clock: systemClock, log: quietLog });

async function run(from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; index += IN_FLIGHT) {
    const ids = Array.from(
      { length: IN_FLIGHT },
      (_, offset) => `exc_${String(index + offset).padStart(10, '0')}`,
    );
    await Promise.all(ids.map((id) => ledger.hold(hold(id))));
    await Promise.all(ids.map((id) => ledger.settle(exchange(id))));
  }
}

await run(-10_000, 9_984);
await ledger.flush();
const threadBefore = process.threadCpuUsage();
const processBefore = process.cpuUsage();
const started = performance.now();
await run(0, total);
const appended = performance.now() - started;
const thread = process.threadCpuUsage(threadBefore);
await ledger.flush();
const ingested = performance.now() - started;
const all = process.cpuUsage(processBefore);
const threadMicros = (thread.user + thread.system) / total;
const allMicros = (all.user + all.system) / total;
console.log(`${total} exchanges, groups of ${IN_FLIGHT}, durability ${durability}`);
console.log(`main thread, hold + settle: ${threadMicros.toFixed(1)} us CPU per exchange`);
console.log(`whole process, ingest included: ${allMicros.toFixed(1)} us CPU per exchange`);
console.log(`appended in ${appended.toFixed(0)} ms, queryable after ${ingested.toFixed(0)} ms`);
console.log(`ingest: ${((total / (ingested / 1000)) | 0).toLocaleString('en')} rows/s`);

const listStarted = performance.now();
await store.exchanges.list({ status: 200 }, { limit: 100 });
console.log(`list of 100: ${(performance.now() - listStarted).toFixed(1)} ms`);
await ledger.close();
await store.close();

const box = openSecretBox(directory);
const key = `sk-sluice-${'a'.repeat(39)}`;
const hashStarted = performance.now();
for (let index = 0; index < 200_000; index += 1) {
  box.hashKey(key);
}
console.log(`hashKey: ${((performance.now() - hashStarted) / 200).toFixed(2)} us`);
rmSync(directory, { recursive: true });
