import { badRequest } from '../../core/errors/error.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  type Message,
  type OutputPart,
  type Part,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { at, objectAt, optionalArray, requiredString, unknownFields } from '../fields.ts';
import { decodeInputPart, type InputPart } from './content.ts';
import { attachBack, carriedBack, decodeItem, opaqueItem } from './items.ts';
import { ownExtensions } from './wire.ts';

const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['type', 'role', 'content']);
const RESULT_FIELDS: ReadonlySet<string> = new Set(['type', 'call_id', 'output']);

/** Items of a vendor's tool that the client answers: they stand on the user's side of the talk. */
function isClientItem(item: JsonObject, type: string): boolean {
  if (type === 'mcp_approval_response') return true;
  return type.endsWith('_output') && item['execution'] !== 'server';
}

function contentParts(value: Json | undefined, path: string): InputPart[] {
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', text: value }];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badRequest(path, `\`${path}\` must be a string or an array.`);
  return value.map((part, index) => decodeInputPart(objectAt(part, at(path, index)), at(path, index)));
}

/** Reads the flat item list into turns: assistant items in a row are one turn, and so are the results that answer it. */
class InputReader {
  readonly messages: Message[];
  #assistant: OutputPart[] = [];
  #results: ToolResultPart[] = [];
  readonly #calls = new Map<string, { readonly name: string; readonly order: number }>();

  constructor(messages: Message[]) {
    this.messages = messages;
  }

  read(items: readonly Json[]): void {
    for (const [index, value] of items.entries()) {
      const path = `input[${index}]`;
      const item = objectAt(value, path);
      this.#item(item, path, items[index + 1]);
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#assistant.length > 0) this.messages.push({ role: 'assistant', parts: this.#assistant });
    if (this.#results.length > 0) {
      const order = (part: ToolResultPart) => this.#calls.get(part.callId)?.order ?? Number.MAX_SAFE_INTEGER;
      const parts = this.#results.toSorted((a, b) => order(a) - order(b));
      this.messages.push({ role: 'user', parts });
    }
    this.#assistant = [];
    this.#results = [];
  }

  /** `next` tells whether the end of an assistant message has to be marked. */
  #item(item: JsonObject, path: string, next: Json | undefined): void {
    const type = typeof item['type'] === 'string' ? item['type'] : undefined;
    if (type === 'message' || (type === undefined && item['role'] !== undefined)) {
      this.#message(item, path, next);
      return;
    }
    switch (type) {
      case 'function_call_output':
      case 'custom_tool_call_output':
        this.#result(item, type, path);
        break;
      case 'function_call':
      case 'custom_tool_call':
        this.#call(item, path);
        break;
      case 'reasoning':
        this.#output(item, false);
        break;
      case undefined:
        // The type of an item reference may be left out (official SDK, `ItemReference`).
        if (typeof item['id'] !== 'string')
          throw badRequest(at(path, 'type'), `\`${path}.type\` is required.`);
        this.#output({ type: 'item_reference', ...item }, false);
        break;
      default:
        if (isClientItem(item, type)) this.#user([opaqueItem(item)]);
        else this.#output(item, false);
    }
  }

  #message(item: JsonObject, path: string, next: Json | undefined): void {
    const role = requiredString(item, 'role', path);
    if (role === 'assistant') {
      const isContent = typeof item['content'] === 'string' || Array.isArray(item['content']);
      if (!isContent) {
        throw badRequest(at(path, 'content'), `\`${at(path, 'content')}\` must be a string or an array.`);
      }
      this.#output({ ...item, type: 'message' }, isObject(next) && next['role'] === 'assistant');
      return;
    }
    if (role !== 'user' && role !== 'system' && role !== 'developer') {
      throw badRequest(
        at(path, 'role'),
        `\`${at(path, 'role')}\` must be \`user\`, \`assistant\`, \`system\` or \`developer\`.`,
      );
    }
    this.#flush();
    const rest = unknownFields(item, MESSAGE_FIELDS);
    this.messages.push({
      role: role === 'user' ? 'user' : 'system',
      parts: contentParts(item['content'], at(path, 'content')),
      ...(role === 'developer' ? { wireRole: role } : {}),
      ...ownExtensions(rest),
    });
  }

  #user(parts: readonly Part[]): void {
    this.#flush();
    this.messages.push({ role: 'user', parts });
  }

  #output(item: JsonObject, isSplit: boolean): void {
    if (this.#results.length > 0) this.#flush();
    const back = carriedBack(item);
    if (back !== undefined) attachBack(this.#assistant, back);
    else this.#assistant.push(...decodeItem(item, isSplit));
  }

  #call(item: JsonObject, path: string): void {
    const id = requiredString(item, 'call_id', path);
    const name = requiredString(item, 'name', path);
    this.#calls.set(id, { name, order: this.#calls.size });
    this.#output(item, false);
  }

  #result(item: JsonObject, type: string, path: string): void {
    if (this.#assistant.length > 0) this.#flush();
    const callId = requiredString(item, 'call_id', path);
    const name = this.#calls.get(callId)?.name;
    this.#results.push({
      type: 'tool_result',
      callId,
      ...(name === undefined ? {} : { name }),
      kind: type === 'custom_tool_call_output' ? 'custom' : 'function',
      content: contentParts(item['output'], at(path, 'output')),
      ...ownExtensions(unknownFields(item, RESULT_FIELDS)),
    });
  }
}

/** The conversation: `instructions` as a leading system message with that wire role, then `input`. */
export function decodeInput(body: JsonObject, instructions: string | undefined): readonly Message[] {
  const messages: Message[] = [];
  if (instructions !== undefined) {
    messages.push({
      role: 'system',
      wireRole: 'instructions',
      parts: [{ type: 'text', text: instructions }],
    });
  }
  const { input } = body;
  if (typeof input === 'string') {
    messages.push({ role: 'user', parts: [{ type: 'text', text: input }] });
    return messages;
  }
  const items = optionalArray(body, 'input');
  if (items === undefined) {
    const continues = ['previous_response_id', 'conversation', 'prompt'].some((key) => isSet(body[key]));
    if (!continues) throw badRequest('input', '`input` is required: a string or a list of items.');
    return messages;
  }
  new InputReader(messages).read(items);
  return messages;
}

function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}
