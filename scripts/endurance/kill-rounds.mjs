// Bar R1 of the reliability requirements on the real program: killed with `kill -9` a hundred times with 24 to 64 requests in
// flight, by turns with either kind of durability. The ledger is compared with what the clients got and with the books that
// the provider keeps of its own.
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { load, median, round } from '../figures.mjs';
import { sleep, stop } from '../processes.mjs';
import {
  ask,
  carryOut,
  conclude,
  control,
  cpuMs,
  createKey,
  prepare,
  say,
  startGateway,
  startModule,
} from './stand.mjs';

const HELP = `npm run kill-rounds -- [options]

  --rounds N     how often the gateway is killed (default 100, at most 1000)
  --minutes N    no new round after so long (default 15)
  --help
`;
/** Nano-dollars of one answer: 9 and 12 tokens at $1 and $2 per million. */
const COST_NANO = 9 * 1000 + 12 * 2000;
const READY_MS = 2000;
const HELD_LIMIT_MS = 5000;
/** Rows of the log are read, and the database checked, this often and at the end. */
const AUDIT_EVERY = 10;

const yaml = (port, sync) => `version: 1
storage: { sync: ${sync} }
upstream: { retries: { attempts: 0 } }
providers:
  one:
    type: openai-compatible
    base_url: http://127.0.0.1:${port}/v1
    api_key: k
    price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }
models: { m: { deployments: ["one/m"] } }
`;

const nano = (usd) => BigInt(Math.round(Number(usd ?? 0) * 1e9));

/** One call; its id when the client has the last byte of a good answer. */
function call({ port, key, agent }, stream) {
  const body = JSON.stringify({
    model: 'm',
    max_tokens: 20,
    stream,
    messages: [{ role: 'user', content: 'hi' }],
  });
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve) => {
    const failed = () => resolve({ dead: true });
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/v1/chat/completions', method: 'POST', headers, agent },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => {
          text += part;
        });
        response.on('error', failed);
        response.on('end', () => {
          const whole = response.statusCode === 200 && (!stream || text.includes('[DONE]'));
          resolve(whole ? { id: response.headers['x-sluice-request-id'] } : { status: response.statusCode });
        });
      },
    );
    outgoing.on('error', failed);
    outgoing.end(body);
  });
}

/** Calls until the gateway is dead. */
async function callUntilDead(target, completed, refused) {
  for (let turn = 0; ; turn++) {
    const told = await call(target, turn % 2 === 1);
    if (told.dead) return;
    if (told.id === undefined) refused.set(told.status, (refused.get(told.status) ?? 0) + 1);
    else completed.add(told.id);
  }
}

