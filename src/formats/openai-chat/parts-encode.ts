import { unsupported } from '../../core/errors/error.ts';
import type { JsonObject, MediaPart, OpaquePart, Part, TextPart } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import type { Target } from '../codec.ts';
import { compact } from '../fields.ts';

/** What an encoder leaves out, each thing named once. */
export class Dropped {
  readonly #names = new Set<string>();

  add(name: string): void {
    this.#names.add(name);
  }

  /** Fields kept for formats other than this one. */
  addForeign(extensions: Part['extensions'], where: string): void {
    if (extensions === undefined) return;
    for (const [format, fields] of Object.entries(extensions)) {
      if (format === 'openai-chat' || fields === undefined) continue;
      for (const key of Object.keys(fields)) this.add(where === '' ? key : `${where}.${key}`);
    }
  }

  list(): readonly string[] {
    return [...this.#names];
  }
}

/** Where parts are encoded for. */
export interface PartTarget {
  readonly target: Target;
  readonly dropped: Dropped;
}

/** The own unknown fields of a part; foreign ones are noted. */
export function ownFields(part: Part, to: PartTarget): JsonObject {
  to.dropped.addForeign(part.extensions, part.type);
  return part.extensions?.['openai-chat'] ?? {};
}

/** `cache_control` for targets that take it; else the mark is noted, since OpenAI caches by itself. */
export function cacheFields(
  part: { readonly cache?: Part['cache'] },
  { target, dropped }: PartTarget,
): JsonObject {
  if (part.cache === undefined) return {};
  if (target.quirks.cacheControl === true || target.profile.family === 'claude') {
    const ttl = part.cache.ttl === '1h' ? { ttl: '1h' } : {};
    return { cache_control: { type: 'ephemeral', ...ttl } };
  }
  dropped.add('cache_control');
  return {};
}

function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`;
}

function encodeImage(part: MediaPart, path: string, to: PartTarget): JsonObject {
  const { source } = part;
  const own = ownFields(part, to);
  const nested = own['image_url'];
  let url: string;
  if (source.kind === 'base64')
    url = dataUrl(source.mediaType.replace('image/jpg', 'image/jpeg'), source.data);
  else if (source.kind === 'url') url = source.url;
  else throw unsupported(path, 'The image is kept at another vendor; send its bytes or its URL.');
  if (source.kind === 'url' && to.target.quirks.mediaUrls === false) {
    throw unsupported(path, 'This provider does not fetch images by URL; send the image as a data URL.');
  }
  return {
    ...own,
    type: 'image_url',
    image_url: compact({ ...(isObject(nested) ? nested : {}), url, detail: part.detail }),
    ...cacheFields(part, to),
  };
}

function encodeAudio(part: MediaPart, path: string, to: PartTarget): JsonObject {
  const { source } = part;
  if (source.kind !== 'base64')
    throw unsupported(path, 'Audio must be sent as base64 data to this provider.');
  const subtype = source.mediaType.replace(/^audio\//, '').replace(/;.*$/, '');
  const format = subtype === 'mpeg' ? 'mp3' : subtype.replace(/^(?:x-|vnd\.)?wave?$/, 'wav');
  return {
    ...ownFields(part, to),
    type: 'input_audio',
    input_audio: { data: source.data, format },
    ...cacheFields(part, to),
  };
}

/** A document of plain text goes as text, with its title above it. */
function documentText(part: MediaPart, text: string, to: PartTarget): JsonObject {
  const titled = part.name === undefined ? text : `${part.name}\n\n${text}`;
  return { type: 'text', text: titled, ...cacheFields(part, to) };
}

function textFromBase64(data: string): string {
  const bytes = Uint8Array.from(atob(data), (unit) => unit.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

function encodeDocument(part: MediaPart, path: string, to: PartTarget): JsonObject {
  const { source } = part;
  if (part.citationsEnabled === true) to.dropped.add('document.citations');
  if (source.kind === 'text') return documentText(part, source.text, to);
  if (source.kind === 'url') {
    throw unsupported(path, 'Documents cannot be sent by URL to this provider; send the file itself.');
  }
  const own = ownFields(part, to);
  if (source.kind === 'file') {
    return { ...own, type: 'file', file: { file_id: source.id }, ...cacheFields(part, to) };
  }
  if (/^text\/|^application\/(?:json|xml)$/.test(source.mediaType)) {
    return documentText(part, textFromBase64(source.data), to);
  }
  const filename = part.name ?? (source.mediaType === 'application/pdf' ? 'document.pdf' : 'document');
  const file = { filename, file_data: dataUrl(source.mediaType, source.data) };
  return { ...own, type: 'file', file, ...cacheFields(part, to) };
}

/** A vendor's own part with an address, as the client wrote it (`document_url`, `video_url`, …). */
function encodeAddressed(part: MediaPart, to: PartTarget): JsonObject | undefined {
  const own = part.extensions?.['openai-chat'];
  const type = own?.['type'];
  if (own === undefined || typeof type !== 'string') return undefined;
  const { source } = part;
  const url =
    source.kind === 'base64'
      ? dataUrl(source.mediaType, source.data)
      : source.kind === 'url'
        ? source.url
        : undefined;
  if (url === undefined) return undefined;
  return { ...own, [type]: own[type] === undefined ? url : { url }, ...cacheFields(part, to) };
}

function encodeMedia(part: MediaPart, path: string, to: PartTarget): JsonObject {
  const own = encodeAddressed(part, to);
  if (own !== undefined) return own;
  const isText = part.type === 'document' && part.source.kind === 'text';
  if (!isText && !to.target.profile.input.includes(part.type)) {
    throw unsupported(path, `This model does not take ${part.type} input.`);
  }
  switch (part.type) {
    case 'image':
      return encodeImage(part, path, to);
    case 'audio':
      return encodeAudio(part, path, to);
    case 'document':
      return encodeDocument(part, path, to);
    default:
      throw unsupported(path, 'Video cannot be sent in the Chat Completions format.');
  }
}

/** A part of a prompt as an entry of `content`; `undefined` for one that only another format understands. */
export function encodePart(
  part: TextPart | MediaPart | OpaquePart,
  path: string,
  to: PartTarget,
): JsonObject | undefined {
  if (part.type === 'text') {
    return { ...ownFields(part, to), type: 'text', text: part.text, ...cacheFields(part, to) };
  }
  if (part.type !== 'opaque') return encodeMedia(part, path, to);
  if (part.format === 'openai-chat' && typeof part.value === 'object' && !Array.isArray(part.value)) {
    return part.value ?? undefined;
  }
  to.dropped.add(part.label);
  return undefined;
}

/** `content` in its shortest form: one plain text as a string, else the array. */
export function contentOf(parts: readonly JsonObject[]): string | JsonObject[] {
  const [first] = parts;
  if (first === undefined) return '';
  const isPlain = parts.length === 1 && first['type'] === 'text' && Object.keys(first).length === 2;
  return isPlain && typeof first['text'] === 'string' ? first['text'] : [...parts];
}
