import { isObject, type Json, type JsonObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import type { Source } from '../codec.ts';
import { type Glance, glanceAt } from '../glance.ts';
import { decodeFinish } from './finish.ts';
import { textOf } from './messages-decode.ts';
import { decodeResponse, finishWord } from './response.ts';
import { usageIn } from './usage.ts';

/** Fields of a message that hold more than plain text; with one of them an answer is decoded. */
const RICH_FIELDS = [
  'tool_calls',
  'function_call',
  'reasoning_details',
  'images',
  'audio',
  'extra_content',
] as const;

function isPlain(message: JsonObject): boolean {
  const { content } = message;
  if (typeof content !== 'string' && content !== null && content !== undefined) return false;
  for (const field of RICH_FIELDS) {
    const value = message[field];
    if (value !== undefined && value !== null) return false;
  }
  return true;
}

/** The message of an answer that has one choice and nothing but texts in it. */
function plainMessage(body: JsonObject, choice: Json | undefined): JsonObject | undefined {
  const { error } = body;
  if ((error !== undefined && error !== null) || !isObject(choice)) return undefined;
  const message = choice['message'] ?? choice['delta'];
  return isObject(message) && isPlain(message) ? message : undefined;
}

/** See `ChatCodec.glance`. */
export function glance(body: JsonObject, source: Source): Glance {
  const { choices, id } = body;
  const choice = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  const message = plainMessage(body, choice);
  if (message === undefined || !isObject(choice)) return glanceAt(decodeResponse(body, source));
  const reasoning = textOf(message['reasoning_content'] ?? message['reasoning']);
  const content = textOf(message['content']);
  const refusal = textOf(message['refusal']);
  return {
    id: typeof id === 'string' && id !== '' ? id : undefined,
    usage: usageIn(body, source.quirks) ?? UNKNOWN_USAGE,
    finish: decodeFinish(finishWord(choice), { hasCalls: false, hasRefusal: refusal !== '' }),
    outputBytes: bytesOf(reasoning) + bytesOf(content) + bytesOf(refusal),
    isEmpty: reasoning === '' && content === '' && refusal === '',
  };
}

function bytesOf(text: string): number {
  return text === '' ? 0 : Buffer.byteLength(text);
}
