import { climb, type Deployment, MOST_ALLOWED, type PairedSample, type QualityPromise } from './climb.ts';

/** Thresholds that are tried, the same for ever: a grid that followed the samples would have seen their outcomes. */
const GRID: readonly number[] = [
  ...Array.from({ length: 100 }, (_, at) => Math.round((at - 49) * 2) / 100),
  Number.POSITIVE_INFINITY,
];

/** What the samples stand for. */
export interface Ground {
  /** Share of all traffic they were drawn from, above 0 and at most 1; the rest loses nothing. */
  readonly share: number;
  /** By how much the judge may understate a loss; taken from what is allowed. At least 0. */
  readonly bias: number;
}

/**
 * The largest share for which running samples prove the promise, to be asked anew after every sample: thresholds are fixed
 * beforehand and tested from "nobody" upwards, each by a bettor whose highest wealth counts, so that the chance to *ever*
 * deploy a threshold that breaks the promise stays below δ (fixed-sequence testing over e-processes; Angelopoulos et al.,
 * "Learn then Test", 2021; Ville's inequality).
 *
 * @param samples in the order they came; every one drawn alike, whatever its outcome
 * @throws RangeError unless ε and δ lie strictly between 0 and 1
 */
export function provenThreshold(
  samples: readonly PairedSample[],
  { epsilon, delta }: QualityPromise,
  { share, bias }: Ground,
): Deployment {
  if (!(epsilon > 0 && epsilon < 1 && delta > 0 && delta < 1))
    throw new RangeError('Epsilon and delta lie strictly between 0 and 1.');
  const allowed = Math.min(epsilon / share - bias, MOST_ALLOWED);
  return climb(samples, GRID, { allowed, delta, share });
}
