// Bar R9 of the reliability requirements: SIGTERM while 100 streams are open. None is cut, nothing new is taken on, every row
// is in the database afterwards, and the exit code is 0.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { load, round } from '../figures.mjs';
import { sleep } from '../processes.mjs';
import { ask, carryOut, conclude, createKey, prepare, startGateway, startModule } from './stand.mjs';
import { DIALECTS, openAll, requestBytes } from './streams.mjs';

const STREAMS = 100;
const HOLD_MS = 5000;

const yaml = (port) => `version: 1
server: { drain_timeout_ms: 120000 }
providers: { idle: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } }
models: { idle: { deployments: ["idle/idle"] } }
`;

function rowsIn(folder) {
  const database = new DatabaseSync(join(folder, 'data', 'sluice.db'), { readOnly: true });
  try {
    return database.prepare('SELECT count(*) AS count FROM exchanges').get()?.count;
  } finally {
    database.close();
  }
}

async function statusOf(port, path, init) {
  try {
    return (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000), ...init }))
      .status;
  } catch {
    return 'refused';
  }
}

async function run() {
  const upstream = await startModule('./idle-upstream.mjs');
  const place = prepare(yaml(upstream.told.port));
  try {
    const gateway = await startGateway(place, { watched: false });
    const { key } = await createKey(gateway.port, {
      name: 'drain',
      budget: { limit_usd: 1000, window: 'total' },
    });
    const open = [];
    for (const dialect of Object.values(DIALECTS)) {
      const bytes = requestBytes(key, dialect, 1);
      open.push(...(await openAll(gateway.port, { streams: STREAMS / 2, bytes, last: dialect.last })));
    }
    const began = performance.now();
    const exited = new Promise((resolve) => gateway.child.once('exit', resolve));
    gateway.child.kill('SIGTERM');
    await sleep(200);
    const ready = await statusOf(gateway.port, '/health/ready');
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ model: 'idle', messages: [{ role: 'user', content: 'hi' }] });
    const fresh = await statusOf(gateway.port, '/v1/chat/completions', { method: 'POST', headers, body });
    await sleep(HOLD_MS);
    await ask(upstream.child, { finish: true });
    const ended = await Promise.all(open.map((stream) => stream.ended));
    const code = await exited;
    const ms = performance.now() - began;
    return { ready, fresh, ended: ended.filter(Boolean).length, code, ms, rows: rowsIn(place.folder) };
  } finally {
    upstream.child.kill();
    place.remove();
  }
}

await carryOut(async () => {
  const { ready, fresh, ended, code, ms, rows } = await run();
  conclude(
    {
      'streams open at SIGTERM': STREAMS,
      'ended well': ended,
      'readiness meanwhile': ready,
      'a new request meanwhile': fresh,
      'rows in the database': rows,
      'exit code': code,
      'from SIGTERM to the exit, ms': round(ms, 0),
      load: load(),
    },
    [
      ['no stream cut', ended === STREAMS],
      ['not ready, nothing new taken on', (ready === 503 || ready === 'refused') && fresh !== 200],
      ['every row kept', rows >= STREAMS],
      ['exit code 0', code === 0],
    ],
  );
});
