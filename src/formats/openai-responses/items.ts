import {
  type Citation,
  isObject,
  type Json,
  type JsonObject,
  type OpaquePart,
  type OutputPart,
  type ReasoningPart,
  type RefusalPart,
  type Signature,
  type TextPart,
  type ToolCallPart,
} from '../../core/model/index.ts';
import { type CarriedSignature, unwrapSignature } from '../../core/translation/signatures.ts';
import { unknownFields } from '../fields.ts';
import { decodeAnnotation } from './citations.ts';
import { FORMAT, HOME_ISSUER, IN_CONTENT, ITEM, ownExtensions, PIECES } from './wire.ts';

/*
 * Output items as canonical parts. The same items come back in the next request's `input`, so answers and requests share
 * this reader. Item shapes: official SDK, `ResponseOutputItem`.
 */

const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['type', 'role', 'content']);
const CALL_FIELDS: ReadonlySet<string> = new Set(['type', 'id', 'call_id', 'name', 'arguments', 'input']);
const REASONING_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'id',
  'summary',
  'content',
  'encrypted_content',
]);
const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text', 'annotations', 'logprobs']);
const REFUSAL_FIELDS: ReadonlySet<string> = new Set(['type', 'refusal']);

/** Marks an Anthropic `redacted_thinking` block inside `encrypted_content`, in the place of a reasoning item's id. */
export const REDACTED = 'redacted';

/** Fields of an item that the canonical part has no word for. `status: completed` says nothing and is left out. */
function restOf(item: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const rest = unknownFields(item, known);
  if (rest?.['status'] === 'completed') delete rest['status'];
  return rest === undefined || Object.keys(rest).length === 0 ? undefined : rest;
}

