import { unsupported } from '../../core/errors/error.ts';
import type {
  ChatRequest,
  Json,
  JsonObject,
  MediaPart,
  Message,
  Part,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { fitToolIds, type IdRule } from '../../core/translation/tool-ids.ts';
import { argumentsObject } from '../tool-bridge.ts';
import type { Dropped } from '../uncarried.ts';
import { encodeCitation } from './citations.ts';
import { FORMAT, own } from './wire.ts';

/** Cohere names no limit; the rule only fills in ids that are missing or repeat. */
const ANY_ID: IdRule = { maxLength: 256, prefix: 'call_' };

const SEE_NEXT = '(See the image in the next message.)';

/** A document as text, for places where Cohere takes none: its title, then its words. */
function documentText(part: MediaPart): TextPart {
  const { source } = part;
  if (source.kind !== 'text') {
    throw unsupported(part.type, `Cohere takes no ${part.type} of this kind in a message; send its text.`);
  }
  return { type: 'text', text: part.name === undefined ? source.text : `${part.name}\n\n${source.text}` };
}

function imageBlock(part: MediaPart): JsonObject {
  const { source } = part;
  if (source.kind !== 'base64' && source.kind !== 'url') {
    throw unsupported(part.type, 'Cohere takes images by URL or as data; send one of these.');
  }
  const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
  return { type: 'image_url', image_url: part.detail === undefined ? { url } : { url, detail: part.detail } };
}

function textBlock(part: TextPart): JsonObject {
  const { document, ...extra } = own(part.extensions);
  if (!isObject(document)) return { type: 'text', text: part.text, ...extra };
  if (document['plain'] === true) return { type: 'document', document: part.text };
  return { type: 'document', document: { ...document, data: documentData(part.text) } };
}

function documentData(text: string): JsonObject | string {
  try {
    const value = parseJson(text);
    return isObject(value) && text.startsWith('{') ? value : text;
  } catch {
    return text;
  }
}

/** One part as a content block; `undefined` if there is nothing to send, noted where something was lost. */
function encodeBlock(part: Part, dropped: Dropped): JsonObject | undefined {
  switch (part.type) {
    case 'text':
      return part.text === '' ? undefined : textBlock(part);
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'reasoning':
      if (part.redacted !== undefined) dropped.add('redacted reasoning');
      else if (part.signature !== undefined) dropped.add('reasoning signature');
      return part.text === ''
        ? undefined
        : { type: 'thinking', thinking: part.text, ...own(part.extensions) };
    case 'image':
      return imageBlock(part);
    case 'opaque':
      if (part.format === FORMAT && isObject(part.value)) return part.value;
      dropped.add(part.label);
      return undefined;
    case 'document':
    case 'audio':
    case 'video':
      return textBlock(documentText(part));
    default:
      return undefined;
  }
}

/** `content` in its shortest form: a string where it is one plain text. */
function shortest(blocks: readonly JsonObject[]): JsonObject[] | string {
  const [only] = blocks;
  const isPlain = blocks.length === 1 && only?.['type'] === 'text' && Object.keys(only).length === 2;
  return isPlain && typeof only['text'] === 'string' ? only['text'] : [...blocks];
}

function encodeCall(part: ToolCallPart): JsonObject {
  const isRaw = part.kind === 'function' && part.arguments.trim() !== '';
  const text = isRaw ? part.arguments : JSON.stringify(argumentsObject(part));
  const inner = { name: part.name, arguments: text };
  return { id: part.id, type: 'function', function: inner, ...own(part.extensions) };
}

/** Content, calls and citations of an assistant message, of a prompt or an answer. */
export function encodeAssistant(parts: readonly Part[], dropped: Dropped): JsonObject {
  const content: JsonObject[] = [];
  const calls: JsonObject[] = [];
  const citations: JsonObject[] = [];
  for (const part of parts) {
    if (part.type === 'tool_call') calls.push(encodeCall(part));
    const block = encodeBlock(part, dropped);
    if (block === undefined) continue;
    if (part.type === 'text') {
      for (const citation of part.citations ?? []) {
        citations.push(encodeCitation(citation, part.text, content.length));
      }
    }
    content.push(block);
  }
  return {
    ...(content.length === 0 ? {} : { content }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(citations.length === 0 ? {} : { citations }),
  };
}

/** A tool message takes text and documents; images follow in a user message. */
function encodeResult(part: ToolResultPart, images: JsonObject[], dropped: Dropped): JsonObject {
  const content: JsonObject[] = [];
  for (const entry of part.content) {
    const block = encodeBlock(entry, dropped);
    if (block?.['type'] !== 'image_url') {
      if (block !== undefined) content.push(block);
      continue;
    }
    images.push(block);
    content.push({ type: 'text', text: SEE_NEXT });
  }
  if (part.isError === true) dropped.add('tool_result.is_error');
  return {
    role: 'tool',
    tool_call_id: part.callId,
    content: content.length === 0 ? '' : shortest(content),
    ...own(part.extensions),
  };
}

function encodeUser(message: Message, dropped: Dropped): JsonObject[] {
  const out: JsonObject[] = [];
  const content: JsonObject[] = [];
  for (const part of message.parts) {
    if (part.type === 'tool_result') out.push(encodeResult(part, content, dropped));
  }
  for (const part of message.parts) {
    const block = part.type === 'tool_result' ? undefined : encodeBlock(part, dropped);
    if (block !== undefined) content.push(block);
  }
  if (content.length > 0) {
    out.push({ role: message.role, content: shortest(content), ...own(message.extensions) });
  }
  return out;
}

/** Writes the conversation; an assistant turn without content and calls is left out. */
export function encodeMessages(request: ChatRequest, dropped: Dropped): JsonObject[] {
  const out: JsonObject[] = [];
  for (const message of fitToolIds(request.messages, ANY_ID)) {
    if (message.name !== undefined) dropped.add('name');
    if (message.role !== 'assistant') {
      out.push(...encodeUser(message, dropped));
      continue;
    }
    const { content, ...body } = encodeAssistant(message.parts, dropped);
    const { citations: left, ...brought } = own(message.extensions);
    if (content === undefined && body['tool_calls'] === undefined) continue;
    const citations = [...list(body['citations']), ...list(left)];
    out.push({
      role: 'assistant',
      ...(Array.isArray(content) ? { content: shortest(content.filter(isObject)) } : {}),
      ...body,
      ...(citations.length === 0 ? {} : { citations }),
      ...brought,
    });
  }
  return out;
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
