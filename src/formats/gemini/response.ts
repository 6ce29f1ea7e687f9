import {
  type ChatResponse,
  type Choice,
  type Citation,
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type OutputPart,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import type { Reply, Source } from '../codec.ts';
import { compact, unknownFields } from '../fields.ts';
import { asObject, asString, camelKeys, listOf } from './aliases.ts';
import { malformed, upstreamError } from './errors.ts';
import { blockedFinish, decodeFinish, encodeFinish } from './finish.ts';
import {
  decodeGrounding,
  decodeLogprobs,
  encodeGrounding,
  encodeLogprobs,
  type VisibleText,
} from './grounding.ts';
import { MADE_ID } from './message-decode.ts';
import { Notes } from './notes.ts';
import { callPart, decodePart } from './part-decode.ts';
import { encodeCall, encodeMedia, encodeThought, signatureField, withUnknown } from './part-encode.ts';
import { decodeUsage, encodeUsage } from './usage.ts';

const BODY_FIELDS = new Set(['candidates', 'usageMetadata', 'modelVersion', 'responseId']);
const CANDIDATE_FIELDS = new Set(['content', 'finishReason', 'finishMessage', 'index']);

/**
 * Key in a choice's extension for top-level fields that a stream showed only after its first chunk, when the
 * `start` event was already out. No field of Google's begins with `$`.
 */
export const LATE_FIELDS = '$response';

/** Names of the client's custom tools, whose calls carry free text. */
export function customTools(source: Source): ReadonlySet<string> {
  const tools = source.request?.tools ?? [];
  return new Set(tools.flatMap((tool) => (tool.type === 'custom' ? [tool.name] : [])));
}

/** What the top level of an answer or chunk says, without candidates and usage. */
export function responseFacts(body: JsonObject): {
  readonly id?: string;
  readonly model?: string;
  readonly created?: number;
  readonly serviceTier?: string;
  readonly extensions?: Extensions;
} {
  const unknown = unknownFields(body, BODY_FIELDS);
  const created = Date.parse(asString(body['createTime']) ?? '') / 1000;
  const facts = {
    id: asString(body['responseId']),
    model: asString(body['modelVersion']),
    created: Number.isNaN(created) ? undefined : Math.floor(created),
    serviceTier: asString(asObject(body['usageMetadata'])?.['serviceTier']),
  };
  return { ...compact(facts), ...(unknown === undefined ? {} : { extensions: { gemini: unknown } }) };
}

/** Unknown fields of a candidate. */
export function candidateExtras(candidate: JsonObject): JsonObject | undefined {
  return unknownFields(candidate, CANDIDATE_FIELDS);
}

/** Number of a candidate; protobuf JSON leaves the zero out. */
export function candidateIndex(candidate: JsonObject, position: number): number {
  const index = toNumber(candidate['index']);
  return typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : position;
}

/** `{blockReason}` of a refused prompt. */
export function blockOf(
  body: JsonObject,
): { readonly reason: string; readonly message: Json | undefined } | undefined {
  const feedback = asObject(body['promptFeedback']);
  const reason = asString(feedback?.['blockReason']);
  return reason === undefined ? undefined : { reason, message: feedback?.['blockReasonMessage'] };
}

function decodeParts(content: Json | undefined, ids: IdSource, custom: ReadonlySet<string>): OutputPart[] {
  const parts: OutputPart[] = [];
  for (const entry of listOf(asObject(content)?.['parts'])) {
    if (!isObject(entry)) throw malformed('a part is not an object');
    const wire = decodePart(camelKeys(entry));
    if (wire.kind === 'part') parts.push(wire.part);
    else if (wire.kind === 'call')
      parts.push(callPart(wire, wire.call.id || ids.next(wire.call.name), custom));
    else if (wire.kind === 'result') {
      parts.push({ type: 'opaque', format: 'gemini', label: 'functionResponse', value: entry });
    }
  }
  return parts;
}

function cite(parts: OutputPart[], metadata: Json | undefined): OutputPart[] {
  const texts: VisibleText[] = parts.flatMap((part, i) =>
    part.type === 'text' ? [{ part: i, text: part.text }] : [],
  );
  const byPart = new Map<number, Citation[]>();
  for (const { part, citation } of decodeGrounding(metadata, texts)) {
    const list = byPart.get(part);
    if (list === undefined) byPart.set(part, [citation]);
    else list.push(citation);
  }
  return parts.map((part, i) => {
    const citations = byPart.get(i);
    return citations === undefined || part.type !== 'text' ? part : { ...part, citations };
  });
}

function decodeCandidate(
  candidate: JsonObject,
  index: number,
  reading: { readonly ids: IdSource; readonly custom: ReadonlySet<string> },
): Choice {
  const parts = cite(
    decodeParts(candidate['content'], reading.ids, reading.custom),
    candidate['groundingMetadata'],
  );
  const hasCalls = parts.some((part) => part.type === 'tool_call');
  const logprobs = decodeLogprobs(candidate['logprobsResult']);
  const extras = candidateExtras(candidate);
  return {
    index,
    parts,
    finish: decodeFinish(asString(candidate['finishReason']), hasCalls, candidate['finishMessage']),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(extras === undefined ? {} : { extensions: { gemini: extras } }),
  };
}

/**
 * See `ChatCodec.decodeResponse`. A refused prompt has no candidates and becomes one empty, filtered choice.
 */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  if (body['error'] !== undefined && body['candidates'] === undefined) throw upstreamError(body);
  const candidates = listOf(body['candidates']).filter((one) => isObject(one));
  const reading = {
    ids: createIdSource(source.request, asString(body['responseId']) ?? '', MADE_ID),
    custom: customTools(source),
  };
  const choices = candidates.map((one, i) => decodeCandidate(one, candidateIndex(one, i), reading));
  const block = blockOf(body);
  if (choices.length === 0) {
    if (block === undefined) throw malformed('it has no candidates');
    choices.push({ index: 0, parts: [], finish: blockedFinish(block.reason, block.message) });
  }
  const images = choices
    .flatMap((choice) => choice.parts)
    .filter((part) => part.type === 'image' && part.source.kind === 'base64').length;
  return {
    ...responseFacts(body),
    choices: choices.sort((a, b) => a.index - b.index),
    usage: decodeUsage(body['usageMetadata'], images),
  };
}

