import { sigmoid } from './heads.ts';

/** A column of evidence, one number per label, with the weight it begins with per standard deviation. */
export interface Column {
  readonly values: Float64Array;
  readonly first: number;
}

/** What is to be predicted, 0..1, and the trust in it. */
export interface Label {
  readonly label: number;
  readonly weight: number;
}

/** Labels' worth of trust in the weights that columns begin with, and in an intercept of 0. */
const TRUST = 100;
const INTERCEPT_TRUST = 1;
/** Curvature of the log loss of one label at even odds. */
const CURVATURE = 0.25;
const PASSES = 12;
/** Newton's steps are cut to this, as it may overshoot far from the optimum. */
const LONGEST_STEP = 1;
/** Columns that hardly vary are not stretched further than this: what was fitted on nearly equal numbers would run away on others. */
const LEAST_SPREAD = 0.25;

/** Mean and standard deviation; 1 where all values are alike. */
export function spreadOf(values: Float64Array): { readonly mean: number; readonly sd: number } {
  let mean = 0;
  let squares = 0;
  for (const value of values) mean += value / values.length;
  for (const value of values) squares += (value - mean) ** 2 / values.length;
  return { mean, sd: Math.sqrt(squares) || 1 };
}

/** Solves a small symmetric positive definite system by elimination; overwrites both, the answer stands in `right`. */
function solve(matrix: readonly Float64Array[], right: Float64Array): void {
  const size = right.length;
  for (let at = 0; at < size; at++) {
    const row = matrix[at] as Float64Array;
    for (let below = at + 1; below < size; below++) {
      const other = matrix[below] as Float64Array;
      const factor = (other[at] as number) / (row[at] as number);
      for (let column = at; column < size; column++)
        other[column] = (other[column] as number) - factor * (row[column] as number);
      right[below] = (right[below] as number) - factor * (right[at] as number);
    }
  }
  for (let at = size - 1; at >= 0; at--) {
    const row = matrix[at] as Float64Array;
    let sum = right[at] as number;
    for (let column = at + 1; column < size; column++)
      sum -= (row[column] as number) * (right[column] as number);
    right[at] = sum / (row[at] as number);
  }
}

/** Adds one label's part to gradient and second derivatives at `weights`. */
function addLabel(
  { label, weight }: Label,
  at: { readonly weights: Float64Array; readonly x: Float64Array },
  into: { readonly gradient: Float64Array; readonly hessian: readonly Float64Array[] },
): void {
  const { weights, x } = at;
  let logit = 0;
  for (let index = 0; index < x.length; index++) logit += (weights[index] as number) * (x[index] as number);
  const p = sigmoid(logit);
  const slope = weight * Math.max(1e-3, p * (1 - p));
  for (let row = 0; row < x.length; row++) {
    const own = x[row] as number;
    into.gradient[row] = (into.gradient[row] as number) + weight * (p - label) * own;
    const sums = into.hessian[row] as Float64Array;
    for (let column = 0; column < x.length; column++)
      sums[column] = (sums[column] as number) + slope * own * (x[column] as number);
  }
}

/** Logistic regression by Newton's method, with a ridge around each column's first weight; columns are standardised. */
function newton(columns: readonly Column[], labels: readonly Label[]): Float64Array {
  const firsts = Float64Array.from([0, ...columns.map(({ first }) => first)]);
  const trust = firsts.map((_, at) => CURVATURE * (at === 0 ? INTERCEPT_TRUST : TRUST));
  const weights = firsts.slice();
  const x = new Float64Array(firsts.length).fill(1);
  for (let pass = 0; pass < PASSES; pass++) {
    const hessian = Array.from(trust, (value, at) => {
      const row = new Float64Array(firsts.length);
      row[at] = value;
      return row;
    });
    const gradient = weights.map((weight, at) => (trust[at] as number) * (weight - (firsts[at] as number)));
    labels.forEach((one, row) => {
      columns.forEach(({ values }, at) => {
        x[at + 1] = values[row] as number;
      });
      addLabel(one, { weights, x }, { gradient, hessian });
    });
    solve(hessian, gradient);
    gradient.forEach((step, at) => {
      weights[at] = (weights[at] as number) - Math.max(-LONGEST_STEP, Math.min(LONGEST_STEP, step));
    });
  }
  return weights;
}

/**
 * Log-odds as a sum of columns: an intercept, then one weight ≥ 0 per column, for the columns as they are given. Ridge logistic
 * regression (le Cessie & van Houwelingen 1992) on standardised columns; a column that would get a negative weight is left out.
 */
export function fitColumns(columns: readonly Column[], labels: readonly Label[]): readonly number[] {
  const scales = columns.map(({ values }) => {
    const { mean, sd } = spreadOf(values);
    return { mean, sd: Math.max(LEAST_SPREAD, sd) };
  });
  const scaled = columns.map(({ values, first }, at) => {
    const { mean = 0, sd = 1 } = scales[at] ?? {};
    return { first, values: values.map((value) => (value - mean) / sd) };
  });
  let kept = [...columns.keys()];
  for (;;) {
    const weights = newton(
      kept.map((at) => scaled[at] as Column),
      labels,
    );
    const positive = kept.filter((_, at) => (weights[at + 1] as number) > 0);
    if (positive.length === kept.length) {
      const answer = [weights[0] as number, ...columns.map(() => 0)];
      kept.forEach((column, at) => {
        const { mean = 0, sd = 1 } = scales[column] ?? {};
        const weight = (weights[at + 1] as number) / sd;
        answer[column + 1] = weight;
        answer[0] = (answer[0] as number) - weight * mean;
      });
      return answer;
    }
    kept = positive;
  }
}
