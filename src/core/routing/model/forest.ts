import { bytesOf } from './bytes.ts';
import { boundedLogit, seededRandom } from './heads.ts';
import { INPUTS } from './inputs.ts';
import { OF_CASE, STRUCTURE } from './structure.ts';

/** Trees as flat arrays, one after the other; the children of a node lie side by side. */
export interface Forest {
  readonly heads: number;
  /** First node of each tree. */
  readonly roots: Uint32Array;
  /** What each node asks for, or `LEAF`. */
  readonly input: Uint8Array;
  /** Values above this go right. */
  readonly cut: Float32Array;
  /** The left child, or the row of a leaf in `values`. */
  readonly next: Uint32Array;
  /** Mean label by leaf and head, in 255ths. */
  readonly values: Uint8Array;
}

const TREES = 64;
/** Examples of a leaf at least; twice as many where there are many, which is as good and takes half the time. */
const LEAF_ROWS = 10;
const MANY_ROWS = 3000;
/**
 * What trees may ask for: not for capitals. A cut at one of them decides alone: asked for, 10 % of the mix's prompts change their
 * tier when written in small letters, else 3 %, for 0.001 APGR.
 */
const ASKABLE = Uint8Array.from({ length: INPUTS }, (_, input) => input).filter(
  (input) => !OF_CASE.includes(STRUCTURE[input] ?? ''),
);
/** Inputs that are tried at each node. */
const TRIED = Math.round(0.3 * ASKABLE.length);
/** Labels' worth of trust in the mean of all, for a leaf. */
const LEAF_TRUST = 1;
const LEAF = 255;
const STEPS = 255;
/** How many arrays a forest is written as. */
export const FOREST_ARRAYS = 5;

/** Prompts by their inputs, row-major, with labels per head (NaN: none), and the part each prompt is in. */
export interface ForestTask {
  readonly inputs: Float32Array;
  readonly targets: readonly Float32Array[];
  readonly weights: Float32Array;
  readonly folds: Uint8Array;
  readonly foldCount: number;
}

/** Labels of one head, times their weights; 0 where there are none. */
interface Labels {
  readonly sums: Float64Array;
  readonly weights: Float64Array;
  readonly mean: number;
}

interface Growing {
  /** Inputs by column. */
  readonly columns: readonly Float32Array[];
  readonly labels: readonly Labels[];
  /** Rows in the order of the leaves they are in. */
  readonly rows: Uint32Array;
  readonly random: () => number;
  /** Inputs in the order they were last tried. */
  readonly order: Uint8Array;
  readonly nodes: Nodes;
  readonly room: Room;
  /** Examples of a leaf at least. */
  readonly leafRows: number;
}

/** Labels of the rows of one node. */
interface NodeLabels {
  readonly sums: Float64Array;
  readonly weights: Float64Array;
  sum: number;
  weight: number;
}

/** Where one node's rows are laid out next to each other. */
interface Room {
  readonly values: Float32Array;
  readonly above: Float64Array;
  readonly labels: readonly NodeLabels[];
}

interface Nodes {
  readonly input: number[];
  readonly cut: number[];
  readonly next: number[];
  readonly values: number[];
}

interface Split {
  readonly input: number;
  readonly cut: number;
}

/** Where a node's rows stand. */
interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A cut at random between the least and the largest of the first `count` values; `undefined` where all are alike. */
function cutOf(values: Float32Array, count: number, random: () => number): number | undefined {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < count; at++) {
    const value = values[at] as number;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least >= most) return undefined;
  const cut = Math.fround(least + random() * (most - least));
  return cut < most ? cut : least;
}

/** Marks what lies above the cut with 1; answers how much does. */
function markAbove({ values, above }: Room, count: number, cut: number): number {
  let marked = 0;
  for (let at = 0; at < count; at++) {
    const mark = (values[at] as number) > cut ? 1 : 0;
    above[at] = mark;
    marked += mark;
  }
  return marked;
}

/** Squared sums over weights of both sides, for one head: the larger, the less the labels vary within them. */
function gainOf({ sums, weights, sum, weight }: NodeLabels, above: Float64Array, count: number): number {
  let right = 0;
  let rightWeight = 1e-9;
  for (let at = 0; at < count; at++) {
    const mark = above[at] as number;
    right += mark * (sums[at] as number);
    rightWeight += mark * (weights[at] as number);
  }
  return (sum - right) ** 2 / (weight - rightWeight + 2e-9) + right ** 2 / rightWeight;
}

