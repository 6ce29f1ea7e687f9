import type { ChatRequest, JsonObject, Message } from '../../core/model/index.ts';
import { fitToolIds, ID_RULES } from '../../core/translation/tool-ids.ts';
import { type BlockContext, encodeTurn } from './content-encode.ts';
import { own } from './wire.ts';

/** Stands for the user turn that Converse wants first and a client did not send. */
export const FIRST_TURN = '(The conversation begins with the assistant.)';
/** Stands for the user turn of a request that has a system prompt only. */
const ONLY_SYSTEM = '(Follow the system prompt.)';
/** Converse wants text beside every document of a user turn (API reference ContentBlock). */
const BESIDE_DOCUMENT = '(See the document.)';

/** The prompt in Converse's two places. */
export interface EncodedMessages {
  readonly system: JsonObject[];
  readonly messages: JsonObject[];
}

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: JsonObject[];
  readonly extra: JsonObject;
}

/**
 * A system message behind the first turn stays where it stands, as user text that says what it is: hoisting
 * it would change what it refers to and break the prompt cache (WIRE §2.1).
 */
function asUserText(message: Message, context: BlockContext): JsonObject[] {
  context.dropped.add('system message inside the conversation (sent as user text)');
  const text = message.parts.map((part) => ('text' in part ? part.text : '')).join('\n\n');
  return text.trim() === '' ? [] : [{ text: `<system>\n${text}\n</system>` }];
}

function resultsFirst(content: readonly JsonObject[]): JsonObject[] {
  // A result that already stands before the text keeps its cache points in place.
  const first = content.findIndex(
    (block) => block['toolResult'] === undefined && block['cachePoint'] === undefined,
  );
  const late = content.findLastIndex((block) => block['toolResult'] !== undefined);
  if (first < 0 || late < first) return [...content];
  const isResult = content.map(
    (block, index) =>
      block['toolResult'] !== undefined ||
      (block['cachePoint'] !== undefined && content[index - 1]?.['toolResult'] !== undefined),
  );
  return [
    ...content.filter((_, index) => isResult[index]),
    ...content.filter((_, index) => !isResult[index]),
  ];
}

function besideDocument(turn: Turn): JsonObject[] {
  const has = (key: string) => turn.content.some((block) => block[key] !== undefined);
  if (turn.role !== 'user' || !has('document') || has('text')) return turn.content;
  return [...turn.content, { text: BESIDE_DOCUMENT }];
}

/** Joins neighbours of the same role, which Converse documents as an error. */
function merge(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    if (turn.content.length === 0) continue;
    const before = merged.at(-1);
    if (before?.role === turn.role) before.content.push(...turn.content);
    else merged.push({ ...turn, content: [...turn.content] });
  }
  return merged;
}

function nameOf(message: Message, context: BlockContext): void {
  if (message.name !== undefined) context.dropped.add('name');
}

/**
 * Writes the conversation: system prompt apart, roles alternating, user first, call ids within Converse's
 * limits.
 */
export function encodeMessages(request: ChatRequest, context: BlockContext): EncodedMessages {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const message of fitToolIds(request.messages, ID_RULES.converse64)) {
    nameOf(message, context);
    if (message.role !== 'system') {
      const content = encodeTurn(message.parts, context);
      turns.push({ role: message.role, content, extra: own(message.extensions) });
    } else if (turns.length === 0) system.push(...encodeTurn(message.parts, context));
    else turns.push({ role: 'user', content: asUserText(message, context), extra: {} });
  }
  const merged = merge(turns);
  if (merged[0]?.role === 'assistant') {
    merged.unshift({ role: 'user', content: [{ text: FIRST_TURN }], extra: {} });
  } else if (merged.length === 0 && system.length > 0) {
    merged.push({ role: 'user', content: [{ text: ONLY_SYSTEM }], extra: {} });
  }
  const messages = merged.map((turn) => ({
    role: turn.role,
    content: turn.role === 'user' ? resultsFirst(besideDocument(turn)) : turn.content,
    ...turn.extra,
  }));
  return { system, messages };
}
