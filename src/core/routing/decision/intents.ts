/** Turns texts into vectors of unit length. */
export interface Embedder {
  readonly version: string;
  embed(text: string): Float32Array;
}

const DIMENSIONS = 1024;
/** Of a longer text only the beginning is read. UTF-16 units. */
export const INTENT_CHARS = 2000;

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash);
}

function add(vector: Float32Array, hash: number, weight: number): void {
  const slot = (hash >>> 1) % DIMENSIONS;
  vector[slot] = (vector[slot] ?? 0) + ((hash & 1) === 0 ? weight : -weight);
}

/**
 * Words and their letter triples, hashed with signs into 1,024 dimensions (feature hashing, Weinberger et al. 2009). It
 * knows spelling, not meaning: paraphrases in other words are not found. A configured embedding model takes its place.
 */
export const HASHED_EMBEDDER: Embedder = {
  version: 'hashed-ngrams-1',
  embed(text) {
    const vector = new Float32Array(DIMENSIONS);
    const words =
      text
        .slice(0, INTENT_CHARS)
        .toLowerCase()
        .normalize('NFKC')
        .match(/[\p{L}\p{N}]+/gu) ?? [];
    for (const word of words) {
      add(vector, hashOf(word, 0x811c9dc5), 1);
      const padded = `_${word}_`;
      for (let at = 0; at + 3 <= padded.length; at++) {
        add(vector, hashOf(padded.slice(at, at + 3), 0x2f0b4c47), 0.5);
      }
    }
    let square = 0;
    for (const value of vector) square += value * value;
    if (square === 0) return vector;
    const scale = 1 / Math.sqrt(square);
    return vector.map((value) => value * scale);
  },
};

/** Utterances of one intent. */
export interface IntentExamples {
  readonly name: string;
  readonly utterances: readonly string[];
}

/** The intent nearest to a prompt. */
export interface FoundIntent {
  readonly name: string;
  /** Cosine, -1 to 1, four digits. */
  readonly similarity: number;
  /** Absent: by the spelling of words. */
  readonly by?: 'meaning';
}

/** Intents whose utterances are embedded. */
export interface EmbeddedIntents {
  readonly examples: readonly IntentExamples[];
  /** The nearest intent by spelling; `undefined` without any utterance. */
  nearest(text: string): FoundIntent | undefined;
}

/** The nearest intent to a vector of unit length, among the utterances' vectors of unit length and the same dimensions. */
export function nearestMeaning(
  intents: readonly IntentExamples[],
  vectorOf: (utterance: string) => Float32Array | undefined,
  vector: Float32Array,
): FoundIntent | undefined {
  let best: FoundIntent | undefined;
  for (const { name, utterances } of intents) {
    for (const utterance of utterances) {
      const other = vectorOf(utterance);
      if (other === undefined || other.length !== vector.length) continue;
      const similarity = cosine(vector, other);
      if (best === undefined || similarity > best.similarity) best = { name, similarity, by: 'meaning' };
    }
  }
  return best;
}

/** Of vectors of unit length; four digits, so that receipts stay short. */
function cosine(one: Float32Array, other: Float32Array): number {
  let dot = 0;
  for (let at = 0; at < one.length; at++) dot += (one[at] ?? 0) * (other[at] ?? 0);
  return Math.round(dot * 1e4) / 1e4;
}

/** Finds the intent whose utterance is nearest to a text. */
export class IntentIndex implements EmbeddedIntents {
  readonly examples: readonly IntentExamples[];
  readonly #embedder: Embedder;
  readonly #entries: readonly { readonly name: string; readonly vector: Float32Array }[];

  constructor(intents: readonly IntentExamples[], embedder: Embedder = HASHED_EMBEDDER) {
    this.examples = intents;
    this.#embedder = embedder;
    this.#entries = intents.flatMap(({ name, utterances }) =>
      utterances.map((text) => ({ name, vector: embedder.embed(text) })),
    );
  }

  nearest(text: string): FoundIntent | undefined {
    const vector = this.#embedder.embed(text);
    let best: FoundIntent | undefined;
    for (const entry of this.#entries) {
      const similarity = cosine(vector, entry.vector);
      if (best === undefined || similarity > best.similarity) best = { name: entry.name, similarity };
    }
    return best;
  }
}
