import {
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type MediaSource,
  type OpaquePart,
  type Part,
  type Signature,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { unwrapSignature } from '../../core/translation/signatures.ts';
import { unknownFields } from '../fields.ts';
import { asString, camelKeys, listOf, messageAt } from './aliases.ts';
import { mediaTypeOf } from './media.ts';

/** A call without its canonical id: Gemini gives none in most answers (WIRE §1.3). */
export interface BareCall {
  readonly id: string | undefined;
  readonly name: string;
  readonly args: Json | undefined;
}

/** What a `Part` of the wire is, in the order the codec asks. */
export type WirePart =
  | { readonly kind: 'call'; readonly call: BareCall; readonly body: JsonObject }
  | { readonly kind: 'result'; readonly id: string | undefined; readonly part: ToolResultPart }
  | { readonly kind: 'part'; readonly part: Exclude<Part, ToolCallPart | ToolResultPart> }
  /** `{}` or an empty text: no data. */
  | { readonly kind: 'empty' };

const TEXT_FIELDS = new Set(['text', 'thought', 'thoughtSignature']);
const BLOB_FIELDS = new Set(['inlineData', 'thoughtSignature']);
const FILE_FIELDS = new Set(['fileData', 'thoughtSignature']);
const CALL_FIELDS = new Set(['functionCall', 'thoughtSignature']);
const INNER_CALL = new Set(['id', 'name', 'args', 'partialArgs', 'willContinue']);
const RESULT_FIELDS = new Set(['functionResponse']);
const INNER_RESULT = new Set(['id', 'name', 'response', 'parts']);
const INNER_BLOB = new Set(['mimeType', 'data', 'displayName']);
const INNER_FILE = new Set(['mimeType', 'fileUri', 'displayName']);

/** Unknown fields of a part and of the message inside it, under that message's key. */
function extras(
  body: JsonObject,
  known: ReadonlySet<string>,
  inner?: readonly [string, ReadonlySet<string>],
) {
  let rest = unknownFields(body, known);
  const nested = inner === undefined ? undefined : messageAt(body, inner[0]);
  if (inner !== undefined && nested !== undefined) {
    const unknown = unknownFields(nested, inner[1]);
    if (unknown !== undefined) rest = { ...rest, [inner[0]]: unknown };
  }
  return rest === undefined ? {} : { extensions: { gemini: rest } satisfies Extensions };
}

/** How a value begins that `part-encode.ts` wrapped: base64 of `sluice:1:`, nine bytes, so the next ones do not change it. */
const WRAPPED = 'c2x1aWNlOjE6';

/** The signature of a part and, for redacted thoughts of other vendors, what the field carries besides. */
function signed(body: JsonObject): { readonly signature?: Signature; readonly carriedId?: string } {
  const text = asString(body['thoughtSignature']);
  if (text === undefined || text === '') return {};
  // Node reads the URL-safe alphabet as well, in which Google's Python SDK writes bytes back.
  const plain = text.startsWith(WRAPPED) ? Buffer.from(text, 'base64').toString('utf8') : text;
  const { signature, id } = unwrapSignature(plain, 'gemini');
  return { signature, ...(id === undefined ? {} : { carriedId: id }) };
}

/** The name under which a redacted thought travels in a Gemini client's history; see `part-encode.ts`. */
export const REDACTED_ID = 'redacted';

function decodeText(body: JsonObject, text: string): WirePart {
  const { signature, carriedId } = signed(body);
  const rest = extras(body, TEXT_FIELDS);
  const sign = signature === undefined ? {} : { signature };
  if (body['thought'] === true) {
    if (text === '' && signature === undefined) return { kind: 'empty' };
    if (carriedId === REDACTED_ID && signature !== undefined) {
      return { kind: 'part', part: { type: 'reasoning', text, redacted: signature.value, ...rest } };
    }
    const id = carriedId === undefined ? {} : { id: carriedId };
    return { kind: 'part', part: { type: 'reasoning', text, ...sign, ...id, ...rest } };
  }
  if (text === '' && signature === undefined && rest.extensions === undefined) return { kind: 'empty' };
  return { kind: 'part', part: { type: 'text', text, ...sign, ...rest } };
}

function mediaKind(mime: string): MediaPart['type'] {
  const family = mime.slice(0, mime.indexOf('/'));
  return family === 'image' || family === 'audio' || family === 'video' ? family : 'document';
}

function decodeBlob(blob: JsonObject): Pick<MediaPart, 'type' | 'source' | 'name'> {
  const mediaType = asString(blob['mimeType']) ?? 'application/octet-stream';
  const source: MediaSource = { kind: 'base64', mediaType, data: asString(blob['data']) ?? '' };
  return { type: mediaKind(mediaType), source, ...named(blob) };
}

function decodeFile(file: JsonObject): Pick<MediaPart, 'type' | 'source' | 'name'> {
  const url = asString(file['fileUri']) ?? '';
  const mediaType = asString(file['mimeType']);
  const source: MediaSource = { kind: 'url', url, ...(mediaType === undefined ? {} : { mediaType }) };
  return { type: mediaKind(mediaType ?? mediaTypeOf(url) ?? ''), source, ...named(file) };
}

function named(blob: JsonObject): { readonly name?: string } {
  const name = asString(blob['displayName']);
  return name === undefined ? {} : { name };
}

function opaque(body: JsonObject, label: string): { readonly kind: 'part'; readonly part: OpaquePart } {
  return { kind: 'part', part: { type: 'opaque', format: 'gemini', label, value: body } };
}

/** Arguments as JSON text; absent ones stay absent. */
export function argumentsText(args: Json | undefined): string {
  return args === undefined || args === null ? '' : JSON.stringify(args);
}

/**
 * `{output: text}` and `{error: text}` carry a text, anything else is JSON; the way back is in
 * `part-encode.ts`.
 */
function resultText(response: Json | undefined): { readonly text: string; readonly isError: boolean } {
  if (!isObject(response)) return { text: asString(response) ?? argumentsText(response), isError: false };
  const [key, ...more] = Object.keys(response);
  if (more.length > 0 || (key !== 'output' && key !== 'error')) {
    return { text: JSON.stringify(response), isError: false };
  }
  const inner = response[key];
  if (key === 'error' && inner !== null && inner !== undefined) {
    return { text: asString(inner) ?? JSON.stringify(inner), isError: true };
  }
  if (typeof inner === 'string' && structured(inner) === undefined) return { text: inner, isError: false };
  return { text: JSON.stringify(Array.isArray(inner) ? inner : response), isError: false };
}

/** The object or list that a text is the JSON of; such a text is sent as that value. */
export function structured(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function decodeResult(body: JsonObject, inner: JsonObject): WirePart {
  const { text, isError } = resultText(inner['response']);
  const content: (TextPart | MediaPart | OpaquePart)[] = [];
  if (text !== '') content.push({ type: 'text', text });
  for (const entry of listOf(inner['parts'])) {
    const piece = isObject(entry) ? camelKeys(entry) : {};
    const decoded = decodePart(piece);
    if (decoded.kind === 'part' && decoded.part.type !== 'reasoning' && decoded.part.type !== 'refusal') {
      content.push(decoded.part);
    }
  }
  const name = asString(inner['name']);
  const rest = extras(body, RESULT_FIELDS, ['functionResponse', INNER_RESULT]);
  return {
    kind: 'result',
    id: asString(inner['id']),
    part: {
      type: 'tool_result',
      callId: '',
      kind: 'function',
      ...(name === undefined ? {} : { name }),
      content,
      ...(isError ? { isError } : {}),
      ...rest,
    },
  };
}

/**
 * Reads one part (`Part`, Gemini API reference "Content"). `body` has Google's camelCase keys, see
 * `camelKeys`. Server tools' parts and thought pictures stay opaque: no other format has a word for them.
 */
export function decodePart(body: JsonObject): WirePart {
  const { text } = body;
  if (typeof text === 'string') return decodeText(body, text);
  const call = messageAt(body, 'functionCall');
  if (call !== undefined) {
    const bare: BareCall = {
      id: asString(call['id']),
      name: asString(call['name']) ?? '',
      args: call['args'],
    };
    return { kind: 'call', call: bare, body };
  }
  const result = messageAt(body, 'functionResponse');
  if (result !== undefined) return decodeResult(body, result);
  const { signature } = signed(body);
  const sign = signature === undefined ? {} : { signature };
  const blob = messageAt(body, 'inlineData');
  if (blob !== undefined) {
    if (body['thought'] === true) return opaque(body, 'thought_media');
    const rest = extras(body, BLOB_FIELDS, ['inlineData', INNER_BLOB]);
    return { kind: 'part', part: { ...decodeBlob(blob), ...sign, ...rest } };
  }
  const file = messageAt(body, 'fileData');
  if (file !== undefined) {
    const rest = extras(body, FILE_FIELDS, ['fileData', INNER_FILE]);
    return { kind: 'part', part: { ...decodeFile(file), ...sign, ...rest } };
  }
  const label = Object.keys(body).find((key) => !TEXT_FIELDS.has(key) && body[key] !== undefined);
  if (label !== undefined) return opaque(body, label);
  return decodeText(body, '');
}

/** A whole call as a canonical part. A custom tool's free text travels as `{input: text}`. */
export function callPart(
  wire: Extract<WirePart, { kind: 'call' }>,
  id: string,
  custom: ReadonlySet<string>,
): ToolCallPart {
  const { call, body } = wire;
  const input = isObject(call.args) ? call.args['input'] : undefined;
  const free = custom.has(call.name) && typeof input === 'string';
  const { signature } = signed(body);
  return {
    type: 'tool_call',
    id,
    name: call.name,
    arguments: free ? input : argumentsText(call.args),
    kind: custom.has(call.name) ? 'custom' : 'function',
    ...(signature === undefined ? {} : { signature }),
    ...extras(body, CALL_FIELDS, ['functionCall', INNER_CALL]),
  };
}
