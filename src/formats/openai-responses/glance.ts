import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { Source } from '../codec.ts';
import { callBytes, type Glance, glanceAt } from '../glance.ts';
import { decodeFinish } from './finish.ts';
import { argumentsOf, carriedBack, isText, reasoningTexts } from './items.ts';
import { decodeResponse } from './response.ts';
import { usageIn } from './usage.ts';

/** What the items of an answer come to. */
interface Sum {
  parts: number;
  bytes: number;
  hasCalls: boolean;
  hasRefusal: boolean;
}

function bytesOf(text: Json | undefined): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : 0;
}

function addContent(sum: Sum, content: Json | undefined): void {
  if (typeof content === 'string') {
    sum.parts++;
    sum.bytes += bytesOf(content);
  }
  for (const entry of Array.isArray(content) ? content : []) {
    if (!isObject(entry)) continue;
    sum.parts++;
    if (isText(entry)) sum.bytes += bytesOf(entry['text']);
    else if (entry['type'] === 'refusal') {
      sum.hasRefusal = true;
      sum.bytes += bytesOf(entry['refusal']);
    }
  }
}

function addItem(sum: Sum, item: JsonObject): void {
  const { type, content, name } = item;
  if (type === 'message') {
    addContent(sum, content);
    return;
  }
  // The signature of the part before it, and no part of its own.
  if (carriedBack(item) !== undefined) return;
  sum.parts++;
  if (type === 'reasoning') {
    sum.bytes += bytesOf(
      reasoningTexts(item)
        .map(({ text }) => text)
        .join(''),
    );
  } else if (type === 'function_call' || type === 'custom_tool_call') {
    sum.hasCalls = true;
    sum.bytes += callBytes(typeof name === 'string' ? name : '', argumentsOf(item));
  }
}

/** See `ChatCodec.glance`. */
export function glance(body: JsonObject, source: Source): Glance {
  const { error, id, output, status } = body;
  const isFailure = status === 'failed' || (error !== undefined && error !== null);
  if (isFailure || !Array.isArray(output)) return glanceAt(decodeResponse(body, source));
  const sum: Sum = { parts: 0, bytes: 0, hasCalls: false, hasRefusal: false };
  for (const item of output) if (isObject(item)) addItem(sum, item);
  return {
    id: typeof id === 'string' && id !== '' ? id : undefined,
    usage: usageIn(body),
    finish: decodeFinish(body, sum),
    outputBytes: sum.bytes,
    isEmpty: sum.parts === 0,
  };
}
