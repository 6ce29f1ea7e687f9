import { SluiceError } from '../../core/errors/error.ts';
import type {
  ChatResponse,
  Choice,
  Citation,
  Extensions,
  Json,
  JsonObject,
  MediaPart,
  OutputPart,
  Part,
  ReasoningPart,
  TextPart,
} from '../../core/model/index.ts';

import { isObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import { fitToolName, NAME_RULES } from '../../core/translation/tool-names.ts';
import type { Reply, Source } from '../codec.ts';
import { compact, unknownFields } from '../fields.ts';
import { namedResponse } from '../given-names.ts';
import { customInput, encodeCall } from './calls.ts';
import { decodeCitations, encodeCitation, flatCitations } from './citations.ts';
import { failureIn, isErrorBody } from './errors.ts';
import { type Content, decodeFinish, encodeFinish } from './finish.ts';
import { assistantParts } from './messages-decode.ts';
import { extensionsOf } from './parts-decode.ts';
import { detailsOf, extraContent } from './reasoning-details.ts';
import { encodeUsage, usageIn } from './usage.ts';

const TOP_FIELDS = new Set(['id', 'object', 'created', 'model', 'choices', 'usage', 'service_tier']);
const CHOICE_FIELDS = new Set(['index', 'message', 'delta', 'finish_reason', 'logprobs']);
const MESSAGE_FIELDS = new Set([
  'role',
  'content',
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'images',
  'annotations',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'extra_content',
  'thought_signature',
]);

/** Fields that say something and have no canonical word; `null` says nothing. */
export function restOf(body: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const rest = unknownFields(body, known);
  if (rest === undefined) return undefined;
  for (const key of Object.keys(rest)) if (rest[key] === null) delete rest[key];
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** What the top level of an answer or chunk says about the answer. */
export function topFacts(
  body: JsonObject,
): Pick<ChatResponse, 'id' | 'model' | 'created' | 'serviceTier' | 'extensions'> {
  const { id, model, service_tier } = body as { id?: Json; model?: Json; service_tier?: Json };
  const created = toNumber(body['created']);
  return {
    ...(typeof id === 'string' && id !== '' ? { id } : {}),
    ...(typeof model === 'string' && model !== '' ? { model } : {}),
    ...(typeof created === 'number' && created > 0 ? { created } : {}),
    ...(typeof service_tier === 'string' && service_tier !== '' ? { serviceTier: service_tier } : {}),
    ...extensionsOf(restOf(body, TOP_FIELDS)),
  };
}

/** What parts say about the end of their choice. */
export function contentFacts(parts: readonly Part[]): Content {
  return {
    hasCalls: parts.some((part) => part.type === 'tool_call'),
    hasRefusal: parts.some((part) => part.type === 'refusal'),
  };
}

/** The word in `finish_reason`; the empty string of some vendors says nothing. */
export function finishWord(choice: JsonObject): string | undefined {
  const word = choice['finish_reason'];
  return typeof word === 'string' && word !== '' ? word : undefined;
}

function withCitations(parts: readonly Part[], citations: readonly Citation[]): Part[] {
  const home = parts.findIndex((part) => part.type === 'text');
  if (citations.length === 0 || home < 0) return [...parts];
  return parts.map((part, i) => (i === home && part.type === 'text' ? { ...part, citations } : part));
}

/** Names, as they are sent, of the custom tools of a request, which vendors that lack them are given as functions. */
export function customTools({ request }: Source): ReadonlySet<string> {
  const custom = request?.tools.filter((tool) => tool.type === 'custom');
  return new Set(custom?.map((tool) => fitToolName(tool.name, NAME_RULES.openai)));
}

/** A call of a custom tool in its own shape again. */
function unbridged(part: Part, custom: ReadonlySet<string>): Part {
  if (part.type !== 'tool_call' || part.kind === 'custom' || !custom.has(part.name)) return part;
  return { ...part, kind: 'custom', arguments: customInput(part.arguments) };
}

/** Calls whose ids differ, also where a server gives all of an answer's calls one id. */
function distinct(parts: readonly Part[], ids: IdSource): Part[] {
  const seen = new Set<string>();
  return parts.map((part) => {
    if (part.type !== 'tool_call') return part;
    const id = seen.has(part.id) ? ids.next(part.name) : part.id;
    seen.add(id);
    return id === part.id ? part : { ...part, id };
  });
}

function decodeChoice(
  choice: JsonObject,
  position: number,
  facts: { ids: IdSource; flat: Citation[]; custom: ReadonlySet<string> },
): Choice {
  const message = choice['message'] ?? choice['delta'];
  if (!isObject(message)) {
    throw new SluiceError('upstream_malformed', 'The provider sent a choice without a message.');
  }
  const index = toNumber(choice['index']);
  const cited = decodeCitations(message['annotations']);
  const given = assistantParts(message, facts.ids, '').map((part) => unbridged(part, facts.custom));
  const read = distinct(given, facts.ids);
  const parts = withCitations(read, cited.length > 0 ? cited : facts.flat) as OutputPart[];
  const nested = restOf(message, MESSAGE_FIELDS);
  const rest = restOf(choice, CHOICE_FIELDS);
  const logprobs = choice['logprobs'];
  return {
    index: typeof index === 'number' ? index : position,
    parts,
    finish: decodeFinish(finishWord(choice), contentFacts(parts)),
    ...(isObject(logprobs) ? { logprobs } : {}),
    ...extensionsOf(nested === undefined ? rest : { ...rest, message: nested }),
  };
}

/** See `ChatCodec.decodeResponse`. Throws the upstream's own error where the body is one with status 200. */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  if (isErrorBody(body)) throw failureIn(body);
  const choices = body['choices'];
  if (!Array.isArray(choices) || choices.length === 0 || !choices.every(isObject)) {
    throw new SluiceError('upstream_malformed', 'The provider answered without choices.');
  }
  const facts = topFacts(body);
  const ids = createIdSource(source.request, facts.id);
  const flat = flatCitations(body);
  const custom = customTools(source);
  const response = {
    ...facts,
    choices: choices
      .map((choice, position) => decodeChoice(choice, position, { ids, flat, custom }))
      .sort((a, b) => a.index - b.index),
    usage: usageIn(body, source.quirks) ?? UNKNOWN_USAGE,
  };
  return namedResponse(response, source.request);
}

function joined(parts: readonly Part[], type: 'text' | 'refusal' | 'reasoning'): string {
  let text = '';
  for (const part of parts) if (part.type === type) text += part.text;
  return text;
}

/** Length in code points. */
function points(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) count++;
  return count;
}

