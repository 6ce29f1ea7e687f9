// 5,000 streams that have begun and wait, on one gateway process: what they take in memory and CPU, and whether every one of
// them still ends well. Once forwarded (client and upstream speak one format), once translated.
import { parseArgs } from 'node:util';
import { load, round } from '../figures.mjs';
import { sleep, stop } from '../processes.mjs';
import {
  ask,
  carryOut,
  conclude,
  cpuMs,
  createKey,
  fileLimit,
  prepare,
  residentMb,
  say,
  startGateway,
  startModule,
} from './stand.mjs';
import { DIALECTS, openAll, requestBytes } from './streams.mjs';

const HELP = `npm run idle-streams -- [options]

  --streams N      idle streams at once (default 5000)
  --only NAME      forwarded or translated (default both)
  --body-kb N      size of each request (default 4)
  --help
`;
const BAR_MB = 1024;
const AIM_MB = 400;
const SETTLE_MS = 8000;

/** A tenth of `max_in_flight` is kept for the urgent. */
const yaml = (port, streams) => `version: 1
server: { max_connections: ${streams + 100}, max_in_flight: ${Math.ceil(streams * 1.2)} }
upstream: { timeouts: { idle_ms: 600000 } }
log: { content: metadata }
providers:
  idle:
    type: openai-compatible
    base_url: http://127.0.0.1:${port}/v1
    api_key: sk-idle-upstream
    allow_private_network: true
    max_connections: ${streams + 100}
    price: { input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6 }
models: { idle: { deployments: ["idle/idle"] } }
`;

async function look(gateway, what) {
  const { memory } = await ask(gateway.child, what);
  const mb = (bytes) => round(bytes / 1_048_576);
  return {
    rss: round(residentMb(gateway.pid)),
    heap: mb(memory.heapUsed),
    heap_committed: mb(memory.heapTotal),
    outside: mb(memory.external),
  };
}

async function measure(name, { streams, bodyKb }) {
  const upstream = await startModule('./idle-upstream.mjs');
  const place = prepare(yaml(upstream.told.port, streams));
  try {
    const gateway = await startGateway(place);
    const { key } = await createKey(gateway.port, {
      name: 'idle',
      budget: { limit_usd: 1e6, window: 'total' },
    });
    const dialect = DIALECTS[name];
    const bytes = requestBytes(key, dialect, bodyKb);
    await sleep(1000);
    const before = await look(gateway);
    const cpu = cpuMs(gateway.pid);
    const open = await openAll(gateway.port, { streams, bytes, last: dialect.last });
    const opening = cpuMs(gateway.pid) - cpu;
    const opened = round(residentMb(gateway.pid));
    await sleep(SETTLE_MS);
    const idleFrom = cpuMs(gateway.pid);
    await sleep(3000);
    const idle = (cpuMs(gateway.pid) - idleFrom) / 3000;
    const settled = await look(gateway);
    const live = await look(gateway, { collect: true });
    await ask(upstream.child, { finish: true });
    const ended = await Promise.all(open.map((stream) => stream.ended));
    await sleep(3000);
    const after = await look(gateway, { collect: true });
    const code = await stop(gateway.child);
    return {
      rss_before_mb: before.rss,
      rss_when_open_mb: opened,
      rss_settled_mb: settled.rss,
      kb_per_stream: round(((settled.rss - before.rss) * 1024) / streams),
      heap_settled_mb: settled.heap,
      heap_committed_mb: settled.heap_committed,
      heap_live_mb: live.heap,
      live_kb_per_stream: round(((live.heap + live.outside - before.heap - before.outside) * 1024) / streams),
      outside_heap_mb: live.outside,
      opening_cpu_ms_per_stream: round(opening / streams, 2),
      idle_cpu_percent: round(idle * 100, 2),
      ended_well: ended.filter(Boolean).length,
      rss_after_mb: after.rss,
      heap_live_after_mb: after.heap,
      exit_code: code,
      load: load(),
    };
  } finally {
    await stop(upstream.child);
    place.remove();
  }
}

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '5000' },
    only: { type: 'string' },
    'body-kb': { type: 'string', default: '4' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const streams = Number(values.streams);
// The gateway holds two sockets per stream.
if (fileLimit() < 2 * streams + 200) {
  console.error(
    `A process may open ${fileLimit()} files here; ${2 * streams + 200} are needed: ulimit -n 20000`,
  );
  process.exit(1);
}
await carryOut(async () => {
  const bars = [];
  const figures = {};
  for (const name of values.only === undefined ? Object.keys(DIALECTS) : [values.only]) {
    say(`${name}: opening ${streams} streams`);
    const told = await measure(name, { streams, bodyKb: Number(values['body-kb']) });
    for (const [key, value] of Object.entries(told)) figures[`${name} ${key}`] = value;
    const peak = Math.max(told.rss_when_open_mb, told.rss_settled_mb);
    bars.push([`${name}: at most ${BAR_MB} MB`, peak <= BAR_MB]);
    bars.push([`${name}: every stream ends well`, told.ended_well === streams && told.exit_code === 0]);
    figures[`${name} within the aim of ${AIM_MB} MB`] = peak <= AIM_MB ? 'yes' : 'no';
  }
  say('');
  conclude(figures, bars);
});