async function readRows(port, into) {
  let cursor;
  do {
    const page = await control(
      port,
      `/api/exchanges?limit=500${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    const known = page.data.length > 0 && page.data.every(({ id }) => into.has(id));
    for (const row of page.data) into.set(row.id, { cost: nano(row.cost_usd), outcome: row.outcome });
    cursor = known ? undefined : (page.next_cursor ?? undefined);
  } while (cursor !== undefined);
}

function isIntact(folder) {
  const database = new DatabaseSync(join(folder, 'data', 'sluice.db'));
  try {
    return database.prepare('PRAGMA integrity_check').get()?.integrity_check === 'ok';
  } finally {
    database.close();
  }
}

/** How long after the start something is still held, ms; not a number when it still is at the limit. */
async function untilNothingHeld(gateway, id) {
  const began = performance.now();
  while (performance.now() - began < HELD_LIMIT_MS) {
    const { budget } = await control(gateway.port, `/api/keys/${id}`);
    if (budget.held_usd === '0') return performance.now() - began;
    await sleep(20);
  }
  return Number.NaN;
}

async function run(wanted, minutes) {
  const until = performance.now() + minutes * 60_000;
  const upstream = await startModule('./kill-upstream.mjs');
  const place = prepare(yaml(upstream.told.port, 'normal'));
  const completed = new Set();
  const refused = new Map();
  const rows = new Map();
  const ready = [];
  const startCpu = [];
  const held = [];
  let broken = 0;
  let fewest = Number.POSITIVE_INFINITY;
  try {
    let gateway = await startGateway(place, { watched: false });
    const { id, key } = await createKey(gateway.port, {
      name: 'load',
      budget: { limit_usd: 1e6, window: 'total' },
    });
    let rounds = 0;
    while (rounds < wanted && performance.now() < until) {
      const turn = rounds++;
      const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
      const count = 24 + Math.floor(Math.random() * 41);
      const target = { port: gateway.port, key, agent };
      const clients = Array.from({ length: count }, () => callUntilDead(target, completed, refused));
      await sleep(400 + Math.random() * 600);
      fewest = Math.min(fewest, count);
      await stop(gateway.child, { signal: 'SIGKILL' });
      await Promise.all(clients);
      agent.destroy();
      // The database is read as the kill left it, before the gateway repairs anything.
      if (turn % AUDIT_EVERY === 0 && !isIntact(place.folder)) broken++;
      place.write(yaml(upstream.told.port, turn % 2 === 0 ? 'full' : 'normal'));
      gateway = await startGateway(place, { watched: false });
      ready.push(gateway.readyMs);
      startCpu.push(cpuMs(gateway.pid));
      held.push(await untilNothingHeld(gateway, id));
      if (rounds % AUDIT_EVERY === 0) await readRows(gateway.port, rows);
      say(
        `round ${rounds} of ${wanted}: ${completed.size} answers, ready after ${round(gateway.readyMs, 0)} ms`,
      );
    }
    await readRows(gateway.port, rows);
    const { budget } = await control(gateway.port, `/api/keys/${id}`);
    const books = await ask(upstream.child, {});
    const code = await stop(gateway.child);
    if (!isIntact(place.folder)) broken++;
    return { rounds, completed, refused, rows, ready, startCpu, held, broken, fewest, budget, books, code };
  } finally {
    await stop(upstream.child);
    place.remove();
  }
}

function judge({
  rounds,
  completed,
  refused,
  rows,
  ready,
  startCpu,
  held,
  broken,
  fewest,
  budget,
  books,
  code,
}) {
  const missing = [...completed].filter((id) => !rows.has(id)).length;
  const all = [...rows.values()];
  const charged = all.reduce((sum, { cost }) => sum + cost, 0n);
  const crashed = all.filter(({ outcome }) => outcome === 'crashed');
  const billed = BigInt(books.received * COST_NANO);
  const least = BigInt(books.finished * COST_NANO);
  const crashCharge = crashed.reduce((sum, { cost }) => sum + cost, 0n);
  const worst = Math.max(...ready);
  const usd = (value) => (Number(value) / 1e9).toFixed(9);
  conclude(
    {
      rounds,
      'fewest in flight at a kill': fewest,
      'answers that clients have': completed.size,
      'of them missing in the log': missing,
      'answers that were no 200': Object.fromEntries(refused),
      'calls the provider received': books.received,
      'of them answered in full': books.finished,
      'rows in the log': rows.size,
      'of them crashed': crashed.length,
      'provider, every call billed, usd': usd(billed),
      'provider, full answers only, usd': usd(least),
      'charged, usd': usd(charged),
      'of it for crashed calls, usd': usd(crashCharge),
      'ledger less log, nano-usd': String(nano(budget.settled_usd) - charged),
      'held at the end, usd': budget.held_usd,
      'databases found damaged': broken,
      'ready after, median ms': round(median(ready), 0),
      'cpu of a start, median ms': round(median(startCpu), 0),
      'ready after, longest ms': round(worst, 0),
      'nothing held after, longest ms': round(Math.max(...held), 0),
      load: load(),
    },
    [
      ['every answer a client has is in the log', missing === 0 && completed.size > rounds * 24],
      ['as many rows as calls the provider received', rows.size >= books.received],
      ['nothing the provider billed is missing in the ledger', charged >= billed],
      ['overcharge at most what was open', charged - least <= crashCharge],
      ['ledger and log agree', nano(budget.settled_usd) === charged],
      ['databases intact', broken === 0],
      [`ready within ${READY_MS} ms`, worst <= READY_MS],
      ['nothing held 5 s after a start', held.every((ms) => ms <= HELD_LIMIT_MS)],
      ['nothing but 200', refused.size === 0],
      ['exit code 0 at the end', code === 0],
    ],
  );
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    minutes: { type: 'string', default: '15' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
await carryOut(async () => {
  const rounds = Math.min(1000, Math.max(1, Number.parseInt(values.rounds, 10) || 1));
  judge(await run(rounds, Math.max(0.1, Number(values.minutes) || 15)));
});
