import { type Finish, isObject, type Json, type JsonObject } from '../../core/model/index.ts';

/** What the items of an answer say about its end. */
export interface Content {
  readonly hasCalls: boolean;
  readonly hasRefusal: boolean;
}

/** Reads `hasCalls` and `hasRefusal` off canonical parts. */
export function contentFacts(parts: readonly { readonly type: string }[]): Content {
  return {
    hasCalls: parts.some((part) => part.type === 'tool_call'),
    hasRefusal: parts.some((part) => part.type === 'refusal'),
  };
}

/** `incomplete_details.reason` words (official SDK) by meaning. */
const INCOMPLETE: Readonly<Record<string, Finish['reason']>> = {
  max_output_tokens: 'length',
  max_tokens: 'length',
  content_filter: 'content_filter',
};

/**
 * The finish from `status` and `incomplete_details`; that tools were asked for follows from the items (WIRE §2.2). An answer
 * without a status (some compatible servers) was sent whole, so it counts as completed.
 */
export function decodeFinish(response: JsonObject, content: Content): Finish {
  const status = typeof response['status'] === 'string' ? response['status'] : 'completed';
  if (status === 'incomplete') {
    const details: Json | undefined = response['incomplete_details'];
    const reason = isObject(details) ? details['reason'] : undefined;
    const raw = typeof reason === 'string' ? reason : status;
    return { reason: INCOMPLETE[raw] ?? 'unknown', raw };
  }
  if (status !== 'completed') return { reason: 'unknown', raw: status };
  if (content.hasCalls) return { reason: 'tool_calls', raw: status };
  return { reason: content.hasRefusal ? 'refusal' : 'stop', raw: status };
}

/** How an answer's end is written: `status` and `incomplete_details`. */
export interface Ending {
  readonly status: 'completed' | 'incomplete' | 'failed' | 'queued' | 'in_progress' | 'cancelled';
  readonly incompleteReason?: string;
}

/** Background answers: not finished, and no failure. */
const OPEN_STATES: ReadonlySet<string> = new Set(['queued', 'in_progress', 'cancelled']);

/** Reasons of `incomplete` that only this format has. */
const OWN_REASONS: ReadonlySet<string> = new Set(['max_messages', 'steered']);

/** A decline without words would look like an empty answer, so it is told as filtered. */
export function encodeFinish({ reason, raw }: Finish, content: Content): Ending {
  switch (reason) {
    case 'error':
      return { status: 'failed' };
    case 'refusal':
      return content.hasRefusal
        ? { status: 'completed' }
        : { status: 'incomplete', incompleteReason: 'content_filter' };
    case 'length':
      return { status: 'incomplete', incompleteReason: 'max_output_tokens' };
    case 'content_filter':
      return { status: 'incomplete', incompleteReason: 'content_filter' };
    case 'unknown':
      if (raw !== undefined && OPEN_STATES.has(raw)) return { status: raw as Ending['status'] };
      if (raw !== undefined && OWN_REASONS.has(raw)) return { status: 'incomplete', incompleteReason: raw };
      return { status: 'completed' };
    default:
      return { status: 'completed' };
  }
}
