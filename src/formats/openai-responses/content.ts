import { badRequest, unsupported } from '../../core/errors/error.ts';
import type { JsonObject, MediaPart, MediaSource, OpaquePart, TextPart } from '../../core/model/index.ts';
import { at, compact, optionalString, requiredString, unknownFields } from '../fields.ts';
import { type Dropped, FORMAT, IN_CONTENT, ownExtensions, ownFields } from './wire.ts';

/** What a prompt message or a tool result may hold. */
export type InputPart = TextPart | MediaPart | OpaquePart;

const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text']);
const IMAGE_FIELDS: ReadonlySet<string> = new Set(['type', 'image_url', 'file_id', 'detail']);
const FILE_FIELDS: ReadonlySet<string> = new Set(['type', 'file_data', 'file_url', 'file_id', 'filename']);
const AUDIO_FIELDS: ReadonlySet<string> = new Set(['type', 'input_audio']);

const DATA_URL = /^data:([^;,]*)((?:;[^;,]*)*),/;

/** A data URL's parts; `undefined` for any other text. Only base64 ones carry `data`. */
function parseDataUrl(
  text: string,
): { readonly mediaType: string; readonly data: string | undefined } | undefined {
  if (!text.startsWith('data:')) return undefined;
  const head = DATA_URL.exec(text);
  if (head === null) return { mediaType: '', data: undefined };
  const isBase64 = (head[2] ?? '').split(';').includes('base64');
  return { mediaType: head[1] ?? '', data: isBase64 ? text.slice(head[0].length) : undefined };
}

function imageSource(part: JsonObject, path: string): MediaSource {
  const url = optionalString(part, 'image_url', path);
  if (url === undefined) {
    const id = optionalString(part, 'file_id', path);
    if (id === undefined) throw badRequest(path, `\`${path}\` needs \`image_url\` or \`file_id\`.`);
    return { kind: 'file', id };
  }
  const parsed = parseDataUrl(url);
  if (parsed === undefined) return { kind: 'url', url };
  if (parsed.data === undefined) {
    throw badRequest(
      at(path, 'image_url'),
      `\`${at(path, 'image_url')}\` must be a base64 data URL or a URL.`,
    );
  }
  return { kind: 'base64', mediaType: parsed.mediaType || 'image/png', data: parsed.data };
}

function fileSource(part: JsonObject, path: string): MediaSource {
  const data = optionalString(part, 'file_data', path);
  if (data !== undefined) {
    const parsed = parseDataUrl(data);
    // Bare base64 is what several clients send; the API itself takes it for a PDF.
    if (parsed === undefined) return { kind: 'base64', mediaType: 'application/pdf', data };
    if (parsed.data === undefined) {
      throw badRequest(at(path, 'file_data'), `\`${at(path, 'file_data')}\` must be a base64 data URL.`);
    }
    return { kind: 'base64', mediaType: parsed.mediaType || 'application/pdf', data: parsed.data };
  }
  const url = optionalString(part, 'file_url', path);
  if (url !== undefined) return { kind: 'url', url };
  const id = optionalString(part, 'file_id', path);
  if (id !== undefined) return { kind: 'file', id };
  throw badRequest(path, `\`${path}\` needs \`file_data\`, \`file_url\` or \`file_id\`.`);
}

function audioPart(part: JsonObject, path: string): MediaPart {
  const audio = part['input_audio'];
  const fields = typeof audio === 'object' && audio !== null && !Array.isArray(audio) ? audio : {};
  const inner = at(path, 'input_audio');
  const data = requiredString(fields, 'data', inner);
  const mediaType = `audio/${optionalString(fields, 'format', inner) ?? 'wav'}`;
  return {
    type: 'audio',
    source: { kind: 'base64', mediaType, data },
    ...ownExtensions(unknownFields(part, AUDIO_FIELDS)),
  };
}

