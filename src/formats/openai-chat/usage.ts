import {
  completionTokens,
  isObject,
  type Json,
  type JsonObject,
  promptTokens,
  type Usage,
  underTerms,
} from '../../core/model/index.ts';
import type { Quirks } from '../codec.ts';
import { compact } from '../fields.ts';
import { tokenCount } from '../token-count.ts';

/** The first of `values` that is a token count. */
function count(...values: readonly (Json | undefined)[]): number | undefined {
  for (const value of values) {
    const tokens = tokenCount(value);
    if (tokens !== undefined) return tokens;
  }
  return undefined;
}

function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

interface Totals {
  readonly prompt: number;
  readonly completion: number;
  readonly reasoning: number;
  readonly total: number | undefined;
}

/**
 * Output tokens with reasoning inside, whatever the vendor counts (WIRE §1.1): reasoning is outside `completion_tokens`
 * if the total says so, if there is more of it than output, or if the quirk says so; tokens that only the total holds
 * are thoughts (Gemini's compatible endpoint).
 */
function outputTokens({ prompt, completion, reasoning, total }: Totals, quirks: Quirks): number {
  const isOutside = total === prompt + completion + reasoning || reasoning > completion;
  const isUntold = quirks.reasoningOutsideOutput === true && total === undefined;
  return isOutside || isUntold ? completion + reasoning : completion;
}

/**
 * Reads a Chat `usage` object with all recorded variants (WIRE §1.1). `undefined` for one that reports nothing (`null`,
 * `{}`), so that it never overwrites one that does.
 */
export function decodeUsage(raw: Json | undefined, quirks: Quirks): Usage | undefined {
  if (!isObject(raw)) return undefined;
  const promptCount = count(raw['prompt_tokens']);
  const completionCount = count(raw['completion_tokens']);
  if (promptCount === undefined && completionCount === undefined) return undefined;
  const inside = objectOf(raw['prompt_tokens_details']);
  const made = objectOf(raw['completion_tokens_details']);
  const prompt = promptCount ?? 0;
  const completion = completionCount ?? 0;
  const reasoning = count(made['reasoning_tokens'], raw['reasoning_tokens']) ?? 0;
  const cacheRead =
    count(
      inside['cached_tokens'],
      raw['prompt_cache_hit_tokens'],
      raw['num_cached_tokens'],
      raw['cached_tokens'],
    ) ?? 0;
  const cacheWrite = count(inside['cache_write_tokens'], raw['cache_creation_input_tokens']) ?? 0;
  const heard = count(inside['audio_tokens'], raw['prompt_audio_tokens'], raw['audio_prompt_tokens']) ?? 0;
  const audioOutput = count(made['audio_tokens']) ?? 0;
  const total = count(raw['total_tokens']);
  // A vendor that reports more cached than prompt tokens counts them outside, as Anthropic does.
  const cached = cacheRead + cacheWrite;
  const cachedInside = cached > prompt ? 0 : cached;
  // Sound that was read from the cache stands in both counts and is billed as cached.
  const audioInside = quirks.audioOutsideInput === true ? 0 : Math.min(heard, prompt - cachedInside);
  const audioInput = quirks.audioOutsideInput === true ? heard : audioInside;
  let output = outputTokens({ prompt, completion, reasoning, total }, quirks);
  const known = prompt + output + (audioInput - audioInside) + (cached - cachedInside);
  if (reasoning === 0 && total !== undefined && total > known) output += total - known;
  return {
    input: Math.max(0, prompt - cachedInside - audioInside),
    cacheRead,
    cacheWrite5m: cacheWrite,
    cacheWrite1h: 0,
    output: Math.max(0, output - audioOutput),
    reasoning: Math.max(reasoning, reasoning === 0 ? output - completion : 0),
    audioInput,
    audioOutput,
    images: 0,
    source: 'reported',
    raw,
  };
}

/** The usage that an answer or a chunk reports, at Groq's own place too, under the tier it names; `undefined` for none. */
export function usageIn(body: JsonObject, quirks: Quirks): Usage | undefined {
  const groq = body['x_groq'];
  const usage = decodeUsage(body['usage'] ?? (isObject(groq) ? groq['usage'] : undefined), quirks);
  return usage && underTerms(usage, body['service_tier']);
}

/** What a Chat vendor says besides the counts written here (predicted tokens, its own price); `null` says nothing. */
function keptOf(raw: Json | undefined, key?: string): JsonObject {
  if (!isObject(raw) || !('prompt_tokens' in raw)) return {};
  const kept = { ...objectOf(key === undefined ? raw : raw[key]) };
  for (const name of Object.keys(kept)) if (kept[name] === null) delete kept[name];
  return kept;
}

/** Usage in OpenAI's shape: cached and written tokens inside `prompt_tokens`, reasoning inside `completion_tokens`. */
export function encodeUsage(usage: Usage): JsonObject {
  const prompt = promptTokens(usage);
  const completion = completionTokens(usage);
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    ...keptOf(usage.raw),
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: compact({
      ...keptOf(usage.raw, 'prompt_tokens_details'),
      cached_tokens: usage.cacheRead,
      audio_tokens: usage.audioInput,
      cache_write_tokens: written > 0 ? written : undefined,
    }),
    completion_tokens_details: {
      ...keptOf(usage.raw, 'completion_tokens_details'),
      reasoning_tokens: usage.reasoning,
      audio_tokens: usage.audioOutput,
    },
  };
}