/** Labels of the node's rows, next to each other. */
function gatherLabels({ labels, room }: Growing, rows: Uint32Array): void {
  labels.forEach((of, head) => {
    const into = room.labels[head] as NodeLabels;
    into.sum = into.weight = 0;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at] as number;
      const sum = of.sums[row] as number;
      const weight = of.weights[row] as number;
      into.sums[at] = sum;
      into.weights[at] = weight;
      into.sum += sum;
      into.weight += weight;
    }
  });
}

/** The best of some random cuts of some random inputs. */
function splitOf(growing: Growing, { from, to }: Stretch): Split | undefined {
  const { columns, order, random, room, leafRows } = growing;
  const rows = growing.rows.subarray(from, to);
  const count = rows.length;
  gatherLabels(growing, rows);
  let best: Split | undefined;
  let bestGain = Number.NEGATIVE_INFINITY;
  let tried = 0;
  for (let at = 0; at < order.length && tried < TRIED; at++) {
    const other = at + Math.floor(random() * (order.length - at));
    const input = order[other] as number;
    order[other] = order[at] as number;
    order[at] = input;
    const column = columns[input] as Float32Array;
    for (let index = 0; index < count; index++) room.values[index] = column[rows[index] as number] as number;
    const cut = cutOf(room.values, count, random);
    if (cut === undefined) continue;
    tried++;
    const right = markAbove(room, count, cut);
    if (right < leafRows || count - right < leafRows) continue;
    let gain = 0;
    for (const head of room.labels) gain += gainOf(head, room.above, count);
    if (gain > bestGain) {
      bestGain = gain;
      best = { input, cut };
    }
  }
  return best;
}

/** Moves rows that go left before those that go right; answers where these begin. */
function partition({ columns, rows }: Growing, { from, to }: Stretch, { input, cut }: Split): number {
  const column = columns[input] as Float32Array;
  let middle = from;
  for (let at = from; at < to; at++) {
    const row = rows[at] as number;
    if ((column[row] as number) > cut) continue;
    rows[at] = rows[middle] as number;
    rows[middle++] = row;
  }
  return middle;
}

function addNode({ input, cut, next }: Nodes): number {
  input.push(LEAF);
  cut.push(0);
  return next.push(0) - 1;
}

function growNode(growing: Growing, node: number, { from, to }: Stretch): void {
  const { nodes, labels, rows, leafRows } = growing;
  const split = to - from < 2 * leafRows ? undefined : splitOf(growing, { from, to });
  if (split === undefined) {
    nodes.next[node] = nodes.values.length / labels.length;
    for (const { sums, weights, mean } of labels) {
      let [sum, weight] = [LEAF_TRUST * mean, LEAF_TRUST];
      for (let at = from; at < to; at++) {
        sum += sums[rows[at] as number] as number;
        weight += weights[rows[at] as number] as number;
      }
      nodes.values.push(Math.round((STEPS * sum) / weight));
    }
    return;
  }
  const middle = partition(growing, { from, to }, split);
  const left = addNode(nodes);
  const right = addNode(nodes);
  nodes.input[node] = split.input;
  nodes.cut[node] = split.cut;
  nodes.next[node] = left;
  growNode(growing, left, { from, to: middle });
  growNode(growing, right, { from: middle, to });
}

function labelsOf(target: Float32Array, task: ForestTask, rows: Uint32Array): Labels {
  const weights = Float64Array.from(target, (label, row) =>
    Number.isNaN(label) ? 0 : (task.weights[row] as number),
  );
  const sums = Float64Array.from(target, (label, row) =>
    Number.isNaN(label) ? 0 : label * (task.weights[row] as number),
  );
  let [sum, weight] = [0.5e-3, 1e-3];
  for (const row of rows) {
    sum += sums[row] as number;
    weight += weights[row] as number;
  }
  return { sums, weights, mean: sum / weight };
}

