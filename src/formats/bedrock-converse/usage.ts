import { isObject, type Json, type JsonObject, type Usage, underTerms } from '../../core/model/index.ts';
import { tokenCount } from '../token-count.ts';

function count(usage: JsonObject, ...keys: readonly string[]): number {
  for (const key of keys) {
    const tokens = tokenCount(usage[key]);
    if (tokens !== undefined) return tokens;
  }
  return 0;
}

/** Tokens written with a one-hour lifetime (`cacheDetails`, API reference CacheDetail). */
function hourWrites(details: Json | undefined): number {
  let sum = 0;
  for (const detail of Array.isArray(details) ? details : []) {
    if (isObject(detail) && detail['ttl'] === '1h') sum += count(detail, 'inputTokens');
  }
  return sum;
}

/**
 * Reads a Converse `usage`; `undefined` if there is none. `inputTokens` excludes cache reads and writes:
 * total = input + output + cacheRead + cacheWrite (WIRE §1.1, 20 of 20).
 */
function decodeUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value) || (value['inputTokens'] === undefined && value['outputTokens'] === undefined)) {
    return undefined;
  }
  const writes = count(value, 'cacheWriteInputTokens', 'cacheWriteInputTokenCount');
  const hour = Math.min(writes, hourWrites(value['cacheDetails']));
  return {
    input: count(value, 'inputTokens'),
    cacheRead: count(value, 'cacheReadInputTokens', 'cacheReadInputTokenCount'),
    cacheWrite5m: writes - hour,
    cacheWrite1h: hour,
    output: count(value, 'outputTokens'),
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
    raw: value,
  };
}

/** The usage of an answer, or of the last event of a stream, under the service tier it names. */
export function usageIn(body: JsonObject): Usage | undefined {
  const usage = decodeUsage(body['usage']);
  return usage && underTerms(usage, body['serviceTier']);
}

/**
 * Writes usage as Converse does; audio tokens are counted with the others, because it has no class for them.
 */
export function encodeUsage(usage: Usage): JsonObject {
  const input = usage.input + usage.audioInput;
  const output = usage.output + usage.audioOutput;
  const writes = usage.cacheWrite5m + usage.cacheWrite1h;
  const body: JsonObject = {
    inputTokens: input,
    outputTokens: output,
    totalTokens: input + output + usage.cacheRead + writes,
  };
  if (usage.cacheRead > 0 || writes > 0) {
    body['cacheReadInputTokens'] = usage.cacheRead;
    body['cacheWriteInputTokens'] = writes;
  }
  if (usage.cacheWrite1h > 0) {
    body['cacheDetails'] = [
      { ttl: '1h', inputTokens: usage.cacheWrite1h },
      ...(usage.cacheWrite5m > 0 ? [{ ttl: '5m', inputTokens: usage.cacheWrite5m }] : []),
    ];
  }
  return body;
}
