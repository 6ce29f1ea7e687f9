import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { createExchangeTexts } from '../../src/adapters/sqlite/exchanges.ts';
import { createUsageStore } from '../../src/adapters/sqlite/usage.ts';
import { DAY_MS } from '../../src/core/durations.ts';
import { fill } from './fill.ts';
import { questions } from './questions.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    days: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '5' },
    directory: { type: 'string' },
    'fill-only': { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const days = Number(values.days);
const rounds = Number(values.rounds);
const perMs = rows / (days * DAY_MS);

async function measure(path: string): Promise<void> {
  const wanted = questions(rows, perMs, days);
  const taken = new Map<string, { readonly wall: number; readonly cpu: number }[]>();
  for (let round = 0; round < rounds; round += 1) {
    // A new connection: nothing of the database is in its cache (the system's own may still have it).
    const database = await openDatabase(path);
    const stores = { usage: createUsageStore(database.typed), log: createExchangeTexts(database.raw) };
    for (const { name, ask } of wanted) {
      const all = taken.get(name) ?? [];
      // Cold, then warm.
      for (let turn = 0; turn < 2; turn += 1) {
        const [asked, used] = [performance.now(), process.threadCpuUsage()];
        await ask(stores);
        const { user, system } = process.threadCpuUsage(used);
        all.push({ wall: performance.now() - asked, cpu: (user + system) / 1000 });
      }
      taken.set(name, all);
    }
    database.raw.close();
  }
  let missed = 0;
  console.log('wall: cold max, warm p50, warm max; CPU max; bar (ms)');
  for (const { name, bar } of wanted) {
    const all = taken.get(name) ?? [];
    const walls = (warm: 0 | 1) => all.filter((_, index) => index % 2 === warm).map(({ wall }) => wall);
    const warm = walls(1).sort((left, right) => left - right);
    const cold = Math.max(...walls(0));
    const most = Math.max(cold, ...warm);
    missed += most > bar ? 1 : 0;
    const cpu = Math.max(...all.map((one) => one.cpu));
    const figures = [cold, warm[Math.floor(warm.length / 2)] ?? 0, warm.at(-1) ?? 0, cpu];
    const texts = figures.map((figure) => figure.toFixed(1).padStart(8)).join('');
    console.log(`${texts}${String(bar).padStart(6)}${most > bar ? ' MISSED ' : '        '}${name}`);
  }
  const memory = Math.round(process.memoryUsage.rss() / 1024 / 1024);
  console.log(
    `${wanted.length} questions, ${missed} over their bar; resident memory ${memory} MB; load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} CPUs`,
  );
  process.exitCode = missed > 0 ? 1 : 0;
}

const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'sluice-analytics-'));
const path = join(directory, 'sluice.db');
try {
  if (!existsSync(path)) {
    const database = await openDatabase(path);
    fill(database, { rows, days, tell: (line) => console.log(line) });
    database.raw.exec('PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)');
    database.raw.close();
  }
  console.log(`database: ${Math.round(statSync(path).size / 1024 / 1024)} MB`);
  if (!values['fill-only']) await measure(path);
} finally {
  if (values.directory === undefined) rmSync(directory, { recursive: true });
}
