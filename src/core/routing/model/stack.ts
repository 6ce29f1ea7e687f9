import { type Column, fitColumns, spreadOf } from './logistic.ts';

/** One label with what was predicted for it by models that had not seen it. */
export interface Outcome {
  readonly row: number;
  readonly label: number;
  readonly weight: number;
  readonly linear: number;
  readonly form: number;
  readonly trees: number;
}

/** Log-odds of a head: a weighted sum of what the route's own models and the prior say; no weight is negative. */
export interface Blend extends Evidence {
  readonly intercept: number;
}

/** A number for each source of evidence: its weight, its log-odds, or the mean of them. */
interface Evidence {
  readonly linear: number;
  readonly form: number;
  readonly trees: number;
  readonly prior: number;
}

/** Prior log-odds per row, and whether the prior was trained on the row. */
export interface PriorView {
  readonly logits: Float64Array;
  readonly seen: Uint8Array;
}

/**
 * What each source's weight is drawn to, per standard deviation of its log-odds. The prior begins low: what it learned elsewhere
 * is right in its ranking at best, and is asked only until there are labels (chosen on splits by cluster other than those
 * reported, with a prior that had never seen the benchmark).
 */
const FIRST = { linear: 0.3, form: 0.4, trees: 0.1, prior: 0.15 } as const;
/** Labels at which the route's own models count as much as a prior that was trained on the same labels. */
const EVEN_LABELS = 600;
/** Fewest labels the prior has not seen for it to be judged by them. */
export const MIN_UNSEEN = 40;

/** Share of a route's own models, where there is no telling how good the prior is. */
export const shareOfOwn = (labels: number): number => labels / (labels + EVEN_LABELS);

export function blendedLogit(blend: Blend, evidence: Evidence): number {
  const { intercept, linear, form, trees, prior } = blend;
  return (
    intercept +
    linear * evidence.linear +
    form * evidence.form +
    trees * evidence.trees +
    prior * evidence.prior
  );
}

const OWN = ['linear', 'form', 'trees'] as const;

function ownColumns(outcomes: readonly Outcome[]): Column[] {
  return OWN.map((name) => ({
    first: FIRST[name],
    values: Float64Array.from(outcomes, (one) => one[name]),
  }));
}

/** The route's own models on what was held out: weighs one against the other, and calibrates (Platt 1999, with several inputs). */
function blendOwn(outcomes: readonly Outcome[]): Blend {
  const [intercept = 0, linear = 0, form = 0, trees = 0] = fitColumns(ownColumns(outcomes), outcomes);
  return { intercept, linear, form, trees, prior: 0 };
}

/**
 * The route's own models with the prior. Where there are labels the prior has not seen, all are weighed by them together. A prior
 * that was trained on these labels cannot be judged by them: then the share of either goes by the number of labels.
 */
export function blendWithPrior(outcomes: readonly Outcome[], view: PriorView | undefined): Blend {
  const own = blendOwn(outcomes);
  if (view === undefined) return own;
  const ofPrior = (list: readonly Outcome[]) =>
    Float64Array.from(list, ({ row }) => view.logits[row] as number);
  const unseen = outcomes.filter(({ row }) => view.seen[row] === 0);
  if (unseen.length >= MIN_UNSEEN) {
    const column = ofPrior(unseen);
    const columns = [{ first: FIRST.prior * spreadOf(column).sd, values: column }, ...ownColumns(unseen)];
    const [intercept = 0, prior = 0, linear = 0, form = 0, trees = 0] = fitColumns(columns, unseen);
    return { intercept, linear, form, trees, prior };
  }
  const values = ofPrior(outcomes);
  const { mean, sd } = spreadOf(values);
  const [shift = 0, slope = 1] = fitColumns([{ first: sd, values }], outcomes);
  // On labels it was trained on the prior looks surer than it may be; the mean log-odds stay.
  const prior = Math.min(1, slope);
  const share = shareOfOwn(outcomes.length);
  return {
    intercept: share * own.intercept + (1 - share) * (shift + (slope - prior) * mean),
    linear: share * own.linear,
    form: share * own.form,
    trees: share * own.trees,
    prior: (1 - share) * prior,
  };
}

