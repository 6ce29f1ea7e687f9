import {
  type ChatResponse,
  type Choice,
  type Finish,
  isObject,
  type Json,
  type JsonObject,
  type OutputPart,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import type { Reply } from '../codec.ts';
import { compact } from '../fields.ts';
import { encodeFinish } from '../openai-chat/finish.ts';
import { encodeUsage } from '../openai-chat/usage.ts';

/** The finish of a choice. No tools are offered here; a refusal without words of its own reads as filtered, as on Chat. */
export function finishOf(finish: Finish, hasRefusal: boolean): string {
  return encodeFinish(finish, { hasCalls: false, hasRefusal });
}

/** What a client of this dialect can read of an answer: its words, also those of a refusal. */
function textOf(parts: readonly OutputPart[]): string {
  let text = '';
  for (const part of parts) if (part.type === 'text' || part.type === 'refusal') text += part.text;
  return text;
}

function alternatives(list: Json | undefined): JsonObject {
  const found: JsonObject = {};
  for (const entry of Array.isArray(list) ? list : []) {
    if (isObject(entry) && typeof entry['token'] === 'string') found[entry['token']] = entry['logprob'];
  }
  return found;
}

/** Chat's log-probabilities as parallel lists; `offset` is where in the text the first token stands. */
export function encodeLogprobs(logprobs: Json | undefined, offset = 0): Json {
  const content = isObject(logprobs) ? logprobs['content'] : undefined;
  if (!Array.isArray(content)) return null;
  const entries = content.filter(isObject);
  let at = offset;
  const offsets = entries.map(({ token }) => {
    const start = at;
    at += typeof token === 'string' ? token.length : 0;
    return start;
  });
  return {
    tokens: entries.map(({ token }) => token ?? null),
    token_logprobs: entries.map(({ logprob }) => (toNumber(logprob) as number | undefined) ?? null),
    top_logprobs: entries.map((entry) => alternatives(entry['top_logprobs'])),
    text_offset: offsets,
  };
}

function encodeChoice(choice: Choice): JsonObject {
  return {
    text: textOf(choice.parts),
    index: choice.index,
    logprobs: encodeLogprobs(choice.logprobs),
    finish_reason: finishOf(
      choice.finish,
      choice.parts.some(({ type }) => type === 'refusal'),
    ),
  };
}

/** See `ChatCodec.encodeResponse`. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const { usage } = response;
  return compact({
    id: reply.id,
    object: 'text_completion',
    created: reply.created,
    model: reply.model,
    choices: response.choices.map(encodeChoice),
    usage: usage.source === 'unknown' ? undefined : encodeUsage(usage),
  });
}
