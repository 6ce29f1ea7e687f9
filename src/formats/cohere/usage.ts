import { isObject, type Json, type JsonObject, type Usage } from '../../core/model/index.ts';
import { tokenCount } from '../token-count.ts';

function count(...values: readonly (Json | undefined)[]): number {
  for (const value of values) {
    const number = tokenCount(value);
    if (number !== undefined) return number;
  }
  return 0;
}

/**
 * Reads a Cohere `usage`; `undefined` if there is none. `tokens` are the true counts, `billed_units` the
 * price's (WIRE §1.1); the latter stay in `raw`. `cached_tokens` are among the input tokens. Image tokens
 * stand beside the input and are not added, as in the reference decoding.
 */
export function decodeUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value)) return undefined;
  const tokens = isObject(value['tokens']) ? value['tokens'] : {};
  const billed = isObject(value['billed_units']) ? value['billed_units'] : {};
  if (Object.keys(tokens).length === 0 && Object.keys(billed).length === 0) return undefined;
  const input = count(tokens['input_tokens'], billed['input_tokens']);
  const cacheRead = Math.min(input, count(value['cached_tokens']));
  return {
    input: input - cacheRead,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: count(tokens['output_tokens'], billed['output_tokens']),
    reasoning: count(tokens['reasoning_tokens']),
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
    raw: value,
  };
}

/** Writes usage as Cohere does; `undefined` if nothing is known. */
export function encodeUsage(usage: Usage): JsonObject | undefined {
  if (usage.source === 'unknown') return undefined;
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  const input = usage.input + usage.cacheRead + written + usage.audioInput;
  const output = usage.output + usage.audioOutput;
  const tokens: JsonObject = { input_tokens: input, output_tokens: output };
  if (usage.reasoning > 0) tokens['reasoning_tokens'] = usage.reasoning;
  return {
    billed_units: { input_tokens: input, output_tokens: output },
    tokens,
    cached_tokens: usage.cacheRead,
  };
}
