/** Rows of numbers with labels of several heads, NaN where a head has none for a row. */
export interface RidgeTask {
  /** Row-major, `size` numbers per row. */
  readonly rows: Float64Array;
  readonly size: number;
  readonly targets: readonly Float32Array[];
  readonly weights: Float32Array;
  /** Which part each row is in, from 0 on, and how many there are. */
  readonly folds: Uint8Array;
  readonly foldCount: number;
  /** Added to each direction's sum of squares: draws weights towards 0. */
  readonly penalty: number;
}

/** A mean and a weight per direction around it. */
export interface Ridge {
  readonly mean: number;
  readonly weights: Float32Array;
}

/** A head fitted on all its labels, and on all but those of each fold. */
export interface RidgeFit {
  readonly whole: Ridge;
  readonly without: readonly Ridge[];
}

/** What ridge regression needs to know of some rows, for heads that have labels for the same rows. */
interface Sums {
  readonly products: Float64Array;
  readonly alone: Float64Array;
  readonly withLabel: readonly Float64Array[];
  readonly labels: Float64Array;
  weight: number;
}

function emptySums(size: number, heads: number): Sums {
  return {
    products: new Float64Array(size * size),
    alone: new Float64Array(size),
    withLabel: Array.from({ length: heads }, () => new Float64Array(size)),
    labels: new Float64Array(heads),
    weight: 0,
  };
}

function addScaled(into: Float64Array, values: Float64Array, factor: number): void {
  for (let at = 0; at < into.length; at++) into[at] = (into[at] as number) + factor * (values[at] as number);
}

function addRow(
  sums: Sums,
  values: Float64Array,
  labelled: { readonly labels: readonly number[]; readonly weight: number },
) {
  const { labels, weight } = labelled;
  const size = values.length;
  for (let row = 0; row < size; row++) {
    const value = weight * (values[row] as number);
    const base = row * size;
    for (let column = 0; column <= row; column++)
      sums.products[base + column] =
        (sums.products[base + column] as number) + value * (values[column] as number);
  }
  addScaled(sums.alone, values, weight);
  labels.forEach((label, head) => {
    addScaled(sums.withLabel[head] as Float64Array, values, weight * label);
    sums.labels[head] = (sums.labels[head] as number) + weight * label;
  });
  sums.weight += weight;
}

function addSums(into: Sums, part: Sums, factor: number): void {
  addScaled(into.products, part.products, factor);
  addScaled(into.alone, part.alone, factor);
  into.withLabel.forEach((values, head) => {
    addScaled(values, part.withLabel[head] as Float64Array, factor);
  });
  addScaled(into.labels, part.labels, factor);
  into.weight += factor * part.weight;
}

/** Cholesky's lower triangle of `products` with the penalty on the diagonal. */
function factorise(products: Float64Array, size: number, penalty: number): Float64Array {
  const lower = products.slice();
  for (let row = 0; row < size; row++) {
    const own = row * size;
    for (let column = 0; column <= row; column++) {
      const other = column * size;
      let sum = (lower[own + column] as number) + (row === column ? penalty : 0);
      for (let at = 0; at < column; at++) sum -= (lower[own + at] as number) * (lower[other + at] as number);
      lower[own + column] =
        row === column ? Math.sqrt(Math.max(1e-9, sum)) : sum / (lower[other + column] as number);
    }
  }
  return lower;
}

function substitute(lower: Float64Array, right: Float64Array): Float64Array {
  const size = right.length;
  for (let row = 0; row < size; row++) {
    let sum = right[row] as number;
    for (let at = 0; at < row; at++) sum -= (lower[row * size + at] as number) * (right[at] as number);
    right[row] = sum / (lower[row * size + row] as number);
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = right[row] as number;
    for (let at = row + 1; at < size; at++) sum -= (lower[at * size + row] as number) * (right[at] as number);
    right[row] = sum / (lower[row * size + row] as number);
  }
  return right;
}

function solveHeads(sums: Sums, size: number, penalty: number): Ridge[] {
  const lower = factorise(sums.products, size, penalty);
  return sums.withLabel.map((withLabel, head) => {
    const mean = sums.weight > 0 ? (sums.labels[head] as number) / sums.weight : 0.5;
    const right = withLabel.slice();
    addScaled(right, sums.alone, -mean);
    return { mean, weights: Float32Array.from(substitute(lower, right)) };
  });
}

/** Heads with labels for the same rows share all products of directions. */
function fitTogether(task: RidgeTask, heads: readonly Float32Array[]): RidgeFit[] {
  const { rows, size, weights, folds, foldCount, penalty } = task;
  const parts = Array.from({ length: foldCount }, () => emptySums(size, heads.length));
  folds.forEach((fold, row) => {
    const labels = heads.map((target) => target[row] as number);
    if (labels.some(Number.isNaN)) return;
    addRow(parts[fold] as Sums, rows.subarray(row * size, (row + 1) * size), {
      labels,
      weight: weights[row] as number,
    });
  });
  const all = emptySums(size, heads.length);
  for (const part of parts) addSums(all, part, 1);
  const whole = solveHeads(all, size, penalty);
  const without = parts.map((part) => {
    addSums(all, part, -1);
    const rest = solveHeads(all, size, penalty);
    addSums(all, part, 1);
    return rest;
  });
  return whole.map((one, head) => ({ whole: one, without: without.map((rest) => rest[head] as Ridge) }));
}

/** Ridge regression of each head around its mean, whole and without each fold in turn; sums are made once (Hoerl & Kennard 1970). */
export function fitRidge(task: RidgeTask): RidgeFit[] {
  const groups = new Map<string, number[]>();
  task.targets.forEach((target, head) => {
    const key = Array.from(target, (label) => (Number.isNaN(label) ? '0' : '1')).join('');
    groups.set(key, [...(groups.get(key) ?? []), head]);
  });
  const fits: RidgeFit[] = [];
  for (const members of groups.values()) {
    const fitted = fitTogether(
      task,
      members.map((head) => task.targets[head] as Float32Array),
    );
    members.forEach((head, at) => {
      fits[head] = fitted[at] as RidgeFit;
    });
  }
  return fits;
}
