import type { Json, JsonObject, Signature, ToolCallPart } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { IdSource } from '../../core/translation/tool-ids.ts';
import { compact, unknownFields } from '../fields.ts';
import { extensionsOf } from './parts-decode.ts';
import { extraContent, signatureIn } from './reasoning-details.ts';

const CALL_FIELDS = new Set(['id', 'type', 'index', 'function', 'custom', 'extra_content']);

/** A call's arguments as text: vendors send a string, an object, or nothing. */
export function argumentsText(value: Json | undefined): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/** The free text of a custom tool that was sent as a function with one string `input`. */
export function customInput(text: string): string {
  try {
    const value = parseJson(text);
    if (isObject(value) && typeof value['input'] === 'string') return value['input'];
  } catch {
    // The model wrote the free text itself.
  }
  return text;
}

/** One entry of `tool_calls`, in a request or an answer; a missing or empty id is made up by `ids`. */
export function decodeCall(call: JsonObject, ids: IdSource): ToolCallPart {
  const isCustom = isObject(call['custom']);
  const inner = call[isCustom ? 'custom' : 'function'];
  const body = isObject(inner) ? inner : {};
  const name = typeof body['name'] === 'string' ? body['name'] : '';
  const given = call['id'];
  const signature = signatureIn(call['extra_content']);
  const rest = unknownFields(call, CALL_FIELDS);
  const extra = signature === undefined && call['extra_content'] ? call['extra_content'] : undefined;
  return {
    type: 'tool_call',
    id: typeof given === 'string' && given !== '' ? given : ids.next(name),
    name,
    arguments: argumentsText(body[isCustom ? 'input' : 'arguments']),
    kind: isCustom ? 'custom' : 'function',
    ...(signature === undefined ? {} : { signature }),
    ...extensionsOf(extra === undefined ? rest : { ...rest, extra_content: extra }),
  };
}

/** The calls of a message: `tool_calls`, or OpenAI's legacy `function_call`. */
export function decodeCalls(message: JsonObject, ids: IdSource): ToolCallPart[] {
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : [];
  const legacy = message['function_call'];
  if (calls.length === 0 && isObject(legacy)) return [decodeCall({ function: legacy }, ids)];
  return calls.map((call) => decodeCall(call, ids));
}

/** What the reader of a call takes. */
export interface CallReader {
  /** Given where the reader may have it. */
  readonly signature: Signature | undefined;
  /** Knows custom tools; else a call of one goes as a function with one string `input`. */
  readonly custom: boolean;
}

/** A call as an entry of `tool_calls`. */
export function encodeCall(part: ToolCallPart, { signature, custom }: CallReader): JsonObject {
  const { name } = part;
  const kind = custom ? part.kind : 'function';
  if (kind !== part.kind) {
    const bridged = { ...part, kind, arguments: JSON.stringify({ input: part.arguments }) };
    return encodeCall(bridged, { signature, custom });
  }
  return compact({
    ...part.extensions?.['openai-chat'],
    id: part.id,
    type: kind,
    ...(kind === 'custom'
      ? { custom: { name, input: part.arguments } }
      : { function: { name, arguments: part.arguments === '' ? '{}' : part.arguments } }),
    ...(signature === undefined ? {} : { extra_content: extraContent(signature) }),
  });
}
