import { badRequest } from '../../core/errors/error.ts';
import type {
  CacheMark,
  Extensions,
  Json,
  JsonObject,
  MediaPart,
  MediaSource,
  OpaquePart,
  Part,
  TextPart,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { at, objectAt, optionalObject, requiredString, unknownFields } from '../fields.ts';

/** Unknown fields as a part's or message's extensions; nothing for none. */
export function extensionsOf(rest: JsonObject | undefined): { extensions?: Extensions } {
  return rest === undefined ? {} : { extensions: { 'openai-chat': rest } };
}

/** Anthropic's `cache_control`, as OpenRouter and LiteLLM clients send it; without `ttl` it lasts five minutes. */
export function cacheOf(value: Json | undefined): { cache?: CacheMark } {
  if (!isObject(value)) return {};
  return { cache: { ttl: value['ttl'] === '1h' ? '1h' : '5m' } };
}

/** What a `data:` URL holds, or the URL itself. */
export function sourceOfUrl(url: string): MediaSource {
  const found = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url.slice(0, 256));
  if (found === null) return { kind: 'url', url };
  return {
    kind: 'base64',
    mediaType: found[1] || 'application/octet-stream',
    data: url.slice(found[0].length),
  };
}

const TEXT_FIELDS = new Set(['type', 'text', 'cache_control']);
const IMAGE_FIELDS = new Set(['type', 'image_url', 'cache_control']);
const IMAGE_URL_FIELDS = new Set(['url', 'detail']);
const AUDIO_FIELDS = new Set(['type', 'input_audio', 'cache_control']);
const FILE_FIELDS = new Set(['type', 'file', 'cache_control']);

function decodeImage(part: JsonObject, path: string): MediaPart {
  const inner = isObject(part['image_url']) ? part['image_url'] : { url: part['image_url'] };
  const url = requiredString(inner, 'url', at(path, 'image_url'));
  const nested = unknownFields(inner, IMAGE_URL_FIELDS);
  const rest = unknownFields(part, IMAGE_FIELDS);
  const detail = inner['detail'];
  return {
    type: 'image',
    source: sourceOfUrl(url),
    ...(typeof detail === 'string' ? { detail } : {}),
    ...cacheOf(part['cache_control']),
    ...extensionsOf(nested === undefined ? rest : { ...rest, image_url: nested }),
  };
}

function decodeAudio(part: JsonObject, path: string): MediaPart {
  const inner = objectAt(part['input_audio'], at(path, 'input_audio'));
  const data = requiredString(inner, 'data', at(path, 'input_audio'));
  const format = typeof inner['format'] === 'string' ? inner['format'] : 'wav';
  const source = sourceOfUrl(data);
  return {
    type: 'audio',
    source: source.kind === 'base64' ? source : { kind: 'base64', mediaType: `audio/${format}`, data },
    ...cacheOf(part['cache_control']),
    ...extensionsOf(unknownFields(part, AUDIO_FIELDS)),
  };
}

function fileSource(file: JsonObject, path: string): MediaSource {
  if (typeof file['file_id'] === 'string') return { kind: 'file', id: file['file_id'] };
  const data = file['file_data'];
  if (typeof data !== 'string') throw badRequest(path, `\`${path}\` needs \`file_data\` or \`file_id\`.`);
  const source = sourceOfUrl(data);
  // OpenRouter takes an address in the same field; plain base64 without a data URL is taken as PDF.
  if (source.kind === 'base64' || /^https?:/i.test(data)) return source;
  return { kind: 'base64', mediaType: 'application/pdf', data };
}

function decodeFile(part: JsonObject, path: string): MediaPart {
  const file = optionalObject(part, 'file', path) ?? {};
  const name = file['filename'];
  return {
    type: 'document',
    source: fileSource(file, at(path, 'file')),
    ...(typeof name === 'string' ? { name } : {}),
    ...cacheOf(part['cache_control']),
    ...extensionsOf(unknownFields(part, FILE_FIELDS)),
  };
}

/** Vendors' own parts with an address: Mistral `document_url`, Z.ai `file_url`, OpenRouter and vLLM `video_url`. */
const ADDRESSED: Readonly<Record<string, 'document' | 'video' | 'audio'>> = {
  document_url: 'document',
  file_url: 'document',
  video_url: 'video',
  audio_url: 'audio',
};

function decodeAddressed(part: JsonObject, field: string, type: MediaPart['type']): MediaPart | undefined {
  const inner = part[field];
  const url = isObject(inner) ? inner['url'] : inner;
  if (typeof url !== 'string') return undefined;
  const rest = unknownFields(part, new Set(['cache_control', field])) ?? {};
  return {
    type,
    source: sourceOfUrl(url),
    ...cacheOf(part['cache_control']),
    // The part's own type and whether its address is nested, so that the way back writes the same.
    ...extensionsOf({ ...rest, type: field, ...(isObject(inner) ? { [field]: {} } : {}) }),
  };
}

/** One part of a `content` array. A type that is unknown stays as it is, for this format only. */
export function decodePart(value: Json, path: string): TextPart | MediaPart | OpaquePart {
  if (typeof value === 'string') return { type: 'text', text: value };
  const part = objectAt(value, path);
  const type = requiredString(part, 'type', path);
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return {
        type: 'text',
        text: requiredString(part, 'text', path),
        ...cacheOf(part['cache_control']),
        ...extensionsOf(unknownFields(part, TEXT_FIELDS)),
      };
    case 'image_url':
      return decodeImage(part, path);
    case 'input_audio':
      return decodeAudio(part, path);
    case 'file':
      return decodeFile(part, path);
    default: {
      const media = ADDRESSED[type];
      const found = media === undefined ? undefined : decodeAddressed(part, type, media);
      return found ?? { type: 'opaque', format: 'openai-chat', label: type, value: part };
    }
  }
}

/** The text of Mistral's `thinking` part: a string, or a list of text parts. */
export function thinkingText(value: Json | undefined): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value
    .map((piece) => (isObject(piece) && typeof piece['text'] === 'string' ? piece['text'] : ''))
    .join('');
}

/** `content` of a system, user or tool message: a string, an array of parts, or nothing. */
export function decodeContent(value: Json | undefined, path: string): (TextPart | MediaPart | OpaquePart)[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  if (!Array.isArray(value)) throw badRequest(path, `\`${path}\` must be a string or an array of parts.`);
  return value.map((part, index) => decodePart(part, at(path, index)));
}

/** Sets a message-level cache mark on the last part, which is what it means. */
export function markLast<P extends Part>(parts: P[], mark: { cache?: CacheMark }): P[] {
  const last = parts.at(-1);
  if (mark.cache === undefined || last === undefined) return parts;
  return [...parts.slice(0, -1), { ...last, ...mark }];
}
