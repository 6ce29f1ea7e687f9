import { isObject, type Json } from './json.ts';

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
  /** Terms the answer says it was made under, see `underTerms`; absent where it says nothing of them. */
  readonly terms?: readonly string[];
  readonly source: 'reported' | 'estimated' | 'unknown';
  /** The vendor's usage object as received. */
  readonly raw?: Json;
  /** What other models took that the vendor called within the same call; in none of the counts, only the bill has it. */
  readonly helpers?: readonly HelperUsage[];
  /** The model whose tokens the counts are, where the vendor let another answer than the one that was called. */
  readonly servedBy?: string;
}

/** What one model took besides the one that answered. */
export interface HelperUsage {
  /** The vendor's name of it; absent where it is the one that was called. */
  readonly model?: string;
  readonly usage: Usage;
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

/** What vendors call the terms every price is stated for. */
const USUAL: ReadonlySet<string> = new Set([
  '',
  'auto',
  'default',
  'global',
  'not_available',
  'on_demand',
  'standard',
]);
const NOTHING_SPECIAL: readonly string[] = Object.freeze([]);

/**
 * The terms that words of a request or an answer name (`service_tier`, `speed`, `inference_geo`, `trafficType`), in small letters,
 * without those that every price is stated for. Bedrock's word is the `type` of an object. `undefined` where there is no word at all.
 */
export function termsIn(words: readonly (Json | undefined)[]): readonly string[] | undefined {
  let terms: readonly string[] | undefined;
  for (const said of words) {
    const word = isObject(said) ? said['type'] : said;
    if (typeof word !== 'string') continue;
    const term = word.toLowerCase().replace(/^(?:service_tier|on_demand)_/, '');
    terms ??= NOTHING_SPECIAL;
    if (!USUAL.has(term)) terms = [...terms, term];
  }
  return terms;
}

/** Usage with the terms its answer names; unchanged where it names none at all. */
export function underTerms(usage: Usage, ...words: readonly (Json | undefined)[]): Usage {
  const terms = termsIn(words);
  return terms === undefined ? usage : { ...usage, terms };
}

function sumOf(
  name: 'characters' | 'audioSeconds' | 'webSearches',
  one: Usage,
  other: Usage,
): Partial<Usage> {
  const sum = (one[name] ?? 0) + (other[name] ?? 0);
  return sum === 0 ? {} : { [name]: sum };
}

/**
 * Two calls together. Estimated as soon as a part of it is; the vendors' own objects are left out, and so is what belongs to
 * one of the calls alone (`helpers`, `servedBy`).
 */
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
