import type {
  ChatRequest,
  Json,
  JsonObject,
  Message,
  OutputPart,
  Part,
  ReasoningPart,
  TextPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { mayReplay } from '../../core/translation/signatures.ts';
import { fitToolIds, ID_RULES } from '../../core/translation/tool-ids.ts';
import type { Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { encodeAnnotation } from './citations.ts';
import { encodeInputPart, type InputPart } from './content.ts';
import { isOurItemId } from './ids.ts';
import {
  callItem,
  type Group,
  groupParts,
  isMessageContent,
  reasoningItem,
  wireRest,
} from './item-encode.ts';
import { type Dropped, FORMAT, HOME_ISSUER, IN_CONTENT, ownFields } from './wire.ts';

/** The conversation as this format writes it. */
export interface EncodedInput {
  readonly instructions: string | undefined;
  readonly items: readonly JsonObject[];
  /** Opaque reasoning state goes back, so its successor should come out. */
  readonly replaysReasoning: boolean;
}

/** A single text without fields of its own is a string, which every compatible server takes. */
function plainText(parts: readonly Part[]): string | undefined {
  const [only] = parts;
  if (parts.length !== 1 || only?.type !== 'text') return undefined;
  return ownFields(only) === undefined ? only.text : undefined;
}

function itemId(id: string | undefined, isOwn: boolean): string | undefined {
  // An id that this gateway made means nothing to the vendor.
  return !isOwn || id === undefined || id.length > 64 || isOurItemId(id) ? undefined : id;
}

/** Writes the items of one request. */
class InputWriter {
  readonly items: JsonObject[] = [];
  instructions: string | undefined;
  replaysReasoning = false;
  readonly #target: Target;
  readonly #dropped: Dropped;
  readonly #isOwn: boolean;
  #path = 'messages';

  constructor(target: Target, dropped: Dropped, isOwn: boolean) {
    this.#target = target;
    this.#dropped = dropped;
    this.#isOwn = isOwn;
  }

  message(message: Message, index: number): void {
    this.#path = `messages[${index}]`;
    this.#dropped.addForeign(message, 'messages');
    if (message.name !== undefined) this.#dropped.add('messages.name');
    if (message.role === 'assistant') this.#assistant(message.parts);
    else if (message.role === 'system') this.#system(message, index);
    else this.#user(message);
  }

  #system(message: Message, index: number): void {
    const isRefused = this.#target.quirks.refusedFields?.includes('instructions') === true;
    if (message.wireRole === 'instructions' && index === 0 && !isRefused) {
      const texts = message.parts.map((part) => (part.type === 'text' ? part.text : ''));
      this.#noteCache(message.parts);
      this.instructions = texts.join('\n\n');
      return;
    }
    const keepsDeveloper = message.wireRole === 'developer' && this.#target.quirks.systemRole !== 'system';
    this.#prompt(keepsDeveloper ? 'developer' : 'system', message.parts, ownFields(message));
  }

  #noteCache(parts: readonly Part[]): void {
    if (parts.some((part) => part.cache !== undefined)) this.#dropped.add('cache_control');
  }

  /** Results first where they stand first; vendor items and contents keep their order. */
  #user(message: Message): void {
    let content: Part[] = [];
    const flush = () => {
      if (content.length > 0) this.#prompt('user', content, ownFields(message));
      content = [];
    };
    for (const part of message.parts) {
      const isItem =
        part.type === 'tool_result' ||
        (part.type === 'opaque' && part.format === FORMAT && ownFields(part)?.[IN_CONTENT] !== true);
      if (!isItem) {
        content.push(part);
        continue;
      }
      flush();
      if (part.type === 'tool_result') this.#result(part);
      else if (isObject(part.value)) this.items.push(part.value);
    }
    flush();
    if (message.parts.length === 0 && ownFields(message) !== undefined) {
      this.items.push({ type: 'message', role: 'user', content: '', ...ownFields(message) });
    }
  }

  #content(parts: readonly Part[]): JsonObject[] {
    const audio = this.#target.profile.input.includes('audio') && this.#isOwn;
    return parts.flatMap((part, index) => {
      const place = { param: `${this.#path}.content[${index}]`, dropped: this.#dropped, audio };
      const input: InputPart | undefined =
        part.type === 'refusal' || part.type === 'reasoning'
          ? { type: 'text', text: part.text }
          : part.type === 'tool_call' || part.type === 'tool_result'
            ? undefined
            : part;
      if (input === undefined) this.#dropped.add(part.type);
      const encoded = input === undefined ? undefined : encodeInputPart(input, place);
      return encoded === undefined ? [] : [encoded];
    });
  }

  #prompt(role: string, parts: readonly Part[], rest: JsonObject | undefined): void {
    this.#noteCache(parts);
    const content: Json = plainText(parts) ?? this.#content(parts);
    if (content.length === 0 && typeof content !== 'string') return;
    this.items.push({ type: 'message', role, content, ...rest });
  }

  #result(part: ToolResultPart): void {
    this.#dropped.addForeign(part, 'tool_result');
    this.#noteCache([part, ...part.content]);
    // The format has no error flag; the text of the result says it.
    if (part.isError === true) this.#dropped.add('tool_result.is_error');
    const type = part.kind === 'custom' ? 'custom_tool_call_output' : 'function_call_output';
    const output: Json =
      part.content.length === 0 ? '' : (plainText(part.content) ?? this.#content(part.content));
    this.items.push({ type, call_id: part.callId, output, ...ownFields(part) });
  }

  #assistant(parts: readonly Part[]): void {
    const hasMore = parts.some((part) => part.type === 'tool_call');
    const kept: OutputPart[] = [];
    for (const part of parts) {
      this.#dropped.addForeign(part, part.type);
      if (this.#keeps(part, hasMore)) kept.push(part as OutputPart);
    }
    this.#noteCache(parts);
    const groups = [...groupParts(kept)];
    // Reasoning without the item it led to is answered with a 400 (WIRE §2.1 "reasoning replay"). A client of this
    // dialect knows that, and may replay encrypted reasoning alone (S).
    while (!this.#isOwn && this.#isReasoning(groups.at(-1))) {
      groups.pop();
      this.#dropped.add('reasoning');
    }
    for (const group of groups) this.#group(group);
  }

  #isReasoning(group: Group | undefined): boolean {
    return group?.kind === 'part' && group.part.type === 'reasoning';
  }

  #keeps(part: Part, hasCalls: boolean): boolean {
    switch (part.type) {
      case 'text':
        // An empty text beside calls is how Chat writes "no text".
        return !(part.text === '' && hasCalls && !this.#isOwn);
      case 'reasoning':
        return this.#keepsReasoning(part);
      case 'refusal':
      case 'tool_call':
        if ('signature' in part && part.signature !== undefined) this.#dropped.add('reasoning signature');
        return true;
      case 'opaque':
        if (part.format === FORMAT) return true;
        this.#dropped.add(part.label);
        return false;
      default:
        this.#dropped.add(part.type);
        return false;
    }
  }

  /** Opaque state goes to its issuer only; text alone goes to vendors that want it, an id alone to the vendor that stored it. */
  #keepsReasoning(part: ReasoningPart): boolean {
    const { profile, quirks } = this.#target;
    const isKept =
      part.signature === undefined
        ? part.redacted === undefined &&
          ((quirks.reasoningReplay ?? 'none') !== 'none' || itemId(part.id, this.#isOwn) !== undefined)
        : mayReplay(part.signature, profile.family, HOME_ISSUER);
    if (!isKept) this.#dropped.add('reasoning');
    else if (part.signature !== undefined) this.replaysReasoning = true;
    return isKept;
  }

  #group(group: Group): void {
    if (group.kind === 'message') {
      this.#assistantMessage(group);
      return;
    }
    const { part } = group;
    if (part.type === 'reasoning') {
      const isBare = part.signature === undefined && this.#target.quirks.reasoningReplay !== undefined;
      // The id belongs to the opaque state; vendors that give out long ones want them back (xAI, S).
      const id = part.signature === undefined || !this.#isOwn ? itemId(part.id, this.#isOwn) : part.id;
      this.items.push(reasoningItem(part, id, isBare ? 'content' : 'summary'));
    } else if (part.type === 'tool_call') {
      this.items.push(callItem(part, itemId(part.itemId, this.#isOwn)));
    } else if (part.type === 'opaque' && isObject(part.value)) this.items.push(part.value);
  }

  #assistantMessage(group: Extract<Group, { kind: 'message' }>): void {
    const { id, ...rest } = group.fields ?? {};
    const own = itemId(typeof id === 'string' ? id : undefined, this.#isOwn);
    const content = group.parts.flatMap((part) => this.#outputContent(part, own !== undefined));
    this.items.push(
      compact({
        type: 'message',
        id: own,
        role: 'assistant',
        // An item with an id is one the vendor gave out, and its type has a status.
        status: own === undefined ? undefined : 'completed',
        content,
        ...rest,
      }),
    );
  }

  #outputContent(part: OutputPart, isStored: boolean): JsonObject[] {
    if (part.type === 'refusal') return [{ type: 'refusal', refusal: part.text, ...wireRest(part) }];
    if (part.type !== 'text') {
      return isMessageContent(part) && part.type === 'opaque' && isObject(part.value) ? [part.value] : [];
    }
    const annotations = this.#annotations(part);
    const body = { type: 'output_text', text: part.text, ...wireRest(part) };
    return [annotations.length > 0 || isStored ? { ...body, annotations } : body];
  }

  /** Only citations that this format could have made go back; a made-up file id is refused. */
  #annotations(part: TextPart): JsonObject[] {
    return (part.citations ?? []).flatMap((cited) => {
      const isWhole =
        cited.kind === 'url'
          ? cited.url !== undefined && cited.start !== undefined && cited.end !== undefined
          : cited.documentId !== undefined && ownFields(part) !== undefined;
      if (!isWhole) this.#dropped.add('text.citations');
      return isWhole ? [encodeAnnotation(cited, 0)] : [];
    });
  }
}

/** All messages as `instructions` and `input` items. */
export function encodeInput(request: ChatRequest, target: Target, dropped: Dropped): EncodedInput {
  const writer = new InputWriter(target, dropped, ownFields(request) !== undefined);
  const messages = fitToolIds(request.messages, ID_RULES.responses64);
  for (const [index, message] of messages.entries()) writer.message(message, index);
  const { items, instructions, replaysReasoning } = writer;
  return { items, instructions, replaysReasoning };
}
