import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatResponse,
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type OutputPart,
  type Signature,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { wrapSignature } from '../../core/translation/signatures.ts';
import type { Reply, Source } from '../codec.ts';
import { compact, unknownFields } from '../fields.ts';
import { argumentsObject } from '../tool-bridge.ts';
import { decodeCitations, encodeCitation } from './citations.ts';
import { upstreamError } from './errors.ts';
import { decodeFinish, encodeFinish } from './finish.ts';
import { type AnswerShape, answerShape, FORMAT, OUTPUT_TOOL } from './names.ts';
import { argumentsText, opaque } from './parts-decode.ts';
import { decodeTier, decodeUsage, encodeUsage } from './usage.ts';

/** Fields of a message that the canonical answer has words for. */
export const MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'type',
  'role',
  'model',
  'content',
  'stop_reason',
  'stop_sequence',
  'stop_details',
  'usage',
]);

/** Fields of an answer's blocks that are no extension. */
export const BLOCK_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  text: new Set(['type', 'text', 'citations']),
  thinking: new Set(['type', 'thinking', 'signature']),
  redacted_thinking: new Set(['type', 'data']),
  tool_use: new Set(['type', 'id', 'name', 'input']),
};

/** Unknown fields of a block, without those that say nothing (`null`). */
export function blockExtensions(block: JsonObject): { readonly extensions?: Extensions } {
  const rest = presentFields(block, BLOCK_FIELDS[String(block['type'])] ?? new Set());
  return rest === undefined ? {} : { extensions: { [FORMAT]: rest } };
}

/** The fields not in `known` whose value is not `null`. */
export function presentFields(body: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const rest = unknownFields(body, known);
  if (rest === undefined) return undefined;
  for (const key of Object.keys(rest)) if (rest[key] === null) delete rest[key];
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The arguments of a custom tool are its `input` text, see `argumentsObject`. */
export function customText(argumentsJson: string): string {
  try {
    const value = parseJson(argumentsJson);
    if (isObject(value) && typeof value['input'] === 'string') return value['input'];
  } catch {
    // Not our wrapper: the text itself is the best there is.
  }
  return argumentsJson;
}

/** The answer out of the forced output tool's arguments. */
export function outputText(argumentsJson: string, shape: AnswerShape): string {
  if (shape.output !== 'wrapped') return argumentsJson;
  try {
    const value = parseJson(argumentsJson);
    if (isObject(value) && value['value'] !== undefined) return JSON.stringify(value['value']);
  } catch {
    // Cut short by the token limit: hand on what there is.
  }
  return argumentsJson;
}

function decodeCall(block: JsonObject, shape: AnswerShape): OutputPart {
  const wireName = text(block['name']);
  const argumentsJson = argumentsText(block['input']);
  if (wireName === OUTPUT_TOOL && shape.output !== 'text') {
    return { type: 'text', text: outputText(argumentsJson, shape) };
  }
  const name = shape.nameOf(wireName);
  const isCustom = shape.isCustom(name);
  return {
    type: 'tool_call',
    id: text(block['id']),
    name,
    arguments: isCustom ? customText(argumentsJson) : argumentsJson,
    kind: isCustom ? 'custom' : 'function',
    ...blockExtensions(block),
  };
}

/** A native signature of an answer; the vendor's own, never wrapped. */
export function nativeSignature(value: Json | undefined): Signature | undefined {
  return typeof value === 'string' && value !== '' ? { issuer: 'claude', value } : undefined;
}

function decodePart(block: JsonObject, shape: AnswerShape): OutputPart {
  switch (block['type']) {
    case 'text': {
      const citations = decodeCitations(block['citations']);
      const cited = citations.length === 0 ? {} : { citations };
      return { type: 'text', text: text(block['text']), ...cited, ...blockExtensions(block) };
    }
    case 'thinking': {
      const signature = nativeSignature(block['signature']);
      const signed = signature === undefined ? {} : { signature };
      return { type: 'reasoning', text: text(block['thinking']), ...signed, ...blockExtensions(block) };
    }
    case 'redacted_thinking':
      return { type: 'reasoning', text: '', redacted: text(block['data']), ...blockExtensions(block) };
    case 'tool_use':
      return decodeCall(block, shape);
    default:
      return opaque(block);
  }
}

/** See `ChatCodec.decodeResponse`. An error object with a good status is thrown as what it says. */
export function decodeResponse(body: JsonObject, source: Source): ChatResponse {
  if (body['type'] === 'error' || isObject(body['error'])) throw upstreamError(body);
  const { content } = body;
  if (!Array.isArray(content) || !content.every(isObject)) {
    throw new SluiceError('upstream_malformed', 'The provider answered with something that is no message.');
  }
  const shape = answerShape(source.request);
  const parts = content.map((block) => decodePart(block, shape));
  const outputTool = content.some((block) => block['name'] === OUTPUT_TOOL);
  const hasToolCall = parts.some((part) => part.type === 'tool_call');
  const rest = presentFields(body, MESSAGE_FIELDS);
  const serviceTier = decodeTier(body['usage']);
  return {
    ...(typeof body['id'] === 'string' ? { id: body['id'] } : {}),
    ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}),
    choices: [
      {
        index: 0,
        parts,
        finish: decodeFinish(body, { hasToolCall, outputTool }),
        ...(rest === undefined ? {} : { extensions: { [FORMAT]: rest } }),
      },
    ],
    usage: decodeUsage(body['usage']),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  };
}

