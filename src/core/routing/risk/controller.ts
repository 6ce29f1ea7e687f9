import { climb, type Deployment, MOST_ALLOWED, type PairedSample, type QualityPromise } from './climb.ts';

/** What the samples were drawn from. */
export interface Sampled {
  /**
   * Share of all traffic that the samples stand for, 0 to 1: only prompts that may go to the weak model are shadowed, and
   * the others lose nothing (ROUTER §2.6).
   */
  readonly share: number;
}

/** Steps from no traffic to all of it. */
const STEPS = 100;

/** Scores below which 1 %, 2 % … of the samples lie, then everybody. */
function* steps(samples: readonly PairedSample[]): Generator<number> {
  const sorted = samples.map(({ score }) => score).sort((a, b) => a - b);
  for (let step = 1; step < STEPS; step++)
    yield sorted[Math.ceil((sorted.length * step) / STEPS)] ?? Number.POSITIVE_INFINITY;
  yield Number.POSITIVE_INFINITY;
}

const ALL: Sampled = { share: 1 };

/**
 * The largest share of traffic for which the samples prove the promise: thresholds are tested from "nobody" upwards, and
 * the first failure ends it, so that however many are tried, the chance to break the promise stays below δ (fixed-sequence
 * testing; Angelopoulos et al., "Learn then Test", 2021). Holds for exchangeable traffic and for the labels' own notion of
 * quality. The order of the samples must not depend on their outcomes.
 *
 * @throws RangeError unless ε, δ and the share lie strictly between 0 and 1 (the share may be 1)
 */
export function largestShare(
  samples: readonly PairedSample[],
  { epsilon, delta }: QualityPromise,
  { share }: Sampled = ALL,
): Deployment {
  const isOpen = (value: number) => value > 0 && value < 1;
  if (!isOpen(epsilon) || !isOpen(delta) || !(share > 0 && share <= 1)) {
    throw new RangeError('Epsilon and delta lie between 0 and 1, the share above 0 and at most at 1.');
  }
  // Of the samples' own kind of traffic more may be lost, as the rest loses nothing.
  const allowed = Math.min(epsilon / share, MOST_ALLOWED);
  return climb(samples, steps(samples), { allowed, delta, share });
}
