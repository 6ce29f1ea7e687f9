import { type Features, type Featuriser, featurise, WIDTH } from './features.ts';
import { STRUCTURE, writeCounts } from './structure.ts';

/** Logistic heads over the feature places; row-major by place, so that one place's weights lie in one cache line. */
export interface Heads {
  readonly count: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** Prompts as sparse features, row after row. */
export interface Corpus {
  readonly rows: number;
  readonly begins: Uint32Array;
  readonly places: Int32Array;
  readonly values: Float32Array;
  /** The raw structure counts per row. */
  readonly structure: Float32Array;
}

const RATE = 0.1;
/** Sum of squared gradients a weight begins with: damps the first steps of rare n-grams. */
const FIRST_SQUARES = 1;
const DECAY = 1e-5;

export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

export const logit = (p: number) => Math.log(p / (1 - p));

/** Probabilities that are no heads' own are kept from 0 and 1 by this. */
const LEAST = 0.02;

/** Log-odds of a mean or a sum, which may lie at 0 or 1 or beyond. */
export const boundedLogit = (p: number) => logit(Math.min(1 - LEAST, Math.max(LEAST, p)));

/** Features of all prompts at once; `onRow` sees each prompt's before the next one overwrites them. */
export function readCorpus(
  source: { readonly featuriser: Featuriser; readonly idf: Float32Array },
  prompts: readonly string[],
  onRow?: (features: Features, row: number) => void,
): Corpus {
  const begins = new Uint32Array(prompts.length + 1);
  const structure = new Float32Array(prompts.length * STRUCTURE.length);
  let places = new Int32Array(1 << 16);
  let values = new Float32Array(1 << 16);
  let used = 0;
  prompts.forEach((prompt, row) => {
    const features = featurise(source.featuriser, prompt, source.idf);
    onRow?.(features, row);
    if (used + features.count > places.length) {
      const size = 2 * (used + features.count);
      const morePlaces = new Int32Array(size);
      const moreValues = new Float32Array(size);
      morePlaces.set(places);
      moreValues.set(values);
      places = morePlaces;
      values = moreValues;
    }
    places.set(features.places.subarray(0, features.count), used);
    values.set(features.values.subarray(0, features.count), used);
    used += features.count;
    begins[row + 1] = used;
    writeCounts(features.structure, structure.subarray(row * STRUCTURE.length));
  });
  return { rows: prompts.length, begins, places, values, structure };
}

/** Deterministic pseudo-random numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function shuffled(rows: Uint32Array, random: () => number): Uint32Array {
  const order = rows.slice();
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const held = order[at] as number;
    order[at] = order[other] as number;
    order[other] = held;
  }
  return order;
}

/** What to fit: targets 0..1 per row and head, NaN where a head has no label for the row; weights per row. */
export interface Fitting {
  readonly corpus: Corpus;
  readonly rows: Uint32Array;
  readonly targets: readonly Float32Array[];
  readonly weights?: Float32Array;
  /** Passes over the rows. */
  readonly epochs: number;
}

interface Learner extends Heads {
  readonly squares: Float32Array;
  readonly biasSquares: Float32Array;
  readonly errors: Float64Array;
}

function learnRow(learner: Learner, fitting: Fitting, row: number): void {
  const { count, weights, bias, squares, biasSquares, errors } = learner;
  const { begins, places, values } = fitting.corpus;
  const from = begins[row] as number;
  const to = begins[row + 1] as number;
  const trust = fitting.weights?.[row] ?? 1;
  for (let head = 0; head < count; head++) {
    const target = (fitting.targets[head] as Float32Array)[row] as number;
    let logit = bias[head] as number;
    for (let at = from; at < to; at++)
      logit += (weights[(places[at] as number) * count + head] as number) * (values[at] as number);
    const error = Number.isNaN(target) ? 0 : trust * (sigmoid(logit) - target);
    errors[head] = error;
    const square = (biasSquares[head] as number) + error * error;
    biasSquares[head] = square;
    bias[head] = (bias[head] as number) - (RATE * error) / Math.sqrt(square);
  }
  for (let at = from; at < to; at++) {
    const base = (places[at] as number) * count;
    const value = values[at] as number;
    for (let head = 0; head < count; head++) {
      const error = errors[head] as number;
      if (error === 0) continue;
      const weight = weights[base + head] as number;
      const gradient = error * value + DECAY * weight;
      const square = (squares[base + head] as number) + gradient * gradient;
      squares[base + head] = square;
      weights[base + head] = weight - (RATE * gradient) / Math.sqrt(square);
    }
  }
}

/** Fits one logistic head per target with Adagrad (Duchi 2011) in a few passes; deterministic. */
export function fitHeads(fitting: Fitting): Heads {
  const count = fitting.targets.length;
  const learner: Learner = {
    count,
    weights: new Float32Array(WIDTH * count),
    bias: new Float32Array(count),
    squares: new Float32Array(WIDTH * count).fill(FIRST_SQUARES),
    biasSquares: new Float32Array(count).fill(1),
    errors: new Float64Array(count),
  };
  const random = seededRandom(1);
  for (let epoch = 0; epoch < fitting.epochs; epoch++) {
    for (const row of shuffled(fitting.rows, random)) learnRow(learner, fitting, row);
  }
  return { count, weights: learner.weights, bias: learner.bias };
}

/** Heads as they are kept: a weight is `sign(byte) · byte² · scale`, finer near 0, where most weights lie. */
export interface PackedHeads {
  readonly count: number;
  readonly weights: Int8Array;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
}

const BYTE = 127;

/** Rounds weights to signed bytes. */
export function packHeads(heads: Heads): PackedHeads {
  const { count } = heads;
  const weights = new Int8Array(heads.weights.length);
  const scale = new Float32Array(count);
  for (let head = 0; head < count; head++) {
    let largest = 0;
    for (let at = head; at < heads.weights.length; at += count)
      largest = Math.max(largest, Math.abs(heads.weights[at] as number));
    const unit = largest / BYTE ** 2 || 1;
    scale[head] = unit;
    for (let at = head; at < heads.weights.length; at += count) {
      const weight = heads.weights[at] as number;
      weights[at] = Math.sign(weight) * Math.round(Math.sqrt(Math.abs(weight) / unit));
    }
  }
  return { count, weights, scale, bias: heads.bias };
}

/** One row of sparse features. */
export interface Vector {
  readonly places: Int32Array;
  readonly values: Float32Array;
  readonly from: number;
  readonly to: number;
}

/** Heads of the shipped prior: its sums stay in registers, and each place's weights are fetched once. */
const PRIOR_HEADS = 9;

function sumNine(heads: PackedHeads, vector: Vector, out: Float64Array): void {
  const { weights } = heads;
  const { places, values, to } = vector;
  let [a, b, c, d, e, f, g, h, i] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let at = vector.from; at < to; at++) {
    const base = (places[at] as number) * PRIOR_HEADS;
    const value = values[at] as number;
    const w0 = weights[base + 0] as number;
    a += Math.imul(w0, Math.abs(w0)) * value;
    const w1 = weights[base + 1] as number;
    b += Math.imul(w1, Math.abs(w1)) * value;
    const w2 = weights[base + 2] as number;
    c += Math.imul(w2, Math.abs(w2)) * value;
    const w3 = weights[base + 3] as number;
    d += Math.imul(w3, Math.abs(w3)) * value;
    const w4 = weights[base + 4] as number;
    e += Math.imul(w4, Math.abs(w4)) * value;
    const w5 = weights[base + 5] as number;
    f += Math.imul(w5, Math.abs(w5)) * value;
    const w6 = weights[base + 6] as number;
    g += Math.imul(w6, Math.abs(w6)) * value;
    const w7 = weights[base + 7] as number;
    h += Math.imul(w7, Math.abs(w7)) * value;
    const w8 = weights[base + 8] as number;
    i += Math.imul(w8, Math.abs(w8)) * value;
  }
  out.set([a, b, c, d, e, f, g, h, i]);
}

