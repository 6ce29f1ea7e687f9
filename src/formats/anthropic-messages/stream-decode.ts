import { SluiceError } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject, type StreamEvent } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import type { Frame } from '../frame.ts';
import { type OpenBlock, openBlock } from './block-decode.ts';
import { upstreamError } from './errors.ts';
import { decodeFinish, type StopFields } from './finish.ts';
import { type AnswerShape, answerShape, FORMAT } from './names.ts';
import { MESSAGE_FIELDS, presentFields } from './response.ts';
import { decodeTier, decodeUsage, mergeUsage } from './usage.ts';

const DELTA_FIELDS: ReadonlySet<string> = new Set(['stop_reason', 'stop_sequence', 'stop_details']);
const EVENT_FIELDS: ReadonlySet<string> = new Set(['type', 'delta', 'usage']);

/** Opening a block by its number alone, for servers that leave `content_block_start` out. */
const IMPLIED: Readonly<Record<string, JsonObject>> = {
  text_delta: { type: 'text', text: '' },
  thinking_delta: { type: 'thinking', thinking: '' },
};

/** Bedrock's InvokeModel wraps each event as `{"bytes": base64}`. */
function unwrapped(value: Json): Json {
  if (!isObject(value) || value['type'] !== undefined || typeof value['bytes'] !== 'string') return value;
  return JSON.parse(Buffer.from(value['bytes'], 'base64').toString('utf8')) as Json;
}

/** Reads `event:`/`data:` frames of `POST /v1/messages` (WIRE §2.3). */
class AnthropicStreamDecoder implements StreamDecoder {
  readonly #shape: AnswerShape;
  readonly #mayLackStop: boolean;
  readonly #blocks = new Map<number, OpenBlock>();
  #out: StreamEvent[] = [];
  #nextPart = 0;
  #started = false;
  #done = false;
  #usage: JsonObject | undefined;
  #stop: StopFields | undefined;
  #extra: JsonObject | undefined;
  #hasToolCall = false;
  #outputTool = false;

  constructor(source: Source) {
    this.#shape = answerShape(source.request);
    this.#mayLackStop = source.quirks.doneMarker === 'optional';
  }

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#done) return [];
    this.#out = [];
    try {
      this.#read(frame);
    } catch (error) {
      this.#fail(
        error instanceof SluiceError
          ? error
          : new SluiceError('upstream_malformed', 'The provider sent a stream event that is no JSON object.'),
      );
    }
    return this.#out;
  }

  end(): readonly StreamEvent[] {
    if (this.#done) return [];
    this.#out = [];
    if (this.#mayLackStop && typeof this.#stop?.stop_reason === 'string') this.#finish();
    else this.#fail(new SluiceError('upstream_cut', 'The provider broke off its answer.'));
    return this.#out;
  }

  #read(frame: Frame): void {
    if (frame.event?.startsWith('exception:')) {
      const type = frame.event.slice('exception:'.length);
      this.#fail(upstreamError({ error: { type, message: frame.data } }));
      return;
    }
    if (frame.data === '' || frame.data === '[DONE]') return;
    const event = unwrapped(JSON.parse(frame.data) as Json);
    if (!isObject(event)) throw new SyntaxError('not an object');
    this.#take(event, frame);
  }

  #take(event: JsonObject, frame: Frame): void {
    switch (event['type'] ?? frame.event) {
      case 'content_block_delta':
        this.#delta(event);
        break;
      case 'content_block_start':
        this.#open(event, frame);
        break;
      case 'content_block_stop':
        this.#close(Number(event['index']));
        break;
      case 'message_start':
        this.#start(event['message']);
        break;
      case 'message_delta':
        this.#messageDelta(event);
        break;
      case 'message_stop':
        this.#finish();
        break;
      case 'error':
        this.#fail(upstreamError(event));
        break;
    }
  }

  #start(message: Json | undefined): void {
    if (this.#started) return;
    this.#started = true;
    const fields = isObject(message) ? message : {};
    this.#usage = mergeUsage(undefined, fields['usage']);
    this.#extra = presentFields(fields, MESSAGE_FIELDS);
    const serviceTier = decodeTier(fields['usage']);
    this.#out.push({
      type: 'start',
      ...(typeof fields['id'] === 'string' ? { id: fields['id'] } : {}),
      ...(typeof fields['model'] === 'string' ? { model: fields['model'] } : {}),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    });
    if (this.#usage !== undefined) this.#out.push({ type: 'usage', usage: decodeUsage(this.#usage) });
  }

  #open(event: JsonObject, frame: Frame): void {
    if (!this.#started) this.#start(undefined);
    // A block may hold a tool's whole input, whose digits must not go through a double.
    const exact = frame.data.includes('"bytes"') ? event : parseJson(frame.data);
    const block = isObject(exact) ? exact['content_block'] : undefined;
    if (!isObject(block)) throw new SyntaxError('no block');
    const index = Number(event['index']);
    this.#close(index);
    this.#add(index, block);
  }

  #add(index: number, block: JsonObject): OpenBlock {
    const open = openBlock(block, this.#shape);
    this.#blocks.set(index, open);
    if (open.isCall) this.#hasToolCall = true;
    if (open.isOutput) this.#outputTool = true;
    // Blocks that go out whole get their number when they close, so that numbers rise in opening order.
    if (open.live) open.begin(this.#nextPart++, this.#out);
    return open;
  }

  #delta(event: JsonObject): void {
    const { delta } = event;
    if (!isObject(delta)) return;
    const index = Number(event['index']);
    let open = this.#blocks.get(index);
    if (open === undefined) {
      const implied = IMPLIED[String(delta['type'])];
      if (implied === undefined) return;
      if (!this.#started) this.#start(undefined);
      open = this.#add(index, implied);
    }
    open.delta(delta, this.#out);
  }

  #close(index: number): void {
    const open = this.#blocks.get(index);
    if (open === undefined) return;
    this.#blocks.delete(index);
    if (!open.live) open.begin(this.#nextPart++, this.#out);
    open.end(this.#out);
  }

  #messageDelta(event: JsonObject): void {
    if (!this.#started) this.#start(undefined);
    this.#usage = mergeUsage(this.#usage, event['usage']);
    const delta = isObject(event['delta']) ? event['delta'] : {};
    this.#stop = { ...this.#stop, ...delta };
    const extra = { ...presentFields(event, EVENT_FIELDS), ...presentFields(delta, DELTA_FIELDS) };
    if (Object.keys(extra).length > 0) this.#extra = { ...this.#extra, ...extra };
  }

  #finish(): void {
    if (!this.#started) this.#start(undefined);
    for (const index of [...this.#blocks.keys()]) this.#close(index);
    this.#done = true;
    if (this.#usage !== undefined) this.#out.push({ type: 'usage', usage: decodeUsage(this.#usage) });
    const ending = { hasToolCall: this.#hasToolCall, outputTool: this.#outputTool };
    this.#out.push({
      type: 'finish',
      choice: 0,
      finish: decodeFinish(this.#stop ?? {}, ending),
      ...(this.#extra === undefined ? {} : { extensions: { [FORMAT]: this.#extra } }),
    });
  }

  #fail(error: SluiceError): void {
    this.#done = true;
    this.#out.push({ type: 'error', error });
  }
}

/**
 * Reads an Anthropic stream. The finish is only given at `message_stop`, so a stream cut anywhere ends in `upstream_cut`;
 * with the quirk `doneMarker: optional` a stop reason that was read is enough.
 */
export function streamDecoder(source: Source): StreamDecoder {
  return new AnthropicStreamDecoder(source);
}
