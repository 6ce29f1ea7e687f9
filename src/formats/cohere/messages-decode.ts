import { badRequest } from '../../core/errors/error.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type Message,
  type OpaquePart,
  type OutputPart,
  type Part,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import {
  at,
  objectAt,
  optionalArray,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { contentIndex, decodeCitation } from './citations.ts';
import { extended, FORMAT } from './wire.ts';

const DATA_URL = /^data:([^;,]+)(?:;[^,]*)?;base64,(.*)$/s;

function decodeImage(block: JsonObject, path: string): MediaPart {
  const value = objectAt(block['image_url'], at(path, 'image_url'));
  const url = requiredString(value, 'url', at(path, 'image_url'));
  const detail = optionalString(value, 'detail', at(path, 'image_url'));
  const inline = DATA_URL.exec(url);
  const [, mediaType, data] = inline ?? [];
  return {
    type: 'image',
    source:
      mediaType !== undefined && data !== undefined
        ? { kind: 'base64', mediaType, data }
        : { kind: 'url', url },
    ...(detail === undefined ? {} : { detail }),
  };
}

/** A document of a tool's output: its data as text for everyone else, and as data for Cohere again. */
function decodeDocument(block: JsonObject, path: string): TextPart {
  const value = block['document'];
  if (typeof value === 'string')
    return { type: 'text', text: value, ...extended({ document: { plain: true } }) };
  const document = objectAt(value, at(path, 'document'));
  const data = document['data'];
  return {
    type: 'text',
    text: typeof data === 'string' ? data : JSON.stringify(data ?? {}),
    ...extended({ document: unknownFields(document, new Set(['data'])) ?? {} }),
  };
}

function decodeBlock(block: JsonObject, path: string): Part {
  switch (block['type']) {
    case 'text':
      return { type: 'text', text: optionalString(block, 'text', path) ?? '', ...rest(block, 'text') };
    case 'thinking':
      return {
        type: 'reasoning',
        text: optionalString(block, 'thinking', path) ?? '',
        ...rest(block, 'thinking'),
      };
    case 'image_url':
      return decodeImage(block, path);
    case 'document':
      return decodeDocument(block, path);
    default: {
      const label = typeof block['type'] === 'string' ? block['type'] : 'content block';
      return { type: 'opaque', format: FORMAT, label, value: block };
    }
  }
}

function rest(block: JsonObject, key: string): ReturnType<typeof extended> {
  return extended(unknownFields(block, new Set(['type', key])));
}

/** Reads `content`, a string or a list of blocks; an empty string is no part. */
export function decodeContent(value: Json | undefined, path: string): readonly Part[] {
  if (value === undefined || value === null || value === '') return [];
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  if (!Array.isArray(value)) throw badRequest(path, `\`${path}\` must be a string or an array.`);
  return value.map((entry, index) => decodeBlock(objectAt(entry, at(path, index)), at(path, index)));
}

/** Reads one call. `null` arguments (S) are none. */
export function decodeCall(entry: Json | undefined, path: string): ToolCallPart {
  const call = objectAt(entry, path);
  const inner = objectAt(call['function'], at(path, 'function'));
  return {
    type: 'tool_call',
    id: optionalString(call, 'id', path) ?? '',
    name: requiredString(inner, 'name', at(path, 'function')),
    arguments: optionalString(inner, 'arguments', at(path, 'function')) ?? '{}',
    kind: 'function',
    ...extended(unknownFields(call, new Set(['id', 'type', 'function']))),
  };
}

/** An assistant message as parts, and the fields the model has no word for. */
export interface AssistantContent {
  readonly parts: readonly OutputPart[];
  readonly rest: JsonObject;
}

const ASSISTANT_FIELDS = new Set(['role', 'content', 'tool_calls', 'citations']);

/** Puts citations on the text parts they point to; the others are returned. */
function attach(parts: Part[], citations: readonly Json[]): Json[] {
  const left: Json[] = [];
  const firstText = parts.findIndex((part) => part.type === 'text');
  for (const entry of citations) {
    const isText = isObject(entry) && (entry['type'] ?? 'TEXT_CONTENT') === 'TEXT_CONTENT';
    const index = isText ? (contentIndex(entry) ?? firstText) : -1;
    const part = parts[index];
    if (!isObject(entry) || part?.type !== 'text') left.push(entry);
    else parts[index] = { ...part, citations: [...(part.citations ?? []), decodeCitation(entry)] };
  }
  return left;
}

/**
 * Reads an assistant message, of a prompt or an answer. `tool_plan` (the model's sentence before its calls)
 * stays beside the parts under its own name: it is neither answer nor thought.
 */
export function decodeAssistant(message: JsonObject, path: string): AssistantContent {
  const parts = [...decodeContent(message['content'], at(path, 'content'))];
  const left = attach(parts, optionalArray(message, 'citations', path) ?? []);
  const calls = optionalArray(message, 'tool_calls', path) ?? [];
  const callParts = calls.map((call, index) => decodeCall(call, at(at(path, 'tool_calls'), index)));
  const fields: JsonObject = { ...unknownFields(message, ASSISTANT_FIELDS) };
  if (fields['tool_plan'] === null || fields['tool_plan'] === '') delete fields['tool_plan'];
  if (left.length > 0) fields['citations'] = left;
  const output = parts.filter((part) => part.type !== 'tool_result');
  return { parts: [...output, ...callParts], rest: fields };
}

function decodeResult(message: JsonObject, path: string): ToolResultPart {
  const content = decodeContent(message['content'], at(path, 'content'));
  return {
    type: 'tool_result',
    callId: requiredString(message, 'tool_call_id', path),
    kind: 'function',
    content: content.filter(
      (part): part is TextPart | MediaPart | OpaquePart =>
        part.type !== 'tool_call' &&
        part.type !== 'tool_result' &&
        part.type !== 'reasoning' &&
        part.type !== 'refusal',
    ),
    ...extended(unknownFields(message, new Set(['role', 'content', 'tool_call_id']))),
  };
}

/** The tool results that answer one assistant turn, in call order. */
class Results {
  #calls: ToolCallPart[] = [];
  #open: ToolResultPart[] = [];

  assistant(parts: readonly Part[]): void {
    this.#calls = parts.filter((part) => part.type === 'tool_call');
  }

  add(result: ToolResultPart): void {
    const name = this.#calls.find((call) => call.id === result.callId)?.name;
    this.#open.push(name === undefined ? result : { ...result, name });
  }

  flush(out: Message[]): void {
    if (this.#open.length === 0) return;
    const rank = (id: string) => {
      const index = this.#calls.findIndex((call) => call.id === id);
      return index < 0 ? this.#calls.length : index;
    };
    out.push({ role: 'user', parts: this.#open.sort((a, b) => rank(a.callId) - rank(b.callId)) });
    this.#open = [];
  }
}

/** Reads `messages`. Throws `bad_request` naming the field. */
export function decodeMessages(messages: readonly Json[]): readonly Message[] {
  const out: Message[] = [];
  const results = new Results();
  for (const [index, entry] of messages.entries()) {
    const path = at('messages', index);
    const message = objectAt(entry, path);
    const role = requiredString(message, 'role', path).toLowerCase();
    if (role === 'tool') {
      results.add(decodeResult(message, path));
      continue;
    }
    results.flush(out);
    if (role === 'assistant') {
      const content = decodeAssistant(message, path);
      results.assistant(content.parts);
      out.push({ role, parts: content.parts, ...extended(content.rest) });
    } else if (role === 'user' || role === 'system' || role === 'developer') {
      const parts = decodeContent(message['content'], at(path, 'content'));
      const fields = unknownFields(message, new Set(['role', 'content']));
      out.push({ role: role === 'user' ? 'user' : 'system', parts, ...extended(fields) });
    } else {
      throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` must be user, assistant, system or tool.`);
    }
  }
  results.flush(out);
  return out;
}

/** Media of a prompt, a count. */
export function countMedia(messages: readonly Json[]): number {
  let count = 0;
  for (const message of messages) {
    const content = isObject(message) ? message['content'] : undefined;
    for (const block of Array.isArray(content) ? content : []) {
      if (isObject(block) && optionalObject(block, 'image_url') !== undefined) count++;
    }
  }
  return count;
}
