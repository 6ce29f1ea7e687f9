import { unsupported } from '../../core/errors/error.ts';
import type {
  ChatRequest,
  JsonObject,
  MediaPart,
  Message,
  Part,
  ToolCallPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { fitToolIds, type IdRule } from '../../core/translation/tool-ids.ts';
import { argumentsObject } from '../tool-bridge.ts';
import type { Dropped } from '../uncarried.ts';
import { own } from './wire.ts';

/** Ollama names no limit; the rule only fills in ids that are missing or repeat. */
const ANY_ID: IdRule = { maxLength: 256, prefix: 'call_' };

function imageData(part: MediaPart): string {
  if (part.type !== 'image')
    throw unsupported(part.type, `Ollama takes text and images only, no ${part.type}.`);
  if (part.source.kind !== 'base64') {
    throw unsupported(part.type, 'Ollama fetches no images; send the bytes as base64.');
  }
  return part.source.data;
}

/** Text, images and calls of one message, each in the place Ollama has for it. */
class MessageFields {
  readonly texts: string[] = [];
  readonly images: string[] = [];
  readonly calls: JsonObject[] = [];
  thinking = '';
  readonly #dropped: Dropped;

  constructor(dropped: Dropped) {
    this.#dropped = dropped;
  }

  add(part: Part): void {
    switch (part.type) {
      case 'text':
      case 'refusal':
        if (part.text !== '') this.texts.push(part.text);
        break;
      case 'reasoning':
        if (part.redacted !== undefined) this.#dropped.add('redacted reasoning');
        else if (part.signature !== undefined) this.#dropped.add('reasoning signature');
        this.thinking += part.text;
        break;
      case 'tool_call':
        this.calls.push(encodeCall(part));
        break;
      case 'tool_result':
        break;
      case 'opaque':
        this.#dropped.add(part.label);
        break;
      default:
        this.#media(part);
    }
  }

  #media(part: MediaPart): void {
    const { source } = part;
    if (source.kind !== 'text') this.images.push(imageData(part));
    else this.texts.push(part.name === undefined ? source.text : `${part.name}\n\n${source.text}`);
  }
}

/** One call, as in prompts, answers and stream lines. */
export function encodeCall(part: ToolCallPart): JsonObject {
  const inner = { name: part.name, arguments: argumentsObject(part) };
  return { id: part.id, function: inner, ...own(part.extensions) };
}

/**
 * Content, thinking, images and calls of an assistant message, of a prompt or an answer. Its text blocks are
 * one text in pieces and join without separators (WIRE §2.2).
 */
export function encodeAssistant(parts: readonly Part[], dropped: Dropped): JsonObject {
  const fields = new MessageFields(dropped);
  for (const part of parts) fields.add(part);
  return {
    content: fields.texts.join(''),
    ...(fields.thinking === '' ? {} : { thinking: fields.thinking }),
    ...(fields.images.length === 0 ? {} : { images: fields.images }),
    ...(fields.calls.length === 0 ? {} : { tool_calls: fields.calls }),
  };
}

function encodeResult(part: ToolResultPart, dropped: Dropped): JsonObject {
  const fields = new MessageFields(dropped);
  for (const entry of part.content) fields.add(entry);
  if (part.isError === true) dropped.add('tool_result.is_error');
  return {
    role: 'tool',
    content: fields.texts.join('\n\n'),
    ...(fields.images.length === 0 ? {} : { images: fields.images }),
    ...(part.name === undefined ? {} : { tool_name: part.name }),
    ...(part.callId === '' ? {} : { tool_call_id: part.callId }),
    ...own(part.extensions),
  };
}

/** A prompt's blocks are separate texts; an empty line keeps them apart in the one string Ollama has. */
function encodeUser(message: Message, dropped: Dropped): JsonObject[] {
  const out: JsonObject[] = [];
  const fields = new MessageFields(dropped);
  for (const part of message.parts) {
    if (part.type === 'tool_result') out.push(encodeResult(part, dropped));
    else fields.add(part);
  }
  if (fields.texts.length === 0 && fields.images.length === 0) return out;
  out.push({
    role: message.role,
    content: fields.texts.join('\n\n'),
    ...(fields.images.length === 0 ? {} : { images: fields.images }),
    ...own(message.extensions),
  });
  return out;
}

/** Writes the conversation. */
export function encodeMessages(request: ChatRequest, dropped: Dropped): JsonObject[] {
  const out: JsonObject[] = [];
  for (const message of fitToolIds(request.messages, ANY_ID)) {
    if (message.name !== undefined) dropped.add('name');
    if (message.role !== 'assistant') out.push(...encodeUser(message, dropped));
    else {
      const body = encodeAssistant(message.parts, dropped);
      out.push({ role: 'assistant', ...body, ...own(message.extensions) });
    }
  }
  return out;
}