/** One content part of a prompt message or tool result. An unknown type is kept whole for this format. */
export function decodeInputPart(part: JsonObject, path: string): InputPart {
  const type = requiredString(part, 'type', path);
  switch (type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return {
        type: 'text',
        text: requiredString(part, 'text', path),
        ...ownExtensions(unknownFields(part, TEXT_FIELDS)),
      };
    case 'input_image': {
      const detail = optionalString(part, 'detail', path);
      return {
        type: 'image',
        source: imageSource(part, path),
        ...(detail === undefined ? {} : { detail }),
        ...ownExtensions(unknownFields(part, IMAGE_FIELDS)),
      };
    }
    case 'input_file': {
      const name = optionalString(part, 'filename', path);
      return {
        type: 'document',
        source: fileSource(part, path),
        ...(name === undefined ? {} : { name }),
        ...ownExtensions(unknownFields(part, FILE_FIELDS)),
      };
    }
    case 'input_audio':
      return audioPart(part, path);
    default:
      return {
        type: 'opaque',
        format: FORMAT,
        label: type,
        value: part,
        ...ownExtensions({ [IN_CONTENT]: true }),
      };
  }
}

function encodeImage(part: MediaPart): JsonObject {
  const { source } = part;
  const rest = ownFields(part);
  const head = { type: 'input_image', ...(part.detail === undefined ? {} : { detail: part.detail }) };
  switch (source.kind) {
    case 'url':
      return { ...head, image_url: source.url, ...rest };
    case 'file':
      return { ...head, file_id: source.id, ...rest };
    case 'base64':
      return { ...head, image_url: `data:${source.mediaType};base64,${source.data}`, ...rest };
    case 'text':
      return { type: 'input_text', text: source.text, ...rest };
  }
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/csv': 'csv',
  'text/html': 'html',
  'application/json': 'json',
};

function encodeDocument(part: MediaPart): JsonObject {
  const { source } = part;
  const rest = ownFields(part);
  const named = part.name === undefined ? {} : { filename: part.name };
  switch (source.kind) {
    case 'url':
      return { type: 'input_file', ...named, file_url: source.url, ...rest };
    case 'file':
      return { type: 'input_file', ...named, file_id: source.id, ...rest };
    case 'base64': {
      // Without a file name the API answers 400 to `file_data`.
      const filename = part.name ?? `document.${EXTENSIONS[source.mediaType] ?? 'bin'}`;
      const file_data = `data:${source.mediaType};base64,${source.data}`;
      return { type: 'input_file', filename, file_data, ...rest };
    }
    case 'text':
      return {
        type: 'input_text',
        text: part.name === undefined ? source.text : `${part.name}\n\n${source.text}`,
        ...rest,
      };
  }
}

function encodeAudio(part: MediaPart, param: string): JsonObject {
  if (part.source.kind !== 'base64') {
    throw unsupported(param, 'This model takes audio only as inline data. Send the bytes in the request.');
  }
  const format = part.source.mediaType.replace(/^audio\/(?:x-)?/, '');
  return {
    type: 'input_audio',
    input_audio: { data: part.source.data, format: format === 'mpeg' ? 'mp3' : format },
    ...ownFields(part),
  };
}

/** What {@link encodeInputPart} needs besides the part. */
export interface PartPlace {
  /** Where the part stands in the canonical request, for errors. */
  readonly param: string;
  readonly dropped: Dropped;
  /** Whether the model is described as hearing audio; the public API has no audio input (WIRE §2.1). */
  readonly audio: boolean;
}

/**
 * A prompt part as `input_text`, `input_image` or `input_file`; `undefined` if only another format could carry it, which
 * is noted. Throws `unsupported_feature` for audio and video.
 */
export function encodeInputPart(part: InputPart, place: PartPlace): JsonObject | undefined {
  const { param, dropped } = place;
  dropped.addForeign(part, part.type);
  if (part.cache !== undefined) dropped.add('cache_control');
  switch (part.type) {
    case 'text':
      return { type: 'input_text', text: part.text, ...compact(ownFields(part) ?? {}) };
    case 'opaque':
      if (part.format !== FORMAT) {
        dropped.add(part.label);
        return undefined;
      }
      return part.value as JsonObject;
    case 'image':
      return encodeImage(part);
    case 'document':
      return encodeDocument(part);
    case 'audio':
      if (place.audio) return encodeAudio(part, param);
      throw unsupported(
        param,
        'This model takes no audio over the Responses API. Send a transcript, or use a model that hears.',
      );
    case 'video':
      throw unsupported(
        param,
        'This model takes no video. Send single frames as images, or use a model that sees video.',
      );
  }
}
