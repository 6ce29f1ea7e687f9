import { badRequest } from '../../core/errors/error.ts';
import {
  type CacheMark,
  type Citation,
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type MediaSource,
  type OpaquePart,
  type Part,
  type ReasoningPart,
  type TextPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { unwrapSignature } from '../../core/translation/signatures.ts';
import {
  at,
  objectAt,
  optionalArray,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { extended, FORMAT, MEDIA_TYPES, type MediaKind, mediaTypeOf } from './wire.ts';

/** A block kept as it is, for its own format. */
export function opaqueBlock(block: JsonObject, label = Object.keys(block)[0] ?? 'empty block'): OpaquePart {
  return { type: 'opaque', format: FORMAT, label, value: block };
}

/** `cachePoint` as a mark; without `ttl` it lives five minutes. */
export function cacheMark(point: JsonObject): CacheMark {
  return { ttl: point['ttl'] === '1h' ? '1h' : '5m' };
}

function textOf(blocks: Json | undefined): string {
  let text = '';
  for (const block of Array.isArray(blocks) ? blocks : []) {
    if (isObject(block) && typeof block['text'] === 'string') text += block['text'];
  }
  return text;
}

/**
 * One entry of `citationsContent.citations`. The whole entry is kept, for locations in words of Converse
 * alone.
 */
export function decodeCitation(entry: JsonObject): Citation {
  const location = isObject(entry['location']) ? entry['location'] : {};
  const web = isObject(location['web']) ? location['web']['url'] : undefined;
  const source = typeof entry['source'] === 'string' ? entry['source'] : undefined;
  const url = typeof web === 'string' ? web : source?.match(/^https?:/) ? source : undefined;
  const quote = textOf(entry['sourceContent']);
  return {
    kind: url === undefined ? 'document' : 'url',
    ...(url === undefined ? {} : { url }),
    ...(source === undefined || source === url ? {} : { documentId: source }),
    ...(typeof entry['title'] === 'string' ? { title: entry['title'] } : {}),
    ...(quote === '' ? {} : { quote }),
    ...extended(entry),
  };
}

function decodeCitations(value: JsonObject): TextPart {
  const citations = (Array.isArray(value['citations']) ? value['citations'] : []).filter(isObject);
  return { type: 'text', text: textOf(value['content']), citations: citations.map(decodeCitation) };
}

function printable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return text !== '';
}

/**
 * `redactedContent` is a blob, so Claude's own base64 text is base64 once more in JSON (S). The inner text is
 * what Anthropic calls `redacted_thinking.data`; a blob that holds no text is kept as received.
 */
export function decodeRedacted(blob: string): ReasoningPart {
  const inner = Buffer.from(blob, 'base64').toString('latin1');
  if (printable(inner) && Buffer.from(inner, 'latin1').toString('base64') === blob) {
    return { type: 'reasoning', text: '', redacted: inner };
  }
  return { type: 'reasoning', text: '', redacted: blob, ...extended({ redactedBlob: true }) };
}

/** A signature and the item id it may carry; Converse signs thoughts only. */
export function readSignature(text: string): Pick<ReasoningPart, 'signature' | 'id'> {
  const { signature, id } = unwrapSignature(text, 'claude');
  return { signature, ...(id === undefined ? {} : { id }) };
}

function decodeReasoning(value: JsonObject, path: string): ReasoningPart {
  const redacted = optionalString(value, 'redactedContent', path);
  if (redacted !== undefined) return decodeRedacted(redacted);
  const inner = optionalObject(value, 'reasoningText', path) ?? {};
  const innerPath = at(path, 'reasoningText');
  const signature = optionalString(inner, 'signature', innerPath);
  return {
    type: 'reasoning',
    text: optionalString(inner, 'text', innerPath) ?? '',
    ...(signature === undefined ? {} : readSignature(signature)),
  };
}

function decodeSource(value: JsonObject, mediaType: string, path: string): MediaSource | undefined {
  const source = objectAt(value['source'], at(path, 'source'));
  const bytes = optionalString(source, 'bytes', at(path, 'source'));
  if (bytes !== undefined) return { kind: 'base64', mediaType, data: bytes };
  if (typeof source['text'] === 'string') return { kind: 'text', text: source['text'], mediaType };
  const place = source['s3Location'];
  if (isObject(place) && typeof place['uri'] === 'string')
    return { kind: 'url', url: place['uri'], mediaType };
  return undefined;
}

const MEDIA_FIELDS = new Set(['format', 'source', 'name', 'citations']);

function decodeMedia(kind: MediaKind, block: JsonObject, path: string): MediaPart | OpaquePart {
  const value = objectAt(block[kind], path);
  const format = optionalString(value, 'format', path) ?? (kind === 'document' ? 'txt' : undefined);
  if (format === undefined) throw badRequest(at(path, 'format'), `\`${at(path, 'format')}\` is required.`);
  const source = decodeSource(value, mediaTypeOf(kind, format), path);
  if (source === undefined) return opaqueBlock(block);
  const place = isObject(value['source']) ? value['source']['s3Location'] : undefined;
  const owner = isObject(place) ? place['bucketOwner'] : undefined;
  const citations = isObject(value['citations']) ? value['citations']['enabled'] : undefined;
  const name = optionalString(value, 'name', path);
  return {
    type: kind,
    source,
    ...(name === undefined ? {} : { name }),
    ...(typeof citations === 'boolean' ? { citationsEnabled: citations } : {}),
    ...extended({
      ...unknownFields(value, MEDIA_FIELDS),
      ...(owner === undefined ? {} : { bucketOwner: owner }),
    }),
  };
}

/** `type` is `tool_use` on some models' calls and says nothing. */
const CALL_FIELDS = new Set(['toolUseId', 'name', 'input', 'type']);
const RESULT_FIELDS = new Set(['toolUseId', 'content', 'status']);

function decodeCall(block: JsonObject, path: string): Part {
  const value = objectAt(block['toolUse'], path);
  if (value['type'] === 'server_tool_use')
    return opaqueBlock(block, String(value['name'] ?? 'server_tool_use'));
  return {
    type: 'tool_call',
    id: requiredString(value, 'toolUseId', path),
    name: requiredString(value, 'name', path),
    arguments: JSON.stringify(value['input'] ?? {}),
    kind: 'function',
    ...extended(unknownFields(value, CALL_FIELDS)),
  };
}

function decodeResultBlock(entry: Json | undefined, path: string): TextPart | MediaPart | OpaquePart {
  const block = objectAt(entry, path);
  if (typeof block['text'] === 'string') return { type: 'text', text: block['text'] };
  // The mark lets the same text return as `json`; everyone else reads JSON text.
  if (block['json'] !== undefined) {
    return { type: 'text', text: JSON.stringify(block['json']), ...extended({ json: true }) };
  }
  const kind = Object.keys(block)[0] ?? '';
  return Object.hasOwn(MEDIA_TYPES, kind)
    ? decodeMedia(kind as MediaKind, block, at(path, kind))
    : opaqueBlock(block);
}

function decodeResult(block: JsonObject, path: string): ToolResultPart {
  const value = objectAt(block['toolResult'], path);
  const content = optionalArray(value, 'content', path) ?? [];
  const status = optionalString(value, 'status', path);
  return {
    type: 'tool_result',
    callId: requiredString(value, 'toolUseId', path),
    kind: 'function',
    content: content.map((entry, index) => decodeResultBlock(entry, at(at(path, 'content'), index))),
    ...(status === undefined ? {} : { isError: status === 'error' }),
    ...extended(unknownFields(value, RESULT_FIELDS)),
  };
}

function decodeBlock(block: JsonObject, role: string, path: string): Part {
  const keys = Object.keys(block);
  const key = keys[0] ?? '';
  const value = block[key];
  // A block is a union of one member; what has more is nothing we know.
  if (keys.length !== 1) return opaqueBlock(block, keys.join('+') || 'empty block');
  if (key === 'text') return { type: 'text', text: requiredString(block, 'text', path) };
  if (Object.hasOwn(MEDIA_TYPES, key)) return decodeMedia(key as MediaKind, block, at(path, key));
  if (key === 'toolUse') return decodeCall(block, at(path, key));
  if (key === 'toolResult' && role === 'user') return decodeResult(block, at(path, key));
  if (key === 'reasoningContent') return decodeReasoning(objectAt(value, at(path, key)), at(path, key));
  if (key === 'citationsContent') return decodeCitations(objectAt(value, at(path, key)));
  return opaqueBlock(block);
}

/**
 * Reads a list of content blocks. A `cachePoint` becomes the mark of the part before it; one that stands
 * first or behind another is kept as an opaque part. Throws `bad_request` naming the field.
 */
export function decodeBlocks(content: readonly Json[], role: string, path: string): readonly Part[] {
  const parts: Part[] = [];
  for (const [index, entry] of content.entries()) {
    const block = objectAt(entry, at(path, index));
    const point = block['cachePoint'];
    const before = parts.at(-1);
    if (isObject(point) && before !== undefined && before.cache === undefined) {
      parts[parts.length - 1] = { ...before, cache: cacheMark(point) };
    } else parts.push(decodeBlock(block, role, at(path, index)));
  }
  return parts;
}