/**
 * The same weights for weak and strong, intercepts moved so that the mean log-odds of either stay: what orders prompts. Errors of
 * the two heads go together, and cancel in the difference only where both are stretched alike; calibrated one by one they
 * order prompts worse (mix, 500 labels: APGR .692 against .696).
 */
export function tieBlends(blends: readonly Blend[], means: readonly Evidence[]): Blend[] {
  const average = (name: keyof Evidence) =>
    blends.reduce((sum, blend) => sum + blend[name], 0) / blends.length;
  const tied = {
    linear: average('linear'),
    form: average('form'),
    trees: average('trees'),
    prior: average('prior'),
  };
  return blends.map((blend, head) => {
    const mean = means[head] ?? { linear: 0, form: 0, trees: 0, prior: 0 };
    return { ...tied, intercept: blendedLogit(blend, mean) - blendedLogit({ ...tied, intercept: 0 }, mean) };
  });
}

/** What decides how much the hand rules still count. */
export interface RulesEvidence {
  readonly rules: Float64Array;
  readonly share: Float64Array;
  /** Held-out P(ok) of weak and strong. */
  readonly predicted: readonly Float64Array[];
  readonly targets: readonly Float32Array[];
  readonly own: number;
}

/** Labels' worth of trust in the prior's share of the rules. */
const RULES_TRUST = 150;

/** Weight of the rules: ridge regression of the gain that is not yet predicted, drawn towards the prior's share; at least 0. */
export function rulesSlope({ rules, share, predicted, targets, own }: RulesEvidence): number {
  const rows = rules.length;
  let mean = 0;
  let expected = 0;
  for (let row = 0; row < rows; row++) {
    mean += (rules[row] as number) / rows;
    expected += (share[row] as number) / rows;
  }
  let covariance = 0;
  let variance = 1e-6;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const [weak, strong] = [targets[0]?.[row], targets[1]?.[row]];
    if (weak === undefined || strong === undefined || Number.isNaN(weak + strong)) continue;
    const gain = strong - weak - ((predicted[1]?.[row] ?? 0) - (predicted[0]?.[row] ?? 0));
    const x = (rules[row] as number) - mean;
    covariance += x * gain;
    variance += x * x;
    counted++;
  }
  if (counted === 0) return expected;
  const prior = expected * (1 - own);
  const trust = (RULES_TRUST * variance) / counted;
  return Math.min(0.5, Math.max(0, (covariance + trust * prior) / (variance + trust)));
}

/** Bins of the interval table. */
export const INTERVAL_BINS = 10;
/** Half-width where nothing is known, and the normal quantile of an 80 % interval. */
export const COLD_HALF_WIDTH = 0.2;
const QUANTILE = 1.2816;

/** Half-width of the 80 % interval for the true rate by tenth of the prediction: what was off, and what chance leaves open. */
export function intervalBins(predicted: Float64Array, target: Float32Array): number[] {
  const bins = Array.from({ length: INTERVAL_BINS }, () => ({ count: 0, off: 0 }));
  predicted.forEach((p, row) => {
    const label = target[row] as number;
    const bin = bins[Math.min(INTERVAL_BINS - 1, Math.floor(p * INTERVAL_BINS))];
    if (bin === undefined || Number.isNaN(label)) return;
    bin.count++;
    bin.off += p - label;
  });
  return bins.map(({ count, off }, at) => {
    const p = (at + 0.5) / INTERVAL_BINS;
    const chance = QUANTILE * Math.sqrt((p * (1 - p)) / (count + 2));
    return Math.min(COLD_HALF_WIDTH, chance + (count === 0 ? COLD_HALF_WIDTH : Math.abs(off) / (count + 10)));
  });
}
