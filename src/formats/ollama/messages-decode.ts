import { badRequest } from '../../core/errors/error.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type Message,
  type OutputPart,
  type Part,
  type ToolCallPart,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import { at, objectAt, optionalArray, optionalString, requiredString, unknownFields } from '../fields.ts';
import { decodeImage, extended } from './wire.ts';

function decodeImages(message: JsonObject, path: string): MediaPart[] {
  return (optionalArray(message, 'images', path) ?? []).map((entry, index) => {
    const place = at(at(path, 'images'), index);
    if (typeof entry !== 'string') throw badRequest(place, `\`${place}\` must be base64 text.`);
    return decodeImage(entry);
  });
}

/** Reads one call; Ollama's arguments are an object, and older versions give no id. */
export function decodeCall(entry: Json | undefined, ids: IdSource, path: string): ToolCallPart {
  const call = objectAt(entry, path);
  const inner = objectAt(call['function'], at(path, 'function'));
  const name = requiredString(inner, 'name', at(path, 'function'));
  const input = inner['arguments'];
  const id = optionalString(call, 'id', path);
  return {
    type: 'tool_call',
    id: id === undefined || id === '' ? ids.next(name) : id,
    name,
    arguments: typeof input === 'string' ? input : JSON.stringify(input ?? {}),
    kind: 'function',
    ...extended(unknownFields(call, new Set(['id', 'type', 'function']))),
  };
}

/** Thinking, text, images and calls of an assistant message, of a prompt or an answer. */
export function decodeAssistant(message: JsonObject, ids: IdSource, path: string): readonly OutputPart[] {
  const thinking = optionalString(message, 'thinking', path) ?? '';
  const content = optionalString(message, 'content', path) ?? '';
  const parts: Part[] = [];
  if (thinking !== '') parts.push({ type: 'reasoning', text: thinking });
  if (content !== '') parts.push({ type: 'text', text: content });
  parts.push(...decodeImages(message, path));
  for (const [index, call] of (optionalArray(message, 'tool_calls', path) ?? []).entries()) {
    parts.push(decodeCall(call, ids, at(at(path, 'tool_calls'), index)));
  }
  return parts.filter((part) => part.type !== 'tool_result');
}

/** The results of one assistant turn, linked by id, else by tool name, else by order. */
class Results {
  #calls: ToolCallPart[] = [];
  #waiting: ToolCallPart[] = [];
  #open: ToolResultPart[] = [];

  assistant(parts: readonly Part[]): void {
    this.#calls = parts.filter((part) => part.type === 'tool_call');
    this.#waiting = [...this.#calls];
  }

  add(message: JsonObject, path: string): void {
    const id = optionalString(message, 'tool_call_id', path);
    const name = optionalString(message, 'tool_name', path) ?? optionalString(message, 'name', path);
    const found =
      this.#waiting.find((call) => call.id === id) ??
      this.#waiting.find((call) => id === undefined && call.name === name) ??
      this.#waiting.find(() => id === undefined && name === undefined);
    this.#waiting = this.#waiting.filter((call) => call !== found);
    const text = optionalString(message, 'content', path) ?? '';
    const content = [...(text === '' ? [] : [{ type: 'text' as const, text }])];
    const label = found?.name ?? name;
    this.#open.push({
      type: 'tool_result',
      callId: found?.id ?? id ?? '',
      ...(label === undefined ? {} : { name: label }),
      kind: 'function',
      content: [...content, ...decodeImages(message, path)],
      ...extended(unknownFields(message, RESULT_FIELDS)),
    });
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

const RESULT_FIELDS = new Set(['role', 'content', 'images', 'tool_call_id', 'tool_name', 'name']);
const ASSISTANT_FIELDS = new Set(['role', 'content', 'thinking', 'images', 'tool_calls']);
const TEXT_FIELDS = new Set(['role', 'content', 'images']);

/** The ids that calls bring along, so that made ones differ from them. */
function givenIds(messages: readonly Json[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const message of messages) {
    const calls = isObject(message) ? message['tool_calls'] : undefined;
    for (const call of Array.isArray(calls) ? calls : []) {
      if (isObject(call) && typeof call['id'] === 'string') ids.add(call['id']);
    }
  }
  return ids;
}

function freshIds(messages: readonly Json[]): IdSource {
  const given = givenIds(messages);
  const source = createIdSource(undefined);
  return {
    next(name) {
      let id = source.next(name);
      while (given.has(id)) id = source.next(name);
      return id;
    },
  };
}

/** Reads `messages`. Throws `bad_request` naming the field. */
export function decodeMessages(messages: readonly Json[]): readonly Message[] {
  const out: Message[] = [];
  const results = new Results();
  const ids = freshIds(messages);
  for (const [index, entry] of messages.entries()) {
    const path = at('messages', index);
    const message = objectAt(entry, path);
    const role = requiredString(message, 'role', path);
    if (role === 'tool') {
      results.add(message, path);
      continue;
    }
    results.flush(out);
    if (role === 'assistant') {
      const parts = decodeAssistant(message, ids, path);
      results.assistant(parts);
      out.push({ role, parts, ...extended(unknownFields(message, ASSISTANT_FIELDS)) });
    } else if (role === 'user' || role === 'system') {
      const text = optionalString(message, 'content', path) ?? '';
      const parts = [
        ...(text === '' ? [] : [{ type: 'text' as const, text }]),
        ...decodeImages(message, path),
      ];
      out.push({ role, parts, ...extended(unknownFields(message, TEXT_FIELDS)) });
    } else {
      throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` must be user, assistant, system or tool.`);
    }
  }
  results.flush(out);
  return out;
}