function grow(task: ForestTask, columns: readonly Float32Array[], rows: Uint32Array): Forest {
  const labels = task.targets.map((target) => labelsOf(target, task, rows));
  const room: Room = {
    values: new Float32Array(rows.length),
    above: new Float64Array(rows.length),
    labels: labels.map(() => ({
      sums: new Float64Array(rows.length),
      weights: new Float64Array(rows.length),
      sum: 0,
      weight: 0,
    })),
  };
  const nodes: Nodes = { input: [], cut: [], next: [], values: [] };
  const leafRows = rows.length < MANY_ROWS ? LEAF_ROWS : 2 * LEAF_ROWS;
  const roots = Uint32Array.from({ length: TREES }, (_, tree) => {
    const root = addNode(nodes);
    const random = seededRandom(tree + 1);
    const growing = {
      columns,
      labels,
      rows: rows.slice(),
      random,
      order: ASKABLE.slice(),
      nodes,
      room,
      leafRows,
    };
    growNode(growing, root, { from: 0, to: rows.length });
    return root;
  });
  return {
    heads: labels.length,
    roots,
    input: Uint8Array.from(nodes.input),
    cut: Float32Array.from(nodes.cut),
    next: Uint32Array.from(nodes.next),
    values: Uint8Array.from(nodes.values),
  };
}

/** Log-odds of every head for one prompt, written to `out`. */
export function askForest(forest: Forest, inputs: Float32Array, out: Float64Array): void {
  const { heads, roots, input, cut, next, values } = forest;
  out.fill(0, 0, heads);
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] as number;
    for (let asked = input[node] as number; asked !== LEAF; asked = input[node] as number)
      node = (next[node] as number) + ((inputs[asked] as number) > (cut[node] as number) ? 1 : 0);
    const leaf = (next[node] as number) * heads;
    for (let head = 0; head < heads; head++)
      out[head] = (out[head] as number) + (values[leaf + head] as number);
  }
  for (let head = 0; head < heads; head++) {
    out[head] = boundedLogit((out[head] as number) / (STEPS * roots.length));
  }
}

/**
 * Extremely randomised trees (Geurts, Ernst & Wehenkel 2006), one forest for all heads, and what forests that were grown without
 * a prompt's part say of it. Deterministic.
 */
export function fitForest(task: ForestTask): { forest: Forest; heldOut: Float64Array[] } {
  const { inputs, folds, foldCount, targets } = task;
  const columns = Array.from({ length: INPUTS }, (_, input) =>
    Float32Array.from(folds, (__, row) => inputs[row * INPUTS + input] as number),
  );
  const all = Uint32Array.from(folds.keys());
  const heldOut = targets.map(() => new Float64Array(folds.length));
  const out = new Float64Array(targets.length);
  for (let fold = 0; fold < foldCount; fold++) {
    const forest = grow(
      task,
      columns,
      all.filter((row) => folds[row] !== fold),
    );
    for (const row of all) {
      if (folds[row] !== fold) continue;
      askForest(forest, inputs.subarray(row * INPUTS, (row + 1) * INPUTS), out);
      heldOut.forEach((logits, head) => {
        logits[row] = out[head] as number;
      });
    }
  }
  return { forest: grow(task, columns, all), heldOut };
}

/** A forest as byte arrays; `heads` goes elsewhere. */
export function encodeForest({ roots, input, cut, next, values }: Forest): Uint8Array[] {
  return [roots, input, cut, next, values].map(bytesOf);
}

/** What `encodeForest` wrote; `undefined` if the arrays are not of one forest with so many heads. */
export function decodeForest(arrays: readonly Uint8Array[], heads: number): Forest | undefined {
  const [roots, input, cut, next, values] = arrays.map((array) => array.slice());
  if (!roots || !input || !cut || !next || !values || arrays.length !== FOREST_ARRAYS) return undefined;
  const forest = {
    heads,
    roots: new Uint32Array(roots.buffer, 0, roots.length >>> 2),
    input,
    cut: new Float32Array(cut.buffer, 0, cut.length >>> 2),
    next: new Uint32Array(next.buffer, 0, next.length >>> 2),
    values,
  };
  return isSound(forest) ? forest : undefined;
}

/** Whether there are as many trees as are grown, and every way down from a root ends in a leaf: children stand behind their node, so that no way turns back. */
function isSound({ heads, roots, input, cut, next, values }: Forest): boolean {
  const nodes = input.length;
  if (roots.length !== TREES || cut.length !== nodes || next.length !== nodes) return false;
  if (roots.some((root) => root >= nodes)) return false;
  return input.every((asked, node) => {
    const to = next[node] as number;
    return asked === LEAF ? (to + 1) * heads <= values.length : asked < INPUTS && to > node && to + 1 < nodes;
  });
}
