import type { Finish, FinishReason, Json } from '../../core/model/index.ts';

/** Google's words (`FinishReason`, and `BlockedReason` of a refused prompt) in ours; WIRE §2.2. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  IMAGE_OTHER: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  JAILBREAK: 'content_filter',
  LANGUAGE: 'error',
  OTHER: 'error',
  NO_IMAGE: 'error',
  MALFORMED_FUNCTION_CALL: 'error',
  MALFORMED_RESPONSE: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
  CONTINUATION: 'pause',
  FINISH_REASON_UNSPECIFIED: 'unknown',
};

/** Words after which the calls of the answer are still meant: seen with calls in recordings (WIRE §1.4). */
const WITH_CALLS = new Set(['STOP', 'UNEXPECTED_TOOL_CALL']);

/**
 * A candidate's end. Gemini has no word for "call a tool": that follows from the content. `undefined` or an
 * unheard word is `unknown`.
 */
export function decodeFinish(raw: string | undefined, hasCalls: boolean, message?: Json): Finish {
  if (raw === undefined) return { reason: 'unknown' };
  const known = Object.hasOwn(REASONS, raw) ? (REASONS[raw] ?? 'unknown') : 'unknown';
  return {
    reason: hasCalls && WITH_CALLS.has(raw) ? 'tool_calls' : known,
    raw,
    ...(message === undefined || message === null ? {} : { details: message }),
  };
}

/** The end of an answer to a prompt that was refused (`promptFeedback.blockReason`). */
export function blockedFinish(blockReason: string, message?: Json): Finish {
  return {
    reason: 'content_filter',
    raw: blockReason,
    ...(message === undefined || message === null ? {} : { details: message }),
  };
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  stop_sequence: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
  pause: 'CONTINUATION',
  error: 'OTHER',
  unknown: 'FINISH_REASON_UNSPECIFIED',
};

/** Google's word for an end; its own word is kept where the reason came from Google. */
export function encodeFinish(finish: Finish): string {
  const { raw, reason } = finish;
  if (raw !== undefined && Object.hasOwn(REASONS, raw)) {
    if (REASONS[raw] === reason || (reason === 'tool_calls' && WITH_CALLS.has(raw))) return raw;
  }
  return WORDS[reason];
}
