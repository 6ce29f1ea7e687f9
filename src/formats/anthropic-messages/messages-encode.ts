import { unsupported } from '../../core/errors/error.ts';
import type { JsonObject, Message, Part } from '../../core/model/index.ts';
import { fitToolIds, ID_RULES } from '../../core/translation/tool-ids.ts';
import { FORMAT } from './names.ts';
import { type Encoding, encodePart } from './parts-encode.ts';

interface Turn {
  readonly role: Message['role'];
  readonly content: JsonObject[];
  readonly extra: JsonObject | undefined;
}

/** The blocks of one message. The cache mark of a dropped empty block moves to the block before it. */
function blocksOf(parts: readonly Part[], encoding: Encoding, path: string): JsonObject[] {
  const blocks: JsonObject[] = [];
  for (const [index, part] of parts.entries()) {
    const block = encodePart(part, encoding, `${path}.content[${index}]`);
    if (block !== undefined) blocks.push(block);
    else if (part.cache !== undefined) {
      const before = blocks.at(-1);
      if (before !== undefined && before['cache_control'] === undefined) {
        before['cache_control'] = { type: 'ephemeral', ...(part.cache.ttl === '1h' ? { ttl: '1h' } : {}) };
      } else encoding.notes.add('cache mark on empty content');
    }
  }
  return blocks;
}

/** Words of a system message in the place where it stood, for models that take none there (WIRE §2.1). */
function asUserText(blocks: readonly JsonObject[]): JsonObject[] {
  return blocks.map((block) =>
    block['type'] === 'text' ? { ...block, text: `<system>\n${String(block['text'])}\n</system>` } : block,
  );
}

const isResult = (block: JsonObject) => block['type'] === 'tool_result';

/** Whether a later system message may stay one: the model takes it, or it holds blocks only this format has. */
function keepsSystem(message: Message, encoding: Encoding): boolean {
  if (encoding.target.profile.systemAnywhere === true) return true;
  return message.parts.some((part) => part.type === 'opaque' && part.format === FORMAT);
}

function encodeTurn(message: Message, encoding: Encoding, path: string): Turn {
  const { notes } = encoding;
  notes.addForeign(message.extensions, 'messages.');
  if (message.name !== undefined) notes.add('messages.name');
  const media = message.parts.find((part) => part.type === 'image');
  if (message.role === 'assistant' && media !== undefined) {
    throw unsupported(`${path}.content`, 'This model does not take images in assistant turns.');
  }
  const content = blocksOf(message.parts, encoding, path);
  const extra = message.extensions?.[FORMAT];
  if (message.role !== 'system') return { role: message.role, content, extra };
  if (keepsSystem(message, encoding)) return { role: 'system', content, extra };
  if (content.length > 0) notes.add('system message after the first turn (sent as marked user text)');
  return { role: 'user', content: asUserText(content), extra };
}

/**
 * Adds a turn to those before it. Turns of one role are left as they are (the API joins them itself); only results that
 * would stand in a later user turn than the first after their calls are brought forward, and stand first there.
 */
function addTurn(turns: Turn[], turn: Turn): void {
  if (turn.content.length === 0) return;
  const before = turns.at(-1);
  const hasResults = turn.role === 'user' && turn.content.some(isResult);
  if (!hasResults) {
    turns.push(turn);
    return;
  }
  const joined = before?.role === 'user' ? [...before.content, ...turn.content] : turn.content;
  if (before?.role === 'user') turns.pop();
  const content = [...joined.filter(isResult), ...joined.filter((block) => !isResult(block))];
  turns.push({ ...turn, content });
}

/** Cuts trailing white space of an answer to be continued, which the API refuses. */
function trimPrefill(turn: Turn, encoding: Encoding): void {
  const last = turn.content.at(-1);
  if (last?.['type'] !== 'text') return;
  if (encoding.target.profile.refuses.includes('prefill')) {
    throw unsupported(
      'messages',
      'This model does not continue an assistant message; end with a user message.',
    );
  }
  turn.content[turn.content.length - 1] = { ...last, text: String(last['text']).trimEnd() };
}

/** A turn as a message: one plain text goes as a string. */
function written({ role, content, extra }: Turn): JsonObject {
  const [only] = content;
  const isPlain = content.length === 1 && only?.['type'] === 'text' && Object.keys(only).length === 2;
  return { ...extra, role, content: isPlain ? only['text'] : content };
}

/** `system` and `messages` of a request. `instruction` is put after the client's own system prompt. */
export function encodeMessages(
  encoding: Encoding,
  instruction: string | undefined,
): { readonly system: JsonObject[]; readonly messages: JsonObject[] } {
  const { request } = encoding;
  const messages = fitToolIds(request.messages, ID_RULES.anthropic);
  const first = messages.findIndex((message) => message.role !== 'system');
  const leading = first < 0 ? messages.length : first;
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    if (index < leading) system.push(...blocksOf(message.parts, encoding, path));
    else addTurn(turns, encodeTurn(message, encoding, path));
  }
  if (instruction !== undefined) system.push({ type: 'text', text: instruction });
  const last = turns.at(-1);
  if (last?.role === 'assistant') trimPrefill(last, encoding);
  if (turns.length === 0) {
    throw unsupported('messages', 'This model needs at least one user message with content.');
  }
  return { system, messages: turns.map(written) };
}
