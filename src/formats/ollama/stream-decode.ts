import { SluiceError } from '../../core/errors/error.ts';
import {
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import { answerError } from '../classify.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import type { Frame } from '../frame.ts';
import { bridgeDecoder } from '../tool-bridge.ts';
import { decodeFinish } from './finish.ts';
import { decodeCall } from './messages-decode.ts';
import { ANSWER_FIELDS, headOf, idSeed } from './response.ts';
import { decodeUsage } from './usage.ts';
import { decodeImage, extended, fromUpstream } from './wire.ts';

interface WholePart {
  readonly head: PartHead;
  readonly text: string;
  readonly extensions: Extensions | undefined;
}

class OllamaDecoder implements StreamDecoder {
  readonly #source: Source;
  #ids: IdSource | undefined;
  #parts = 0;
  /** The text or reasoning part that is open; calls and images come whole. */
  #open: { readonly part: number; readonly type: 'text' | 'reasoning' } | undefined;
  #calls = false;
  #done = false;

  constructor(source: Source) {
    this.#source = source;
  }

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#done) return [];
    let body: Json;
    try {
      body = parseJson(frame.data);
    } catch {
      body = null;
    }
    if (!isObject(body))
      return this.#fail('upstream_malformed', 'The provider sent a stream line that is no JSON object.');
    if (body['error'] !== undefined) {
      this.#done = true;
      return [{ type: 'error', error: answerError(body) }];
    }
    const out: StreamEvent[] = [];
    try {
      this.#take(body, out);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.#done = true;
      out.push({ type: 'error', error });
    }
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

  #take(body: JsonObject, out: StreamEvent[]): void {
    if (this.#ids === undefined) {
      this.#ids = createIdSource(this.#source.request, idSeed(body));
      out.push({ type: 'start', ...headOf(body) });
    }
    const message = isObject(body['message']) ? body['message'] : {};
    this.#text('reasoning', message['thinking'], out);
    this.#text('text', message['content'], out);
    for (const image of Array.isArray(message['images']) ? message['images'] : []) {
      if (typeof image === 'string')
        this.#whole({ head: decodeImage(image), text: '', extensions: undefined }, out);
    }
    this.#toolCalls(message['tool_calls'], this.#ids, out);
    const { logprobs } = body;
    if (Array.isArray(logprobs) && logprobs.length > 0) {
      out.push({ type: 'logprobs', choice: 0, logprobs: { content: logprobs } });
    }
    if (body['done'] === true) this.#finish(body, out);
  }

  #text(type: 'text' | 'reasoning', value: Json | undefined, out: StreamEvent[]): void {
    if (typeof value !== 'string' || value === '') return;
    if (this.#open?.type !== type) {
      this.#close(out);
      this.#open = { part: this.#parts++, type };
      out.push({ type: 'part_start', choice: 0, part: this.#open.part, head: { type } });
    }
    out.push({ type: 'delta', choice: 0, part: this.#open.part, text: value });
  }

  #close(out: StreamEvent[]): void {
    if (this.#open === undefined) return;
    out.push({ type: 'part_end', choice: 0, part: this.#open.part });
    this.#open = undefined;
  }

  #whole(whole: WholePart, out: StreamEvent[]): void {
    this.#close(out);
    const part = this.#parts++;
    const { head, text, extensions } = whole;
    out.push({ type: 'part_start', choice: 0, part, head });
    if (text !== '') out.push({ type: 'delta', choice: 0, part, text });
    out.push({ type: 'part_end', choice: 0, part, ...(extensions === undefined ? {} : { extensions }) });
  }

  #toolCalls(value: Json | undefined, ids: IdSource, out: StreamEvent[]): void {
    for (const [index, entry] of (Array.isArray(value) ? value : []).entries()) {
      const call = fromUpstream(() => decodeCall(entry, ids, `message.tool_calls[${index}]`));
      const { arguments: text, extensions, ...head } = call;
      this.#calls = true;
      this.#whole({ head, text, extensions }, out);
    }
  }

  #finish(body: JsonObject, out: StreamEvent[]): void {
    this.#done = true;
    this.#close(out);
    const finish = decodeFinish(body['done_reason'], this.#calls);
    out.push({ type: 'finish', choice: 0, finish, ...extended(unknownFields(body, ANSWER_FIELDS)) });
    const usage = decodeUsage(body);
    if (usage !== undefined) out.push({ type: 'usage', usage });
  }
}

/** See `ChatCodec.streamDecoder`: one JSON object per line, the last one with `done`. */
export function streamDecoder(source: Source): StreamDecoder {
  return bridgeDecoder(new OllamaDecoder(source), source.request);
}