function string(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The canonical citations of an `output_text` part. */
export function citationsOf(content: JsonObject): readonly Citation[] {
  return list(content['annotations'])
    .map(decodeAnnotation)
    .filter((cited) => cited !== undefined);
}

/** Own fields of a message's content part. */
export function contentRest(content: JsonObject): JsonObject | undefined {
  return unknownFields(content, content['type'] === 'refusal' ? REFUSAL_FIELDS : TEXT_FIELDS);
}

/** Whether a message's content part is text. */
export function isText({ type }: JsonObject): boolean {
  return type === 'output_text' || type === 'input_text' || type === 'text';
}

function decodeContent(content: Json): TextPart | RefusalPart | OpaquePart | undefined {
  if (!isObject(content)) return undefined;
  const type = string(content['type']);
  if (type === 'refusal') {
    return {
      type: 'refusal',
      text: string(content['refusal']),
      ...ownExtensions(contentRest(content)),
    };
  }
  if (isText(content)) {
    const citations = citationsOf(content);
    return {
      type: 'text',
      text: string(content['text']),
      ...(citations.length === 0 ? {} : { citations }),
      ...ownExtensions(contentRest(content)),
    };
  }
  return {
    type: 'opaque',
    format: FORMAT,
    label: type || 'content',
    value: content,
    ...ownExtensions({ [IN_CONTENT]: true }),
  };
}

/** The fields a message item has besides role and content. */
export function messageRest(item: JsonObject): JsonObject | undefined {
  return restOf(item, MESSAGE_FIELDS);
}

/** `isSplit`: another message item follows, so the end of this one has to be marked even without fields of its own. */
export function decodeMessage(item: JsonObject, isSplit: boolean): OutputPart[] {
  const { content } = item;
  const wire = typeof content === 'string' ? [{ type: 'output_text', text: content }] : list(content);
  const parts: OutputPart[] = wire.map(decodeContent).filter((part) => part !== undefined);
  const rest = messageRest(item);
  const last = parts.pop();
  if (last === undefined) return [];
  if (rest === undefined && !isSplit) return [...parts, last];
  const fields = { ...last.extensions?.[FORMAT], [ITEM]: rest ?? {} };
  return [...parts, { ...last, ...ownExtensions(fields) }];
}

/** How a reasoning item's text is put together, for the way back: `[['summary_text', 12], ['reasoning_text', 40]]`. */
export type Pieces = readonly (readonly [type: string, length: number])[];

/** The pieces as an extension; one summary is the default and needs none. */
export function piecesField(pieces: Pieces): JsonObject | undefined {
  const isPlain = pieces.length === 0 || (pieces.length === 1 && pieces[0]?.[0] === 'summary_text');
  return isPlain ? undefined : { [PIECES]: pieces.map(([type, length]) => [type, length]) };
}

/** What an `encrypted_content` carries; `undefined` when there is none. */
export function carriedBy(item: JsonObject): CarriedSignature | undefined {
  const value = item['encrypted_content'];
  return typeof value === 'string' && value !== '' ? unwrapSignature(value, HOME_ISSUER) : undefined;
}

/** Extension fields of a reasoning item. */
export function reasoningRest(item: JsonObject, pieces: Pieces): JsonObject | undefined {
  const rest = restOf(item, REASONING_FIELDS);
  const layout = piecesField(pieces);
  return rest === undefined && layout === undefined ? undefined : { ...rest, ...layout };
}

/** Text entries of `summary` and `content`, in that order. */
export function reasoningTexts(
  item: JsonObject,
): readonly { readonly kind: 'summary' | 'content'; readonly text: string }[] {
  const read = (kind: 'summary' | 'content') =>
    list(item[kind]).map((entry) => ({ kind, text: isObject(entry) ? string(entry['text']) : '' }));
  return [...read('summary'), ...read('content')];
}

function decodeReasoning(item: JsonObject): ReasoningPart {
  const texts = reasoningTexts(item);
  const pieces = texts.map(
    ({ kind, text }) => [kind === 'summary' ? 'summary_text' : 'reasoning_text', text.length] as const,
  );
  const carried = carriedBy(item);
  const isRedacted = carried?.id === REDACTED;
  return {
    type: 'reasoning',
    text: texts.map(({ text }) => text).join(''),
    ...(carried === undefined
      ? {}
      : isRedacted
        ? { redacted: carried.signature.value }
        : { signature: carried.signature }),
    ...(typeof item['id'] === 'string' ? { id: item['id'] } : {}),
    ...ownExtensions(reasoningRest(item, pieces)),
  };
}

/** Own fields of a call item. */
export function callRest(item: JsonObject): JsonObject | undefined {
  return restOf(item, CALL_FIELDS);
}

/** Arguments are text on the wire; a client that sends an object means its JSON. */
export function argumentsOf(item: JsonObject): string {
  const value = item['type'] === 'custom_tool_call' ? item['input'] : item['arguments'];
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

function decodeCall(item: JsonObject): ToolCallPart {
  const id = string(item['call_id']) || string(item['id']);
  return {
    type: 'tool_call',
    id,
    name: string(item['name']),
    arguments: argumentsOf(item),
    kind: item['type'] === 'custom_tool_call' ? 'custom' : 'function',
    ...(typeof item['id'] === 'string' ? { itemId: item['id'] } : {}),
    ...ownExtensions(callRest(item)),
  };
}

/** An item that only this format understands. */
export function opaqueItem(item: JsonObject): OpaquePart {
  return { type: 'opaque', format: FORMAT, label: string(item['type']) || 'item', value: item };
}

/** A signature that belongs to the part before it, see `wrapSignature`. */
export function carriedBack(item: JsonObject): Signature | undefined {
  if (item['type'] !== 'reasoning') return undefined;
  const carried = carriedBy(item);
  return carried?.previous === true ? carried.signature : undefined;
}

/** Puts a signature onto the last part that can hold one. */
export function attachBack(parts: OutputPart[], signature: Signature): void {
  const last = parts.at(-1);
  if (last?.type === 'tool_call' || last?.type === 'text') parts[parts.length - 1] = { ...last, signature };
}

/** One output item as parts; carriers of a signature for the part before are the caller's to attach. */
export function decodeItem(item: JsonObject, isSplit: boolean): OutputPart[] {
  switch (item['type']) {
    case 'message':
      return decodeMessage(item, isSplit);
    case 'reasoning':
      return [decodeReasoning(item)];
    case 'function_call':
    case 'custom_tool_call':
      return [decodeCall(item)];
    default:
      return [opaqueItem(item)];
  }
}

/** A whole `output` list as parts. */
export function decodeItems(items: readonly Json[]): OutputPart[] {
  const parts: OutputPart[] = [];
  for (const [index, item] of items.entries()) {
    if (!isObject(item)) continue;
    const back = carriedBack(item);
    if (back !== undefined) {
      attachBack(parts, back);
      continue;
    }
    const next = items[index + 1];
    parts.push(...decodeItem(item, isObject(next) && next['type'] === 'message'));
  }
  return parts;
}
