import { SluiceError } from '../../core/errors/error.ts';
import { type ChatResponse, isObject, type JsonObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { answerError } from '../classify.ts';
import type { Reply, Source } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import { bridgeResponse } from '../tool-bridge.ts';
import { decodeFinish, encodeFinish } from './finish.ts';
import { decodeAssistant } from './messages-decode.ts';
import { encodeAssistant } from './messages-encode.ts';
import { decodeUsage, encodeUsage } from './usage.ts';
import { extended, fromUpstream, own } from './wire.ts';

const KNOWN = new Set(['id', 'message', 'finish_reason', 'usage']);

/**
 * See `ChatCodec.decodeResponse`. `tool_plan` and Cohere's log-probabilities stand in the choice's
 * extensions.
 */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  const { message } = body;
  if (!isObject(message)) {
    if (typeof message === 'string') throw answerError(body);
    throw new SluiceError('upstream_malformed', 'The provider answered without `message`.');
  }
  const content = fromUpstream(() => decodeAssistant(message, 'message'));
  const calls = content.parts.some((part) => part.type === 'tool_call');
  const response: ChatResponse = {
    ...(typeof body['id'] === 'string' ? { id: body['id'] } : {}),
    choices: [
      {
        index: 0,
        parts: content.parts,
        finish: decodeFinish(body['finish_reason'], calls),
        ...extended({ ...unknownFields(body, KNOWN), ...content.rest }),
      },
    ],
    usage: decodeUsage(body['usage']) ?? UNKNOWN_USAGE,
  };
  return bridgeResponse(response, source.request);
}

/** See `ChatCodec.encodeResponse`. Only the first answer fits. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const choice = response.choices[0];
  const { tool_plan: plan, citations: left, ...brought } = own(choice?.extensions);
  // An answer has been paid for: media, which Cohere's answers do not hold, is left out, never refused.
  const parts = (choice?.parts ?? []).filter((part) => !('source' in part));
  const message = encodeAssistant(parts, new Set());
  const citations = [message['citations'], left].flatMap((entry) => (Array.isArray(entry) ? entry : []));
  const usage = encodeUsage(response.usage);
  return {
    ...brought,
    id: reply.id,
    message: {
      role: 'assistant',
      ...(plan === undefined ? {} : { tool_plan: plan }),
      ...message,
      ...(citations.length === 0 ? {} : { citations }),
    },
    finish_reason: encodeFinish(choice?.finish ?? { reason: 'unknown' }),
    ...(usage === undefined ? {} : { usage }),
  };
}
