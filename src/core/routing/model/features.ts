import { createMarks, type Marks, markTokens } from './boilerplate.ts';
import { SLOTS } from './hash.ts';
import { countChars, countWords, createGrams, type Grams } from './ngrams.ts';
import { countStructure, emptyStructure, reachedSteps, STEP_COUNT, type Structure } from './structure.ts';
import { createTokens, type Tokens, tokenise } from './tokens.ts';

/** Places of a feature vector: word n-grams, character n-grams, steps of the structure counts. */
export const WIDTH = 2 * SLOTS + STEP_COUNT;
/** Places that stand for n-grams and have an inverse document frequency. */
export const GRAM_WIDTH = 2 * SLOTS;
/** Value of a structure step; each n-gram block has length 1, so that no block can outweigh the others. */
const STEP_VALUE = 0.1;
/** Logarithms of counts up to this are kept in a table. */
const COUNTED = 256;

const LOGS = Float32Array.from({ length: COUNTED }, (_, count) => 1 + Math.log(Math.max(1, count)));

/** A prompt as sparse features with what they were made from; the next prompt overwrites it. */
export interface Features {
  readonly places: Int32Array;
  readonly values: Float32Array;
  count: number;
  readonly structure: Structure;
  readonly tokens: Tokens;
  readonly marks: Marks;
}

/** Turns prompts into features in buffers of its own: one per thread, about 0.9 MB. */
export interface Featuriser {
  readonly features: Features;
  readonly words: Grams;
  readonly chars: Grams;
  readonly steps: Int32Array;
}

export function createFeaturiser(): Featuriser {
  const words = createGrams();
  const chars = createGrams();
  const room = words.slots.length + chars.slots.length + STEP_COUNT;
  return {
    features: {
      places: new Int32Array(room),
      values: new Float32Array(room),
      count: 0,
      structure: emptyStructure(),
      tokens: createTokens(),
      marks: createMarks(),
    },
    words,
    chars,
    steps: new Int32Array(STEP_COUNT),
  };
}

/** Appends one block, sublinear tf × idf at length 1, and empties its counts. */
function appendBlock(
  features: Features,
  grams: Grams,
  table: { readonly idf: Float32Array; readonly offset: number },
): void {
  const { places, values } = features;
  const { idf, offset } = table;
  const begin = features.count;
  let at = begin;
  let squares = 0;
  for (let index = 0; index < grams.count; index++) {
    const slot = grams.slots[index] as number;
    const count = grams.counts[slot] as number;
    grams.counts[slot] = 0;
    const value =
      (count < COUNTED ? (LOGS[count] as number) : 1 + Math.log(count)) * (idf[offset + slot] as number);
    places[at] = offset + slot;
    values[at++] = value;
    squares += value * value;
  }
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  for (let index = begin; index < at; index++) values[index] = (values[index] as number) * scale;
  features.count = at;
  grams.count = 0;
}

/**
 * The features of a prompt: hashed word 1–2-grams and character 3–5-grams (sublinear tf–idf, each block at length 1) and the
 * steps its structure counts reach. Linear in the characters read (at most 3,000); never throws. The answer is overwritten
 * by the next call with the same featuriser.
 * @param idf inverse document frequency per n-gram place
 */
export function featurise(featuriser: Featuriser, text: string, idf: Float32Array): Features {
  const { features, words, chars, steps } = featuriser;
  features.count = 0;
  tokenise(text, features.tokens);
  markTokens(features.tokens, features.marks);
  countWords(features.tokens, features.marks, words);
  countChars(features.tokens, features.marks, chars);
  appendBlock(features, words, { idf, offset: 0 });
  appendBlock(features, chars, { idf, offset: SLOTS });
  countStructure(features.tokens, features.marks, features.structure);
  const reached = reachedSteps(features.structure, steps);
  for (let index = 0; index < reached; index++) {
    features.places[features.count] = GRAM_WIDTH + (steps[index] as number);
    features.values[features.count++] = STEP_VALUE;
  }
  return features;
}
