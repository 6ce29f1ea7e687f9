/** Trees of depth at most 3 as flat arrays: 7 inner nodes and 8 leaves each, in heap order. */
export interface Boosted {
  readonly base: number;
  /** Feature per inner node; −1 sends everything left. */
  readonly feature: Int16Array;
  /** Values above this go right. */
  readonly threshold: Float32Array;
  readonly leaf: Float32Array;
}

const INNER = 7;
const LEAVES = 8;
const BINS = 32;

/** How boosting goes; the number of leaves is two to the power of `depth` (1: stumps). */
export interface BoostOptions {
  readonly trees: number;
  readonly depth: 1 | 2 | 3;
  readonly rate: number;
  /** Smallest sum of second derivatives (about: a quarter of the examples) in a leaf. */
  readonly minHessian: number;
  /** Added to each leaf's second derivative: draws leaves towards 0. */
  readonly shrink: number;
}

/** Examples as a row-major matrix with targets 0..1. */
export interface Table {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
  readonly target: Float32Array;
  readonly weight?: Float32Array;
}

function cutsOf(table: Table, column: number): Float32Array {
  const values = new Float32Array(table.rows);
  for (let row = 0; row < table.rows; row++)
    values[row] = table.values[row * table.columns + column] as number;
  values.sort();
  const cuts: number[] = [];
  for (let bin = 1; bin < BINS; bin++) {
    const at = Math.floor((bin * table.rows) / BINS);
    const cut = ((values[at] ?? 0) + (values[Math.max(0, at - 1)] ?? 0)) / 2;
    const below = values[0] as number;
    if (cut >= below && cut < (values[table.rows - 1] as number) && cut !== cuts.at(-1)) cuts.push(cut);
  }
  return Float32Array.from(new Set(cuts));
}

