import { SluiceError } from '../../core/errors/error.ts';
import { type ChatResponse, isObject, type JsonObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { createIdSource } from '../../core/translation/tool-ids.ts';
import { answerError } from '../classify.ts';
import type { Reply, Source } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import { bridgeResponse } from '../tool-bridge.ts';
import { decodeFinish, encodeFinish } from './finish.ts';
import { decodeAssistant } from './messages-decode.ts';
import { encodeAssistant } from './messages-encode.ts';
import { decodeUsage, encodeUsage } from './usage.ts';
import { extended, fromUpstream, own } from './wire.ts';

/** Fields of an answer or stream line that have a word in the model; the durations are left over. */
export const ANSWER_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'created_at',
  'message',
  'done',
  'done_reason',
  'prompt_eval_count',
  'eval_count',
  'logprobs',
]);

/** Model and time of an answer, for its head. */
export function headOf(body: JsonObject): Pick<ChatResponse, 'model' | 'created'> {
  const { model, created_at: createdAt } = body;
  const created = typeof createdAt === 'string' ? Math.floor(Date.parse(createdAt) / 1000) : Number.NaN;
  return {
    ...(typeof model === 'string' ? { model } : {}),
    ...(Number.isNaN(created) ? {} : { created }),
  };
}

/** What made ids depend on besides their place, so that two answers of one conversation differ. */
export function idSeed(body: JsonObject): string {
  return typeof body['created_at'] === 'string' ? body['created_at'] : '';
}

/** See `ChatCodec.decodeResponse`. Durations stand in the choice's extensions. */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  const { message, logprobs } = body;
  if (body['error'] !== undefined && !isObject(message)) throw answerError(body);
  if (!isObject(message))
    throw new SluiceError('upstream_malformed', 'The provider answered without `message`.');
  const ids = createIdSource(source.request, idSeed(body));
  const parts = fromUpstream(() => decodeAssistant(message, ids, 'message'));
  const calls = parts.some((part) => part.type === 'tool_call');
  const response: ChatResponse = {
    ...headOf(body),
    choices: [
      {
        index: 0,
        parts,
        finish: decodeFinish(body['done_reason'], calls),
        ...(Array.isArray(logprobs) ? { logprobs: { content: logprobs } } : {}),
        ...extended(unknownFields(body, ANSWER_FIELDS)),
      },
    ],
    usage: decodeUsage(body) ?? UNKNOWN_USAGE,
  };
  return bridgeResponse(response, source.request);
}

/** Model and time of a line to write. */
export function encodeHead(reply: Reply): JsonObject {
  return { model: reply.model, created_at: new Date(reply.created * 1000).toISOString() };
}

/** See `ChatCodec.encodeResponse`. Only the first answer fits. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const choice = response.choices[0];
  // An answer has been paid for: media that Ollama's answers do not hold is left out, never refused.
  const parts = (choice?.parts ?? []).filter(
    (part) => !('source' in part) || (part.type === 'image' && part.source.kind === 'base64'),
  );
  const logprobs = isObject(choice?.logprobs) ? choice.logprobs['content'] : undefined;
  return {
    ...encodeHead(reply),
    message: { role: 'assistant', ...encodeAssistant(parts, new Set()) },
    ...(logprobs === undefined ? {} : { logprobs }),
    done: true,
    done_reason: encodeFinish(choice?.finish ?? { reason: 'unknown' }),
    ...own(choice?.extensions),
    ...encodeUsage(response.usage),
  };
}
