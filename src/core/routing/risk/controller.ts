import { provesBelow } from './betting.ts';

/** One prompt whose answers by both models were compared. */
export interface PairedSample {
  /** The prompt's reason for the strong model, as the prompt model scored it; higher means rather the strong one. */
  readonly score: number;
  /** Outcome of the strong model minus that of the weak one, −1 to 1. */
  readonly loss: number;
}

/** What is promised: at most `epsilon` worse, with a confidence of 1 − `delta`. */
export interface QualityPromise {
  /** Absolute, 0 to 1: 0.02 are two percentage points. */
  readonly epsilon: number;
  readonly delta: number;
}

/** How far traffic may be routed to the weak model. */
export interface Deployment {
  /** Prompts scored below this go to the weak model; −∞ when none may. */
  readonly threshold: number;
  /** Share of all traffic below the threshold, 0 to 1. */
  readonly weakShare: number;
  readonly samples: number;
  /** Mean loss over all traffic at this threshold, as the samples have it. */
  readonly meanLoss: number;
  /** More samples that would likely let the next step pass; `undefined` when the samples speak against it. */
  readonly moreSamples: number | undefined;
}

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
  // Of the samples' own kind of traffic more may be lost, as the rest loses nothing. More than all there is cannot be.
  const allowed = Math.min(epsilon / share, 0.999);
  const sorted = samples.map(({ score }) => score).sort((a, b) => a - b);
  let found: Deployment = {
    threshold: Number.NEGATIVE_INFINITY,
    weakShare: 0,
    samples: samples.length,
    meanLoss: 0,
    moreSamples: undefined,
  };
  for (let step = 1; step <= STEPS; step++) {
    const place = Math.ceil((sorted.length * step) / STEPS);
    const threshold = step === STEPS ? Number.POSITIVE_INFINITY : (sorted[place] ?? Number.POSITIVE_INFINITY);
    const losses = samples.map(({ score, loss }) => (score < threshold ? loss : 0));
    if (!provesBelow(losses, allowed, delta)) {
      return { ...found, moreSamples: samplesMissing(losses, allowed, delta) };
    }
    const below = sorted.length === 0 ? 0 : losses.length - countFrom(sorted, threshold);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    found = {
      ...found,
      threshold,
      weakShare: (below / losses.length) * share,
      meanLoss: mean * share,
    };
  }
  return found;
}

/** How many of the sorted values are at or above `threshold`. */
function countFrom(sorted: readonly number[], threshold: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < threshold) low = middle + 1;
    else high = middle;
  }
  return sorted.length - low;
}

/** A sample has to be this large before its spread is believed. */
const MIN_SAMPLES = 30;

/**
 * Samples that are missing if the rest looks like these: wealth grows by about (ε − mean)² / (2 × variance) per sample at
 * the best stake.
 */
export function samplesMissing(
  losses: readonly number[],
  epsilon: number,
  delta: number,
): number | undefined {
  const count = losses.length;
  if (count < MIN_SAMPLES) {
    const alone = Math.ceil(-Math.log(delta) / Math.log1p(0.9 * epsilon));
    return Math.max(1, Math.max(MIN_SAMPLES, alone) - count);
  }
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / count;
  const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / count;
  const room = epsilon - mean;
  if (room <= 0) return undefined;
  const growth = room ** 2 / (2 * (variance + room ** 2));
  return Math.max(1, Math.ceil((-Math.log(delta) + 2) / growth) - count);
}
