import { bytesOf } from './bytes.ts';
import { boundedLogit, seededRandom } from './heads.ts';
import { INPUTS } from './inputs.ts';
import { spreadOf } from './logistic.ts';
import { fitRidge, type Ridge } from './ridge.ts';
import { OF_CASE, STRUCTURE } from './structure.ts';

/** Counts are padded to this, a power of two. */
const SIDE = 64;
const BLOCKS = 4;
const TURNS = 3;
/** Directions of one prompt's form. */
export const DIRECTIONS = SIDE * BLOCKS;
/** Counts, and what the n-gram heads say of weak and strong. */
const COLUMNS = STRUCTURE.length + 2;
/** Width of the kernel: prompts whose counts differ by one standard deviation each are alike by exp(−this). */
const REACH = 0.5;
/** Variance of a label against that of what is to be learned: the penalty of ridge regression. */
const NOISE = 4;
/** Standardised counts beyond this are taken for this. */
const FARTHEST = 3;

/**
 * How far a standardised count reaches. Capitals count half: with all of their say 7 % of the mix's prompts change their tier
 * when written in small letters, with half of it 4 %, at a price of 0.0015 APGR.
 */
const SAY: readonly number[] = STRUCTURE.map((name) => (OF_CASE.includes(name) ? 0.5 : 1));

/** Counts as log(1 + count), and log-odds as they are, are standardised: less the mean, by the standard deviation. */
export interface FormScale {
  readonly mean: Float32Array;
  readonly sd: Float32Array;
}

/** P(ok) of one head from form alone. */
export type FormHead = Ridge;

const random = seededRandom(7);
const SIGNS = Int8Array.from({ length: TURNS * DIRECTIONS }, () => (random() < 0.5 ? -1 : 1));
const PHASES = Float64Array.from({ length: DIRECTIONS }, () => 2 * Math.PI * random());
/** Lengths as rows of a Gaussian matrix have them (normal numbers after Box & Muller 1958), less what the transforms stretch. */
const LENGTHS = Float64Array.from({ length: DIRECTIONS }, () => {
  let squares = 0;
  for (let at = 0; at < SIDE; at++)
    squares += -2 * Math.log(1 - random()) * Math.cos(2 * Math.PI * random()) ** 2;
  return Math.sqrt(squares / SIDE ** TURNS);
});
const LOGS = Float64Array.from({ length: 256 }, (_, count) => Math.log1p(count));

function inputAt(inputs: Float32Array, at: number, column: number): number {
  const value = inputs[at] as number;
  return column < STRUCTURE.length ? logOf(value) : value;
}

function logOf(count: number): number {
  return Number.isInteger(count) && count < LOGS.length ? (LOGS[count] as number) : Math.log1p(count);
}

/** The scale of these prompts' inputs, row-major. */
export function formScaleOf(inputs: Float32Array): FormScale {
  const spreads = Array.from({ length: COLUMNS }, (_, column) =>
    spreadOf(
      Float64Array.from({ length: inputs.length / INPUTS }, (__, row) =>
        inputAt(inputs, row * INPUTS + column, column),
      ),
    ),
  );
  return {
    mean: Float32Array.from(spreads, ({ mean }) => mean),
    sd: Float32Array.from(spreads, ({ sd }) => sd),
  };
}

/** Walsh–Hadamard transform in place, unscaled. */
function transform(values: Float64Array): void {
  for (let half = 1; half < SIDE; half *= 2) {
    for (let from = 0; from < SIDE; from += 2 * half) {
      for (let at = from; at < from + half; at++) {
        const a = values[at] as number;
        const b = values[at + half] as number;
        values[at] = a + b;
        values[at + half] = a - b;
      }
    }
  }
}

const scaled = new Float64Array(SIDE);
const turned = new Float64Array(SIDE);

/**
 * A prompt's form in `DIRECTIONS` numbers whose products approximate a Gaussian kernel on the standardised inputs: structured
 * orthogonal random features (Yu et al. 2016, arXiv 1610.09072), drawn once and for all. Writes to `out`.
 */
export function formOf(inputs: Float32Array, scale: FormScale, out: Float64Array): void {
  const reach = Math.sqrt((2 * REACH) / COLUMNS);
  for (let column = 0; column < COLUMNS; column++) {
    const value =
      (inputAt(inputs, column, column) - (scale.mean[column] as number)) / (scale.sd[column] as number);
    scaled[column] = reach * (SAY[column] ?? 1) * Math.min(FARTHEST, Math.max(-FARTHEST, value));
  }
  const height = Math.sqrt(2 / DIRECTIONS);
  for (let from = 0; from < DIRECTIONS; from += SIDE) {
    turned.set(scaled);
    for (let turn = 0; turn < TURNS; turn++) {
      const signs = TURNS * from + turn * SIDE;
      for (let at = 0; at < SIDE; at++) turned[at] = (turned[at] as number) * (SIGNS[signs + at] as number);
      transform(turned);
    }
    for (let at = 0; at < SIDE; at++) {
      const angle = (LENGTHS[from + at] as number) * (turned[at] as number) + (PHASES[from + at] as number);
      out[from + at] = height * Math.cos(angle);
    }
  }
}

/** Log-odds of a head for one prompt's form. */
export function formLogit({ mean, weights }: FormHead, form: Float64Array): number {
  let p = mean;
  for (let at = 0; at < weights.length; at++) p += (weights[at] as number) * (form[at] as number);
  return boundedLogit(p);
}

/** Prompts by their inputs, row-major, with labels per head, and the part each prompt is in. */
export interface FormTask {
  readonly inputs: Float32Array;
  readonly targets: readonly Float32Array[];
  readonly weights: Float32Array;
  readonly folds: Uint8Array;
  readonly foldCount: number;
}

/** Fits heads on form, and tells each one's log-odds for every prompt by a fit without the prompt's part. */
export function fitForm({ inputs, ...task }: FormTask) {
  const scale = formScaleOf(inputs);
  const rows = new Float64Array(task.folds.length * DIRECTIONS);
  const formAt = (row: number) => rows.subarray(row * DIRECTIONS, (row + 1) * DIRECTIONS);
  for (let row = 0; row < task.folds.length; row++)
    formOf(inputs.subarray(row * INPUTS, (row + 1) * INPUTS), scale, formAt(row));
  const fits = fitRidge({ ...task, rows, size: DIRECTIONS, penalty: NOISE });
  return {
    scale,
    heads: fits.map(({ whole }): FormHead => whole),
    heldOut: fits.map(({ without }) =>
      Float64Array.from(task.folds, (fold, row) => formLogit(without[fold] as FormHead, formAt(row))),
    ),
  };
}

/** Form heads and their scale as byte arrays; the means go elsewhere. */
export function encodeForm(models: { readonly form: readonly FormHead[]; readonly formScale: FormScale }) {
  const { form, formScale } = models;
  return [formScale.mean, formScale.sd, ...form.map(({ weights }) => weights)].map(bytesOf);
}

/** What `encodeForm` wrote; `undefined` if it does not fit these features or this number of heads. */
export function decodeForm(arrays: readonly Uint8Array[], means: readonly number[]) {
  const [mean, sd, ...directions] = arrays.map((array) => new Float32Array(array.slice().buffer));
  if (mean?.length !== COLUMNS || sd?.length !== COLUMNS) return undefined;
  if (directions.length !== means.length || directions.some(({ length }) => length !== DIRECTIONS))
    return undefined;
  const form = directions.map((weights, head): FormHead => ({ mean: means[head] as number, weights }));
  return { form, formScale: { mean, sd } };
}
