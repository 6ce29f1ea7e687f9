import { bytesOf, packBytes, unpackBytes } from './bytes.ts';
import type { Calibration } from './calibrate.ts';
import { WIDTH } from './features.ts';
import { decodeForest, encodeForest, FOREST_ARRAYS } from './forest.ts';
import { decodeForm, encodeForm } from './form.ts';
import type { Learned } from './learn.ts';
import type { Blend } from './stack.ts';

/** What stands in the header of a route's learned part; arrays follow it. */
interface LearnedFacts {
  /** `Prior.id` of the weights it was learned on. */
  readonly prior: string;
  readonly labels: number;
  readonly names: readonly string[];
  readonly blends: readonly Blend[];
  readonly calibrations: readonly Calibration[];
  readonly order: readonly Blend[];
  readonly rules: number;
  readonly halfWidths: readonly number[];
  readonly scale: readonly number[];
  readonly bias: readonly number[];
  /** Mean label per head. */
  readonly means: readonly number[];
}

/** A route's learned part as bytes, on the weights named `prior`; without one, a file that says so. */
export function encodeLearned(learned: Learned | undefined, prior: string): Uint8Array {
  if (learned === undefined) return packBytes({ labels: 0 }, []);
  const { labels, names, blends, calibrations, order, rules, halfWidths, heads, form, formScale, forest } =
    learned;
  const facts: LearnedFacts = {
    prior,
    labels,
    names,
    blends,
    calibrations,
    order,
    rules,
    halfWidths,
    scale: [...heads.scale],
    bias: [...heads.bias],
    means: form.map(({ mean }) => mean),
  };
  return packBytes(facts, [
    bytesOf(heads.weights),
    ...encodeForest(forest),
    ...encodeForm({ form, formScale }),
  ]);
}

/** Throws `RangeError` on bytes that are no learned part of this version, or were learned on other weights than `prior`. */
export function decodeLearned(bytes: Uint8Array, prior: string): Learned | undefined {
  const { header, arrays } = unpackBytes(bytes);
  const facts = header as LearnedFacts;
  if (facts.labels === 0) return undefined;
  if (facts.prior !== prior)
    throw new RangeError('This was learned on other weights; learn the route anew from its labels.');
  const [weights, ...more] = arrays;
  const count = facts.names?.length ?? 0;
  const known = facts.order?.length === 2 && facts.blends?.length === count;
  const forest = decodeForest(more.slice(0, FOREST_ARRAYS), count);
  const decoded = decodeForm(more.slice(FOREST_ARRAYS), facts.means ?? []);
  const fits = decoded?.form.length === count && facts.calibrations?.length === count;
  if (count < 2 || !known || weights?.length !== WIDTH * count || !fits || !forest)
    throw new RangeError('This was learned with other features; learn the route anew from its labels.');
  return {
    labels: facts.labels,
    names: facts.names,
    heads: {
      count,
      weights: new Int8Array(weights.buffer, weights.byteOffset, weights.length),
      scale: Float32Array.from(facts.scale),
      bias: Float32Array.from(facts.bias),
    },
    ...decoded,
    forest,
    blends: facts.blends,
    calibrations: facts.calibrations,
    order: facts.order,
    rules: facts.rules,
    halfWidths: facts.halfWidths,
  };
}
