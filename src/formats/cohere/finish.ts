import type { Finish, FinishReason, Json } from '../../core/model/index.ts';

/** `finish_reason` words (WIRE §2.2; API reference ChatFinishReason, with those of the first version). */
const REASONS: Readonly<Record<string, FinishReason>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop_sequence',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool_calls',
  ERROR: 'error',
  ERROR_TOXIC: 'content_filter',
  ERROR_LIMIT: 'length',
  TIMEOUT: 'error',
};

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'COMPLETE',
  tool_calls: 'TOOL_CALL',
  length: 'MAX_TOKENS',
  stop_sequence: 'STOP_SEQUENCE',
  content_filter: 'ERROR',
  refusal: 'COMPLETE',
  pause: 'COMPLETE',
  error: 'ERROR',
  unknown: 'COMPLETE',
};

/**
 * Reads a finish reason. `calls`: the answer holds tool calls, from which a tool stop follows whatever the
 * word says.
 */
export function decodeFinish(word: Json | undefined, calls: boolean): Finish {
  const raw = typeof word === 'string' ? word : undefined;
  let reason: FinishReason = raw === undefined ? 'unknown' : (REASONS[raw] ?? 'unknown');
  if (calls && (reason === 'stop' || reason === 'unknown')) reason = 'tool_calls';
  return { reason, ...(raw === undefined ? {} : { raw }) };
}

/** The word for a finish; the upstream's own one where it is one of Cohere's and means the same. */
export function encodeFinish(finish: Finish): string {
  const { raw, reason } = finish;
  return raw !== undefined && REASONS[raw] === reason ? raw : WORDS[reason];
}