function binned(table: Table, cuts: readonly Float32Array[]): Uint8Array {
  const bins = new Uint8Array(table.rows * table.columns);
  for (let column = 0; column < table.columns; column++) {
    const edges = cuts[column] as Float32Array;
    for (let row = 0; row < table.rows; row++) {
      const value = table.values[row * table.columns + column] as number;
      let bin = 0;
      while (bin < edges.length && value > (edges[bin] as number)) bin++;
      bins[row * table.columns + column] = bin;
    }
  }
  return bins;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

interface Growing {
  readonly table: Table;
  readonly bins: Uint8Array;
  readonly cuts: readonly Float32Array[];
  readonly gradient: Float32Array;
  readonly hessian: Float32Array;
  /** Heap index of the node each row is in. */
  readonly node: Uint8Array;
  readonly options: BoostOptions;
}

interface Split {
  readonly feature: number;
  readonly bin: number;
}

/** The best cut of one node, by second-order gain (Chen & Guestrin 2016, eq. 7). */
function bestSplit(growing: Growing, node: number): Split | undefined {
  const { table, bins, cuts, gradient, hessian, options } = growing;
  const { columns, rows } = table;
  const sums = new Float64Array(columns * BINS * 2);
  let g = 0;
  let h = 0;
  for (let row = 0; row < rows; row++) {
    if (growing.node[row] !== node) continue;
    const dg = gradient[row] as number;
    const dh = hessian[row] as number;
    g += dg;
    h += dh;
    for (let column = 0; column < columns; column++) {
      const at = (column * BINS + (bins[row * columns + column] as number)) * 2;
      sums[at] = (sums[at] as number) + dg;
      sums[at + 1] = (sums[at + 1] as number) + dh;
    }
  }
  const whole = (g * g) / (h + options.shrink);
  let best: Split | undefined;
  let bestGain = 1e-6;
  for (let column = 0; column < columns; column++) {
    let left = 0;
    let leftH = 0;
    for (let bin = 0; bin < (cuts[column] as Float32Array).length; bin++) {
      const at = (column * BINS + bin) * 2;
      left += sums[at] as number;
      leftH += sums[at + 1] as number;
      if (leftH < options.minHessian) continue;
      if (h - leftH < options.minHessian) break;
      const right = g - left;
      const gain =
        (left * left) / (leftH + options.shrink) + (right * right) / (h - leftH + options.shrink) - whole;
      if (gain > bestGain) {
        bestGain = gain;
        best = { feature: column, bin };
      }
    }
  }
  return best;
}

function growTree(growing: Growing, into: Boosted, tree: number): void {
  const { table, bins, cuts, node, options } = growing;
  node.fill(0);
  const inner = (1 << options.depth) - 1;
  for (let at = 0; at < inner; at++) {
    const split = bestSplit(growing, at);
    into.feature[tree * INNER + at] = split?.feature ?? -1;
    into.threshold[tree * INNER + at] =
      split === undefined ? 0 : ((cuts[split.feature] as Float32Array)[split.bin] as number);
    for (let row = 0; row < table.rows; row++) {
      if (node[row] !== at) continue;
      const goesRight =
        split !== undefined && (bins[row * table.columns + split.feature] as number) > split.bin;
      node[row] = 2 * at + (goesRight ? 2 : 1);
    }
  }
  const g = new Float64Array(inner + 1);
  const h = new Float64Array(inner + 1);
  for (let row = 0; row < table.rows; row++) {
    const leaf = (node[row] as number) - inner;
    g[leaf] = (g[leaf] as number) + (growing.gradient[row] as number);
    h[leaf] = (h[leaf] as number) + (growing.hessian[row] as number);
  }
  for (let leaf = 0; leaf <= inner; leaf++) {
    into.leaf[tree * LEAVES + leaf] =
      (-options.rate * (g[leaf] as number)) / ((h[leaf] as number) + options.shrink);
  }
}

/** Gradient-boosted trees on logistic loss; deterministic. */
export function boost(table: Table, options: BoostOptions): Boosted {
  let mean = 0;
  let total = 0;
  for (let row = 0; row < table.rows; row++) {
    const weight = table.weight?.[row] ?? 1;
    mean += weight * (table.target[row] as number);
    total += weight;
  }
  const rate = Math.min(0.98, Math.max(0.02, mean / Math.max(1e-9, total)));
  const into: Boosted = {
    base: Math.log(rate / (1 - rate)),
    feature: new Int16Array(options.trees * INNER).fill(-1),
    threshold: new Float32Array(options.trees * INNER),
    leaf: new Float32Array(options.trees * LEAVES),
  };
  const cuts = Array.from({ length: table.columns }, (_, column) => cutsOf(table, column));
  const growing: Growing = {
    table,
    bins: binned(table, cuts),
    cuts,
    gradient: new Float32Array(table.rows),
    hessian: new Float32Array(table.rows),
    node: new Uint8Array(table.rows),
    options,
  };
  const logits = new Float32Array(table.rows).fill(into.base);
  const inner = (1 << options.depth) - 1;
  for (let tree = 0; tree < options.trees; tree++) {
    for (let row = 0; row < table.rows; row++) {
      const p = sigmoid(logits[row] as number);
      const weight = table.weight?.[row] ?? 1;
      growing.gradient[row] = weight * (p - (table.target[row] as number));
      growing.hessian[row] = weight * Math.max(1e-6, p * (1 - p));
    }
    growTree(growing, into, tree);
    for (let row = 0; row < table.rows; row++) {
      const leaf = (growing.node[row] as number) - inner;
      logits[row] = (logits[row] as number) + (into.leaf[tree * LEAVES + leaf] as number);
    }
  }
  return into;
}

/** The ensemble's log-odds for one row of `values`, which begins at `offset`. `depth` as in training. */
export function boostedLogit(model: Boosted, values: Float32Array, depth: number): number {
  const trees = model.feature.length / INNER;
  const inner = (1 << depth) - 1;
  let logit = model.base;
  for (let tree = 0; tree < trees; tree++) {
    let at = 0;
    while (at < inner) {
      const feature = model.feature[tree * INNER + at] as number;
      const right =
        feature >= 0 && (values[feature] as number) > (model.threshold[tree * INNER + at] as number);
      at = 2 * at + (right ? 2 : 1);
    }
    logit += model.leaf[tree * LEAVES + at - inner] as number;
  }
  return logit;
}
