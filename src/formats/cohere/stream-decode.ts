import { SluiceError } from '../../core/errors/error.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { answerError } from '../classify.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import type { Frame } from '../frame.ts';
import { bridgeDecoder } from '../tool-bridge.ts';
import { contentIndex, decodeCitation } from './citations.ts';
import { decodeFinish } from './finish.ts';
import { decodeUsage } from './usage.ts';
import { extended } from './wire.ts';

interface OpenPart {
  readonly part: number;
  readonly isText: boolean;
  ended: boolean;
  /** A call whose arguments are `null` instead of text, and to which no text came. */
  isNull: boolean;
}

const START_FIELDS = new Set(['type', 'id', 'delta']);
const END_FIELDS = new Set(['finish_reason', 'usage', 'error']);

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function inner(value: JsonObject, ...keys: readonly string[]): JsonObject {
  let found: Json | undefined = value;
  for (const key of keys) found = isObject(found) ? found[key] : undefined;
  if (Array.isArray(found)) found = found[0];
  return isObject(found) ? found : {};
}

class CohereDecoder implements StreamDecoder {
  /** Content blocks and calls have indexes of their own. */
  readonly #contents = new Map<number, OpenPart>();
  readonly #calls = new Map<number, OpenPart>();
  #parts = 0;
  #lastText = -1;
  #plan = '';
  readonly #citations: Json[] = [];
  #started = false;
  #done = false;

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#done || frame.data.trim() === '[DONE]') return [];
    let body: unknown;
    try {
      body = JSON.parse(frame.data);
    } catch {
      body = undefined;
    }
    if (!isObject(body))
      return this.#fail('upstream_malformed', 'The provider sent a stream event that is no JSON object.');
    const out: StreamEvent[] = [];
    this.#take(body, frame.event, out);
    return out;
  }

  end(): readonly StreamEvent[] {
    if (this.#done) return [];
    return this.#fail('upstream_cut', 'The provider closed the stream before the answer was finished.');
  }

  #fail(code: 'upstream_malformed' | 'upstream_cut', message: string): readonly StreamEvent[] {
    this.#done = true;
    return [{ type: 'error', error: new SluiceError(code, message) }];
  }

  #take(body: JsonObject, event: string | undefined, out: StreamEvent[]): void {
    const type = typeof body['type'] === 'string' ? body['type'] : event;
    const index = Number(body['index'] ?? 0);
    const message = inner(body, 'delta', 'message');
    switch (type) {
      case 'message-start':
        this.#start(body, out);
        break;
      case 'content-start':
        this.#contentStart(index, inner(message, 'content'), out);
        break;
      case 'content-delta':
        this.#contentDelta(index, inner(message, 'content'), out);
        break;
      case 'content-end':
        this.#contentEnd(index, out);
        break;
      case 'tool-plan-delta':
        this.#plan += text(message['tool_plan']);
        break;
      case 'tool-call-start':
        this.#callStart(index, inner(message, 'tool_calls'), out);
        break;
      case 'tool-call-delta':
        this.#callDelta(index, inner(message, 'tool_calls', 'function'), out);
        break;
      case 'tool-call-end':
        this.#close(this.#calls.get(index), out);
        break;
      case 'citation-start':
        this.#citation(inner(message, 'citations'), out);
        break;
      case 'message-end':
        this.#finish(isObject(body['delta']) ? body['delta'] : {}, out);
        break;
      default:
        if (type === undefined && typeof body['message'] === 'string') {
          this.#done = true;
          out.push({ type: 'error', error: answerError(body) });
        }
    }
  }

  #start(body: JsonObject, out: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    const id = body['id'];
    const rest = extended(unknownFields(body, START_FIELDS));
    out.push({ type: 'start', ...(typeof id === 'string' ? { id } : {}), ...rest });
  }

  #open(head: PartHead, out: StreamEvent[]): OpenPart {
    this.#start({}, out);
    const part = this.#parts++;
    out.push({ type: 'part_start', choice: 0, part, head });
    return { part, isText: head.type === 'text', ended: false, isNull: false };
  }

  #send(open: OpenPart, piece: string, out: StreamEvent[]): void {
    if (piece === '' || open.ended) return;
    open.isNull = false;
    out.push({ type: 'delta', choice: 0, part: open.part, text: piece });
  }

  #close(open: OpenPart | undefined, out: StreamEvent[]): void {
    if (open === undefined || open.ended) return;
    if (open.isNull) this.#send(open, '{}', out);
    open.ended = true;
    out.push({ type: 'part_end', choice: 0, part: open.part });
  }

  #closeContents(out: StreamEvent[]): void {
    for (const open of this.#contents.values()) this.#close(open, out);
  }

  #contentStart(index: number, content: JsonObject, out: StreamEvent[]): void {
    this.#closeContents(out);
    const isThinking = content['type'] === 'thinking';
    const open = this.#open({ type: isThinking ? 'reasoning' : 'text' }, out);
    if (!isThinking) this.#lastText = index;
    this.#contents.set(index, open);
    this.#send(open, text(content[isThinking ? 'thinking' : 'text']), out);
  }

  #contentDelta(index: number, content: JsonObject, out: StreamEvent[]): void {
    const isThinking = typeof content['thinking'] === 'string';
    if (!this.#contents.has(index)) this.#contentStart(index, isThinking ? { type: 'thinking' } : {}, out);
    const open = this.#contents.get(index);
    if (open !== undefined) this.#send(open, text(content[isThinking ? 'thinking' : 'text']), out);
  }

  /** A text stays open until the next part begins: its citations may come behind `content-end`. */
  #contentEnd(index: number, out: StreamEvent[]): void {
    const open = this.#contents.get(index);
    if (open?.isText === false) this.#close(open, out);
  }

  #callStart(index: number, call: JsonObject, out: StreamEvent[]): void {
    this.#closeContents(out);
    const definition = inner(call, 'function');
    const head = { id: text(call['id']), name: text(definition['name']), kind: 'function' as const };
    const open = this.#open({ type: 'tool_call', ...head }, out);
    open.isNull = definition['arguments'] === null;
    this.#calls.set(index, open);
    this.#send(open, text(definition['arguments']), out);
  }

  #callDelta(index: number, definition: JsonObject, out: StreamEvent[]): void {
    const open = this.#calls.get(index);
    if (open !== undefined) this.#send(open, text(definition['arguments']), out);
  }

  #citation(entry: JsonObject, out: StreamEvent[]): void {
    const isText = (entry['type'] ?? 'TEXT_CONTENT') === 'TEXT_CONTENT';
    const open = isText ? this.#contents.get(contentIndex(entry) ?? this.#lastText) : undefined;
    if (open === undefined || !open.isText || open.ended) this.#citations.push(entry);
    else out.push({ type: 'citation', choice: 0, part: open.part, citation: decodeCitation(entry) });
  }

  #finish(delta: JsonObject, out: StreamEvent[]): void {
    this.#done = true;
    this.#start({}, out);
    if (delta['error'] !== undefined && delta['error'] !== null) {
      out.push({ type: 'error', error: answerError({ message: delta['error'] }) });
      return;
    }
    this.#closeContents(out);
    for (const open of this.#calls.values()) this.#close(open, out);
    const extra: JsonObject = { ...unknownFields(delta, END_FIELDS) };
    if (this.#plan !== '') extra['tool_plan'] = this.#plan;
    if (this.#citations.length > 0) extra['citations'] = this.#citations;
    const finish = decodeFinish(delta['finish_reason'], this.#calls.size > 0);
    out.push({ type: 'finish', choice: 0, finish, ...extended(extra) });
    const usage = decodeUsage(delta['usage']);
    if (usage !== undefined) out.push({ type: 'usage', usage });
  }
}

/** See `ChatCodec.streamDecoder`: `message-start` to `message-end`; `[DONE]` is optional. */
export function streamDecoder(source: Source): StreamDecoder {
  return bridgeDecoder(new CohereDecoder(), source.request);
}