/** Heads of a route without models of their own: both weights of a place lie in one cache line. */
const ROUTE_HEADS = 2;

function sumTwo(heads: PackedHeads, vector: Vector, out: Float64Array): void {
  const { weights } = heads;
  const { places, values, to } = vector;
  let [weak, strong] = [0, 0];
  for (let at = vector.from; at < to; at++) {
    const base = (places[at] as number) * ROUTE_HEADS;
    const value = values[at] as number;
    const w0 = weights[base] as number;
    weak += Math.imul(w0, Math.abs(w0)) * value;
    const w1 = weights[base + 1] as number;
    strong += Math.imul(w1, Math.abs(w1)) * value;
  }
  out[0] = weak;
  out[1] = strong;
}

function sumOne(heads: PackedHeads, vector: Vector, head: number): number {
  const { count, weights } = heads;
  const { places, values, to } = vector;
  let sum = 0;
  for (let at = vector.from; at < to; at++) {
    const byte = weights[(places[at] as number) * count + head] as number;
    sum += Math.imul(byte, Math.abs(byte)) * (values[at] as number);
  }
  return sum;
}

/** Log-odds of every head for one vector, written to `out`. */
export function headLogits(heads: PackedHeads, vector: Vector, out: Float64Array): void {
  const { count, scale, bias } = heads;
  if (count === PRIOR_HEADS) sumNine(heads, vector, out);
  else if (count === ROUTE_HEADS) sumTwo(heads, vector, out);
  else for (let head = 0; head < count; head++) out[head] = sumOne(heads, vector, head);
  for (let at = 0; at < count; at++)
    out[at] = (out[at] as number) * (scale[at] as number) + (bias[at] as number);
}
