import {
  type Finish,
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { parseJson, toNumber } from '../../core/model/parse-json.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import type { Frame } from '../frame.ts';
import { namedDecoder } from '../given-names.ts';
import { cutFailure, malformedEvent, reportedFailure } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { carriedBack } from './items.ts';
import { responseFacts } from './response.ts';
import { ItemReader, type PartSink } from './stream-item.ts';
import { usageIn } from './usage.ts';
import { FORMAT } from './wire.ts';

/** Request parameters that an answer echoes: they do not change while it streams. */
const ECHO: ReadonlySet<string> = new Set([
  'background',
  'conversation',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'store',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
]);

/** Terminal events: nothing of the answer follows. `cancelled` ends a background answer. */
const TERMINAL: ReadonlySet<string> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
  'response.done',
]);

/** Reads one Responses stream (WIRE §1.2, §2.3). One object per stream. */
class ResponsesStreamDecoder implements StreamDecoder, PartSink {
  readonly #items = new Map<number, ItemReader>();
  readonly #indexOfId = new Map<string, number>();
  #events: StreamEvent[] = [];
  #nextPart = 0;
  #started: JsonObject | undefined;
  #isStarted = false;
  #isOver = false;
  #hasCalls = false;
  #hasRefusal = false;
  /** The newest `part_end`: it waits for the next event, because a signature for its part may stand in the next item. */
  #ended: Extract<StreamEvent, { type: 'part_end' }> | undefined;

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#isOver || frame.data === '' || frame.data.trim() === '[DONE]') return [];
    let data: Json;
    try {
      data = parseJson(frame.data);
    } catch {
      data = null;
    }
    if (isObject(data)) this.#read(data, frame.event);
    else this.#fail({ type: 'error', error: malformedEvent() });
    return this.#flush();
  }

  end(): readonly StreamEvent[] {
    if (!this.#isOver) this.#fail({ type: 'error', error: cutFailure() });
    return this.#flush();
  }

  open(head: PartHead): number {
    const part = this.#nextPart++;
    if (head.type === 'tool_call') this.#hasCalls = true;
    if (head.type === 'refusal') this.#hasRefusal = true;
    this.send({ type: 'part_start', choice: 0, part, head });
    return part;
  }

  send(event: StreamEvent): void {
    if (this.#ended !== undefined) this.#events.push(this.#ended);
    this.#ended = event.type === 'part_end' ? event : undefined;
    if (event.type !== 'part_end') this.#events.push(event);
  }

  #flush(): readonly StreamEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #fail(event: Extract<StreamEvent, { type: 'error' }>): void {
    this.#isOver = true;
    this.send(event);
  }

  #read(data: JsonObject, name: string | undefined): void {
    const type = typeof data['type'] === 'string' ? data['type'] : (name ?? '');
    const { response } = data;
    if (type === 'error' || (type === '' && data['error'] !== undefined && data['error'] !== null)) {
      this.#fail({ type: 'error', error: reportedFailure(data) });
    } else if (TERMINAL.has(type)) {
      this.#finish(isObject(response) ? response : {}, type);
    } else if (isObject(response)) {
      this.#start(response);
    } else {
      this.#start(undefined);
      this.#readItem(type, data);
    }
  }

  #start(response: JsonObject | undefined): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#started = response;
    this.send({ type: 'start', ...(response === undefined ? {} : responseFacts(response)) });
  }

  /** The item an event speaks of: by `output_index`, else by `item_id`, else the newest. */
  #indexOf(data: JsonObject): number {
    const index = toNumber(data['output_index']);
    if (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0) return index;
    const { item } = data;
    const id = isObject(item) ? item['id'] : data['item_id'];
    const known = typeof id === 'string' ? this.#indexOfId.get(id) : undefined;
    if (known !== undefined) return known;
    const newest = Math.max(-1, ...this.#items.keys());
    return isObject(item) || newest < 0 ? newest + 1 : newest;
  }

  #item(index: number): ItemReader {
    let found = this.#items.get(index);
    if (found === undefined) {
      found = new ItemReader(this);
      this.#items.set(index, found);
    }
    return found;
  }

  #readItem(type: string, data: JsonObject): void {
    const { item } = data;
    if (type === 'response.output_item.added' || type === 'response.output_item.done') {
      if (!isObject(item)) return;
      const index = this.#indexOf(data);
      if (typeof item['id'] === 'string') this.#indexOfId.set(item['id'], index);
      if (type === 'response.output_item.done') this.#endItem(index, item);
      else this.#item(index).added(item);
      return;
    }
    if (!ItemReader.reads(type)) return;
    this.#item(this.#indexOf(data)).read(type, data);
  }

  #endItem(index: number, item: JsonObject): void {
    const back = carriedBack(item);
    if (back === undefined) {
      this.#item(index).done(item);
      return;
    }
    const part = this.#ended?.part;
    if (part !== undefined) this.#events.push({ type: 'signature', choice: 0, part, signature: back });
    this.#item(index).close();
  }

  /** Items that no event finished: compatible servers leave events out, but put the whole list at the end. */
  #complete(output: readonly Json[]): void {
    for (const [index, item] of output.entries()) {
      if (!isObject(item)) continue;
      const known = this.#items.get(index);
      if (known === undefined ? index >= this.#items.size : !known.isDone) this.#endItem(index, item);
    }
    for (const item of this.#items.values()) if (!item.isDone) item.close();
  }

  #finish(response: JsonObject, type: string): void {
    this.#start(response);
    const usage = usageIn(response);
    const isFailed = type === 'response.failed' || response['status'] === 'failed';
    if (isFailed) {
      if (usage.source !== 'unknown') this.send({ type: 'usage', usage });
      this.#fail({ type: 'error', error: reportedFailure(response) });
      return;
    }
    const { output } = response;
    this.#complete(Array.isArray(output) ? output : []);
    this.#isOver = true;
    const extensions = this.#changes(response);
    this.send({
      type: 'finish',
      choice: 0,
      finish: this.#finishOf(response, type),
      ...(extensions === undefined ? {} : { extensions: { [FORMAT]: extensions } }),
    });
    if (usage.source !== 'unknown') this.send({ type: 'usage', usage });
  }

  #finishOf(response: JsonObject, type: string): Finish {
    const status = type === 'response.incomplete' ? 'incomplete' : response['status'];
    const known = status === undefined ? response : { ...response, status };
    return decodeFinish(known, { hasCalls: this.#hasCalls, hasRefusal: this.#hasRefusal });
  }

  /** Fields that differ from the first event's, for example `completed_at`. */
  #changes(response: JsonObject): JsonObject | undefined {
    if (this.#started === response) return undefined;
    const own = responseFacts(response).extensions?.[FORMAT] ?? {};
    let changes: JsonObject | undefined;
    for (const [key, value] of Object.entries(own)) {
      if (ECHO.has(key) || JSON.stringify(this.#started?.[key]) === JSON.stringify(value)) continue;
      changes ??= {};
      changes[key] = value;
    }
    return changes;
  }
}

/** See {@link ResponsesStreamDecoder}. */
export function streamDecoder({ request }: Source): StreamDecoder {
  return namedDecoder(new ResponsesStreamDecoder(), request);
}
