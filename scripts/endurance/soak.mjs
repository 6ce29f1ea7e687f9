// Bar R10 of the reliability requirements: mixed traffic for an hour, and whether the gateway's memory, files and handles stay
// where they were. The simulator is the upstream, in a process of its own.
import { parseArgs } from 'node:util';
import { load, round } from '../figures.mjs';
import { sleep, stop } from '../processes.mjs';
import { soakYaml, startTraffic } from './soak-traffic.mjs';
import {
  ask,
  carryOut,
  conclude,
  cpuMs,
  createKey,
  openFiles,
  prepare,
  residentMb,
  say,
  startGateway,
  startSimulator,
} from './stand.mjs';
import { lineThrough, lowWater } from './trend.mjs';

const HELP = `npm run soak -- [options]

  --minutes N       how long (default 60, 1 to 1440)
  --per-second N    requests a second (default 40)
  --help

A run shorter than an hour finds gross leaks. It cannot show that memory grows by no more than 1 MB an hour: see the error
beside the slope.
`;
const SLOPE_MB_PER_HOUR = 1;
const LAG_P99_MS = 20;
/** In a shorter run memory is still on its way to its plateau; only the live heap is judged. Minutes. */
const SHORTEST_FOR_SLOPE = 30;
const LIVE_GROWTH_MB = 10;
const KEYS = 6;
const AT_ONCE = 200;
const RELOAD_MS = 30_000;
/** Idle connections to upstreams are kept as long as those allow; they go with the simulator. */
const QUIET_MS = 5000;
const LOW_WATER_SPANS = 20;
const MAX_WARM_MINUTES = 10;

/** Samples memory and files, and reloads the configuration, until the time is up. */
async function watch(gateway, { place, simulator, traffic, minutes }) {
  const began = performance.now();
  const passed = () => (performance.now() - began) / 60_000;
  const warm = Math.min(MAX_WARM_MINUTES, minutes / 4);
  const everyMs = Math.max(1000, (minutes * 60_000) / 600);
  const samples = [];
  let early;
  let fresh = false;
  let reloads = 0;
  let told = 0;
  while (passed() < minutes) {
    await sleep(everyMs);
    const at = passed();
    samples.push({ at, rss: residentMb(gateway.pid), files: openFiles(gateway.pid) });
    if (early === undefined && at >= warm / 2) early = await ask(gateway.child, { collect: true });
    if (!fresh && at >= warm) {
      await ask(gateway.child, { forget: true });
      fresh = true;
    }
    if (at * 60_000 >= (reloads + 1) * RELOAD_MS) place.write(soakYaml(simulator.url, ++reloads));
    if (at < told) continue;
    told += Math.max(0.25, minutes / 60);
    const sum = Object.values(traffic.counts).reduce((total, count) => total + count, 0);
    const { rss, files } = samples.at(-1);
    say(`${round(at)} of ${minutes} min: ${sum} requests, ${round(rss, 0)} MB, ${files} files`);
  }
  return { samples: samples.filter(({ at }) => at >= warm), first: samples[0], early, reloads };
}

async function run({ minutes, perSecond }) {
  const simulator = await startSimulator();
  const place = prepare(soakYaml(simulator.url, 0));
  try {
    const gateway = await startGateway(place);
    const made = [];
    for (let index = 0; index < KEYS; index++) {
      const budget = { limit_usd: 1e6, window: 'month', action: 'block' };
      const limits = { rpm: 1e7, tpm: 1e11, concurrency: 1e5 };
      made.push(await createKey(gateway.port, { name: `soak-${index}`, budget, limits }));
    }
    const filesBefore = openFiles(gateway.pid);
    const cpu = cpuMs(gateway.pid);
    const traffic = startTraffic(
      { port: gateway.port, keys: made.map(({ key }) => key) },
      { perSecond, atOnce: AT_ONCE },
    );
    const watched = await watch(gateway, { place, simulator, traffic, minutes });
    const busy = await ask(gateway.child);
    const unfinished = await traffic.stop();
    const used = cpuMs(gateway.pid) - cpu;
    say('waiting for connections to be let go');
    await stop(simulator.child);
    await sleep(QUIET_MS);
    const quiet = await ask(gateway.child, { collect: true });
    const filesAfter = openFiles(gateway.pid);
    const code = await stop(gateway.child, { limitMs: 40_000 });
    return { ...watched, traffic, busy, quiet, unfinished, filesBefore, filesAfter, used, code, minutes };
  } finally {
    await stop(simulator.child);
    place.remove();
  }
}