function annotationsOf(parts: readonly OutputPart[]): JsonObject[] {
  const annotations: JsonObject[] = [];
  let before = 0;
  for (const part of parts) {
    if (part.type !== 'text') continue;
    for (const citation of part.citations ?? []) annotations.push(encodeCitation(citation, before));
    before += points(part.text);
  }
  return annotations;
}

function reasoningOf(parts: readonly OutputPart[]): JsonObject {
  const thoughts = parts.filter((part): part is ReasoningPart => part.type === 'reasoning');
  if (thoughts.length === 0) return {};
  const text = joined(thoughts, 'reasoning');
  const isOpaque = thoughts.some((part) => part.signature !== undefined || part.redacted !== undefined);
  return {
    ...(text === '' ? {} : { reasoning_content: text }),
    ...(isOpaque ? { reasoning_details: thoughts.flatMap((part, index) => detailsOf(part, index)) } : {}),
  };
}

/** Media a model made, where a Chat client looks for them. */
export function mediaFields(parts: readonly MediaPart[]): JsonObject {
  const images: JsonObject[] = [];
  let audio: JsonObject | undefined;
  for (const { type, source, extensions } of parts) {
    if (type === 'audio' && source.kind === 'base64') {
      audio = { ...extensions?.['openai-chat'], data: source.data };
    } else if (type === 'image' && (source.kind === 'base64' || source.kind === 'url')) {
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
      images.push({ type: 'image_url', image_url: { url } });
    }
  }
  return compact({ images: images.length > 0 ? images : undefined, audio });
}

/** Whether a part of an answer is media. */
export function isMedia(part: { readonly type: string }): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'document' || part.type === 'video';
}

function own(extensions: Extensions | undefined): JsonObject {
  return extensions?.['openai-chat'] ?? {};
}

function callFields(parts: readonly Part[], legacy: boolean): JsonObject {
  const calls = parts.filter((part) => part.type === 'tool_call');
  const [first] = calls;
  if (first === undefined) return {};
  if (legacy)
    return { function_call: encodeCall(first, { signature: undefined, custom: false })['function'] };
  return { tool_calls: calls.map((call) => encodeCall(call, { signature: call.signature, custom: true })) };
}

function encodeMessage(choice: Choice, legacy: boolean): JsonObject {
  const { parts } = choice;
  const calls = callFields(parts, legacy);
  const hasText = parts.some((part) => part.type === 'text');
  const hasRefusal = parts.some((part) => part.type === 'refusal');
  const nested = own(choice.extensions)['message'];
  const annotations = annotationsOf(parts);
  const signed = parts.find((part): part is TextPart => part.type === 'text' && part.signature !== undefined);
  const isSilent = !hasText && (Object.keys(calls).length > 0 || hasRefusal);
  return compact({
    ...(isObject(nested) ? nested : {}),
    role: 'assistant',
    content: isSilent ? null : joined(parts, 'text'),
    refusal: hasRefusal ? joined(parts, 'refusal') : null,
    annotations: annotations.length === 0 ? undefined : annotations,
    ...reasoningOf(parts),
    ...mediaFields(parts.filter(isMedia)),
    extra_content: signed?.signature === undefined ? undefined : extraContent(signed.signature),
    ...calls,
  });
}

function encodeChoice(choice: Choice, legacy: boolean): JsonObject {
  const { message: _, ...rest } = own(choice.extensions);
  return {
    ...rest,
    index: choice.index,
    message: encodeMessage(choice, legacy),
    logprobs: choice.logprobs ?? null,
    finish_reason: encodeFinish(choice.finish, { ...contentFacts(choice.parts), legacy }),
  };
}

/** See `ChatCodec.encodeResponse`. Usage nobody reported or estimated is left out: absent is not zero. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const { usage } = response;
  const legacy = reply.request?.legacyFunctions === true;
  return compact({
    ...own(response.extensions),
    id: reply.id,
    object: 'chat.completion',
    created: reply.created,
    model: reply.model,
    choices: response.choices.map((choice) => encodeChoice(choice, legacy)),
    usage: usage.source === 'unknown' ? undefined : encodeUsage(usage),
    service_tier: response.serviceTier,
  });
}
