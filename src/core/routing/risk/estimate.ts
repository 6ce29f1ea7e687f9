/** A mean with what is not known about it. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/** A judge's opinion next to the truth, for a few cases where both are known. */
export interface GoldLabel {
  readonly truth: number;
  readonly judged: number;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

function covariance(pairs: readonly GoldLabel[]): number {
  if (pairs.length < 2) return 0;
  const truth = mean(pairs.map((pair) => pair.truth));
  const judged = mean(pairs.map((pair) => pair.judged));
  const sum = pairs.reduce((total, pair) => total + (pair.truth - truth) * (pair.judged - judged), 0);
  return sum / (pairs.length - 1);
}

/** Two-sided 95 % quantile of Student's t, close to the table from 2 degrees of freedom on (Cornish and Fisher, 1937). */
export function quantile95(freedom: number): number {
  const z = 1.959964;
  if (freedom < 1) return Number.POSITIVE_INFINITY;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}

/** The mean of independent values with its 95 % interval. */
export function meanOf(values: readonly number[]): Estimate {
  const value = mean(values);
  const half = quantile95(values.length - 1) * Math.sqrt(variance(values) / Math.max(1, values.length));
  return { value, low: value - half, high: value + half, samples: values.length };
}

/**
 * The mean outcome with a judge's errors taken out: what the judge says of many, plus what he got wrong on a few whose
 * truth is known. His opinion is weighted by how much it tells (prediction-powered inference with power tuning;
 * Angelopoulos, Duchi and Zrnic, "PPI++", 2023, eq. for the mean). A judge who errs alike on every case moves the
 * estimate and its interval, never only one of them (ROUTER §2.6).
 *
 * @param judged opinions on cases without known truth
 * @param gold cases with both, drawn from the same traffic; none: the interval is unbounded
 */
export function correctedMean(judged: readonly number[], gold: readonly GoldLabel[]): Estimate {
  const samples = judged.length + gold.length;
  if (gold.length < 2)
    return { value: mean(judged), low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, samples };
  if (judged.length === 0) return meanOf(gold.map(({ truth }) => truth));
  const opinions = [...judged, ...gold.map((label) => label.judged)];
  const spread = variance(opinions);
  const ratio = gold.length / judged.length;
  const tuned = spread === 0 ? 0 : covariance(gold) / ((1 + ratio) * spread);
  const weight = Math.min(1, Math.max(0, tuned));
  const rests = gold.map((label) => label.truth - weight * label.judged);
  const value = weight * mean(judged) + mean(rests);
  const error = Math.sqrt((weight ** 2 * variance(judged)) / judged.length + variance(rests) / gold.length);
  const half = quantile95(gold.length - 1) * error;
  return { value, low: value - half, high: value + half, samples };
}

/** How many more samples like these bring the half-width of a 95 % interval down to `wanted`. */
export function samplesUntil(estimate: Estimate, wanted: number): number | undefined {
  const half = (estimate.high - estimate.low) / 2;
  if (!Number.isFinite(half)) return undefined;
  if (half <= wanted) return 0;
  return Math.ceil(estimate.samples * ((half / wanted) ** 2 - 1));
}
