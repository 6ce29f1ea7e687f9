import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatResponse,
  isObject,
  type JsonObject,
  type OutputPart,
  UNKNOWN_USAGE,
} from '../../core/model/index.ts';
import { answerError } from '../classify.ts';
import type { Reply, Source } from '../codec.ts';
import { optionalArray, unknownFields } from '../fields.ts';
import { namedResponse } from '../given-names.ts';
import { bridgeResponse } from '../tool-bridge.ts';
import { decodeBlocks } from './content-decode.ts';
import { encodePart } from './content-encode.ts';
import { decodeFinish, encodeFinish, responseFields } from './finish.ts';
import { encodeUsage, usageIn } from './usage.ts';
import { extended, fromUpstream, own } from './wire.ts';

const KNOWN = new Set(['output', 'stopReason', 'usage', 'serviceTier']);

function decodeParts(message: JsonObject): readonly OutputPart[] {
  const content = fromUpstream(() => optionalArray(message, 'content', 'output.message') ?? []);
  const parts = fromUpstream(() => decodeBlocks(content, 'assistant', 'output.message.content'));
  return parts
    .filter((part) => part.type !== 'tool_result')
    .map((part) => {
      if (part.type !== 'text' || part.citations === undefined || part.citations.length > 0) return part;
      const { citations: _, ...plain } = part;
      return plain;
    });
}

/**
 * See `ChatCodec.decodeResponse`. An error with a good status is thrown as what it says. Guardrail traces, metrics and other
 * fields stand in the choice's extensions.
 */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  const output = body['output'];
  const message = isObject(output) ? output['message'] : undefined;
  if (!isObject(message)) {
    if (typeof body['message'] === 'string') throw answerError(body);
    throw new SluiceError('upstream_malformed', 'The provider answered without `output.message`.');
  }
  const parts = decodeParts(message);
  const calls = parts.some((part) => part.type === 'tool_call');
  const tier = isObject(body['serviceTier']) ? body['serviceTier']['type'] : undefined;
  const response: ChatResponse = {
    choices: [
      {
        index: 0,
        parts,
        finish: decodeFinish(body['stopReason'], calls, body['additionalModelResponseFields']),
        ...extended(unknownFields(body, KNOWN)),
      },
    ],
    usage: usageIn(body) ?? UNKNOWN_USAGE,
    ...(typeof tier === 'string' ? { serviceTier: tier } : {}),
  };
  return bridgeResponse(namedResponse(response, source.request), source.request);
}

/**
 * See `ChatCodec.encodeResponse`. Only the first answer fits; the call's id and model have no place in a
 * Converse body.
 */
export function encodeResponse(response: ChatResponse, _reply: Reply): JsonObject {
  const choice = response.choices[0];
  const brought = own(choice?.extensions);
  const context = { dropped: new Set<string>(), names: new Set<string>() };
  const content: JsonObject[] = [];
  for (const part of choice?.parts ?? []) {
    // An answer has been paid for: what Converse cannot show is left out, never refused.
    if ('source' in part && (part.type !== 'image' || part.source.kind !== 'base64')) continue;
    const block = encodePart(part, context);
    if (block !== undefined) content.push(block);
  }
  const finish = choice?.finish ?? { reason: 'unknown' };
  return {
    metrics: { latencyMs: 0 },
    ...brought,
    ...responseFields(finish, brought),
    output: { message: { role: 'assistant', content } },
    stopReason: encodeFinish(finish),
    ...(response.usage.source === 'unknown' ? {} : { usage: encodeUsage(response.usage) }),
    ...(response.serviceTier === undefined ? {} : { serviceTier: { type: response.serviceTier } }),
  };
}
