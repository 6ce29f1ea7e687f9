// Sluice with authentication, limits, a budget, metrics and durable logging on, next to the least a Node gateway can do,
// in one run. What is measured and how: docs/performance.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '../figures.mjs';
import {
  canPin,
  memoryOf,
  message,
  sleep,
  startModule,
  stop,
  stopAll,
  stopAllNow,
  stopWithUs,
} from '../processes.mjs';
import { measurePaced, measureSaturation, PACED, SATURATION } from './measure.mjs';
import { report } from './report.mjs';
import { measureStarts, prepareSluice, startBare, startSluice } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

const HELP = `npm run bench -- [options]

  --quick            about a minute, for a first impression
  --only LIST        scenarios, comma separated: ${[...SATURATION, ...PACED].map(({ id }) => id).join(', ')}, start, translation
  --rounds N         interleaved rounds per scenario (default 5)
  --program FILE     another build's bin/sluice, to compare builds
  --profile DIR      write a CPU profile of the gateway there (slower)
  --json FILE        write all figures there
  --help

Example: npm run bench -- --quick --only small,stream
`;

const PLANS = {
  full: {
    rounds: 5,
    ms: 2000,
    warmMs: 400,
    warmUpRequests: 50_000,
    warmUpLimitMs: 15_000,
    pacedMs: 2500,
    pacedWarmMs: 600,
    starts: 5,
    translationMs: 800,
    limitMs: 200_000,
  },
  quick: {
    rounds: 3,
    ms: 700,
    warmMs: 200,
    warmUpRequests: 4000,
    warmUpLimitMs: 2000,
    pacedMs: 600,
    pacedWarmMs: 400,
    starts: 3,
    translationMs: 200,
    limitMs: 40_000,
  },
};

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      program: { type: 'string', default: join(root, 'bin/sluice') },
      profile: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const plan = { ...(values.quick ? PLANS.quick : PLANS.full) };
  if (values.rounds !== undefined) plan.rounds = Math.max(1, Number.parseInt(values.rounds, 10) || 1);
  const only = values.only?.split(',');
  return { ...values, plan, wants: (id) => only === undefined || only.includes(id) };
}

/** Progress on standard error, one line that is written over on a terminal. */
function say(text) {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

function measureTranslation(ms) {
  say('translation');
  const command = [process.execPath, join(root, 'scripts/bench/translation.ts'), String(ms)];
  const [file, ...args] = canPin ? ['taskset', '-c', '0', ...command] : command;
  return JSON.parse(execFileSync(file, args, { encoding: 'utf8' }));
}

/** Everything that needs running gateways. */
async function measureLoad(peer, targets, { plan, wants }) {
  const loads = SATURATION.filter(({ id }) => wants(id));
  const paces = PACED.filter(({ id }) => wants(id));
  const share = plan.limitMs / (loads.length + paces.length);
  let until = Date.now();
  const next = () => {
    until += share;
    return { ...plan, until };
  };
  const saturation = [];
  const paced = [];
  for (const scenario of loads) {
    saturation.push(await measureSaturation(peer, targets, { scenario, plan: next(), say }));
  }
  for (const scenario of paces) {
    paced.push(await measurePaced(peer, targets, { scenario, plan: next(), say }));
  }
  return { saturation, paced, rounds: plan.rounds };
}

async function measure(chosen) {
  const { plan, wants, profile } = chosen;
  const nodeArguments = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', resolve(profile)];
  const peer = startModule(1, fileURLToPath(new URL('./peer.mjs', import.meta.url)));
  const { port } = await message(peer);
  const program = { program: resolve(chosen.program), nodeArguments };
  say('start to ready');
  const times = wants('start')
    ? await measureStarts(port, { ...program, nodeArguments: [] }, plan.starts)
    : [];
  const translation = wants('translation') ? measureTranslation(plan.translationMs) : [];
  const place = prepareSluice(port);
  try {
    const bare = await startBare(port);
    const sluice = await startSluice(place, program);
    await sleep(1500);
    const idle = { bare: memoryOf(bare.pid), sluice: memoryOf(sluice.pid) };
    const direct = { name: 'no gateway', port, key: 'none', pid: undefined };
    const load = await measureLoad(peer, { direct, bare, sluice }, chosen);
    await stop(sluice.child);
    return { ...load, translation, idle, starts: { first: times[0], again: median(times.slice(1)) } };
  } finally {
    await stopAll();
    place.remove();
  }
}

const chosen = options();
if (chosen.help) {
  console.log(HELP);
  process.exit(0);
}
if (chosen.profile !== undefined) mkdirSync(chosen.profile, { recursive: true });
stopWithUs();
const began = Date.now();
try {
  const measured = await measure(chosen);
  const results = {
    at: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    pinned: canPin,
    seconds: (Date.now() - began) / 1000,
    ...measured,
  };
  say('');
  console.log(report(results));
  if (chosen.json !== undefined) writeFileSync(chosen.json, `${JSON.stringify(results, null, 2)}\n`);
} catch (error) {
  stopAllNow();
  console.error(`\nThe bench broke: ${error.message}`);
  process.exit(1);
}
process.exit(0);
