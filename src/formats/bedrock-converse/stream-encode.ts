import type { Finish, JsonObject, PartHead, StreamEvent, Usage } from '../../core/model/index.ts';
import { isObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { createSequencer } from '../../core/translation/sequence.ts';
import { wrapSignature } from '../../core/translation/signatures.ts';
import { awsEventMessage } from '../aws-event-stream.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { encodeCitation, redactedBlob } from './content-encode.ts';
import { streamExceptionName } from './errors.ts';
import { encodeFinish, responseFields } from './finish.ts';
import { encodeUsage } from './usage.ts';
import { FORMAT, own } from './wire.ts';

type PartEvent = Extract<StreamEvent, { part: number }>;

interface OpenBlock {
  readonly index: number;
  readonly head: PartHead;
  /** Something was written for it; a text block has no start of its own. */
  written: boolean;
}

/** Fields of a finish's extensions that belong to `messageStop`; the others stand in `metadata`. */
const STOP_FIELDS = new Set(['additionalModelResponseFields']);

class ConverseEncoder implements StreamEncoder {
  readonly #sequencer = createSequencer();
  readonly #open = new Map<number, OpenBlock>();
  #pieces: Uint8Array[] = [];
  #blocks = 0;
  #started = false;
  #failed = false;
  #usage: Usage = UNKNOWN_USAGE;
  #metadata: JsonObject = {};
  #tier: string | undefined;

  push(events: readonly StreamEvent[]): Uint8Array {
    for (const event of this.#sequencer.push(events)) this.#take(event);
    return this.#flush();
  }

  end(): Uint8Array {
    if (this.#failed) return new Uint8Array(0);
    this.#start();
    this.#write('metadata', {
      metrics: { latencyMs: 0 },
      ...this.#metadata,
      ...(this.#usage.source === 'unknown' ? {} : { usage: encodeUsage(this.#usage) }),
      ...(this.#tier === undefined ? {} : { serviceTier: { type: this.#tier } }),
    });
    return this.#flush();
  }

  #flush(): Uint8Array {
    const pieces = this.#pieces;
    this.#pieces = [];
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }

  #write(type: string, body: JsonObject): void {
    this.#pieces.push(awsEventMessage(type, JSON.stringify(body)));
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#write('messageStart', { role: 'assistant' });
  }

  #take(event: StreamEvent): void {
    if (this.#failed) return;
    if (event.type === 'error') {
      this.#failed = true;
      const payload = JSON.stringify({ message: event.error.message });
      this.#pieces.push(awsEventMessage(streamExceptionName(event.error), payload, 'exception'));
      return;
    }
    this.#start();
    if (event.type === 'usage') this.#usage = event.usage;
    else if (event.type === 'start') this.#tier = event.serviceTier;
    // Converse gives one answer.
    else if (event.choice !== 0) return;
    else if (event.type === 'finish') this.#finish(event.finish, own(event.extensions));
    else if (event.type !== 'logprobs') this.#part(event);
  }

  #finish(finish: Finish, brought: JsonObject): void {
    const stop: JsonObject = { ...responseFields(finish, brought) };
    for (const [key, value] of Object.entries(brought)) {
      if (STOP_FIELDS.has(key)) stop[key] = value;
      else this.#metadata[key] = value;
    }
    this.#write('messageStop', { ...stop, stopReason: encodeFinish(finish) });
  }

  #part(event: PartEvent): void {
    if (event.type === 'part_start') {
      this.#partStart(event.part, event.head);
      return;
    }
    const block = this.#open.get(event.part);
    if (block === undefined) return;
    if (event.type === 'part_end') this.#partEnd(event, block);
    else if (event.type === 'delta') this.#text(block, event.text);
    else if (event.type === 'citation') this.#delta(block, { citation: encodeCitation(event.citation) });
    else if (block.head.type === 'reasoning') {
      const { id } = block.head;
      const carried = { signature: event.signature, ...(id === undefined ? {} : { id }) };
      this.#delta(block, { reasoningContent: { signature: wrapSignature(carried, 'claude') } });
    }
  }

  #partStart(part: number, head: PartHead): void {
    if (head.type === 'opaque') {
      if (head.format === FORMAT && isObject(head.value)) this.#whole(head.value);
      return;
    }
    // Converse answers hold no media but in blocks of its own.
    if ('source' in head) return;
    const block: OpenBlock = { index: this.#blocks++, head, written: false };
    this.#open.set(part, block);
    if (head.type !== 'tool_call') return;
    block.written = true;
    this.#write('contentBlockStart', {
      contentBlockIndex: block.index,
      start: { toolUse: { toolUseId: head.id, name: head.name } },
    });
  }

  /** A block of Converse's own as start, one delta and stop. */
  #whole(value: JsonObject): void {
    const index = this.#blocks++;
    const [key = ''] = Object.keys(value);
    const inner = isObject(value[key]) ? value[key] : {};
    const { input, content, ...start } = inner;
    this.#write('contentBlockStart', { contentBlockIndex: index, start: { [key]: start } });
    const delta = key === 'toolUse' ? { input: JSON.stringify(input ?? {}) } : (content ?? []);
    this.#write('contentBlockDelta', { contentBlockIndex: index, delta: { [key]: delta } });
    this.#write('contentBlockStop', { contentBlockIndex: index });
  }

  #delta(block: OpenBlock, delta: JsonObject): void {
    block.written = true;
    this.#write('contentBlockDelta', { contentBlockIndex: block.index, delta });
  }

  #text(block: OpenBlock, text: string): void {
    switch (block.head.type) {
      case 'tool_call':
        this.#delta(block, { toolUse: { input: text } });
        break;
      case 'reasoning':
        this.#delta(block, { reasoningContent: { text } });
        break;
      default:
        this.#delta(block, { text });
    }
  }

  #partEnd(event: Extract<StreamEvent, { type: 'part_end' }>, block: OpenBlock): void {
    this.#open.delete(event.part);
    const { head } = block;
    if (head.type === 'reasoning' && head.redacted !== undefined) {
      const { extensions } = event;
      const part = { redacted: head.redacted, ...(extensions === undefined ? {} : { extensions }) };
      this.#delta(block, { reasoningContent: { redactedContent: redactedBlob(part) } });
    } else if (!block.written) this.#text(block, '');
    this.#write('contentBlockStop', { contentBlockIndex: block.index });
  }
}

/** See `ChatCodec.streamEncoder`: frames of ConverseStream, one block open at a time, metadata last. */
export function streamEncoder(_reply: Reply): StreamEncoder {
  return new ConverseEncoder();
}
