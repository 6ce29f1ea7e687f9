import type { Finish, FinishReason, Json } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';

/** Anthropic's `stop_reason` words, from the official types and WIRE §2.2; `compaction` is a pause of a beta. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  stop_sequence: 'stop_sequence',
  refusal: 'refusal',
  pause_turn: 'pause',
  compaction: 'pause',
};

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  tool_calls: 'tool_use',
  length: 'max_tokens',
  stop_sequence: 'stop_sequence',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  error: 'error',
  unknown: 'end_turn',
};

/** What an answer says about its end, as read. */
export interface StopFields {
  readonly stop_reason?: Json | undefined;
  readonly stop_sequence?: Json | undefined;
  readonly stop_details?: Json | undefined;
}

/** What the parts of an answer say about its end. */
export interface Ending {
  readonly hasToolCall: boolean;
  /** The only call was the forced output tool, which the client never sees. */
  readonly outputTool?: boolean;
}

/** Reads `stop_reason` and its company. A stop with tool calls is a tool stop, whatever word was used (WIRE §2.2). */
export function decodeFinish(fields: StopFields, ending: Ending): Finish {
  const raw = typeof fields.stop_reason === 'string' ? fields.stop_reason : undefined;
  let reason: FinishReason = (raw === undefined ? undefined : REASONS[raw]) ?? 'unknown';
  if (reason === 'stop' && ending.hasToolCall) reason = 'tool_calls';
  if (reason === 'tool_calls' && ending.outputTool === true && !ending.hasToolCall) reason = 'stop';
  return {
    reason,
    ...(raw === undefined ? {} : { raw }),
    ...(typeof fields.stop_sequence === 'string' ? { stopSequence: fields.stop_sequence } : {}),
    ...(fields.stop_details === undefined || fields.stop_details === null
      ? {}
      : { details: fields.stop_details }),
  };
}

/** What the parts written so far say. */
export interface Written {
  readonly hasToolCall: boolean;
  /** The model's words for declining, where it had some. */
  readonly refusal: string | undefined;
}

/** `stop_reason`, `stop_sequence` and `stop_details` of an answer; the upstream's word is kept where it is Anthropic's. */
export function encodeFinish(finish: Finish, written: Written): Required<StopFields> {
  let { reason } = finish;
  if (reason === 'stop' || reason === 'unknown') {
    if (written.hasToolCall) reason = 'tool_calls';
    else if (written.refusal !== undefined) reason = 'refusal';
  }
  const { raw } = finish;
  const word = raw !== undefined && REASONS[raw] === reason ? raw : WORDS[reason];
  const explained =
    word === 'refusal' && written.refusal !== undefined
      ? { type: 'refusal', category: null, explanation: written.refusal }
      : null;
  return {
    stop_reason: word,
    stop_sequence: finish.stopSequence ?? null,
    stop_details: isObject(finish.details) && finish.details['type'] === word ? finish.details : explained,
  };
}
