import { unsupported } from '../../core/errors/error.ts';
import {
  type CacheMark,
  type ChatRequest,
  isObject,
  type JsonObject,
  type MediaPart,
  type Part,
  type ReasoningPart,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { issuerOf } from '../../core/translation/signatures.ts';
import type { Target } from '../codec.ts';
import { argumentsObject } from '../tool-bridge.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT, fitToolName, SEARCH_RESULT } from './names.ts';
import type { Notes } from './notes.ts';

/** What every part of one request is encoded with. */
export interface Encoding {
  readonly request: ChatRequest;
  readonly target: Target;
  readonly notes: Notes;
}

/** Image types Anthropic takes (official reference). */
const IMAGES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** `cache_control` of a mark; five minutes is the default and goes without a `ttl`, which older deployments refuse. */
export function cacheControl(mark: CacheMark): JsonObject {
  return mark.ttl === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' };
}

/** Adds a part's cache mark and this format's own fields to its block. */
function finish(block: JsonObject, part: Part, notes: Notes): JsonObject {
  if (part.extensions !== undefined) {
    notes.addForeign(part.extensions, `${part.type}.`);
    Object.assign(block, part.extensions[FORMAT]);
  }
  if (part.cache !== undefined) block['cache_control'] = cacheControl(part.cache);
  return block;
}

function mediaSource(part: MediaPart, path: string): JsonObject {
  const { source } = part;
  switch (source.kind) {
    case 'url':
      return { type: 'url', url: source.url };
    case 'file':
      return { type: 'file', file_id: source.id };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
    case 'base64': {
      const mediaType = source.mediaType.toLowerCase().split(';', 1)[0]?.trim() ?? '';
      const known = mediaType === 'image/jpg' ? 'image/jpeg' : mediaType;
      if (part.type === 'document' && known.startsWith('text/')) {
        const data = Buffer.from(source.data, 'base64').toString('utf8');
        return { type: 'text', media_type: 'text/plain', data };
      }
      if (part.type === 'image' ? !IMAGES.has(known) : known !== 'application/pdf') {
        throw unsupported(path, `This model does not take a ${part.type} of type ${known || 'unknown'}.`);
      }
      return { type: 'base64', media_type: known, data: source.data };
    }
  }
}

/** Throws `unsupported_feature` naming the part where the model takes no such media. */
function encodeMedia(part: MediaPart, { target, notes }: Encoding, path: string): JsonObject {
  const { type, source } = part;
  const found = part.extensions?.[FORMAT]?.[SEARCH_RESULT];
  if (isObject(found)) return finish({ ...found }, { ...part, extensions: {} }, notes);
  const takes = target.profile.input.includes(type) || (type === 'document' && source.kind === 'text');
  if ((type !== 'image' && type !== 'document') || !takes) {
    throw unsupported(path, `This model does not take ${type} input.`);
  }
  if (source.kind === 'url' && target.quirks.mediaUrls === false) {
    throw unsupported(path, 'This provider does not fetch media by URL; send the data instead.');
  }
  if (part.detail !== undefined && part.detail !== 'auto') notes.add('image detail');
  const block: JsonObject = { type, source: mediaSource(part, path) };
  if (type === 'document' && part.name !== undefined) block['title'] = part.name;
  if (type === 'document' && part.citationsEnabled !== undefined) {
    block['citations'] = { enabled: part.citationsEnabled };
  }
  return finish(block, part, notes);
}

function encodeCall(part: ToolCallPart, { notes }: Encoding): JsonObject {
  if (part.signature !== undefined) notes.add(`reasoning signature (${part.signature.issuer})`);
  return finish(
    { type: 'tool_use', id: part.id, name: fitToolName(part.name), input: argumentsObject(part) },
    part,
    notes,
  );
}

function encodeText(part: TextPart, notes: Notes): JsonObject | undefined {
  if (part.text.trim() === '') return undefined;
  const block: JsonObject = { type: 'text', text: part.text };
  const own = part.citations?.filter((citation) => citation.extensions?.[FORMAT] !== undefined) ?? [];
  // A citation made by another vendor points at nothing that Anthropic knows; only its own go back.
  if (own.length > 0) block['citations'] = own.map(encodeCitation);
  if (own.length < (part.citations?.length ?? 0)) notes.add('citations');
  if (part.signature !== undefined) notes.add(`reasoning signature (${part.signature.issuer})`);
  return finish(block, part, notes);
}

/**
 * A thought goes back with its signature to the family that made it, unchanged. Other families that speak this format do
 * not check signatures, so they get the words; Claude refuses words without one, so there the thought is left out.
 */
function encodeReasoning(part: ReasoningPart, { target, notes }: Encoding): JsonObject | undefined {
  const issuer = issuerOf(target.profile.family, 'claude');
  if (part.redacted !== undefined) {
    if (issuer === 'claude') return finish({ type: 'redacted_thinking', data: part.redacted }, part, notes);
    notes.add('redacted reasoning');
    return undefined;
  }
  const { signature } = part;
  // A bare value in this format has no issuer's name on it, so one decoded as Claude's may be the other family's own.
  const fits = signature !== undefined && (signature.issuer === issuer || signature.issuer === 'claude');
  if (fits) {
    return finish({ type: 'thinking', thinking: part.text, signature: signature.value }, part, notes);
  }
  if (issuer !== 'claude' && part.text !== '') {
    if (signature !== undefined) notes.add(`reasoning signature (${signature.issuer})`);
    return finish({ type: 'thinking', thinking: part.text, signature: '' }, part, notes);
  }
  if (part.text !== '' || signature !== undefined) {
    notes.add(signature === undefined ? 'reasoning without signature' : `reasoning (${signature.issuer})`);
  }
  return undefined;
}

function encodeResult(part: ToolResultPart, encoding: Encoding, path: string): JsonObject {
  const blocks: JsonObject[] = [];
  for (const [index, inner] of part.content.entries()) {
    const block = encodePart(inner, encoding, `${path}.content[${index}]`);
    if (block !== undefined) blocks.push(block);
  }
  const [only] = blocks;
  const isPlain = blocks.length === 1 && only?.['type'] === 'text' && Object.keys(only).length === 2;
  return finish(
    {
      type: 'tool_result',
      tool_use_id: part.callId,
      ...(blocks.length === 0 ? {} : { content: isPlain ? only['text'] : blocks }),
      ...(part.isError === undefined ? {} : { is_error: part.isError }),
    },
    part,
    encoding.notes,
  );
}

/** Writes one part as a block; `undefined` where it has no place there and was noted, or was empty. */
export function encodePart(part: Part, encoding: Encoding, path: string): JsonObject | undefined {
  switch (part.type) {
    case 'text':
      return encodeText(part, encoding.notes);
    case 'refusal':
      return part.text.trim() === ''
        ? undefined
        : finish({ type: 'text', text: part.text }, part, encoding.notes);
    case 'reasoning':
      return encodeReasoning(part, encoding);
    case 'tool_call':
      return encodeCall(part, encoding);
    case 'tool_result':
      return encodeResult(part, encoding, path);
    case 'opaque':
      if (part.format !== FORMAT) {
        encoding.notes.add(part.label);
        return undefined;
      }
      // A copy, because cache marks may be taken off blocks.
      return isObject(part.value) ? { ...part.value } : undefined;
    default:
      return encodeMedia(part, encoding, path);
  }
}
