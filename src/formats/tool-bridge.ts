import type {
  ChatRequest,
  ChatResponse,
  Finish,
  Json,
  JsonObject,
  OutputPart,
  PartHead,
  StreamEvent,
  ToolCallPart,
} from '../core/model/index.ts';
import { isObject } from '../core/model/index.ts';
import { parseJson } from '../core/model/parse-json.ts';
import type { StreamDecoder } from './codec.ts';

/*
 * Formats without free-text tools or without structured output say both with function tools: a custom tool
 * becomes a function with one string `input`, a JSON schema becomes a tool that must be called (WIRE §2.1).
 * This file turns the answers back.
 */

/** The function that stands for a JSON schema on targets without structured output. */
export const JSON_OUTPUT_TOOL = 'json_output';

/** Tools take objects only; a schema of anything else is asked for as the property `value`. */
export function outputParameters(schema: JsonObject): JsonObject {
  if (!isWrapped(schema)) return schema['type'] === undefined ? { type: 'object', ...schema } : schema;
  return { type: 'object', properties: { value: schema }, required: ['value'] };
}

function isWrapped(schema: JsonObject): boolean {
  const { type } = schema;
  return type === undefined ? schema['properties'] === undefined : type !== 'object';
}

/** Parameters of the function that stands for a custom tool. */
export const CUSTOM_TOOL_PARAMETERS: JsonObject = {
  type: 'object',
  properties: { input: { type: 'string', description: 'The whole input of the tool, as free text.' } },
  required: ['input'],
  additionalProperties: false,
};

/**
 * A call's arguments as the object that Converse and Ollama want. No arguments and `null` become `{}`; text
 * that is no JSON object is kept under `input`, so that a model's broken call never fails the conversation
 * that holds it.
 */
export function argumentsObject(call: Pick<ToolCallPart, 'arguments' | 'kind'>): JsonObject {
  if (call.kind === 'custom') return { input: call.arguments };
  if (call.arguments.trim() === '') return {};
  let value: Json;
  try {
    value = parseJson(call.arguments);
  } catch {
    return { input: call.arguments };
  }
  if (value === null) return {};
  // A number that a double cannot hold parses to an object too; it is no set of arguments.
  return isObject(value) && call.arguments.trimStart().startsWith('{') ? value : { input: value };
}

/**
 * The free text of a custom call, or the JSON of a wrapped answer; the text itself where the model wrote no
 * wrapper.
 */
function unwrap(text: string, key: 'input' | 'value'): string {
  try {
    const value = parseJson(text);
    const inner = isObject(value) ? value[key] : undefined;
    if (key === 'input') return typeof inner === 'string' ? inner : text;
    return inner === undefined ? text : JSON.stringify(inner);
  } catch {
    return text;
  }
}

/** Which calls of an answer stand for something else. */
interface Bridge {
  readonly custom: ReadonlySet<string>;
  /** The answer's schema was sent as {@link JSON_OUTPUT_TOOL}. */
  readonly jsonTool: boolean;
  /** Its schema was no object, see {@link outputParameters}. */
  readonly wrapped: boolean;
}

function bridgeOf(request: ChatRequest | undefined): Bridge | undefined {
  if (request === undefined) return undefined;
  const custom = new Set<string>();
  for (const tool of request.tools) if (tool.type === 'custom') custom.add(tool.name);
  const taken = request.tools.some((tool) => tool.type !== 'server' && tool.name === JSON_OUTPUT_TOOL);
  const jsonTool = request.output.type === 'json_schema' && !taken;
  const wrapped = request.output.type === 'json_schema' && isWrapped(request.output.schema);
  return custom.size === 0 && !jsonTool ? undefined : { custom, jsonTool, wrapped };
}

function bridgePart(part: OutputPart, bridge: Bridge): OutputPart {
  if (part.type !== 'tool_call') return part;
  if (bridge.jsonTool && part.name === JSON_OUTPUT_TOOL) {
    return { type: 'text', text: bridge.wrapped ? unwrap(part.arguments, 'value') : part.arguments };
  }
  if (!bridge.custom.has(part.name)) return part;
  return { ...part, kind: 'custom', arguments: unwrap(part.arguments, 'input') };
}

function bridgeFinish(finish: Finish, calls: number): Finish {
  return finish.reason === 'tool_calls' && calls === 0 ? { ...finish, reason: 'stop' } : finish;
}

/** A decoded answer with custom calls and schema answers in their own shape again. */
export function bridgeResponse(response: ChatResponse, request: ChatRequest | undefined): ChatResponse {
  const bridge = bridgeOf(request);
  if (bridge === undefined) return response;
  return {
    ...response,
    choices: response.choices.map((choice) => {
      const parts = choice.parts.map((part) => bridgePart(part, bridge));
      const before = choice.parts.filter((part) => part.type === 'tool_call').length;
      const calls = parts.filter((part) => part.type === 'tool_call').length;
      const finish = before === calls ? choice.finish : bridgeFinish(choice.finish, calls);
      return { ...choice, parts, finish };
    }),
  };
}

/** The event side of {@link bridgeResponse}; for answers of one choice. */
class EventBridge {
  readonly #bridge: Bridge;
  /** Wrapped text, which is known only when its JSON has ended. */
  readonly #held = new Map<number, { readonly key: 'input' | 'value'; text: string }>();
  #calls = 0;
  #bridged = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  *take(events: readonly StreamEvent[]): Generator<StreamEvent> {
    for (const event of events) yield* this.#one(event);
  }

  *#one(event: StreamEvent): Generator<StreamEvent> {
    if (event.type === 'part_start') {
      yield { ...event, head: this.#head(event.head, event.part) };
    } else if (event.type === 'delta') {
      const held = this.#held.get(event.part);
      if (held === undefined) yield event;
      else held.text += event.text;
    } else if (event.type === 'part_end') {
      const held = this.#held.get(event.part);
      const { choice, part } = event;
      if (held !== undefined) yield { type: 'delta', choice, part, text: unwrap(held.text, held.key) };
      this.#held.delete(event.part);
      yield event;
    } else if (event.type === 'finish' && this.#bridged) {
      yield { ...event, finish: bridgeFinish(event.finish, this.#calls) };
    } else yield event;
  }

  #head(head: PartHead, part: number): PartHead {
    if (head.type !== 'tool_call') return head;
    if (this.#bridge.jsonTool && head.name === JSON_OUTPUT_TOOL) {
      this.#bridged = true;
      if (this.#bridge.wrapped) this.#held.set(part, { key: 'value', text: '' });
      return { type: 'text' };
    }
    this.#calls++;
    if (!this.#bridge.custom.has(head.name)) return head;
    this.#held.set(part, { key: 'input', text: '' });
    return { ...head, kind: 'custom' };
  }
}

/**
 * A decoder whose events are turned back as {@link bridgeResponse} does; the decoder itself if nothing has to
 * be.
 */
export function bridgeDecoder(decoder: StreamDecoder, request: ChatRequest | undefined): StreamDecoder {
  const bridge = bridgeOf(request);
  if (bridge === undefined) return decoder;
  const events = new EventBridge(bridge);
  return {
    push: (frame) => [...events.take(decoder.push(frame))],
    end: () => [...events.take(decoder.end())],
  };
}
