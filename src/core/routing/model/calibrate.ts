/** A non-decreasing line from predicted to observed probabilities; empty where there were too few labels to tell. */
export interface Calibration {
  readonly at: readonly number[];
  readonly to: readonly number[];
}

/** A prediction for a label it was made without. */
export interface Prediction {
  readonly predicted: number;
  readonly label: number;
  readonly weight: number;
}

const MOST_BINS = 16;
/** Labels of one bin, at least. */
const BIN_LABELS = 80;
/** Labels' worth of trust in a bin's prediction. */
const TRUST = 20;
const LEAST = 0.005;

interface Bin {
  at: number;
  to: number;
  weight: number;
}

/** Pools neighbours until none falls (Ayer et al. 1955). */
function pooled(bins: readonly Bin[]): Bin[] {
  const kept: Bin[] = [];
  for (const bin of bins) {
    let last = { ...bin };
    for (let before = kept.at(-1); before !== undefined && before.to > last.to; before = kept.at(-1)) {
      const weight = before.weight + last.weight;
      const mean = (a: number, b: number) =>
        (a * (before?.weight ?? 0) + b * last.weight) / Math.max(1e-9, weight);
      last = { at: mean(before.at, last.at), to: mean(before.to, last.to), weight };
      kept.pop();
    }
    kept.push(last);
  }
  return kept;
}

/**
 * Isotonic calibration of bins of equal size, each drawn to what was predicted (Zadrozny & Elkan 2002).
 * @param share how much of what is to be calibrated these predictions are, 0..1
 */
export function calibrationOf(predictions: readonly Prediction[], share = 1): Calibration {
  const count = Math.min(MOST_BINS, Math.floor(predictions.length / BIN_LABELS));
  if (count < 2) return { at: [], to: [] };
  const sorted = [...predictions].sort((a, b) => a.predicted - b.predicted);
  const bins = Array.from({ length: count }, (_, bin): Bin => {
    const members = sorted.slice(
      Math.round((bin * sorted.length) / count),
      Math.round(((bin + 1) * sorted.length) / count),
    );
    let [weight, predicted, label] = [1e-9, 0, 0];
    for (const one of members) {
      weight += one.weight;
      predicted += one.weight * one.predicted;
      label += one.weight * one.label;
    }
    const at = predicted / weight;
    const observed = (label + TRUST * at) / (weight + TRUST);
    return { at, to: at + share * (observed - at), weight };
  });
  const line = pooled(bins);
  return { at: line.map(({ at }) => at), to: line.map(({ to }) => to) };
}

/** The calibrated probability: linear between bins, and as far off as the last bin beyond them. */
export function calibrated({ at, to }: Calibration, p: number): number {
  const right = at.findIndex((place) => place >= p);
  const [x1, y1] = [at[right < 0 ? at.length - 1 : right] ?? p, to[right < 0 ? to.length - 1 : right] ?? p];
  const [x0, y0] = [at[right - 1], to[right - 1]];
  const answer =
    right <= 0 || x0 === undefined || y0 === undefined || x1 <= x0
      ? p + y1 - x1
      : y0 + ((p - x0) * (y1 - y0)) / (x1 - x0);
  return Math.min(1 - LEAST, Math.max(LEAST, answer));
}
