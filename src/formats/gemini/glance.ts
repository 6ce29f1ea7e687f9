import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { Source } from '../codec.ts';
import { type Glance, glanceAt } from '../glance.ts';
import { asObject, asString, listOf } from './aliases.ts';
import { decodeFinish } from './finish.ts';
import { decodeResponse } from './response.ts';
import { decodeUsage } from './usage.ts';

/** Bytes of parts that are all texts or thoughts in words; `undefined` where there is any other. */
function plainBytes(parts: readonly Json[]): number | undefined {
  let bytes = 0;
  for (const part of parts) {
    const text = isObject(part) ? part['text'] : undefined;
    if (typeof text !== 'string' || text === '') return undefined;
    bytes += Buffer.byteLength(text);
  }
  return bytes;
}

/** See `ChatCodec.glance`. */
export function glance(body: JsonObject, source: Source): Glance {
  const { candidates, responseId, usageMetadata } = body;
  const candidate = Array.isArray(candidates) && candidates.length === 1 ? candidates[0] : undefined;
  const parts = isObject(candidate) ? listOf(asObject(candidate['content'])?.['parts']) : [];
  const outputBytes = plainBytes(parts);
  if (!isObject(candidate) || outputBytes === undefined) return glanceAt(decodeResponse(body, source));
  return {
    id: asString(responseId),
    usage: decodeUsage(usageMetadata),
    finish: decodeFinish(asString(candidate['finishReason']), false, candidate['finishMessage']),
    outputBytes,
    isEmpty: parts.length === 0,
  };
}
