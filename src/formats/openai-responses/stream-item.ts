import {
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { decodeAnnotation } from './citations.ts';
import {
  argumentsOf,
  callRest,
  carriedBack,
  carriedBy,
  contentRest,
  messageRest,
  opaqueItem,
  REDACTED,
  reasoningRest,
  reasoningTexts,
} from './items.ts';
import { IN_CONTENT, ITEM, ownExtensions } from './wire.ts';

/** Where an item's events go. */
export interface PartSink {
  /** Opens the next part and returns its number. */
  open(head: PartHead): number;
  send(event: StreamEvent): void;
}

/** One text of an item: a content part of a message, or one summary or content entry of a reasoning item. */
interface Piece {
  readonly part: number;
  readonly type: string;
  /** UTF-16 units sent as deltas: what a `done` event has beyond them was never a delta. */
  sent: number;
  annotations: number;
  hasLogprobs: boolean;
  isEnded: boolean;
  rest: JsonObject | undefined;
}

const TEXT_EVENTS: Readonly<Record<string, 'message' | 'summary' | 'content' | 'call'>> = {
  'response.output_text.delta': 'message',
  'response.output_text.done': 'message',
  'response.refusal.delta': 'message',
  'response.refusal.done': 'message',
  'response.reasoning_summary_text.delta': 'summary',
  'response.reasoning_summary_text.done': 'summary',
  'response.reasoning_text.delta': 'content',
  'response.reasoning_text.done': 'content',
  'response.function_call_arguments.delta': 'call',
  'response.function_call_arguments.done': 'call',
  'response.custom_tool_call_input.delta': 'call',
  'response.custom_tool_call_input.done': 'call',
};

const OTHER_EVENTS: ReadonlySet<string> = new Set([
  'response.content_part.added',
  'response.content_part.done',
  'response.output_text.annotation.added',
]);

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function numberAt(data: JsonObject, key: string): number {
  const value = toNumber(data[key]);
  return typeof value === 'number' ? value : 0;
}

/**
 * Reads the events of one output item. Every text may come as deltas, in a `done` event, in the finished item, or in all
 * three: what is sent is always what is still missing.
 */
export class ItemReader {
  isDone = false;
  readonly #sink: PartSink;
  /** Content parts by index, or reasoning texts by kind and index, in the order they began. */
  readonly #pieces = new Map<string, Piece>();
  /** The part of a reasoning or call item. */
  #part: number | undefined;
  #sentArguments = 0;
  /** Arguments that came before the call's name. */
  #early = '';

  constructor(sink: PartSink) {
    this.#sink = sink;
  }

  /** Whether an event type speaks of an item's content. */
  static reads(type: string): boolean {
    return TEXT_EVENTS[type] !== undefined || OTHER_EVENTS.has(type);
  }

  /** `response.output_item.added`: calls and reasoning open here, so that a client sees them begin. */
  added(item: JsonObject): void {
    if (this.isDone || this.#part !== undefined) return;
    if (item['type'] === 'reasoning' && carriedBack(item) === undefined) this.#openReasoning(item);
    const isCall = item['type'] === 'function_call' || item['type'] === 'custom_tool_call';
    if (isCall && text(item['name']) !== '' && text(item['call_id']) !== '') this.#openCall(item);
  }

  read(type: string, data: JsonObject): void {
    if (this.isDone) return;
    const isDelta = type.endsWith('.delta');
    switch (TEXT_EVENTS[type]) {
      case 'message': {
        const wire = type.startsWith('response.refusal') ? 'refusal' : 'output_text';
        const piece = this.#content(numberAt(data, 'content_index'), wire);
        this.#supply(piece, isDelta, data[isDelta ? 'delta' : wire === 'refusal' ? 'refusal' : 'text']);
        this.#logprobs(piece, data['logprobs'], isDelta);
        break;
      }
      case 'summary':
        this.#reasoning('summary', numberAt(data, 'summary_index'), isDelta, data);
        break;
      case 'content':
        this.#reasoning('content', numberAt(data, 'content_index'), isDelta, data);
        break;
      case 'call':
        this.#arguments(isDelta, data['delta'] ?? data['arguments'] ?? data['input']);
        break;
      default:
        this.#readPart(type, data);
    }
  }

  /** `response.output_item.done`: whatever has not been sent yet follows from the whole item. */
  done(item: JsonObject): void {
    if (this.isDone) return;
    switch (item['type']) {
      case 'message':
        this.#endMessage(item);
        break;
      case 'reasoning':
        this.#endReasoning(item);
        break;
      case 'function_call':
      case 'custom_tool_call':
        this.#endCall(item);
        break;
      default:
        this.#end(this.#sink.open(opaqueItem(item)), undefined);
    }
    this.isDone = true;
  }

  /** The answer is over although the item was never finished. */
  close(): void {
    for (const piece of this.#pieces.values()) this.#endPiece(piece);
    if (this.#part !== undefined) this.#end(this.#part, undefined);
    this.isDone = true;
  }

  #send(part: number, delta: string): void {
    if (delta !== '') this.#sink.send({ type: 'delta', choice: 0, part, text: delta });
  }

  #end(part: number, rest: JsonObject | undefined): void {
    this.#sink.send({ type: 'part_end', choice: 0, part, ...ownExtensions(rest) });
  }

  /** Sends a delta, or of a whole text what is missing. */
  #supply(piece: Piece, isDelta: boolean, value: Json | undefined): void {
    if (piece.isEnded) return;
    const whole = text(value);
    const missing = isDelta ? whole : whole.slice(piece.sent);
    piece.sent += missing.length;
    this.#send(piece.part, missing);
  }

  #logprobs(piece: Piece, value: Json | undefined, isDelta: boolean): void {
    if (!Array.isArray(value) || value.length === 0 || (piece.hasLogprobs && !isDelta)) return;
    piece.hasLogprobs = true;
    this.#sink.send({ type: 'logprobs', choice: 0, logprobs: { content: value } });
  }

  #content(index: number, type: string): Piece {
    const key = `content:${index}`;
    const known = this.#pieces.get(key);
    if (known !== undefined) return known;
    for (const piece of this.#pieces.values()) this.#endPiece(piece);
    const part = this.#sink.open({ type: type === 'refusal' ? 'refusal' : 'text' });
    return this.#begin(key, part, type);
  }

  #begin(key: string, part: number, type: string): Piece {
    const piece: Piece = {
      part,
      type,
      sent: 0,
      annotations: 0,
      hasLogprobs: false,
      isEnded: false,
      rest: undefined,
    };
    this.#pieces.set(key, piece);
    return piece;
  }

  #endPiece(piece: Piece): void {
    if (piece.isEnded || piece.part === this.#part) return;
    piece.isEnded = true;
    this.#end(piece.part, piece.rest);
  }

  #readPart(type: string, data: JsonObject): void {
    const index = numberAt(data, 'content_index');
    if (type === 'response.output_text.annotation.added') {
      this.#annotate(this.#content(index, 'output_text'), data['annotation']);
      return;
    }
    const { part } = data;
    if (!isObject(part)) return;
    const isDone = type === 'response.content_part.done';
    if (part['type'] === 'output_text' || part['type'] === 'refusal')
      this.#supplyContent(index, part, isDone);
    else if (part['type'] === 'reasoning_text' && isDone) this.#reasoning('content', index, false, part);
  }

  /** A content part as a whole: its text, annotations and own fields. */
  #supplyContent(index: number, content: JsonObject, isDone: boolean): Piece {
    const isRefusal = content['type'] === 'refusal';
    const piece = this.#content(index, isRefusal ? 'refusal' : 'output_text');
    this.#supply(piece, false, content[isRefusal ? 'refusal' : 'text']);
    if (!isDone || piece.isEnded) return piece;
    const annotations = content['annotations'];
    const late = Array.isArray(annotations) ? annotations.slice(piece.annotations) : [];
    for (const annotation of late) this.#annotate(piece, annotation);
    this.#logprobs(piece, content['logprobs'], false);
    piece.rest = contentRest(content);
    return piece;
  }

  #annotate(piece: Piece, annotation: Json | undefined): void {
    const citation = decodeAnnotation(annotation);
    if (citation === undefined || piece.isEnded) return;
    piece.annotations++;
    this.#sink.send({ type: 'citation', choice: 0, part: piece.part, citation });
  }

  #endMessage(item: JsonObject): void {
    const content = Array.isArray(item['content']) ? item['content'] : [];
    for (const [index, entry] of content.entries()) {
      if (!isObject(entry)) continue;
      if (entry['type'] === 'output_text' || entry['type'] === 'refusal') {
        this.#supplyContent(index, entry, true);
        continue;
      }
      for (const piece of this.#pieces.values()) this.#endPiece(piece);
      const part = this.#sink.open({ ...opaqueItem(entry), ...ownExtensions({ [IN_CONTENT]: true }) });
      this.#end(part, { [IN_CONTENT]: true });
    }
    const last = [...this.#pieces.values()].findLast((piece) => !piece.isEnded);
    if (last !== undefined) last.rest = { ...last.rest, [ITEM]: messageRest(item) ?? {} };
    for (const piece of this.#pieces.values()) this.#endPiece(piece);
  }

  #openReasoning(item: JsonObject): number {
    const carried = carriedBy(item);
    const id = text(item['id']);
    this.#part ??= this.#sink.open({
      type: 'reasoning',
      ...(id === '' ? {} : { id }),
      ...(carried?.id === REDACTED ? { redacted: carried.signature.value } : {}),
    });
    return this.#part;
  }

  #reasoning(kind: 'summary' | 'content', index: number, isDelta: boolean, data: JsonObject): void {
    const part = this.#part ?? this.#openReasoning({});
    const key = `${kind}:${index}`;
    const type = kind === 'summary' ? 'summary_text' : 'reasoning_text';
    const piece = this.#pieces.get(key) ?? this.#begin(key, part, type);
    this.#supply(piece, isDelta, data[isDelta ? 'delta' : 'text']);
  }

  #endReasoning(item: JsonObject): void {
    const part = this.#openReasoning(item);
    const seen = { summary: 0, content: 0 };
    for (const entry of reasoningTexts(item)) {
      this.#reasoning(entry.kind, seen[entry.kind]++, false, { text: entry.text });
    }
    const carried = carriedBy(item);
    if (carried !== undefined && carried.id !== REDACTED) {
      this.#sink.send({ type: 'signature', choice: 0, part, signature: carried.signature });
    }
    const pieces = [...this.#pieces.values()].map(({ type, sent }) => [type, sent] as const);
    this.#end(part, reasoningRest(item, pieces));
  }

  #openCall(item: JsonObject): number {
    if (this.#part !== undefined) return this.#part;
    const itemId = text(item['id']);
    const part = this.#sink.open({
      type: 'tool_call',
      id: text(item['call_id']) || itemId,
      name: text(item['name']),
      kind: item['type'] === 'custom_tool_call' ? 'custom' : 'function',
      ...(itemId === '' ? {} : { itemId }),
    });
    this.#part = part;
    const early = this.#early;
    this.#early = '';
    this.#send(part, early);
    return part;
  }

  #arguments(isDelta: boolean, value: Json | undefined): void {
    const whole = text(value);
    const missing = isDelta ? whole : whole.slice(this.#sentArguments);
    this.#sentArguments += missing.length;
    if (this.#part === undefined) this.#early += missing;
    else this.#send(this.#part, missing);
  }

  #endCall(item: JsonObject): void {
    const part = this.#openCall(item);
    this.#arguments(false, argumentsOf(item));
    this.#end(part, callRest(item));
  }
}
