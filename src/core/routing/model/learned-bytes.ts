import type { Boosted } from './boost.ts';
import { packBytes, unpackBytes } from './bytes.ts';
import { WIDTH } from './features.ts';
import type { Learned } from './learn.ts';
import type { Blend } from './stack.ts';

/** What stands in the header of a route's learned part; arrays follow it. */
interface LearnedFacts {
  /** `Prior.id` of the weights it was learned on. */
  readonly prior: string;
  readonly labels: number;
  readonly names: readonly string[];
  readonly blends: readonly Blend[];
  readonly order: readonly Blend[];
  readonly rules: number;
  readonly halfWidths: readonly number[];
  readonly scale: readonly number[];
  readonly bias: readonly number[];
  readonly bases: readonly number[];
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A route's learned part as bytes, on the weights named `prior`; without one, a file that says so. */
export function encodeLearned(learned: Learned | undefined, prior: string): Uint8Array {
  if (learned === undefined) return packBytes({ labels: 0 }, []);
  const { labels, names, blends, order, rules, halfWidths, heads, trees } = learned;
  const facts: LearnedFacts = {
    prior,
    labels,
    names,
    blends,
    order,
    rules,
    halfWidths,
    scale: [...heads.scale],
    bias: [...heads.bias],
    bases: trees.map(({ base }) => base),
  };
  const ofTrees = trees.flatMap(({ feature, threshold, leaf }) => [feature, threshold, leaf].map(bytesOf));
  return packBytes(facts, [bytesOf(heads.weights), ...ofTrees]);
}

/** Throws `RangeError` on bytes that are no learned part of this version, or were learned on other weights than `prior`. */
export function decodeLearned(bytes: Uint8Array, prior: string): Learned | undefined {
  const { header, arrays } = unpackBytes(bytes);
  const facts = header as LearnedFacts;
  if (facts.labels === 0) return undefined;
  if (facts.prior !== prior)
    throw new RangeError('This was learned on other weights; learn the route anew from its labels.');
  const [weights, ...ofTrees] = arrays;
  const count = facts.names?.length ?? 0;
  const known = facts.order?.length === 2 && facts.blends?.length === count;
  if (count < 2 || !known || weights?.length !== WIDTH * count || ofTrees.length !== 3 * facts.bases.length)
    throw new RangeError('This was learned with other features; learn the route anew from its labels.');
  const trees = facts.bases.map((base, at): Boosted => {
    const [feature, threshold, leaf] = ofTrees.slice(3 * at, 3 * at + 3) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    return {
      base,
      feature: new Int16Array(feature.slice().buffer),
      threshold: new Float32Array(threshold.slice().buffer),
      leaf: new Float32Array(leaf.slice().buffer),
    };
  });
  return {
    labels: facts.labels,
    names: facts.names,
    heads: {
      count,
      weights: new Int8Array(weights.buffer, weights.byteOffset, weights.length),
      scale: Float32Array.from(facts.scale),
      bias: Float32Array.from(facts.bias),
    },
    trees,
    blends: facts.blends,
    order: facts.order,
    rules: facts.rules,
    halfWidths: facts.halfWidths,
  };
}
