import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatResponse,
  type Choice,
  isObject,
  type Json,
  type JsonObject,
  type OutputPart,
  type Signature,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import type { Reply, Source } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import { namedResponse } from '../given-names.ts';
import { reportedFailure } from './errors.ts';
import { contentFacts, decodeFinish, encodeFinish } from './finish.ts';
import { createItemIds, type ItemIds, type ItemKind } from './ids.ts';
import {
  callItem,
  carrierItem,
  contentOf,
  type Group,
  groupParts,
  mediaItem,
  reasoningItem,
} from './item-encode.ts';
import { decodeItems } from './items.ts';
import { responseObject } from './response-object.ts';
import { usageIn } from './usage.ts';
import { FORMAT, ownFields } from './wire.ts';

/** Fields of an answer that have a canonical place, or that only repeat it. */
const KNOWN: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created_at',
  'model',
  'status',
  'output',
  'output_text',
  'usage',
  'error',
  'incomplete_details',
  'service_tier',
  // May hold a system prompt that the gateway put there; the client gets back its own.
  'instructions',
]);

/** What of an answer belongs to the answer as a whole. */
export function responseFacts(body: JsonObject): Omit<ChatResponse, 'choices' | 'usage'> {
  const rest = unknownFields(body, KNOWN);
  const created = toNumber(body['created_at']);
  const id = body['id'];
  const model = body['model'];
  const tier = body['service_tier'];
  return {
    ...(typeof id === 'string' && id !== '' ? { id } : {}),
    ...(typeof model === 'string' && model !== '' ? { model } : {}),
    ...(typeof created === 'number' ? { created: Math.trunc(created) } : {}),
    ...(typeof tier === 'string' ? { serviceTier: tier } : {}),
    ...(rest === undefined ? {} : { extensions: { [FORMAT]: rest } }),
  };
}

/** Log-probabilities of all text parts in OpenAI's Chat shape; `undefined` when none came. */
function logprobsOf(output: readonly Json[]): Json | undefined {
  const tokens: Json[] = [];
  for (const item of output) {
    const content = isObject(item) ? item['content'] : undefined;
    for (const part of Array.isArray(content) ? content : []) {
      const logprobs = isObject(part) ? part['logprobs'] : undefined;
      if (Array.isArray(logprobs)) tokens.push(...logprobs);
    }
  }
  return tokens.length === 0 ? undefined : { content: tokens };
}

/**
 * A whole Responses answer. Throws `upstream_malformed` if it has no `output` list, and the classified upstream error if its
 * status is `failed`.
 */
export function decodeResponse(body: JsonObject, { request }: Source): ChatResponse {
  const { output } = body;
  if (body['status'] === 'failed' || isObject(body['error'])) throw reportedFailure(body);
  if (!Array.isArray(output)) {
    if (body['error'] !== undefined && body['error'] !== null) throw reportedFailure(body);
    throw new SluiceError('upstream_malformed', 'The provider sent an answer without an `output` list.');
  }
  const parts = decodeItems(output);
  const logprobs = logprobsOf(output);
  const response: ChatResponse = {
    ...responseFacts(body),
    choices: [
      {
        index: 0,
        parts,
        finish: decodeFinish(body, contentFacts(parts)),
        ...(logprobs === undefined ? {} : { logprobs }),
      },
    ],
    usage: usageIn(body),
  };
  return namedResponse(response, request);
}

/** The tokens of Chat-shaped log-probabilities. */
export function logprobTokens(logprobs: Json | undefined): readonly Json[] {
  const content = isObject(logprobs) ? logprobs['content'] : undefined;
  return Array.isArray(content) ? content : [];
}

function signatureOf(part: OutputPart): Signature | undefined {
  if (part.type !== 'tool_call' && part.type !== 'text') return undefined;
  return part.signature;
}

/** Writes the items of one answer, numbering them as it goes. */
class ItemWriter {
  readonly items: JsonObject[] = [];
  readonly #ids: ItemIds;
  #logprobs: readonly Json[];

  constructor(replyId: string, logprobs: readonly Json[]) {
    this.#ids = createItemIds(replyId);
    this.#logprobs = logprobs;
  }

  #id(kind: ItemKind, upstream?: string): string {
    return this.#ids.take(kind, this.items.length, upstream);
  }

  #carry(signature: Signature | undefined): void {
    if (signature !== undefined) this.items.push(carrierItem(signature, this.#id('reasoning')));
  }

  /** All log-probabilities of a choice stand on its first text. */
  #content(part: OutputPart): JsonObject | undefined {
    if (part.type !== 'text') return contentOf(part);
    const logprobs = this.#logprobs;
    this.#logprobs = [];
    return contentOf(part, logprobs);
  }

  #message(group: Extract<Group, { kind: 'message' }>, status: string): void {
    const { id, ...fields } = group.fields ?? {};
    this.items.push({
      id: this.#id('message', typeof id === 'string' ? id : undefined),
      type: 'message',
      status,
      role: 'assistant',
      content: group.parts.map((part) => this.#content(part)).filter((part) => part !== undefined),
      ...fields,
    });
    this.#carry(group.parts.map(signatureOf).findLast((signature) => signature !== undefined));
  }

  write(group: Group, status: string): void {
    if (group.kind === 'message') {
      this.#message(group, status);
      return;
    }
    const { part } = group;
    switch (part.type) {
      case 'reasoning':
        this.items.push(reasoningItem(part, this.#id('reasoning', part.id)));
        break;
      case 'tool_call': {
        const kind = part.kind === 'custom' ? 'custom_tool_call' : 'function_call';
        this.items.push(callItem(part, this.#id(kind, part.itemId), 'completed'));
        this.#carry(part.signature);
        break;
      }
      case 'opaque':
        if (part.format === FORMAT && isObject(part.value)) this.items.push(part.value);
        break;
      default: {
        const item = mediaItem(part, this.#id('image_generation_call'));
        if (item !== undefined) this.items.push(item);
      }
    }
  }
}

/** The `output` list of a choice. The last message of an unfinished answer says that it is `incomplete`. */
function encodeItems(choice: Choice, replyId: string, isIncomplete: boolean): readonly JsonObject[] {
  const writer = new ItemWriter(replyId, logprobTokens(choice.logprobs));
  const groups = groupParts(choice.parts);
  for (const [index, group] of groups.entries()) {
    writer.write(group, isIncomplete && index === groups.length - 1 ? 'incomplete' : 'completed');
  }
  return writer.items;
}

/**
 * The whole answer as a `Response` object with every field the official SDK's type requires except `output_text`, which
 * SDKs derive. The format has one answer: of several choices the first is written.
 */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const choice = response.choices[0] ?? { index: 0, parts: [], finish: { reason: 'unknown' } };
  const ending = encodeFinish(choice.finish, contentFacts(choice.parts));
  return responseObject(reply, {
    ending,
    output: encodeItems(choice, reply.id, ending.status === 'incomplete'),
    usage: response.usage,
    upstream: { ...ownFields(response), ...choice.extensions?.[FORMAT] },
    ...(response.serviceTier === undefined ? {} : { serviceTier: response.serviceTier }),
  });
}
