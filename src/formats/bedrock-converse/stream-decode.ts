import { SluiceError } from '../../core/errors/error.ts';
import {
  type Finish,
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import { unknownFields } from '../fields.ts';
import type { Frame } from '../frame.ts';
import { namedDecoder } from '../given-names.ts';
import { bridgeDecoder } from '../tool-bridge.ts';
import { decodeCitation, decodeRedacted, opaqueBlock, readSignature } from './content-decode.ts';
import { exceptionError } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { usageIn } from './usage.ts';
import { extended } from './wire.ts';

/** A content block that has begun. */
interface Block {
  /** Number of the part, −1 until it has opened. */
  part: number;
  kind: 'text' | 'reasoning' | 'tool_call' | 'held' | undefined;
  /** A block that only Converse understands arrives whole: its start, and what its deltas brought. */
  start: JsonObject | undefined;
  text: string;
  readonly results: Json[];
  readonly blobs: string[];
  extra: JsonObject | undefined;
}

function newBlock(): Block {
  return { part: -1, kind: undefined, start: undefined, text: '', results: [], blobs: [], extra: undefined };
}

const CALL_FIELDS = new Set(['toolUseId', 'name', 'type']);
/** `p` pads every event to hide its length. */
const STOP_FIELDS = new Set(['p', 'stopReason']);
const METADATA_FIELDS = new Set(['p', 'usage', 'serviceTier']);

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

class ConverseDecoder implements StreamDecoder {
  readonly #blocks = new Map<number, Block>();
  #parts = 0;
  #calls = false;
  #started = false;
  #stop: { readonly finish: Finish; readonly extra: JsonObject | undefined } | undefined;
  #done = false;

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#done) return [];
    const { event = '' } = frame;
    if (event.startsWith('exception:')) {
      this.#done = true;
      return [{ type: 'error', error: exceptionError(event.slice('exception:'.length), frame.data) }];
    }
    const out: StreamEvent[] = [];
    let body: Json;
    try {
      body = parseJson(frame.data);
    } catch {
      body = null;
    }
    if (!isObject(body)) {
      this.#done = true;
      const error = new SluiceError(
        'upstream_malformed',
        'The provider sent a stream event that is no JSON object.',
      );
      return [{ type: 'error', error }];
    }
    this.#take(event, body, out);
    return out;
  }

  end(): readonly StreamEvent[] {
    if (this.#done) return [];
    this.#done = true;
    const out: StreamEvent[] = [];
    if (this.#finish(undefined, out)) return out;
    const error = new SluiceError(
      'upstream_cut',
      'The provider closed the stream before the answer was finished.',
    );
    return [{ type: 'error', error }];
  }

  #take(event: string, body: JsonObject, out: StreamEvent[]): void {
    switch (event) {
      case 'messageStart':
        this.#begin(out);
        break;
      case 'contentBlockStart':
        this.#begin(out);
        this.#blockStart(body, out);
        break;
      case 'contentBlockDelta':
        this.#begin(out);
        this.#delta(body, out);
        break;
      case 'contentBlockStop':
        this.#blockStop(Number(body['contentBlockIndex'] ?? 0), out);
        break;
      case 'messageStop':
        this.#begin(out);
        this.#messageStop(body, out);
        break;
      case 'metadata':
        this.#metadata(body, out);
        break;
      default:
        break;
    }
  }

  #begin(out: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push({ type: 'start' });
  }

  #blockStart(body: JsonObject, out: StreamEvent[]): void {
    const index = Number(body['contentBlockIndex'] ?? 0);
    this.#blockStop(index, out);
    const block = newBlock();
    this.#blocks.set(index, block);
    const start = isObject(body['start']) ? body['start'] : {};
    const call = start['toolUse'];
    if (isObject(call) && call['type'] !== 'server_tool_use') {
      const head = { id: text(call['toolUseId']), name: text(call['name']), kind: 'function' as const };
      this.#calls = true;
      this.#open(block, { type: 'tool_call', ...head }, out);
      block.extra = unknownFields(call, CALL_FIELDS);
    } else if (Object.keys(start).length > 0) {
      block.kind = 'held';
      block.start = start;
    }
  }

  #open(block: Block, head: PartHead, out: StreamEvent[]): void {
    block.part = this.#parts++;
    block.kind =
      head.type === 'text' || head.type === 'reasoning' || head.type === 'tool_call' ? head.type : 'held';
    out.push({ type: 'part_start', choice: 0, part: block.part, head });
  }

  #delta(body: JsonObject, out: StreamEvent[]): void {
    const index = Number(body['contentBlockIndex'] ?? 0);
    const delta = isObject(body['delta']) ? body['delta'] : {};
    let block = this.#blocks.get(index);
    if (block === undefined) {
      block = newBlock();
      this.#blocks.set(index, block);
    }
    if (block.kind === 'held') this.#hold(block, delta);
    else if (isObject(delta['toolUse'])) this.#send(block, text(delta['toolUse']['input']), out);
    else if (isObject(delta['reasoningContent'])) this.#reasoning(block, delta['reasoningContent'], out);
    else this.#text(block, delta, out);
  }

  #send(block: Block, piece: string, out: StreamEvent[]): void {
    if (block.part >= 0 && piece !== '')
      out.push({ type: 'delta', choice: 0, part: block.part, text: piece });
  }

  #hold(block: Block, delta: JsonObject): void {
    if (isObject(delta['toolUse'])) block.text += text(delta['toolUse']['input']);
    else if (Array.isArray(delta['toolResult'])) block.results.push(...delta['toolResult']);
    else block.results.push(delta);
  }

  #reasoning(block: Block, delta: JsonObject, out: StreamEvent[]): void {
    if (typeof delta['redactedContent'] === 'string') {
      block.blobs.push(delta['redactedContent']);
      return;
    }
    const signature = typeof delta['signature'] === 'string' ? readSignature(delta['signature']) : undefined;
    if (block.part < 0) {
      const id = signature?.id === undefined ? {} : { id: signature.id };
      this.#open(block, { type: 'reasoning', ...id }, out);
    }
    this.#send(block, text(delta['text']), out);
    if (signature?.signature !== undefined) {
      out.push({ type: 'signature', choice: 0, part: block.part, signature: signature.signature });
    }
  }

  #text(block: Block, delta: JsonObject, out: StreamEvent[]): void {
    const citation = delta['citation'];
    if (typeof delta['text'] !== 'string' && !isObject(citation)) return;
    if (block.part < 0) this.#open(block, { type: 'text' }, out);
    this.#send(block, text(delta['text']), out);
    if (isObject(citation)) {
      out.push({ type: 'citation', choice: 0, part: block.part, citation: decodeCitation(citation) });
    }
  }

  #blockStop(index: number, out: StreamEvent[]): void {
    const block = this.#blocks.get(index);
    if (block === undefined) return;
    this.#blocks.delete(index);
    if (block.part < 0 && block.blobs.length > 0) this.#redacted(block, out);
    else if (block.kind === 'held' && block.start !== undefined) this.#opaque(block, block.start, out);
    if (block.part < 0) return;
    out.push({ type: 'part_end', choice: 0, part: block.part, ...extended(block.extra) });
  }

  #redacted(block: Block, out: StreamEvent[]): void {
    const bytes = block.blobs.map((blob) => Buffer.from(blob, 'base64'));
    const [only] = block.blobs;
    const blob =
      block.blobs.length === 1 && only !== undefined ? only : Buffer.concat(bytes).toString('base64');
    const { redacted = '', extensions } = decodeRedacted(blob);
    this.#open(block, { type: 'reasoning', redacted }, out);
    block.extra = extensions?.['bedrock-converse'];
  }

  #opaque(block: Block, start: JsonObject, out: StreamEvent[]): void {
    const key = Object.keys(start)[0] ?? '';
    const value = isObject(start[key]) ? start[key] : {};
    const name = key === 'toolUse' && typeof value['name'] === 'string' ? value['name'] : key;
    const whole =
      key === 'toolUse' ? { ...value, input: jsonOf(block.text) } : { ...value, content: [...block.results] };
    this.#open(block, opaqueBlock({ [key]: whole }, name), out);
  }

  #messageStop(body: JsonObject, out: StreamEvent[]): void {
    for (const index of [...this.#blocks.keys()]) this.#blockStop(index, out);
    const fields = body['additionalModelResponseFields'];
    this.#stop = {
      finish: decodeFinish(body['stopReason'], this.#calls, fields),
      extra: unknownFields(body, STOP_FIELDS),
    };
  }

  /** Sends the finish with what came beside it; `false` if the answer has not stopped. */
  #finish(extra: JsonObject | undefined, out: StreamEvent[]): boolean {
    if (this.#stop === undefined) return false;
    const { finish } = this.#stop;
    out.push({ type: 'finish', choice: 0, finish, ...extended({ ...this.#stop.extra, ...extra }) });
    return true;
  }

  #metadata(body: JsonObject, out: StreamEvent[]): void {
    const usage = usageIn(body);
    if (usage !== undefined) out.push({ type: 'usage', usage });
    // Metadata is the last event: the finish waited for its trace and metrics.
    if (this.#finish(unknownFields(body, METADATA_FIELDS), out)) this.#done = true;
  }
}

function jsonOf(input: string): Json {
  try {
    return input === '' ? {} : parseJson(input);
  } catch {
    return input;
  }
}

/** See `ChatCodec.streamDecoder`: the events of ConverseStream, text blocks without a start included. */
export function streamDecoder({ request }: Source): StreamDecoder {
  return bridgeDecoder(namedDecoder(new ConverseDecoder(), request), request);
}
