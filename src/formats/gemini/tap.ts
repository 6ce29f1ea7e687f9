import { isObject, type Json, UNKNOWN_USAGE } from '../../core/model/index.ts';
import type { Frame } from '../frame.ts';
import type { Observation, Seen, TapRules } from '../tap.ts';
import { asObject, asString, listOf } from './aliases.ts';
import { upstreamError } from './errors.ts';
import { blockedFinish, decodeFinish } from './finish.ts';
import { decodeUsage, isUsage } from './usage.ts';

function finishOf(chunk: { readonly [key: string]: Json | undefined }): Pick<Observation, 'finish' | 'done'> {
  const feedback = chunk['promptFeedback'];
  const blocked = isObject(feedback) ? feedback['blockReason'] : undefined;
  if (typeof blocked === 'string') return { finish: blockedFinish(blocked), done: true };
  const candidates = Array.isArray(chunk['candidates']) ? chunk['candidates'] : [];
  for (const candidate of candidates) {
    if (!isObject(candidate) || typeof candidate['finishReason'] !== 'string') continue;
    if ((candidate['index'] ?? 0) !== 0) continue;
    // Calls went by unread; the upstream's own word is all there is.
    return { finish: decodeFinish(candidate['finishReason'], false), done: true };
  }
  return {};
}

/** Pictures in a chunk; a price may be one by the picture. */
function imagesIn(chunk: { readonly [key: string]: Json | undefined }): number {
  let images = 0;
  for (const candidate of listOf(chunk['candidates'])) {
    for (const part of listOf(asObject(asObject(candidate)?.['content'])?.['parts'])) {
      const type = asString(asObject(asObject(part)?.['inlineData'])?.['mimeType']);
      if (type?.startsWith('image/') === true) images++;
    }
  }
  return images;
}

function read(frame: Frame, before: Seen): Observation {
  const chunk = JSON.parse(frame.data) as Json;
  if (!isObject(chunk)) return {};
  if (chunk['error'] !== undefined) return { error: upstreamError(chunk) };
  const meta = chunk['usageMetadata'];
  const images = (before.usage?.images ?? 0) + imagesIn(chunk);
  const known = before.usage ?? UNKNOWN_USAGE;
  if (isUsage(meta)) return { ...finishOf(chunk), usage: decodeUsage(meta, images) };
  return { ...finishOf(chunk), ...(images === known.images ? {} : { usage: { ...known, images } }) };
}

/**
 * How a Gemini stream that is forwarded as it is can be watched. It has no terminator: a finish reason (or a refused prompt)
 * ends it. Usage is a snapshot on every event; those of the events that are parsed count.
 */
export const tapRules: TapRules = {
  content: ['"text": "', '"text":"'],
  // An empty text or a list without parts says nothing; parts of any other kind are content.
  begins:
    /"text": ?"[^"]|"(?:functionCall|inlineData|fileData|executableCode|codeExecutionResult)"|"finishReason": ?"/,
  watch: ['"finishReason"', '"blockReason"', '"error"', '"inlineData"'],
  hasTerminator: false,
  read,
};
