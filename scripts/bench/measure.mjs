// What is run, in which order, and what comes of it.
import { median, percentile } from '../figures.mjs';
import { cpuOf, memoryOf, message, untilIdle } from '../processes.mjs';
import { MODEL } from './wire.ts';

/** Saturation: 64 connections, closed loop. `aim` and `floor` are PERFORMANCE.md's, Sluice ÷ bare. */
export const SATURATION = [
  { id: 'small', title: '0.6 KB request, 1.2 KB answer', bytes: 600, stream: false, floor: 0.6, aim: 0.8 },
  { id: 'large', title: '20 KB request, 1.2 KB answer', bytes: 20_000, stream: false, floor: 0.45, aim: 0.6 },
  { id: 'stream', title: 'stream of 100 events', bytes: 600, stream: true, floor: 0.9, aim: 1 },
];

/** Paced: what the gateway adds. */
export const PACED = [
  { id: 'slow', title: '200/s, upstream 20 ms', rate: 200, delayMs: 20, connections: 64, stream: false },
  {
    id: 'fast',
    title: '1,000/s, upstream 300 ms',
    rate: 1000,
    delayMs: 300,
    connections: 1000,
    stream: false,
  },
  {
    id: 'first',
    title: '50 streams/s, upstream 20 ms',
    rate: 50,
    delayMs: 20,
    connections: 64,
    stream: true,
  },
];

/** Has the peer carry out one run against a target. */
export async function run(peer, target, what) {
  const answer = message(peer);
  peer.send({ ...what, model: MODEL, port: target.port, key: target.key, pid: target.pid });
  const { result, error } = await answer;
  if (error !== undefined) throw new Error(`${target.name}: ${error}`);
  return result;
}

/**
 * One run at saturation. CPU is counted until the process rests again, over every request of the run, so that work a
 * gateway puts off (log rows into the database) is not left out.
 */
export async function saturationRound(peer, target, what) {
  if (target.pid !== undefined) await untilIdle(target.pid);
  const before = cpuOf(target.pid);
  const result = await run(peer, target, what);
  const rss = memoryOf(target.pid);
  if (target.pid !== undefined) await untilIdle(target.pid);
  const after = cpuOf(target.pid);
  return {
    perSecond: result.perSecond,
    p99: result.p99,
    share: result.share,
    crowded: result.crowded,
    rss,
    cpu: (after.total - before.total) / result.total,
    mainCpu: (after.main - before.main) / result.total,
  };
}

function summary(rounds) {
  const of = (name) => median(rounds.map((round) => round[name]));
  return {
    perSecond: of('perSecond'),
    cpu: of('cpu'),
    mainCpu: of('mainCpu'),
    rss: of('rss'),
    share: of('share'),
    crowded: of('crowded'),
    p99: of('p99'),
    rounds,
  };
}

/** Targets that have been under load before. */
const warm = new WeakSet();

/**
 * Runs until the compiler has seen enough. Counted in requests, because on a crowded machine a time says little; the time
 * only ends it.
 */
export async function warmUp(peer, target, { what, plan }) {
  warm.add(target);
  const deadline = Date.now() + plan.warmUpLimitMs;
  let requests = 0;
  while (requests < plan.warmUpRequests && Date.now() < deadline) {
    requests += (await run(peer, target, { ...what, warmMs: 0, ms: 500 })).total;
  }
}

/** A crowded machine takes longer: then there are fewer rounds, and the report says so. At least one is run. */
function mayGoOn(index, plan) {
  return index === 0 || (index < plan.rounds && Date.now() < plan.until);
}

/** Interleaved rounds at saturation; ratios are medians of the rounds' own ratios. */
export async function measureSaturation(peer, targets, { scenario, plan, say }) {
  const what = {
    bytes: scenario.bytes,
    stream: scenario.stream,
    connections: 64,
    warmMs: plan.warmMs,
    ms: plan.ms,
  };
  const { direct, bare, sluice } = targets;
  for (const target of [bare, sluice]) await warmUp(peer, target, { what, plan });
  const rounds = { direct: [], bare: [], sluice: [] };
  for (let index = 0; mayGoOn(index, plan); index++) {
    say(`${scenario.title}: round ${index + 1} of ${plan.rounds}`);
    if (index % 2 === 0) rounds.direct.push(await saturationRound(peer, direct, what));
    rounds.bare.push(await saturationRound(peer, bare, what));
    rounds.sluice.push(await saturationRound(peer, sluice, what));
  }
  const ratio = (name) => median(rounds.sluice.map((round, index) => round[name] / rounds.bare[index][name]));
  return {
    ...scenario,
    done: rounds.sluice.length,
    direct: summary(rounds.direct),
    bare: summary(rounds.bare),
    sluice: summary(rounds.sluice),
    ratio: { perSecond: ratio('perSecond'), cpu: ratio('cpu') },
  };
}

/** Interleaved paced rounds; the samples of all rounds are pooled. Values in ms. */
export async function measurePaced(peer, targets, { scenario, plan, say }) {
  const what = { ...scenario, bytes: 600, warmMs: plan.pacedWarmMs, ms: plan.pacedMs };
  if (!warm.has(targets.sluice)) {
    const saturating = { bytes: 600, stream: scenario.stream, connections: 64 };
    for (const name of ['bare', 'sluice']) await warmUp(peer, targets[name], { what: saturating, plan });
  }
  const waits = { direct: [], bare: [], sluice: [] };
  const p99s = { direct: [], bare: [], sluice: [] };
  const missed = { direct: 0, bare: 0, sluice: 0 };
  let done = 0;
  for (let index = 0; mayGoOn(index, plan); index++) {
    done++;
    say(`${scenario.title}: round ${index + 1} of ${plan.rounds}`);
    for (const name of index === 0 ? ['direct', 'bare', 'sluice'] : ['bare', 'sluice']) {
      const target = targets[name];
      if (target.pid !== undefined) await untilIdle(target.pid);
      const result = await run(peer, target, what);
      const samples = scenario.stream ? result.firsts : result.waits;
      missed[name] += result.missed;
      waits[name].push(...samples);
      if (samples.length > 0) p99s[name].push(percentile(samples, 0.99));
    }
  }
  const of = (name) => ({
    p50: percentile(waits[name], 0.5),
    p99: median(p99s[name]),
    samples: waits[name].length,
    missed: missed[name],
  });
  return { ...scenario, done, direct: of('direct'), bare: of('bare'), sluice: of('sluice') };
}
