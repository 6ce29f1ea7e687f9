import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { Source } from '../codec.ts';
import { type Glance, glanceAt } from '../glance.ts';
import { decodeFinish } from './finish.ts';
import { decodeResponse } from './response.ts';
import { decodeUsage } from './usage.ts';

/** Bytes of a block that is plain text or a thought; `undefined` for any other. */
function textBytes(block: Json): number | undefined {
  if (!isObject(block) || 'name' in block) return undefined;
  const { type } = block;
  if (type === 'redacted_thinking') return 0;
  if (type !== 'text' && type !== 'thinking') return undefined;
  const text = block[type];
  return typeof text === 'string' ? Buffer.byteLength(text) : 0;
}

/** Bytes of an answer that holds nothing but texts and thoughts. */
function plainBytes(content: readonly Json[]): number | undefined {
  let bytes = 0;
  for (const block of content) {
    const more = textBytes(block);
    if (more === undefined) return undefined;
    bytes += more;
  }
  return bytes;
}

/** See `ChatCodec.glance`. */
export function glance(body: JsonObject, source: Source): Glance {
  const { content, error, id, type, usage } = body;
  const isMessage = type !== 'error' && (error === undefined || error === null) && Array.isArray(content);
  const outputBytes = isMessage ? plainBytes(content) : undefined;
  if (!isMessage || outputBytes === undefined) return glanceAt(decodeResponse(body, source));
  return {
    id: typeof id === 'string' ? id : undefined,
    usage: decodeUsage(usage),
    finish: decodeFinish(body, { hasToolCall: false }),
    outputBytes,
    isEmpty: content.length === 0,
  };
}
