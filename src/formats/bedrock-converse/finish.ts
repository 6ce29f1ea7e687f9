import type { Finish, FinishReason, Json, JsonObject } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';

/** `stopReason` words (WIRE §2.2). */
const REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  stop_sequence: 'stop_sequence',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
  malformed_tool_use: 'error',
  malformed_model_output: 'error',
};

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  tool_calls: 'tool_use',
  length: 'max_tokens',
  stop_sequence: 'stop_sequence',
  content_filter: 'content_filtered',
  refusal: 'content_filtered',
  pause: 'end_turn',
  error: 'malformed_model_output',
  unknown: 'end_turn',
};

/** The matched sequence, where the request asked for it by `additionalModelResponseFieldPaths`. */
function matchedSequence(fields: Json | undefined): string | undefined {
  if (!isObject(fields)) return undefined;
  const inner = isObject(fields['delta']) ? fields['delta'] : fields;
  return typeof inner['stop_sequence'] === 'string' ? inner['stop_sequence'] : undefined;
}

/**
 * Reads a stop reason. `calls`: the answer holds tool calls, from which a tool stop follows whatever the word
 * says.
 */
export function decodeFinish(word: Json | undefined, calls: boolean, fields?: Json): Finish {
  const raw = typeof word === 'string' ? word : undefined;
  let reason: FinishReason = raw === undefined ? 'unknown' : (REASONS[raw] ?? 'unknown');
  if (calls && (reason === 'stop' || reason === 'unknown')) reason = 'tool_calls';
  const stopSequence = matchedSequence(fields);
  return {
    reason,
    ...(raw === undefined ? {} : { raw }),
    ...(stopSequence === undefined ? {} : { stopSequence }),
  };
}

/** The word for a finish; the upstream's own one where it is one of Converse's and means the same. */
export function encodeFinish(finish: Finish): string {
  const { raw, reason } = finish;
  return raw !== undefined && REASONS[raw] === reason ? raw : WORDS[reason];
}

/** `additionalModelResponseFields` that name a matched stop sequence, unless the answer brought its own. */
export function responseFields(finish: Finish, brought: JsonObject): JsonObject {
  if (finish.stopSequence === undefined || brought['additionalModelResponseFields'] !== undefined) return {};
  return { additionalModelResponseFields: { stop_sequence: finish.stopSequence } };
}
