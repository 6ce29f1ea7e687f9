import { bytesOf, packBytes, unpackBytes } from './bytes.ts';
import { type Features, GRAM_WIDTH, WIDTH } from './features.ts';
import { HASH_SEED, hashStep } from './hash.ts';
import { headLogits, type PackedHeads, sigmoid } from './heads.ts';
import { RULES_VERSION } from './rules.ts';
import { STRUCTURE } from './structure.ts';

/** How the shipped prior is put together; stands in the header of its file. */
export interface PriorFacts {
  /** Kinds of traffic there are experts for; each has a head for weak, strong and "is it of this kind". */
  readonly kinds: readonly string[];
  /** Share of the hand rules in the score, by kind: small where labels proved the learned part. */
  readonly rulesShare: readonly number[];
  /** Scores from which a prompt is medium, and hard. */
  readonly cuts: readonly [medium: number, hard: number];
  readonly idfStep: number;
  readonly scale: readonly number[];
  readonly bias: readonly number[];
  /** Says what it was trained on and with which licences. */
  readonly attribution: string;
  /** The cascade verifier, see `verify.ts`. */
  readonly verifier: unknown;
}

/** The shipped prior, opened. */
export interface Prior {
  /** Names these weights, the shape of features they are for and the rules beside them: eight hexadecimal digits. */
  readonly id: string;
  readonly facts: PriorFacts;
  readonly idf: Float32Array;
  readonly heads: PackedHeads;
  /** Bloom filter of the prompts it was trained on. */
  readonly seen: Uint8Array;
}

export function encodePrior(prior: Omit<Prior, 'id'>, idfBytes: Uint8Array): Uint8Array {
  const { weights } = prior.heads;
  return packBytes(prior.facts, [idfBytes, bytesOf(weights), prior.seen]);
}

/** FNV-1a over the file, the shape of features and the version of the rules; takes some milliseconds. */
function idOf(bytes: Uint8Array): string {
  let hash = HASH_SEED;
  for (let at = 0; at < bytes.length; at++) hash = hashStep(hash, bytes[at] as number);
  for (const char of [WIDTH, GRAM_WIDTH, ...STRUCTURE, RULES_VERSION].join())
    hash = hashStep(hash, char.charCodeAt(0));
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Throws `RangeError` on bytes that are no prior of this version. */
export function decodePrior(bytes: Uint8Array): Prior {
  const { header, arrays } = unpackBytes(bytes);
  const facts = header as PriorFacts;
  const [idfBytes, weights, seen] = arrays;
  const count = 3 * (facts.kinds?.length ?? 0);
  if (idfBytes?.length !== GRAM_WIDTH || weights?.length !== WIDTH * count || seen === undefined)
    throw new RangeError('The shipped prior was made for other features; run `npm run train:router`.');
  return {
    id: idOf(bytes),
    facts,
    idf: Float32Array.from(idfBytes, (step) => step * facts.idfStep),
    heads: {
      count,
      weights: new Int8Array(weights.buffer, weights.byteOffset, weights.length),
      scale: Float32Array.from(facts.scale),
      bias: Float32Array.from(facts.bias),
    },
    seen,
  };
}

/** What the prior thinks of a prompt. */
export interface PriorOpinion {
  pWeak: number;
  pStrong: number;
  /** How much the hand rules count. */
  rulesShare: number;
}

/** Mixes the experts by how well the prompt fits their kind (Jacobs et al. 1991, with one-against-rest gates). */
export function askPrior(prior: Prior, features: Features, scratch: Float64Array): PriorOpinion {
  const { places, values, count } = features;
  headLogits(prior.heads, { places, values, from: 0, to: count }, scratch);
  return mixExperts(prior.facts, scratch);
}

export function mixExperts(facts: PriorFacts, logits: Float64Array): PriorOpinion {
  const opinion: PriorOpinion = { pWeak: 0, pStrong: 0, rulesShare: 0 };
  let total = 0;
  for (let kind = 0; kind < facts.kinds.length; kind++) {
    const fit = sigmoid(logits[3 * kind + 2] as number);
    total += fit;
    opinion.pWeak += fit * sigmoid(logits[3 * kind] as number);
    opinion.pStrong += fit * sigmoid(logits[3 * kind + 1] as number);
    opinion.rulesShare += fit * (facts.rulesShare[kind] as number);
  }
  opinion.pWeak /= total;
  opinion.pStrong /= total;
  opinion.rulesShare /= total;
  return opinion;
}
