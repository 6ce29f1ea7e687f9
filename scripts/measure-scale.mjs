// What a request costs where there are 100,000 keys, 10,000 of them with budgets, and five million rows in the log, next to
// an empty gateway: rounds by turns, both under the load of `npm run bench` (0.6 KB, one key).
//   node scripts/build-server.mjs && node scripts/measure-scale.mjs [--rounds 6] [--rows 5000000] [--directory DIR]
// Filling takes a quarter of an hour; `--directory` keeps what was filled, and takes a database of measure-analytics.mjs.
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDatabase } from '../src/adapters/sqlite/database.ts';
import { createKeyStore } from '../src/adapters/sqlite/keys.ts';
import { SATURATION, saturationRound, warmUp } from './bench/measure.mjs';
import { prepareSluice, startSluice } from './bench/targets.mjs';
import { load, median, round } from './figures.mjs';
import { fill } from './measure-analytics/fill.ts';
import { message, startModule, stopAll, stopWithUs } from './processes.mjs';

const KEYS = 100_000;
/** One key in so many has a budget. */
const BUDGET_EVERY = 10;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    rows: { type: 'string', default: '5000000' },
    directory: { type: 'string' },
  },
});

/** A key as `POST /api/keys` makes it, of a secret that nobody has. */
function keyOf(n) {
  const budget = { limitNano: 1e15, window: 'month', action: 'block' };
  return {
    id: `key_scale_${n}`,
    name: `scale ${n}`,
    hash: `scale-${n}`,
    hint: 'none',
    createdAt: Date.now(),
    blocked: false,
    organizationId: 'org_default',
    models: ['gpt-*', 'claude-*'],
    policy: {},
    limitedBy: [],
    limits: { rpm: 1000, tpm: 1_000_000 },
    budget: n % BUDGET_EVERY === 0 ? budget : undefined,
    metadata: {},
  };
}

async function prepare(dataDir) {
  const path = join(dataDir, 'sluice.db');
  const isNew = !existsSync(path);
  const database = await openDatabase(path);
  if (isNew) fill(database, { rows: Number(values.rows), days: 40, tell: (line) => console.log(line) });
  const keys = createKeyStore(database.typed);
  if ((await keys.get(keyOf(0).id)) === undefined) {
    database.raw.exec('BEGIN');
    for (let n = 0; n < KEYS; n++) await keys.insert(keyOf(n));
    database.raw.exec('COMMIT');
  }
  database.raw.exec('PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)');
  database.raw.close();
}

/** Rounds by turns; each figure is what the full gateway takes ÷ what the empty one takes in the same turn. */
async function measure(peer, { empty, full }) {
  const { bytes, stream } = SATURATION[0];
  const what = { bytes, stream, connections: 64, warmMs: 400, ms: 2000 };
  const plan = { warmUpRequests: 50_000, warmUpLimitMs: 20_000 };
  for (const target of [empty, full]) await warmUp(peer, target, { what, plan });
  const ratios = [];
  for (let index = 0; index < Number(values.rounds); index++) {
    const one = {
      empty: await saturationRound(peer, empty, what),
      full: await saturationRound(peer, full, what),
    };
    const ratio = (name) => one.full[name] / one.empty[name];
    ratios.push({ cpu: ratio('cpu'), mainCpu: ratio('mainCpu'), perSecond: ratio('perSecond') });
    const memory = `${round(one.empty.rss, 0)} and ${round(one.full.rss, 0)} MB`;
    console.log(
      `round ${index + 1}: CPU ÷ empty ${round(ratio('cpu'), 2)}, throughput ÷ empty ${round(ratio('perSecond'), 2)}, ${memory}`,
    );
  }
  const of = (name) => round(median(ratios.map((one) => one[name])), 2);
  console.log(
    `CPU per request ÷ empty ${of('cpu')} (main thread ${of('mainCpu')}; floor 1.1, aim 1.02), throughput ÷ empty ${of('perSecond')}; load ${load()}`,
  );
}

stopWithUs();
const dataDir = resolve(values.directory ?? mkdtempSync(join(tmpdir(), 'sluice-scale-')));
mkdirSync(dataDir, { recursive: true, mode: 0o700 });
await prepare(dataDir);
const peer = startModule(1, fileURLToPath(new URL('./bench/peer.mjs', import.meta.url)));
const { port } = await message(peer);
const program = { program: fileURLToPath(new URL('../bin/sluice', import.meta.url)), nodeArguments: [] };
const places = { empty: prepareSluice(port), full: prepareSluice(port, dataDir) };
try {
  const empty = await startSluice(places.empty, program);
  const full = await startSluice(places.full, program);
  console.log(`start to ready: ${round(empty.readyMs, 0)} ms empty, ${round(full.readyMs, 0)} ms full`);
  await measure(peer, { empty, full });
} finally {
  await stopAll();
  places.empty.remove();
  if (values.directory === undefined) places.full.remove();
}
process.exit();
