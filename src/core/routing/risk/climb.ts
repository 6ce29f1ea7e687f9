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

/** What every threshold is tested against. */
export interface Limits {
  /** Mean loss that is allowed among the samples; may be 0 or less, then nobody may go. */
  readonly allowed: number;
  readonly delta: number;
  /** Share of all traffic that the samples stand for, above 0 and at most 1; the rest loses nothing. */
  readonly share: number;
}

/** More than all there is cannot be lost. */
export const MOST_ALLOWED = 0.999;

/**
 * Climbs from "nobody" through rising thresholds while the samples prove that the mean loss stays below what is allowed. The first
 * failure ends it, so that however many are tried, the chance to accept one that loses more stays below δ (fixed-sequence
 * testing; Angelopoulos et al., "Learn then Test", 2021).
 *
 * @param thresholds rising; must not depend on outcomes
 */
export function climb(
  samples: readonly PairedSample[],
  thresholds: Iterable<number>,
  { allowed, delta, share }: Limits,
): Deployment {
  let found: Deployment = {
    threshold: Number.NEGATIVE_INFINITY,
    weakShare: 0,
    samples: samples.length,
    meanLoss: 0,
    moreSamples: undefined,
  };
  if (allowed <= 0) return found;
  let before = -1;
  for (const threshold of thresholds) {
    const losses = samples.map(({ score, loss }) => (score < threshold ? loss : 0));
    const below = samples.reduce((count, { score }) => count + (score < threshold ? 1 : 0), 0);
    // The same samples again prove the same.
    if (below !== before && !provesBelow(losses, allowed, delta)) {
      return { ...found, moreSamples: samplesMissing(losses, allowed, delta) };
    }
    before = below;
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    found = { ...found, threshold, weakShare: (below / losses.length) * share, meanLoss: mean * share };
  }
  return found;
}

/** A sample has to be this large before its spread is believed. */
const MIN_SAMPLES = 30;

/**
 * Samples that are missing if the rest looks like these: wealth grows by about (ε − mean)² / (2 × variance) per sample at
 * the best stake.
 */
function samplesMissing(losses: readonly number[], epsilon: number, delta: number): number | undefined {
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
