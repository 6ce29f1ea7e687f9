import type { Json } from './json.ts';

/**
 * Token counts of one exchange in disjoint classes, except `reasoning`, which is inside `output`, and the
 * audio classes, which are inside neither `input` nor `output`.
 *
 * - `input`: prompt tokens billed at the full rate, without cache reads and writes
 * - `source`: `reported` by the upstream, `estimated` by us, or `unknown` (nothing was delivered or reported)
 */
export interface Usage {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly reasoning: number;
  readonly audioInput: number;
  readonly audioOutput: number;
  /** Images produced, a count. */
  readonly images: number;
  /** Characters of text that was spoken; absent where nobody counts them. */
  readonly characters?: number;
  /** Seconds of sound that were listened to; absent as above. The log keeps both counts in `raw`. */
  readonly audioSeconds?: number;
  /** Searches of the web that the vendor made and reports; absent where it made none. */
  readonly webSearches?: number;
  readonly source: 'reported' | 'estimated' | 'unknown';
  /** The vendor's usage object as received. */
  readonly raw?: Json;
}

/** No tokens known. */
export const UNKNOWN_USAGE: Usage = Object.freeze({
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
  images: 0,
  source: 'unknown',
});

function sumOf(
  name: 'characters' | 'audioSeconds' | 'webSearches',
  one: Usage,
  other: Usage,
): Partial<Usage> {
  const sum = (one[name] ?? 0) + (other[name] ?? 0);
  return sum === 0 ? {} : { [name]: sum };
}

/** Two calls together. Estimated as soon as a part of it is; the vendors' own objects are left out. */
export function addUsage(one: Usage, other: Usage): Usage {
  if (other.source === 'unknown') return one;
  if (one.source === 'unknown') return other;
  const estimated = one.source === 'estimated' || other.source === 'estimated';
  return {
    input: one.input + other.input,
    cacheRead: one.cacheRead + other.cacheRead,
    cacheWrite5m: one.cacheWrite5m + other.cacheWrite5m,
    cacheWrite1h: one.cacheWrite1h + other.cacheWrite1h,
    output: one.output + other.output,
    reasoning: one.reasoning + other.reasoning,
    audioInput: one.audioInput + other.audioInput,
    audioOutput: one.audioOutput + other.audioOutput,
    images: one.images + other.images,
    ...sumOf('characters', one, other),
    ...sumOf('audioSeconds', one, other),
    ...sumOf('webSearches', one, other),
    source: estimated ? 'estimated' : 'reported',
  };
}

/** Every token of the prompt, cached or not. */
export function promptTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.audioInput;
}

/** Every token produced, reasoning and audio included. */
export function completionTokens(usage: Usage): number {
  return usage.output + usage.audioOutput;
}
