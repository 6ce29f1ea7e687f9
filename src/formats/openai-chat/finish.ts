import type { Finish, FinishReason, Json } from '../../core/model/index.ts';

/** Every recorded or documented `finish_reason`, by meaning. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  eos: 'stop',
  end_turn: 'stop',
  end: 'stop',
  load: 'stop',
  complete: 'stop',
  completed: 'stop',
  cache: 'stop',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  max_output_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_calls: 'tool_calls',
  tool_use: 'tool_calls',
  function_call: 'tool_calls',
  tool_call: 'tool_calls',
  stop_sequence: 'stop_sequence',
  content_filter: 'content_filter',
  content_filtered: 'content_filter',
  safety: 'content_filter',
  sensitive: 'content_filter',
  recitation: 'content_filter',
  refusal: 'refusal',
  pause_turn: 'pause',
  error: 'error',
  network_error: 'error',
  insufficient_system_resource: 'error',
  abort: 'error',
};

/** What the parts of a choice say about its end. */
export interface Content {
  readonly hasCalls: boolean;
  readonly hasRefusal: boolean;
  /** The client gave `functions`, see `ChatRequest.legacyFunctions`. */
  readonly legacy?: boolean | undefined;
}

/**
 * The finish of a choice. That tools were asked for follows from the content, not from the upstream's word (WIRE §2.2);
 * a refusal's own finish is a plain stop. `raw` absent: the upstream ended properly and said nothing.
 */
export function decodeFinish(raw: string | undefined, content: Content, details?: Json): Finish {
  const known = raw === undefined ? 'unknown' : (REASONS[raw.toLowerCase()] ?? 'unknown');
  let reason: FinishReason = known;
  const isPlain = known === 'stop' || known === 'unknown' || known === 'tool_calls';
  if (isPlain && content.hasCalls) reason = 'tool_calls';
  else if (known === 'tool_calls') reason = 'stop';
  else if (known === 'stop' && content.hasRefusal) reason = 'refusal';
  if (details !== undefined) return { reason, ...(raw === undefined ? {} : { raw }), details };
  return raw === undefined ? { reason } : { reason, raw };
}

function callsWord({ legacy }: Content): string {
  return legacy === true ? 'function_call' : 'tool_calls';
}

/** The word a Chat client reads. Clients demand one, so a missing reason is told from the content. */
export function encodeFinish({ reason }: Finish, content: Content): string {
  switch (reason) {
    case 'tool_calls':
      return callsWord(content);
    case 'length':
    case 'content_filter':
    case 'error':
      return reason;
    case 'refusal':
      // OpenAI ends a refusal in words with `stop`; one without words would look like an empty answer.
      return content.hasRefusal ? 'stop' : 'content_filter';
    case 'unknown':
      return content.hasCalls ? callsWord(content) : 'stop';
    default:
      return 'stop';
  }
}
