// Bar R8 of the reliability requirements, measured on the real program: at ten times the load it takes, who is turned away
// learns it quickly, who is let in is served nearly as fast as ever, the urgent have places kept for them, and health and
// administration answer. The provider is a process of its own that takes a second for an answer.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { percentile } from '../figures.mjs';
import { freePort } from '../processes.mjs';
import { offer, probe, send } from './load.mjs';

const HELP = `npm run overload

Offers a gateway of ${Number(process.env.PLACES ?? 40)} places (environment: PLACES) ten times the load it takes, for 15 s, and judges bar R8.
`;
const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const ADMIN_KEY = 'overload-admin-key-0123456789';
const SLOW_MS = 1000;
/** Requests the gateway works on at once; a tenth of it is kept for the urgent. */
const PLACES = Number(process.env.PLACES ?? 40);
const PER_SECOND = PLACES / (SLOW_MS / 1000);
const UNLOADED_MS = 5000;
const LOADED_MS = 10_000;

const BARS = { shedP99Ms: 50, admittedRatio: 2, healthP99Ms: 250 };

async function startUpstream() {
  const child = fork(fileURLToPath(new URL('upstream.mjs', import.meta.url)), {
    env: { ...process.env, SLOW_MS: String(SLOW_MS) },
  });
  const { port } = await new Promise((resolve) => child.once('message', resolve));
  return { child, port };
}

async function startGateway(folder, upstreamPort) {
  const config = join(folder, 'sluice.yaml');
  writeFileSync(
    config,
    `version: 1
server: { max_in_flight: ${PLACES}, max_connections_per_address: 2000 }
providers: { slow: { type: openai-compatible, base_url: "http://127.0.0.1:${upstreamPort}/v1", api_key: k } }
models: { m: { deployments: ["slow/m"] } }
`,
    { mode: 0o600 },
  );
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      `${root}bin/sluice`,
      'start',
      '--json',
      '--config',
      config,
      '--data-dir',
      join(folder, 'data'),
      '--port',
      String(port),
    ],
    {
      env: { ...process.env, SLUICE_ADMIN_KEY: ADMIN_KEY, SLUICE_NO_PROBE: '1' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const until = performance.now() + 20_000;
  while ((await send({ port, path: '/health/ready' })).status !== 200) {
    if (child.exitCode !== null || performance.now() > until) throw new Error('The gateway did not start.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, port };
}

async function createKey(port, name, metadata) {
  const answer = await fetch(`http://127.0.0.1:${port}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, metadata }),
  });
  const { key } = await answer.json();
  if (typeof key !== 'string') throw new Error(`No virtual key: ${answer.status}`);
  return key;
}

function chat(port, key) {
  const body = JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'How long is a piece of string?' }],
  });
  return {
    port,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
    body,
  };
}

const times = (told) => told.map(({ ms }) => ms);
const round = (ms) => Math.round(ms * 10) / 10;

async function measure(port) {
  const plain = await createKey(port, 'plain', {});
  const urgent = await createKey(port, 'urgent', { priority: 'high' });
  await offer(chat(port, plain), { perSecond: PER_SECOND / 2, ms: 2000 });
  const unloaded = await offer(chat(port, plain), { perSecond: PER_SECOND / 5, ms: UNLOADED_MS });
  let over = false;
  const probing = { everyMs: 50, stopped: () => over };
  const admin = { port, path: '/api/status', headers: { authorization: `Bearer ${ADMIN_KEY}` } };
  const [loaded, high, health, status] = await Promise.all([
    offer(chat(port, plain), { perSecond: 10 * PER_SECOND, ms: LOADED_MS }).finally(() => {
      over = true;
    }),
    offer(chat(port, urgent), { perSecond: (PER_SECOND / 10) * 0.5, ms: LOADED_MS }),
    probe({ port, path: '/health/live' }, probing),
    probe(admin, { ...probing, everyMs: 250 }),
  ]);
  const admitted = loaded.filter(({ status: code }) => code === 200);
  const shed = loaded.filter(({ status: code }) => code === 503);
  return {
    places: PLACES,
    offered_per_second: 10 * PER_SECOND,
    offered: loaded.length,
    admitted: admitted.length,
    shed: shed.length,
    other: loaded.length - admitted.length - shed.length,
    shed_without_retry_after: shed.filter(({ retryAfter }) => retryAfter === undefined).length,
    shed_p99_ms: round(percentile(times(shed), 0.99)),
    unloaded_p99_ms: round(percentile(times(unloaded), 0.99)),
    admitted_p99_ms: round(percentile(times(admitted), 0.99)),
    admitted_ratio: round(percentile(times(admitted), 0.99) / percentile(times(unloaded), 0.99)),
    high_offered: high.length,
    high_admitted: high.filter(({ status: code }) => code === 200).length,
    health_asked: health.length,
    health_failed: health.filter(({ status: code }) => code !== 200).length,
    health_p99_ms: round(percentile(times(health), 0.99)),
    admin_failed: status.filter(({ status: code }) => code !== 200).length,
    admin_p99_ms: round(percentile(times(status), 0.99)),
  };
}

function missed(told) {
  const bars = [
    [`shed answers within ${BARS.shedP99Ms} ms (p99)`, told.shed > 0 && told.shed_p99_ms <= BARS.shedP99Ms],
    ['every shed answer with retry-after', told.shed_without_retry_after === 0],
    ['nothing but 200 and 503', told.other === 0],
    [`admitted p99 at most ${BARS.admittedRatio} times unloaded`, told.admitted_ratio <= BARS.admittedRatio],
    ['every urgent request let in', told.high_admitted === told.high_offered],
    [
      `health within ${BARS.healthP99Ms} ms (p99)`,
      told.health_failed === 0 && told.health_p99_ms <= BARS.healthP99Ms,
    ],
    ['administration answers', told.admin_failed === 0],
  ];
  return bars.filter(([, met]) => !met).map(([bar]) => bar);
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-overload-'));
const upstream = await startUpstream();
const gateway = await startGateway(folder, upstream.port);
try {
  const told = await measure(gateway.port);
  for (const [name, value] of Object.entries(told)) console.log(`${name.padEnd(26)} ${value}`);
  const bars = missed(told);
  console.log(bars.length === 0 ? '\nEvery bar of R8 is met.' : `\nMissed: ${bars.join('; ')}.`);
  process.exitCode = bars.length === 0 ? 0 : 1;
} finally {
  gateway.child.kill('SIGTERM');
  upstream.child.kill('SIGTERM');
  await new Promise((resolve) => gateway.child.once('exit', resolve));
  rmSync(folder, { recursive: true, force: true });
}
