import { unsupported } from '../../core/errors/error.ts';
import {
  type Extensions,
  isObject,
  type JsonObject,
  type MediaPart,
  type OpaquePart,
  type ReasoningPart,
  type Signature,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { wrapSignature } from '../../core/translation/signatures.ts';
import { compact } from '../fields.ts';
import { argumentsObject } from '../tool-bridge.ts';
import { asObject } from './aliases.ts';
import { googleMediaType, guessMediaType, mediaTypeOf } from './media.ts';
import { MADE_ID } from './message-decode.ts';
import type { Notes } from './notes.ts';
import { REDACTED_ID, structured } from './part-decode.ts';

/** Adds a part's unknown Google fields back; those of the message inside it go inside. */
export function withUnknown(part: JsonObject, extensions: Extensions | undefined): JsonObject {
  const extra = extensions?.gemini;
  if (extra === undefined) return part;
  const out: JsonObject = { ...extra, ...part };
  for (const [key, value] of Object.entries(part)) {
    const inner = extra[key];
    if (isObject(inner) && isObject(value)) out[key] = { ...inner, ...value };
  }
  return out;
}

/**
 * `{thoughtSignature}` in a client's dialect: a foreign issuer's state is wrapped so that it can come back. The field holds
 * bytes (API reference, `Part`), and Google's typed SDKs take base64 alone, so what is wrapped is base64 too.
 */
export function signatureField(signature: Signature | undefined, id?: string): JsonObject {
  if (signature === undefined) return {};
  const carried = { signature, ...(id === undefined ? {} : { id }) };
  const text = wrapSignature(carried, 'gemini');
  const isNative = text === signature.value;
  return { thoughtSignature: isNative ? text : Buffer.from(text, 'utf8').toString('base64') };
}

/** A thought. `redacted` has no word here and travels as a marked signature, see `signatures.ts`. */
export function encodeThought(part: ReasoningPart): JsonObject {
  const redacted: Signature | undefined =
    part.redacted === undefined ? undefined : { issuer: 'claude', value: part.redacted };
  const signature =
    redacted === undefined ? signatureField(part.signature, part.id) : signatureField(redacted, REDACTED_ID);
  return withUnknown({ text: part.text, thought: true, ...signature }, part.extensions);
}

/** The id to send; one that this gateway made is not. */
export function wireId(id: string): string | undefined {
  return id === '' || id.startsWith(MADE_ID) ? undefined : id;
}

/** A whole function call. */
export function encodeCall(part: ToolCallPart, signature: JsonObject): JsonObject {
  const functionCall = compact({
    id: wireId(part.id),
    name: part.name,
    args: argumentsObject(part),
  });
  return withUnknown({ functionCall, ...signature }, part.extensions);
}

function blob(mediaType: string, data: string, name: string | undefined): JsonObject {
  return compact({ mimeType: googleMediaType(mediaType), data, displayName: name });
}

function dataUrl(url: string): { readonly mediaType: string; readonly data: string } | undefined {
  const found = /^data:([^;,]*)(?:;[^;,]*)*;base64,(.*)$/s.exec(url);
  if (found === null) return undefined;
  return { mediaType: found[1] || 'application/octet-stream', data: found[2] ?? '' };
}

/** Where a media part stands, and what may be sent of it. */
export interface MediaRules {
  readonly path: string;
  readonly notes: Notes;
  /** The vendor fetches URLs itself. */
  readonly urls: boolean;
  /** `displayName` may be sent: AI Studio knows it inside function results only. */
  readonly names: boolean;
}

/** A picture, document, sound or film. Throws `unsupported_feature` for another vendor's file id. */
export function encodeMedia(part: MediaPart, rules: MediaRules): JsonObject {
  const { source } = part;
  const name = rules.names ? part.name : undefined;
  rules.notes.when(part.name !== undefined && name === undefined && source.kind !== 'text', 'file name');
  if (part.detail !== undefined && part.detail !== 'auto') rules.notes.add('image detail');
  switch (source.kind) {
    case 'base64':
      return { inlineData: blob(source.mediaType, source.data, name) };
    case 'text':
      return { text: part.name === undefined ? source.text : `${part.name}\n\n${source.text}` };
    case 'file':
      throw unsupported(
        rules.path,
        `\`${rules.path}\` names a file stored at another provider; send its content or a URL instead.`,
      );
    case 'url': {
      const inline = dataUrl(source.url);
      if (inline !== undefined) return { inlineData: blob(inline.mediaType, inline.data, name) };
      if (!rules.urls) {
        throw unsupported(
          rules.path,
          `\`${rules.path}\` is a URL, which this provider does not fetch; send its bytes.`,
        );
      }
      let mediaType = source.mediaType ?? mediaTypeOf(source.url);
      if (mediaType === undefined) {
        mediaType = guessMediaType(part.type);
        rules.notes.add(`media type of a URL (sent as ${mediaType})`);
      }
      const file = { fileUri: source.url, mimeType: googleMediaType(mediaType), displayName: name };
      return { fileData: compact(file) };
    }
  }
}

/** Structured text goes as its object, other text as `{output}`; a failed call's as `{error}` (WIRE §2.1). */
function responseObject(text: string, isError: boolean): JsonObject {
  const value = structured(text) ?? text;
  if (isError) return { error: value };
  return isObject(value) ? value : { output: value };
}

/** A result and the media that must follow it as parts of the same turn. */
export interface EncodedResult {
  readonly response: JsonObject;
  readonly beside: readonly JsonObject[];
}

/** `inside`: the model takes media inside `functionResponse.parts` (Gemini 3). */
export function encodeResult(
  part: ToolResultPart,
  rules: MediaRules & { readonly inside: boolean },
): EncodedResult {
  const texts: string[] = [];
  const media: JsonObject[] = [];
  for (const piece of part.content as readonly (TextPart | MediaPart | OpaquePart)[]) {
    if (piece.type === 'text') texts.push(piece.text);
    else if (piece.type === 'opaque') {
      const body = piece.format === 'gemini' ? asObject(piece.value) : undefined;
      if (body === undefined) rules.notes.add(piece.label);
      else media.push(body);
    } else {
      const encoded = encodeMedia(piece, rules);
      if (typeof encoded['text'] === 'string') texts.push(encoded['text']);
      else media.push(withUnknown(encoded, piece.extensions));
    }
  }
  const functionResponse = compact({
    id: wireId(part.callId),
    name: part.name ?? 'unknown_function',
    response: responseObject(texts.join('\n'), part.isError === true),
    parts: rules.inside && media.length > 0 ? media : undefined,
  });
  const response = withUnknown({ functionResponse }, part.extensions);
  return { response, beside: rules.inside ? [] : media };
}
