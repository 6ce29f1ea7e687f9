import { badRequest } from '../../core/errors/error.ts';
import type {
  Json,
  JsonObject,
  MediaPart,
  Message,
  Part,
  ToolCallPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import { at, objectAt, optionalString, requiredString, unknownFields } from '../fields.ts';
import { decodeCalls } from './calls.ts';
import {
  cacheOf,
  decodeContent,
  decodePart,
  extensionsOf,
  markLast,
  sourceOfUrl,
  thinkingText,
} from './parts-decode.ts';
import { readReasoning, signatureIn } from './reasoning-details.ts';

const PLAIN_FIELDS = new Set(['role', 'content', 'name', 'cache_control']);
const ASSISTANT_FIELDS = new Set([
  'role',
  'content',
  'name',
  'cache_control',
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'images',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'extra_content',
]);
const TOOL_FIELDS = new Set(['role', 'content', 'tool_call_id', 'cache_control']);

/** The value if it is a string, else the empty one. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Null fields say nothing: clients echo answers with `refusal: null, audio: null`. */
function unknownSet(message: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const rest = unknownFields(message, known);
  if (rest === undefined) return undefined;
  for (const key of Object.keys(rest)) if (rest[key] === null) delete rest[key];
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** An assistant's `content` array may hold text, refusals and Mistral's thinking. */
function assistantContent(value: Json | undefined, path: string): Part[] {
  if (!Array.isArray(value)) return decodeContent(value, path).filter((part) => !isBlank(part));
  return value.flatMap((entry, index): Part[] => {
    if (isObject(entry) && entry['type'] === 'refusal') {
      return [{ type: 'refusal', text: textOf(entry['refusal']) }];
    }
    if (isObject(entry) && entry['type'] === 'thinking') {
      return [{ type: 'reasoning', text: thinkingText(entry['thinking']) }];
    }
    const part = decodePart(entry, at(path, index));
    return isBlank(part) ? [] : [part];
  });
}

function isBlank(part: Part): boolean {
  return part.type === 'text' && part.text === '' && part.cache === undefined;
}

/** Pictures and sound that a model made: OpenRouter's `images`, OpenAI's `audio`. */
export function outputMedia(message: JsonObject): MediaPart[] {
  const media: MediaPart[] = [];
  for (const entry of Array.isArray(message['images']) ? message['images'] : []) {
    const inner = isObject(entry) ? entry['image_url'] : undefined;
    const url = isObject(inner) ? inner['url'] : inner;
    if (typeof url === 'string') media.push({ type: 'image', source: sourceOfUrl(url) });
  }
  const audio = message['audio'];
  if (!isObject(audio)) return media;
  const rest = unknownFields(audio, new Set(['data']));
  if (typeof audio['data'] === 'string') {
    const source = { kind: 'base64', mediaType: 'audio/wav', data: audio['data'] } as const;
    media.push({ type: 'audio', source, ...extensionsOf(rest) });
  } else if (typeof audio['id'] === 'string') {
    media.push({ type: 'audio', source: { kind: 'file', id: audio['id'] } });
  }
  return media;
}

/**
 * The parts of an assistant's message, in a request or an answer: reasoning, then content, refusal and media, then
 * calls. A signature on the message belongs to its text, else to its first call (Gemini's compatible endpoint, S).
 */
export function assistantParts(message: JsonObject, ids: IdSource, path: string): Part[] {
  const calls = decodeCalls(message, ids);
  const text = textOf(message['reasoning_content'] ?? message['reasoning']);
  const reasoning = readReasoning(
    text,
    message['reasoning_details'],
    calls.map((call) => call.id),
  );
  const content = assistantContent(message['content'], at(path, 'content'));
  const refusal = textOf(message['refusal']);
  const parts: Part[] = [
    ...reasoning.parts,
    ...content,
    ...(refusal === '' ? [] : [{ type: 'refusal', text: refusal } as const]),
    ...outputMedia(message),
    ...calls.map((call) => {
      const signature = call.signature ?? reasoning.byCall.get(call.id);
      return signature === undefined ? call : { ...call, signature };
    }),
  ];
  const signature = signatureIn(message['extra_content']);
  if (signature === undefined) return parts;
  const text0 = parts.findIndex((part) => part.type === 'text');
  const home = text0 >= 0 ? text0 : parts.findIndex((part) => part.type === 'tool_call');
  const found = parts[home];
  if (found === undefined || (found.type !== 'text' && found.type !== 'tool_call')) {
    return [{ type: 'reasoning', text: '', signature }, ...parts];
  }
  if (found.signature === undefined) parts[home] = { ...found, signature };
  return parts;
}

/** Reads `messages`; one object per request. */
class MessageReader {
  readonly messages: Message[] = [];
  readonly #ids = createIdSource(undefined, 'legacy');
  /** Tool results being gathered into one turn. */
  #results: ToolResultPart[] | undefined;
  /** All calls so far by id, and the order of those of the last assistant turn. */
  readonly #calls = new Map<string, ToolCallPart>();
  #order: readonly string[] = [];

  read(message: JsonObject, path: string): void {
    const role = requiredString(message, 'role', path);
    if (role === 'tool' || role === 'function') {
      this.#results ??= [];
      this.#results.push(role === 'tool' ? this.#result(message, path) : this.#legacyResult(message, path));
      return;
    }
    this.flush();
    if (role === 'assistant') this.#assistant(message, path);
    else if (role === 'user' || role === 'system' || role === 'developer') this.#plain(message, role, path);
    else
      throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` is not a role: ${JSON.stringify(role)}.`);
  }

  /** Ends a turn of tool results: in call order, those of unknown calls last. */
  flush(): void {
    const results = this.#results;
    if (results === undefined) return;
    this.#results = undefined;
    const rank = (part: ToolResultPart) => {
      const found = this.#order.indexOf(part.callId);
      return found < 0 ? this.#order.length : found;
    };
    results.sort((a, b) => rank(a) - rank(b));
    this.messages.push({ role: 'user', parts: results });
  }

  #plain(message: JsonObject, role: 'user' | 'system' | 'developer', path: string): void {
    const name = optionalString(message, 'name', path);
    const parts = decodeContent(message['content'], at(path, 'content'));
    this.messages.push({
      role: role === 'developer' ? 'system' : role,
      parts: markLast(parts, cacheOf(message['cache_control'])),
      ...(role === 'developer' ? { wireRole: role } : {}),
      ...(name === undefined ? {} : { name }),
      ...extensionsOf(unknownSet(message, PLAIN_FIELDS)),
    });
  }

  #assistant(message: JsonObject, path: string): void {
    const name = optionalString(message, 'name', path);
    const parts = assistantParts(message, this.#ids, path);
    const calls = parts.filter((part) => part.type === 'tool_call');
    for (const call of calls) this.#calls.set(call.id, call);
    this.#order = calls.map((call) => call.id);
    const extra = signatureIn(message['extra_content']) === undefined ? message['extra_content'] : undefined;
    const rest = unknownSet(message, ASSISTANT_FIELDS);
    this.messages.push({
      role: 'assistant',
      parts: markLast(parts, cacheOf(message['cache_control'])),
      ...(name === undefined ? {} : { name }),
      ...extensionsOf(extra ? { ...rest, extra_content: extra } : rest),
    });
  }

  #result(message: JsonObject, path: string): ToolResultPart {
    const callId = requiredString(message, 'tool_call_id', path);
    const call = this.#calls.get(callId);
    const name = call?.name ?? optionalString(message, 'name', path);
    return {
      type: 'tool_result',
      callId,
      ...(name === undefined ? {} : { name }),
      kind: call?.kind ?? 'function',
      content: decodeContent(message['content'], at(path, 'content')),
      ...cacheOf(message['cache_control']),
      ...extensionsOf(unknownSet(message, TOOL_FIELDS)),
    };
  }

  /** A `function` message answers the last call of that name. */
  #legacyResult(message: JsonObject, path: string): ToolResultPart {
    const name = requiredString(message, 'name', path);
    const id = this.#order.findLast((call) => this.#calls.get(call)?.name === name);
    return {
      type: 'tool_result',
      callId: id ?? this.#ids.next(name),
      name,
      kind: 'function',
      content: decodeContent(message['content'], at(path, 'content')),
    };
  }
}

/** Decodes `messages`. Throws `bad_request` naming the message and field. */
export function decodeMessages(list: readonly Json[]): Message[] {
  const reader = new MessageReader();
  for (const [index, entry] of list.entries()) {
    const path = at('messages', index);
    reader.read(objectAt(entry, path), path);
  }
  reader.flush();
  return reader.messages;
}
