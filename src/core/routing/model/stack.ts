import { sigmoid } from './heads.ts';

/** One label with what was predicted for it by models that had not seen it. */
export interface Outcome {
  readonly row: number;
  readonly label: number;
  readonly weight: number;
  readonly linear: number;
  readonly trees: number | undefined;
}

/** Log-odds from a route's own models: `intercept + linear · l + trees · t`, with l and t ≥ 0. */
export interface Scale {
  readonly intercept: number;
  readonly linear: number;
  readonly trees: number;
}

/** Log-odds of a head: `ownShare` of the route's own models, the rest the prior moved by `priorShift`. */
export interface Blend {
  readonly own: Scale;
  readonly ownShare: number;
  readonly priorShift: number;
}

/** Where the weights begin, and how many labels' worth of trust they begin with. */
const FIRST: Scale = { intercept: 0, linear: 0.85, trees: 0.15 };
const FIRST_TRUST = 30;
const PASSES = 200;

/**
 * Weights of linear head and trees by logistic regression on held-out predictions, non-negative, drawn towards `FIRST`
 * (Platt 1999 with two inputs): this also calibrates.
 */
export function fitScale(outcomes: readonly Outcome[]): Scale {
  let { intercept, linear, trees } = FIRST;
  if (outcomes.length === 0) return FIRST;
  for (let pass = 0; pass < PASSES; pass++) {
    let gi = 0;
    let gl = FIRST_TRUST * (linear - FIRST.linear);
    let gt = FIRST_TRUST * (trees - FIRST.trees);
    let size = FIRST_TRUST;
    for (const one of outcomes) {
      const t = one.trees ?? one.linear;
      const error = one.weight * (sigmoid(intercept + linear * one.linear + trees * t) - one.label);
      gi += error;
      gl += error * one.linear;
      gt += error * t;
      size += one.weight * (0.25 + 0.25 * (one.linear * one.linear + t * t));
    }
    intercept -= gi / size;
    linear = Math.max(0, linear - gl / size);
    trees = Math.max(0, trees - gt / size);
  }
  return { intercept, linear, trees };
}

export function ownLogit(scale: Scale, linear: number, trees: number | undefined): number {
  return scale.intercept + scale.linear * linear + scale.trees * (trees ?? linear);
}

/** Labels at which the route's own models count as much as the prior, if nothing else is known. */
const EVEN_LABELS = 600;
/** Fewest labels the prior has not seen for it to be judged by them. */
const MIN_UNSEEN = 40;
const CANDIDATES = 21;

/** Prior log-odds per row, and whether the prior was trained on the row. */
export interface PriorView {
  readonly logits: Float64Array;
  readonly seen: Uint8Array;
}

/** Labels' worth of trust in the prior's base rates. */
const SHIFT_TRUST = 100;

/** The shift that makes the prior's mean prediction the mean label: base rates differ from route to route. */
function shiftOf(outcomes: readonly Outcome[], view: PriorView): number {
  let shift = 0;
  for (let pass = 0; pass < 30; pass++) {
    let error = 0.2 * SHIFT_TRUST * shift;
    let slope = 0.2 * SHIFT_TRUST;
    for (const { row, label, weight } of outcomes) {
      const p = sigmoid((view.logits[row] as number) + shift);
      error += weight * (p - label);
      slope += weight * Math.max(0.05, p * (1 - p));
    }
    shift -= error / slope;
  }
  return shift;
}

/**
 * How much of a head is the route's own. By labels alone, n / (n + 600); where there are labels the prior has not seen, that
 * share is moved to what predicts them best (log loss), the more of them the freer.
 */
export function blendWithPrior(own: Scale, outcomes: readonly Outcome[], view: PriorView | undefined): Blend {
  if (view === undefined) return { own, ownShare: 1, priorShift: 0 };
  const expected = outcomes.length / (outcomes.length + EVEN_LABELS);
  const priorShift = shiftOf(outcomes, view);
  const unseen = outcomes.filter(({ row }) => view.seen[row] === 0);
  if (unseen.length < MIN_UNSEEN) return { own, ownShare: expected, priorShift };
  let best = expected;
  let bestLoss = Number.POSITIVE_INFINITY;
  for (let at = 0; at < CANDIDATES; at++) {
    const share = at / (CANDIDATES - 1);
    let loss = FIRST_TRUST * (share - expected) ** 2;
    for (const { row, label, weight, linear, trees } of unseen) {
      const z =
        share * ownLogit(own, linear, trees) + (1 - share) * ((view.logits[row] as number) + priorShift);
      loss += weight * (Math.log1p(Math.exp(-Math.abs(z))) + Math.max(z, 0) - label * z);
    }
    if (loss < bestLoss) {
      bestLoss = loss;
      best = share;
    }
  }
  return { own, ownShare: best, priorShift };
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