/** The block that carries the signature of the part before it to the client and back, see `signatures.ts`. */
export function carrierBlock(signature: Signature): JsonObject {
  const carried = wrapSignature({ signature, previous: true }, 'claude');
  return { type: 'thinking', thinking: '', signature: carried };
}

/** A thought's signature as the client gets it; `''` where the model gave none. */
export function clientSignature(signature: Signature | undefined, id: string | undefined): string {
  if (signature === undefined) return '';
  return wrapSignature({ signature, ...(id === undefined ? {} : { id }) }, 'claude');
}

/** An image or document in an answer, in the shape it has in a request. */
export function mediaBlock(part: Extract<OutputPart, { source: unknown }>): JsonObject {
  const { source } = part;
  switch (source.kind) {
    case 'base64':
      return { type: part.type, source: { type: 'base64', media_type: source.mediaType, data: source.data } };
    case 'url':
      return { type: part.type, source: { type: 'url', url: source.url } };
    case 'file':
      return { type: part.type, source: { type: 'file', file_id: source.id } };
    case 'text':
      return { type: part.type, source: { type: 'text', media_type: 'text/plain', data: source.text } };
  }
}

function encodePart(part: OutputPart): JsonObject | undefined {
  switch (part.type) {
    case 'text': {
      if (part.text === '' && part.citations === undefined) return undefined;
      const citations = part.citations?.map(encodeCitation);
      return { type: 'text', text: part.text, ...(citations === undefined ? {} : { citations }) };
    }
    case 'refusal':
      return part.text === '' ? undefined : { type: 'text', text: part.text };
    case 'reasoning': {
      if (part.redacted !== undefined) return { type: 'redacted_thinking', data: part.redacted };
      if (part.text === '' && part.signature === undefined) return undefined;
      return { type: 'thinking', thinking: part.text, signature: clientSignature(part.signature, part.id) };
    }
    case 'tool_call':
      return { type: 'tool_use', id: part.id, name: part.name, input: argumentsObject(part) };
    case 'opaque':
      return part.format === FORMAT && isObject(part.value) ? part.value : undefined;
    default:
      return mediaBlock(part);
  }
}

function encodeParts(parts: readonly OutputPart[]): JsonObject[] {
  const blocks: JsonObject[] = [];
  for (const part of parts) {
    const block = encodePart(part);
    if (block !== undefined) {
      const own = part.extensions?.[FORMAT];
      blocks.push(own === undefined ? block : { ...block, ...own });
    }
    if ((part.type === 'tool_call' || part.type === 'text') && part.signature !== undefined) {
      blocks.push(carrierBlock(part.signature));
    }
  }
  return blocks;
}

/** See `ChatCodec.encodeResponse`. Anthropic gives one answer, so only the first choice is written. */
export function encodeResponse(response: ChatResponse, reply: Reply): JsonObject {
  const [choice] = response.choices;
  const parts = choice?.parts ?? [];
  const refusal = parts.find((part) => part.type === 'refusal');
  const end = encodeFinish(choice?.finish ?? { reason: 'unknown' }, {
    hasToolCall: parts.some((part) => part.type === 'tool_call'),
    refusal: refusal?.text,
  });
  return {
    ...compact({ ...response.extensions?.[FORMAT], ...choice?.extensions?.[FORMAT] }),
    id: reply.id,
    type: 'message',
    role: 'assistant',
    model: reply.model,
    content: encodeParts(parts),
    stop_reason: end.stop_reason ?? null,
    stop_sequence: end.stop_sequence ?? null,
    stop_details: end.stop_details ?? null,
    usage: encodeUsage(response.usage, response.serviceTier),
  };
}
