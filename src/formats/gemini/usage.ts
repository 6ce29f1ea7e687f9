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
import { compact } from '../fields.ts';
import { tokenCount } from '../token-count.ts';

function audio(details: Json | undefined): number {
  let tokens = 0;
  for (const entry of Array.isArray(details) ? details : []) {
    if (isObject(entry) && entry['modality'] === 'AUDIO') tokens += tokenCount(entry['tokenCount']) ?? 0;
  }
  return tokens;
}

/** Whether a snapshot says enough to be believed; Vertex sends ones with nothing but `trafficType` first. */
export function isUsage(meta: Json | undefined): meta is JsonObject {
  return isObject(meta) && tokenCount(meta['promptTokenCount']) !== undefined;
}

/**
 * Reads `usageMetadata`. Identities of WIRE §1.1: total = prompt + candidates + thoughts + toolUsePrompt, so
 * thoughts are added to the output and tool-use prompts to the input; cachedContent is inside prompt. Without
 * a prompt count the figures are incomplete and the source is `unknown`. `images`: pictures counted in the
 * answer.
 */
export function decodeUsage(meta: Json | undefined, images = 0): Usage {
  if (meta === undefined || meta === null) return images === 0 ? UNKNOWN_USAGE : { ...UNKNOWN_USAGE, images };
  if (!isUsage(meta)) return { ...UNKNOWN_USAGE, images, raw: meta };
  const prompt =
    (tokenCount(meta['promptTokenCount']) ?? 0) + (tokenCount(meta['toolUsePromptTokenCount']) ?? 0);
  const cacheRead = Math.min(prompt, tokenCount(meta['cachedContentTokenCount']) ?? 0);
  const heard = audio(meta['promptTokensDetails']) + audio(meta['toolUsePromptTokensDetails']);
  const audioInput = Math.min(prompt - cacheRead, Math.max(0, heard - audio(meta['cacheTokensDetails'])));
  const reasoning = tokenCount(meta['thoughtsTokenCount']) ?? 0;
  const candidates = tokenCount(meta['candidatesTokenCount']) ?? 0;
  const audioOutput = Math.min(candidates, audio(meta['candidatesTokensDetails']));
  const usage: Usage = {
    ...UNKNOWN_USAGE,
    input: prompt - cacheRead - audioInput,
    cacheRead,
    output: candidates - audioOutput + reasoning,
    reasoning,
    audioInput,
    audioOutput,
    images,
    source: 'reported',
    raw: meta,
  };
  return underTerms(usage, meta['serviceTier'], meta['trafficType']);
}

const CLASSES = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'output',
  'reasoning',
  'audioInput',
  'audioOutput',
] as const;

function details(text: number, sound: number): Json | undefined {
  if (sound === 0) return undefined;
  return [
    ...(text > 0 ? [{ modality: 'TEXT', tokenCount: text }] : []),
    { modality: 'AUDIO', tokenCount: sound },
  ];
}

/**
 * Writes `usageMetadata`, or `undefined` when nothing is known. Google's own object is passed on where its
 * figures still are the usage; cache writes have no word here and count as prompt.
 */
export function encodeUsage(usage: Usage): JsonObject | undefined {
  if (usage.source === 'unknown') return undefined;
  if (isUsage(usage.raw)) {
    const again = decodeUsage(usage.raw);
    if (CLASSES.every((name) => again[name] === usage[name])) return usage.raw;
  }
  const prompt = promptTokens(usage);
  const output = completionTokens(usage);
  const reasoning = Math.min(usage.reasoning, output);
  return compact({
    promptTokenCount: prompt,
    cachedContentTokenCount: usage.cacheRead > 0 ? usage.cacheRead : undefined,
    candidatesTokenCount: output - reasoning,
    thoughtsTokenCount: reasoning > 0 ? reasoning : undefined,
    totalTokenCount: prompt + output,
    promptTokensDetails: details(prompt - usage.audioInput, usage.audioInput),
    candidatesTokensDetails: details(output - reasoning - usage.audioOutput, usage.audioOutput),
  });
}
