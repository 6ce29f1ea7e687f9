// Runs many seeds of the simulated gateway and tells which broke an invariant.
import { parseArgs } from 'node:util';
import { LANDMARKS } from '../test/simulation/landmarks.ts';
import { runSeed } from '../test/simulation/world.ts';

const USAGE = `Usage: npm run simulate-faults -- [options]

  --seeds N     so many seeds (default 10000)
  --from N      beginning with this one (default 1)
  --minutes M   stop after so many minutes, however many seeds are left
  --seed X      one seed only, with everything it found`;

const PROGRESS_MS = 1000;
const QUIET_PROGRESS_MS = 30_000;
const SHOWN = 10;

function number(text: string | undefined, name: string, otherwise: number): number {
  const value = Number(text ?? otherwise);
  if (value > 0 && Number.isFinite(value)) return value;
  console.error(`--${name} must be a number above 0.\n\n${USAGE}`);
  process.exit(2);
}

function readOptions() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      options: { seeds: text, from: text, minutes: text, seed: text, help: { type: 'boolean', short: 'h' } },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** One seed, told in full. */
async function replay(seed: number): Promise<boolean> {
  const report = await runSeed(seed);
  console.log(
    `Seed ${seed}: ${report.requests} requests, ${report.calls} calls to providers, ${(report.virtualMs / 1000).toFixed(1)} s of virtual time, digest ${report.digest.slice(0, 16)}`,
  );
  console.log(`Went through: ${report.landmarks.join(', ') || 'nothing of note'}`);
  for (const violation of report.violations) console.log(`  ✗ ${violation}`);
  if (report.violations.length === 0) console.log('Every invariant held.');
  return report.violations.length === 0;
}

interface Tally {
  readonly broken: Map<number, readonly string[]>;
  readonly landmarks: Map<string, number>;
  done: number;
  requests: number;
  calls: number;
}

function progressLine(tally: Tally, seeds: number, startedAt: number): string {
  const seconds = (Date.now() - startedAt) / 1000;
  return `${tally.done} of ${seeds} seeds, ${(tally.done / seconds).toFixed(0)} a second, ${tally.broken.size} broken`;
}

function summary(tally: Tally): void {
  const never = LANDMARKS.filter((landmark) => !tally.landmarks.has(landmark));
  console.log(`${tally.requests} requests, ${tally.calls} calls to providers.`);
  if (never.length > 0) console.log(`Never reached: ${never.join(', ')}`);
  for (const [seed, violations] of [...tally.broken].slice(0, SHOWN)) {
    console.log(
      `  ✗ seed ${seed}: ${violations[0]}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ''}`,
    );
  }
  if (tally.broken.size > SHOWN) console.log(`  … and ${tally.broken.size - SHOWN} more seeds`);
  const [first] = tally.broken.keys();
  console.log(
    first === undefined
      ? 'Every invariant held.'
      : `Replay one with: npm run simulate-faults -- --seed ${first}`,
  );
}

async function runMany(from: number, seeds: number, minutes: number): Promise<boolean> {
  const tally: Tally = { broken: new Map(), landmarks: new Map(), done: 0, requests: 0, calls: 0 };
  const startedAt = Date.now();
  const isTerminal = process.stderr.isTTY === true;
  let shownAt = startedAt;
  let stopped = false;
  process.once('SIGINT', () => {
    stopped = true;
  });
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await runSeed(seed);
    tally.done++;
    tally.requests += report.requests;
    tally.calls += report.calls;
    if (report.violations.length > 0) {
      tally.broken.set(seed, report.violations);
      process.stderr.write(`${isTerminal ? '\r' : ''}✗ seed ${seed}: ${report.violations[0]}\n`);
    }
    for (const landmark of report.landmarks)
      tally.landmarks.set(landmark, (tally.landmarks.get(landmark) ?? 0) + 1);
    const now = Date.now();
    if (stopped || now - startedAt > minutes * 60_000) break;
    if (now - shownAt < (isTerminal ? PROGRESS_MS : QUIET_PROGRESS_MS)) continue;
    shownAt = now;
    process.stderr.write(
      `${isTerminal ? '\r' : ''}${progressLine(tally, seeds, startedAt)}${isTerminal ? ' ' : '\n'}`,
    );
  }
  if (isTerminal) process.stderr.write('\r');
  console.log(
    `${progressLine(tally, seeds, startedAt)}, ${((Date.now() - startedAt) / 1000).toFixed(0)} s in all`,
  );
  summary(tally);
  return tally.broken.size === 0;
}

const options = readOptions();
if (options.help === true) {
  console.log(USAGE);
  process.exit(0);
}
const sound =
  options.seed === undefined
    ? await runMany(
        number(options.from, 'from', 1),
        number(options.seeds, 'seeds', 10_000),
        number(options.minutes, 'minutes', 24 * 60),
      )
    : await replay(number(options.seed, 'seed', 1));
process.exit(sound ? 0 : 1);