const mb = (bytes) => round(bytes / 1_048_576);

function judge(told) {
  const { samples, traffic, busy, quiet, early, minutes } = told;
  const rss = samples.map(({ at, rss: value }) => [at / 60, value]);
  const lows = lowWater(rss, LOW_WATER_SPANS);
  const all = lineThrough(rss);
  const low = lineThrough(lows);
  const margin = 2 * low.error;
  const requests = Object.values(traffic.counts).reduce((total, count) => total + count, 0);
  const unexpected = Object.fromEntries([...traffic.unexpected].slice(0, 10));
  const liveGrowth = mb(quiet.memory.heapUsed - early.memory.heapUsed);
  const verdict =
    minutes < SHORTEST_FOR_SLOPE
      ? 'too short a run to judge the slope'
      : low.slope + margin <= SLOPE_MB_PER_HOUR
        ? 'flat'
        : low.slope - margin > SLOPE_MB_PER_HOUR
          ? 'grows'
          : 'not told apart from flat in so short a time';
  conclude(
    {
      minutes,
      requests,
      'by kind': traffic.counts,
      'not sent, too many at once': traffic.skipped(),
      'unexpected answers': unexpected,
      'unfinished at the end': told.unfinished,
      reloads: told.reloads,
      'rss at first, mb': round(told.first.rss),
      'rss after warm-up, mb': round(rss[0][1]),
      'rss at the end, mb': round(rss.at(-1)[1]),
      'rss highest, mb': round(Math.max(...rss.map(([, value]) => value))),
      'slope of all samples, mb/h': `${round(all.slope)} ± ${round(2 * all.error)}`,
      'slope of low-water marks, mb/h': `${round(low.slope)} ± ${round(margin)}`,
      memory: verdict,
      'live heap in warm-up, mb': mb(early.memory.heapUsed),
      'live heap at the end, mb': mb(quiet.memory.heapUsed),
      'outside the heap, mb': `${mb(early.memory.external)}, then ${mb(quiet.memory.external)}`,
      'rss at rest, mb': mb(quiet.memory.rss),
      'files before, while busy, after': [told.filesBefore, samples.at(-1).files, told.filesAfter],
      'handles at rest': quiet.handles,
      'unhandled rejections': quiet.rejections,
      'loop lag p50, p99, max, ms': [busy.lag.p50, busy.lag.p99, busy.lag.max].map((ms) => round(ms)),
      'gc: pauses, total ms, longest ms': [busy.gc.count, round(busy.gc.ms, 0), round(busy.gc.longestMs)],
      'gateway cpu per request, ms': round(told.used / requests, 2),
      'exit code': told.code,
      load: load(),
    },
    [
      ...(minutes < SHORTEST_FOR_SLOPE
        ? []
        : [[`memory grows by at most ${SLOPE_MB_PER_HOUR} MB/h`, verdict !== 'grows']]),
      [`the live heap grows by at most ${LIVE_GROWTH_MB} MB`, liveGrowth <= LIVE_GROWTH_MB],
      ['files as before', told.filesAfter <= told.filesBefore + 10],
      ['no unhandled rejection', quiet.rejections === 0],
      [`loop lag p99 at most ${LAG_P99_MS} ms`, busy.lag.p99 <= LAG_P99_MS],
      ['every request ended as it should', traffic.unexpected.size === 0 && told.unfinished === 0],
      ['exit code 0', told.code === 0],
    ],
  );
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'per-second': { type: 'string', default: '40' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
await carryOut(async () => {
  const minutes = Math.min(1440, Math.max(1, Number(values.minutes) || 60));
  judge(await run({ minutes, perSecond: Math.max(1, Number(values['per-second']) || 40) }));
});
