import type { SluiceError } from '../../core/errors/error.ts';
import { type JsonObject, type Signature, UNKNOWN_USAGE, type Usage } from '../../core/model/index.ts';
import type { Reply } from '../codec.ts';
import { sseEvent } from '../sse.ts';
import { errorFields } from './errors.ts';
import type { Ending } from './finish.ts';
import { createItemIds } from './ids.ts';
import { carrierItem } from './item-encode.ts';
import { echoOf, responseObject } from './response-object.ts';

/** The events of one answer: their numbers, the items finished so far and the `Response` object around them. */
export class StreamOutput {
  readonly ids;
  usage: Usage = UNKNOWN_USAGE;
  serviceTier: string | undefined;
  #echo: JsonObject | undefined;
  #sequence = 0;
  #nextIndex = 0;
  #text = '';
  readonly #items: JsonObject[] = [];
  readonly #reply: Reply;

  constructor(reply: Reply) {
    this.#reply = reply;
    this.ids = createItemIds(reply.id);
  }

  /** The bytes written since the last call. */
  flush(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  /** Writes one event. */
  emit(type: string, fields: JsonObject): void {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields });
    this.#text += sseEvent(data, type);
  }

  /** Writes a delta whose event is ready made but for its number and text. */
  emitDelta(head: string, tail: string, text: string): void {
    this.#text += `${head}${this.#sequence++}${tail}${JSON.stringify(text)}}\n\n`;
  }

  /** Opens the stream once; `upstream` are the fields of an upstream's own `Response`. */
  start(upstream?: JsonObject): void {
    if (this.#echo !== undefined) return;
    this.#echo = echoOf(this.#reply, upstream);
    const response = this.#response({ status: 'in_progress' });
    this.emit('response.created', { response });
    this.emit('response.in_progress', { response });
  }

  /** Fields that the upstream changed at the end. */
  amend(upstream: JsonObject | undefined): void {
    if (upstream !== undefined) this.#echo = { ...this.#echo, ...upstream };
  }

  /** The place of the next item in `output`. */
  takeIndex(): number {
    return this.#nextIndex++;
  }

  added(index: number, item: JsonObject): void {
    this.emit('response.output_item.added', { output_index: index, item });
  }

  done(index: number, item: JsonObject): void {
    this.emit('response.output_item.done', { output_index: index, item });
    this.#items.push(item);
  }

  /** An item that arrives in one piece. */
  whole(index: number, item: JsonObject): void {
    this.added(index, item);
    this.done(index, item);
  }

  /** Sends a call's or text's signature behind its item, see `carrierItem`. */
  carry(signature: Signature | undefined): void {
    if (signature === undefined) return;
    const index = this.takeIndex();
    this.whole(index, carrierItem(signature, this.ids.take('reasoning', index)));
  }

  /** The last event. A stream knows three ends; what a background answer calls otherwise is completed here. */
  terminate(ending: Ending): void {
    this.start();
    const status = ending.status === 'incomplete' || ending.status === 'failed' ? ending.status : 'completed';
    this.emit(`response.${status}`, { response: this.#response({ ...ending, status }) });
  }

  /**
   * An `error` event with its fields both flat (the published schema) and nested (what the vendor sends, S), since each
   * of the official SDKs reads one of them; then `response.failed` with what was finished.
   */
  fail(error: SluiceError): void {
    this.start();
    const { type, code, message, param } = errorFields(error);
    this.emit('error', { code, message, param, error: { type, code, message, param } });
    this.emit('response.failed', { response: this.#response({ status: 'failed' }, { code, message }) });
  }

  #response(ending: Ending, error?: { code: string; message: string }): JsonObject {
    const state = {
      ending,
      output: this.#items,
      usage: this.usage,
      ...(this.serviceTier === undefined ? {} : { serviceTier: this.serviceTier }),
      ...(error === undefined ? {} : { error }),
    };
    return responseObject(this.#reply, state, this.#echo);
  }
}
