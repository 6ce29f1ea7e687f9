import { badRequest } from '../../core/errors/error.ts';
import {
  type CacheMark,
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type MediaSource,
  type OpaquePart,
  type Part,
  type ReasoningPart,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { unwrapSignature } from '../../core/translation/signatures.ts';
import {
  at,
  objectAt,
  optionalBoolean,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { decodeCitations } from './citations.ts';
import { FORMAT, SEARCH_RESULT } from './names.ts';

/** The fields of a block that its canonical part has words for; the rest is kept as an extension. */
const KNOWN: Readonly<Record<string, ReadonlySet<string>>> = {
  text: new Set(['type', 'text', 'cache_control', 'citations']),
  image: new Set(['type', 'source', 'cache_control']),
  document: new Set(['type', 'source', 'title', 'citations', 'cache_control']),
  tool_use: new Set(['type', 'id', 'name', 'input', 'cache_control']),
  tool_result: new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']),
  thinking: new Set(['type', 'thinking', 'signature', 'cache_control']),
  redacted_thinking: new Set(['type', 'data', 'cache_control']),
};

/** A `cache_control` object as a mark. The default lifetime is five minutes. */
export function cacheMark(raw: Json | undefined, path: string): CacheMark | undefined {
  if (raw === undefined || raw === null) return undefined;
  const ttl = objectAt(raw, path)['ttl'];
  if (ttl !== undefined && ttl !== null && ttl !== '5m' && ttl !== '1h') {
    throw badRequest(`${path}.ttl`, `\`${path}.ttl\` must be "5m" or "1h".`);
  }
  return { ttl: ttl === '1h' ? '1h' : '5m' };
}

/** Cache mark and unknown fields of a block, ready to spread. */
function common(
  block: JsonObject,
  type: string,
  path: string,
): { readonly cache?: CacheMark; readonly extensions?: Extensions } {
  const cache = cacheMark(block['cache_control'], `${path}.cache_control`);
  const rest = unknownFields(block, KNOWN[type] ?? new Set());
  return {
    ...(cache === undefined ? {} : { cache }),
    ...(rest === undefined ? {} : { extensions: { [FORMAT]: rest } }),
  };
}

/** A block that only this format understands, whole. */
export function opaque(block: JsonObject): OpaquePart {
  const type = block['type'];
  return { type: 'opaque', format: FORMAT, label: typeof type === 'string' ? type : 'block', value: block };
}

export function decodeText(block: JsonObject, path: string): TextPart {
  const citations = decodeCitations(block['citations']);
  return {
    type: 'text',
    text: requiredString(block, 'text', path),
    ...(citations.length === 0 ? {} : { citations }),
    ...common(block, 'text', path),
  };
}

/** The text of a document given as blocks; anything but text makes it `undefined`. */
function joinedBlocks(content: Json | undefined): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((block) => (isObject(block) ? block['text'] : undefined));
  return texts.every((text) => typeof text === 'string') ? texts.join('\n') : undefined;
}

/** `undefined`: a source without a canonical word, the block stays opaque. */
function decodeSource(source: JsonObject, path: string): MediaSource | undefined {
  switch (source['type']) {
    case 'base64':
      return {
        kind: 'base64',
        mediaType: requiredString(source, 'media_type', path),
        data: requiredString(source, 'data', path),
      };
    case 'url':
      return { kind: 'url', url: requiredString(source, 'url', path) };
    case 'file':
      return { kind: 'file', id: requiredString(source, 'file_id', path) };
    case 'text': {
      const mediaType = optionalString(source, 'media_type', path) ?? 'text/plain';
      return { kind: 'text', text: requiredString(source, 'data', path), mediaType };
    }
    case 'content': {
      const text = joinedBlocks(source['content']);
      return text === undefined ? undefined : { kind: 'text', text, mediaType: 'text/plain' };
    }
    default:
      return undefined;
  }
}

function decodeMedia(block: JsonObject, type: 'image' | 'document', path: string): MediaPart | OpaquePart {
  const source = objectAt(block['source'], at(path, 'source'));
  const decoded = decodeSource(source, at(path, 'source'));
  if (decoded === undefined) return opaque(block);
  const name = optionalString(block, 'title', path);
  const citations = type === 'document' ? optionalObject(block, 'citations', path) : undefined;
  const enabled = citations === undefined ? undefined : optionalBoolean(citations, 'enabled', path);
  const { extensions, ...rest } = common(block, type, path);
  // The cut into blocks decides how citations point into the document, so the original source is kept beside the text.
  const kept = source['type'] === 'content' ? { [FORMAT]: { ...extensions?.[FORMAT], source } } : extensions;
  return {
    type,
    source: decoded,
    ...(name === undefined ? {} : { name }),
    ...(enabled === undefined ? {} : { citationsEnabled: enabled }),
    ...rest,
    ...(kept === undefined ? {} : { extensions: kept }),
  };
}

/**
 * A `search_result` that the client gives the model: elsewhere a text document that begins with where it is from. The
 * block itself is kept, so that Anthropic gets it as it was.
 */
function decodeSearchResult(block: JsonObject, path: string): MediaPart | OpaquePart {
  const text = joinedBlocks(block['content']);
  if (text === undefined) return opaque(block);
  const name = optionalString(block, 'title', path);
  const from = optionalString(block, 'source', path);
  const cache = cacheMark(block['cache_control'], `${path}.cache_control`);
  const { cache_control: _, ...kept } = block;
  return {
    type: 'document',
    source: {
      kind: 'text',
      text: from === undefined ? text : `${from}\n\n${text}`,
      mediaType: 'text/plain',
    },
    ...(name === undefined ? {} : { name }),
    ...(cache === undefined ? {} : { cache }),
    extensions: { [FORMAT]: { [SEARCH_RESULT]: kept } },
  };
}

/** A tool's input as argument text. `body` was parsed without losing digits, so none are lost here. */
export function argumentsText(input: Json | undefined): string {
  return input === undefined || input === null ? '' : JSON.stringify(input);
}

function decodeToolUse(block: JsonObject, path: string): ToolCallPart {
  return {
    type: 'tool_call',
    id: requiredString(block, 'id', path),
    name: requiredString(block, 'name', path),
    arguments: argumentsText(block['input']),
    kind: 'function',
    ...common(block, 'tool_use', path),
  };
}

function resultContent(content: Json | undefined, path: string): ToolResultPart['content'] {
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw badRequest(path, `\`${path}\` must be a string or an array of blocks.`);
  return content.map((raw, index) => {
    const blockPath = at(path, index);
    const block = objectAt(raw, blockPath);
    if (block['type'] === 'text') return decodeText(block, blockPath);
    if (block['type'] === 'image' || block['type'] === 'document') {
      return decodeMedia(block, block['type'], blockPath);
    }
    if (block['type'] === SEARCH_RESULT) return decodeSearchResult(block, blockPath);
    return opaque(block);
  });
}

function decodeToolResult(block: JsonObject, path: string): ToolResultPart {
  const isError = optionalBoolean(block, 'is_error', path);
  return {
    type: 'tool_result',
    callId: requiredString(block, 'tool_use_id', path),
    kind: 'function',
    content: resultContent(block['content'], at(path, 'content')),
    ...(isError === undefined ? {} : { isError }),
    ...common(block, 'tool_result', path),
  };
}

function decodeThinking(block: JsonObject, path: string): ReasoningPart {
  const text = optionalString(block, 'thinking', path) ?? '';
  const value = optionalString(block, 'signature', path) ?? '';
  const extra = common(block, 'thinking', path);
  if (value === '') return { type: 'reasoning', text, ...extra };
  const { signature, id } = unwrapSignature(value, 'claude');
  return { type: 'reasoning', text, signature, ...(id === undefined ? {} : { id }), ...extra };
}

/** Reads one content block of a message. Throws `bad_request` naming the field. */
export function decodeBlock(raw: Json | undefined, path: string): Part {
  const block = objectAt(raw, path);
  switch (block['type']) {
    case 'text':
      return decodeText(block, path);
    case 'image':
    case 'document':
      return decodeMedia(block, block['type'], path);
    case SEARCH_RESULT:
      return decodeSearchResult(block, path);
    case 'tool_use':
      return decodeToolUse(block, path);
    case 'tool_result':
      return decodeToolResult(block, path);
    case 'thinking':
      return decodeThinking(block, path);
    case 'redacted_thinking':
      return {
        type: 'reasoning',
        text: '',
        redacted: requiredString(block, 'data', path),
        ...common(block, 'redacted_thinking', path),
      };
    default:
      requiredString(block, 'type', path);
      return opaque(block);
  }
}

/**
 * Reads the blocks of one message. A thinking block that carries the signature of the part before it (see
 * `signatures.ts`) gives it back to that part and vanishes.
 */
export function decodeBlocks(content: readonly (Json | undefined)[], path: string): Part[] {
  const parts: Part[] = [];
  for (const [index, raw] of content.entries()) {
    const carried =
      isObject(raw) && raw['type'] === 'thinking' && typeof raw['signature'] === 'string'
        ? unwrapSignature(raw['signature'], 'claude')
        : undefined;
    const before = parts.at(-1);
    if (carried?.previous === true) {
      if (before?.type === 'tool_call' || before?.type === 'text') {
        parts[parts.length - 1] = { ...before, signature: carried.signature };
      }
      continue;
    }
    parts.push(decodeBlock(raw, at(path, index)));
  }
  return parts;
}
