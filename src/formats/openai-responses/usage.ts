import {
  completionTokens,
  isObject,
  type Json,
  type JsonObject,
  promptTokens,
  UNKNOWN_USAGE,
  type Usage,
  underTerms,
} from '../../core/model/index.ts';
import { tokenCount } from '../token-count.ts';

/** A token count; anything that cannot be one counts as 0. */
function count(holder: Json | undefined, key: string): number {
  return (isObject(holder) ? tokenCount(holder[key]) : undefined) ?? 0;
}

/** Searches among the items of an answer. Pages that were opened or looked through cost nothing (OpenAI's price list). */
function searchesOf(output: Json | undefined): number {
  if (!Array.isArray(output)) return 0;
  let searches = 0;
  for (const item of output) {
    if (!isObject(item) || item['type'] !== 'web_search_call') continue;
    const { action } = item;
    if (!isObject(action) || action['type'] === 'search' || action['type'] === undefined) searches += 1;
  }
  return searches;
}

/**
 * Usage of a Responses answer as disjoint classes. There `input_tokens` includes cached and cache-written tokens and
 * `output_tokens` includes reasoning (WIRE §1.1, 513 of 513 recordings). The items of `output` tell how often was searched.
 */
export function decodeUsage(raw: Json | undefined, output?: Json): Usage {
  if (!isObject(raw)) return UNKNOWN_USAGE;
  const webSearches = searchesOf(output);
  const details = raw['input_tokens_details'];
  const cacheRead = count(details, 'cached_tokens');
  const cacheWrite = count(details, 'cache_write_tokens');
  return {
    ...UNKNOWN_USAGE,
    input: Math.max(0, count(raw, 'input_tokens') - cacheRead - cacheWrite),
    cacheRead,
    cacheWrite5m: cacheWrite,
    output: count(raw, 'output_tokens'),
    reasoning: count(raw['output_tokens_details'], 'reasoning_tokens'),
    ...(webSearches === 0 ? {} : { webSearches }),
    source: 'reported',
    raw,
  };
}

/** The usage that a response object reports, under the terms it names. */
export function usageIn(response: JsonObject): Usage {
  return underTerms(decodeUsage(response['usage'], response['output']), response['service_tier']);
}

/** Official SDK `ResponseUsage`; `null` when nothing is known, because a zero would be taken for a report. */
export function encodeUsage(usage: Usage): JsonObject | null {
  if (usage.source === 'unknown') return null;
  const input = promptTokens(usage);
  const output = completionTokens(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + output,
  };
}
