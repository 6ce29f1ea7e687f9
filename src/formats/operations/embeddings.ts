import { SluiceError } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject, type Usage } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';

/** What an embedding is for, in no vendor's words. */
export type EmbeddingTask = 'query' | 'document' | 'similarity' | 'classification' | 'clustering';

/** One text to embed, or its tokens, which only the model they were made for can read. */
export interface EmbeddingItem {
  readonly text?: string;
  readonly tokens?: readonly number[];
  readonly task?: EmbeddingTask;
  readonly title?: string;
}

export interface EmbeddingRequest {
  readonly items: readonly EmbeddingItem[];
  readonly dimensions?: number;
  /** How the client wants the vectors written. */
  readonly encoding: 'float' | 'base64';
  readonly user?: string;
  /** Names of further fields the client sent. */
  readonly others: readonly string[];
  /** The client asked for one text and wants one vector (Gemini `embedContent`). */
  readonly single: boolean;
}

/** `vectors` in the order of the items. */
export interface EmbeddingResponse {
  readonly vectors: readonly (readonly number[])[];
  readonly usage: Usage;
}

function malformed(what: string): SluiceError {
  return new SluiceError('upstream_malformed', `The provider sent ${what}.`);
}

/** Reads base64 of little-endian 32-bit floats, as OpenAI and Voyage write them. */
export function fromBase64(text: string): number[] {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw malformed('an embedding that is not valid base64');
  const vector: number[] = new Array(bytes.length / 4);
  for (let index = 0; index < vector.length; index++) vector[index] = bytes.readFloatLE(index * 4);
  return vector;
}

/** Writes base64 of little-endian 32-bit floats. */
export function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4);
  for (let index = 0; index < vector.length; index++) bytes.writeFloatLE(vector[index] ?? 0, index * 4);
  return bytes.toString('base64');
}

/** A vector as an upstream wrote it: numbers, or base64. */
export function vectorOf(value: Json | undefined): readonly number[] {
  if (typeof value === 'string') return fromBase64(value);
  if (!Array.isArray(value) || value.length === 0) throw malformed('an answer without an embedding');
  return value.map((entry) => {
    const number = toNumber(entry);
    if (typeof number !== 'number') throw malformed('an embedding that is not made of numbers');
    return number;
  });
}

/** Checks that there is one vector for each text. */
export function complete(
  vectors: readonly (readonly number[])[],
  request: EmbeddingRequest,
): readonly (readonly number[])[] {
  if (vectors.length !== request.items.length) throw malformed('fewer or more embeddings than asked for');
  return vectors;
}

/** The vectors of an array of objects with `index`, in order. */
export function indexed(list: Json | undefined, key: string): readonly (readonly number[])[] {
  if (!Array.isArray(list) || !list.every(isObject)) throw malformed('an answer without embeddings');
  const rows = list.map((entry: JsonObject, position) => ({
    index: (toNumber(entry['index']) as number | undefined) ?? position,
    vector: vectorOf(entry[key]),
  }));
  return rows.sort((a, b) => a.index - b.index).map(({ vector }) => vector);
}

/** The one task of all items; `undefined` when none has one. `mixed` when they differ. */
export function commonTask(request: EmbeddingRequest): EmbeddingTask | 'mixed' | undefined {
  const tasks = new Set(request.items.map((item) => item.task));
  return tasks.size > 1 ? 'mixed' : [...tasks][0];
}

/** Names what a target has no word for. */
export function uncarriedFields(
  request: EmbeddingRequest,
  carried: { readonly user?: boolean; readonly task?: boolean; readonly title?: boolean },
): string[] {
  const has = (key: keyof EmbeddingItem) => request.items.some((item) => item[key] !== undefined);
  return [
    ...request.others,
    ...(request.user !== undefined && carried.user !== true ? ['user'] : []),
    ...(has('task') && carried.task !== true ? ['input_type'] : []),
    ...(has('title') && carried.title !== true ? ['title'] : []),
  ];
}
