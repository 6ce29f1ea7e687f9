import { describe, expect, it } from 'vitest';
import { LANDMARKS } from './landmarks.ts';
import { type Report, runSeed } from './world.ts';

/** Seeds of every test run; `npm run simulate-faults` runs more. */
const SEEDS = 200;
const PER_TEST = 25;
/** Rare situations may take so many. */
const MOST_SEEDS = 4 * SEEDS;

const reports = new Map<number, Report>();

/** The report of a seed, which is run once however often it is asked for. */
async function reportOf(seed: number): Promise<Report> {
  const known = reports.get(seed) ?? (await runSeed(seed));
  reports.set(seed, known);
  return known;
}

describe('the gateway in simulated worlds', () => {
  const starts = Array.from({ length: SEEDS / PER_TEST }, (_, index) => index * PER_TEST + 1);

  it.each(starts)('keeps every invariant in %i and the seeds after it', async (first) => {
    const broken: string[] = [];
    for (let seed = first; seed < first + PER_TEST; seed++) {
      const { violations } = await reportOf(seed);
      broken.push(...violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(broken).toEqual([]);
  });

  it('does the same twice', async () => {
    for (const seed of [3, 14, 159]) expect(await runSeed(seed)).toEqual(await reportOf(seed));
  });

  it('comes through every situation it is there for', async () => {
    const reached = new Set<string>();
    const missing = () => LANDMARKS.filter((landmark) => !reached.has(landmark));
    for (let seed = 1; seed <= MOST_SEEDS && missing().length > 0; seed++) {
      for (const landmark of (await reportOf(seed)).landmarks) reached.add(landmark);
    }
    expect(missing()).toEqual([]);
  });
});