/** One part of an answer for a Gemini client, or `undefined` where only another format has a word for it. */
export function encodeOutputPart(part: OutputPart): JsonObject | undefined {
  switch (part.type) {
    case 'text':
      return withUnknown({ text: part.text, ...signatureField(part.signature) }, part.extensions);
    case 'refusal':
      return { text: part.text };
    case 'reasoning':
      return encodeThought(part);
    case 'tool_call':
      return encodeCall(part, signatureField(part.signature));
    case 'opaque':
      return part.format === 'gemini' ? asObject(part.value) : undefined;
    default: {
      const rules = { path: '', notes: new Notes(), urls: true, names: true };
      if (part.source.kind === 'file') return { fileData: { fileUri: part.source.id } };
      return withUnknown({ ...encodeMedia(part, rules), ...signatureField(part.signature) }, part.extensions);
    }
  }
}

/** Fields of a candidate besides content and index; what Google itself said of it wins. */
export function candidateTail(choice: Choice): JsonObject {
  const { [LATE_FIELDS]: _, ...extra } = choice.extensions?.gemini ?? {};
  const { details } = choice.finish;
  return compact({
    groundingMetadata: extra['groundingMetadata'] === undefined ? encodeGrounding(choice.parts) : undefined,
    logprobsResult: encodeLogprobs(choice.logprobs),
    ...extra,
    finishReason: encodeFinish(choice.finish),
    finishMessage: typeof details === 'string' ? details : undefined,
  });
}

/** A prompt's refusal goes back as Google said it: without candidates. */
export function isBlocked(choice: Choice, top: JsonObject): boolean {
  return (
    choice.parts.length === 0 && blockOf(top)?.reason === choice.finish.raw && choice.finish.raw !== undefined
  );
}

function encodeCandidate(choice: Choice): JsonObject {
  const parts = choice.parts.map(encodeOutputPart).filter((part) => part !== undefined);
  return {
    content: { parts: parts.length === 0 ? [{ text: '' }] : parts, role: 'model' },
    index: choice.index,
    ...candidateTail(choice),
  };
}

/** See `ChatCodec.encodeResponse`. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const late = response.choices.map((choice) => asObject(choice.extensions?.gemini?.[LATE_FIELDS]));
  const top: JsonObject = Object.assign({ ...response.extensions?.gemini }, ...late);
  const answered = response.choices.filter((choice) => !isBlocked(choice, top));
  return compact({
    ...top,
    candidates: answered.length === 0 ? undefined : answered.map(encodeCandidate),
    usageMetadata: encodeUsage(response.usage),
    modelVersion: reply.model,
    responseId: reply.id,
  });
}
