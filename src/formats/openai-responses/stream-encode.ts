import type {
  Finish,
  Json,
  JsonObject,
  OutputPart,
  PartHead,
  Signature,
  StreamEvent,
} from '../../core/model/index.ts';
import { createSequencer } from '../../core/translation/sequence.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { codePoints, encodeAnnotation } from './citations.ts';
import { cutFailure } from './errors.ts';
import { encodeFinish } from './finish.ts';
import {
  callItem,
  contentOf,
  isMessageContent,
  itemFields,
  mediaItem,
  reasoningItem,
} from './item-encode.ts';
import { logprobTokens } from './response.ts';
import { StreamOutput } from './stream-output.ts';
import { FORMAT, ownExtensions } from './wire.ts';

type Open = Extract<PartHead, { type: 'text' | 'refusal' | 'reasoning' | 'tool_call' }>;

/** The one part that is open; the sequencer sees to it that there is never a second. */
interface OpenPart {
  readonly head: Open;
  /** Number of the part in the canonical stream. */
  readonly part: number;
  readonly itemId: string;
  readonly index: number;
  readonly contentIndex: number;
  /** Head of its delta events up to the sequence number, ready made: they are most of a stream. */
  readonly deltaHead: string;
  readonly deltaTail: string;
  text: string;
  annotations: JsonObject[];
  /** Those that wait for the end of the text. */
  citations: NonNullable<Extract<OutputPart, { type: 'text' }>['citations']>[number][];
  logprobs: Json[];
  signature: Signature | undefined;
}

/** The message item that text parts join until something else comes. */
interface OpenMessage {
  readonly id: string;
  readonly index: number;
  readonly content: JsonObject[];
  /** Gemini's signature on a text: goes out behind the item. */
  signature: Signature | undefined;
}

const DELTAS = {
  text: 'response.output_text.delta',
  refusal: 'response.refusal.delta',
  reasoning: 'response.reasoning_summary_text.delta',
  function: 'response.function_call_arguments.delta',
  custom: 'response.custom_tool_call_input.delta',
} as const;

/** Writes one answer as Responses events (WIRE §2.3). One object per stream. */
class ResponsesStreamEncoder implements StreamEncoder {
  readonly #sequencer = createSequencer();
  readonly #output: StreamOutput;
  #message: OpenMessage | undefined;
  #open: OpenPart | undefined;
  #hasCalls = false;
  #hasRefusal = false;
  #finish: Finish | undefined;
  #isFailed = false;

  constructor(reply: Reply) {
    this.#output = new StreamOutput(reply);
  }

  push(events: readonly StreamEvent[]): string {
    for (const event of this.#sequencer.push(events)) this.#take(event);
    return this.#output.flush();
  }

  end(): string {
    if (this.#isFailed) return '';
    if (this.#finish === undefined) this.#output.fail(cutFailure());
    else this.#terminate(this.#finish);
    return this.#output.flush();
  }

  #take(event: StreamEvent): void {
    if (this.#isFailed) return;
    switch (event.type) {
      case 'start':
        this.#output.serviceTier = event.serviceTier;
        this.#output.start(event.extensions?.[FORMAT]);
        return;
      case 'usage':
        this.#output.usage = event.usage;
        return;
      case 'error':
        this.#isFailed = true;
        this.#output.fail(event.error);
        return;
    }
    // The format has one answer; others cannot be written.
    if (event.choice !== 0) return;
    this.#output.start();
    this.#takePart(event);
  }

  #takePart(event: Exclude<StreamEvent, { type: 'start' | 'usage' | 'error' }>): void {
    const open = this.#open;
    switch (event.type) {
      case 'part_start':
        this.#startPart(event.head, event.part);
        break;
      case 'delta':
        if (open?.part === event.part) this.#delta(open, event.text);
        break;
      case 'citation':
        if (open?.head.type !== 'text') break;
        // Claude cites before it writes: what has no place of its own covers the text, which is not there yet.
        if (event.citation.end === undefined) open.citations.push(event.citation);
        else this.#annotate(open, event.citation);
        break;
      case 'signature':
        if (open !== undefined) open.signature = event.signature;
        break;
      case 'logprobs':
        open?.logprobs.push(...logprobTokens(event.logprobs));
        break;
      case 'part_end':
        if (open?.part === event.part) this.#endPart(open, event.extensions?.[FORMAT]);
        break;
      case 'finish':
        this.#output.amend(event.extensions?.[FORMAT]);
        this.#finish = event.finish;
        break;
    }
  }

  #startPart(head: PartHead, part: number): void {
    if (head.type === 'text' || head.type === 'refusal') {
      this.#startContent(head, part);
      return;
    }
    if (head.type === 'opaque' && isMessageContent(head)) {
      this.#wholeContent(head);
      return;
    }
    this.#closeMessage('completed');
    if (head.type === 'reasoning' || head.type === 'tool_call') this.#startItem(head, part);
    else this.#wholeItem(head);
  }

  #openMessage(): OpenMessage {
    if (this.#message !== undefined) return this.#message;
    const index = this.#output.takeIndex();
    const id = this.#output.ids.take('message', index);
    this.#message = { id, index, content: [], signature: undefined };
    const item = { id, type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    this.#output.added(index, item);
    return this.#message;
  }

  #startContent(head: Open, part: number): void {
    const message = this.#openMessage();
    this.#openPart(head, part, {
      itemId: message.id,
      index: message.index,
      contentIndex: message.content.length,
    });
    const empty =
      head.type === 'text'
        ? { type: 'output_text', text: '', annotations: [], logprobs: [] }
        : { type: 'refusal', refusal: '' };
    this.#output.emit('response.content_part.added', { ...this.#place(message), part: empty });
  }

  /** Where the next content part of a message stands. */
  #place(message: OpenMessage): JsonObject {
    return { item_id: message.id, output_index: message.index, content_index: message.content.length };
  }

  #wholeContent(head: Extract<PartHead, { type: 'opaque' }>): void {
    const value = contentOf(head);
    if (value === undefined) return;
    const message = this.#openMessage();
    const place = this.#place(message);
    this.#output.emit('response.content_part.added', { ...place, part: value });
    this.#output.emit('response.content_part.done', { ...place, part: value });
    message.content.push(value);
  }

  #startItem(head: Extract<Open, { type: 'reasoning' | 'tool_call' }>, part: number): void {
    const index = this.#output.takeIndex();
    let id: string;
    let item: JsonObject;
    if (head.type === 'reasoning') {
      id = this.#output.ids.take('reasoning', index, head.id);
      item = reasoningItem({ ...head, text: '' }, id);
    } else {
      const isCustom = head.kind === 'custom';
      id = this.#output.ids.take(isCustom ? 'custom_tool_call' : 'function_call', index, head.itemId);
      const blank = callItem({ ...head, arguments: '' }, id, 'in_progress');
      item = isCustom ? blank : { ...blank, arguments: '' };
      this.#hasCalls = true;
    }
    this.#openPart(head, part, { itemId: id, index, contentIndex: 0 });
    this.#output.added(index, item);
  }

  #openPart(head: Open, part: number, place: { itemId: string; index: number; contentIndex: number }): void {
    const type = DELTAS[head.type === 'tool_call' ? head.kind : head.type];
    const { itemId, index, contentIndex } = place;
    const inner = head.type === 'text' || head.type === 'refusal';
    const position = inner
      ? `,"content_index":${contentIndex}`
      : head.type === 'reasoning'
        ? ',"summary_index":0'
        : '';
    this.#open = {
      head,
      part,
      itemId,
      index,
      contentIndex,
      deltaHead: `event: ${type}\ndata: {"type":"${type}","sequence_number":`,
      deltaTail: `,"item_id":${JSON.stringify(itemId)},"output_index":${index}${position}${head.type === 'text' ? ',"logprobs":[]' : ''},"delta":`,
      text: '',
      annotations: [],
      citations: [],
      logprobs: [],
      signature: undefined,
    };
    if (head.type === 'refusal') this.#hasRefusal = true;
  }

  #delta(open: OpenPart, text: string): void {
    if (text === '') return;
    if (open.head.type === 'reasoning' && open.text === '') {
      const place = { item_id: open.itemId, output_index: open.index, summary_index: 0 };
      this.#output.emit('response.reasoning_summary_part.added', {
        ...place,
        part: { type: 'summary_text', text: '' },
      });
    }
    open.text += text;
    this.#output.emitDelta(open.deltaHead, open.deltaTail, text);
  }

  #annotate(open: OpenPart, citation: OpenPart['citations'][number]): void {
    const annotation = encodeAnnotation(citation, codePoints(open.text));
    this.#output.emit('response.output_text.annotation.added', {
      item_id: open.itemId,
      output_index: open.index,
      content_index: open.contentIndex,
      annotation_index: open.annotations.length,
      annotation,
    });
    open.annotations.push(annotation);
  }

  #endPart(open: OpenPart, own: JsonObject | undefined): void {
    this.#open = undefined;
    switch (open.head.type) {
      case 'text':
      case 'refusal':
        this.#endContent(open, own);
        break;
      case 'reasoning':
        this.#endReasoning(open, open.head, own);
        break;
      case 'tool_call':
        this.#endCall(open, open.head, own);
        break;
    }
  }

  #endContent(open: OpenPart, own: JsonObject | undefined): void {
    const message = this.#openMessage();
    const place = { item_id: open.itemId, output_index: open.index, content_index: open.contentIndex };
    const part: OutputPart =
      open.head.type === 'text'
        ? { type: 'text', text: open.text, ...ownExtensions(own) }
        : { type: 'refusal', text: open.text, ...ownExtensions(own) };
    const content: JsonObject = { ...contentOf(part, open.logprobs) };
    if (open.head.type === 'text') {
      for (const citation of open.citations) this.#annotate(open, citation);
      content['annotations'] = open.annotations;
      this.#output.emit('response.output_text.done', { ...place, text: open.text, logprobs: open.logprobs });
    } else {
      this.#output.emit('response.refusal.done', { ...place, refusal: open.text });
    }
    this.#output.emit('response.content_part.done', { ...place, part: content });
    message.content.push(content);
    message.signature = open.signature ?? message.signature;
    const fields = itemFields(part);
    // A signature goes out behind the item, so the part that has one must be the item's last.
    if (fields !== undefined || open.signature !== undefined) this.#closeMessage('completed', fields);
  }

  #closeMessage(status: string, fields?: JsonObject): void {
    const message = this.#message;
    if (message === undefined) return;
    this.#message = undefined;
    const { id, index, content } = message;
    const { id: _upstream, ...rest } = fields ?? {};
    this.#output.done(index, { id, type: 'message', status, role: 'assistant', content, ...rest });
    this.#output.carry(message.signature);
  }

  #endReasoning(
    open: OpenPart,
    head: Extract<Open, { type: 'reasoning' }>,
    own: JsonObject | undefined,
  ): void {
    if (open.text !== '') {
      const place = { item_id: open.itemId, output_index: open.index, summary_index: 0 };
      this.#output.emit('response.reasoning_summary_text.done', { ...place, text: open.text });
      const part = { type: 'summary_text', text: open.text };
      this.#output.emit('response.reasoning_summary_part.done', { ...place, part });
    }
    // The summary went out as one piece, so the upstream's own layout of it is not repeated here.
    const { pieces: _pieces, ...rest } = own ?? {};
    const signed = open.signature === undefined ? {} : { signature: open.signature };
    const part = { ...head, text: open.text, ...signed, ...ownExtensions(rest) };
    this.#output.done(open.index, reasoningItem(part, open.itemId));
  }

  #endCall(open: OpenPart, head: Extract<Open, { type: 'tool_call' }>, own: JsonObject | undefined): void {
    const isCustom = head.kind === 'custom';
    // Clients parse what they get: a call without arguments has the empty object, delta and all.
    if (!isCustom && open.text === '') this.#delta(open, '{}');
    const place = { item_id: open.itemId, output_index: open.index };
    if (isCustom) this.#output.emit('response.custom_tool_call_input.done', { ...place, input: open.text });
    else {
      const done = { ...place, name: head.name, arguments: open.text };
      this.#output.emit('response.function_call_arguments.done', done);
    }
    const part = { ...head, arguments: open.text, ...ownExtensions(own) };
    this.#output.done(open.index, callItem(part, open.itemId, 'completed'));
    this.#output.carry(open.signature);
  }

  /** Items that arrive whole. An id the stream has already used is renamed, official clients refuse it otherwise. */
  #wholeItem(head: Extract<PartHead, { type: 'opaque' | 'image' | 'document' | 'audio' | 'video' }>): void {
    const value = head.type === 'opaque' ? contentOf(head) : mediaItem(head, '');
    if (value === undefined) return;
    const index = this.#output.takeIndex();
    const kind = head.type === 'opaque' ? 'other' : 'image_generation_call';
    const upstream = typeof value['id'] === 'string' ? value['id'] : undefined;
    this.#output.whole(index, { ...value, id: this.#output.ids.take(kind, index, upstream) });
  }

  #terminate(finish: Finish): void {
    const ending = encodeFinish(finish, { hasCalls: this.#hasCalls, hasRefusal: this.#hasRefusal });
    if (this.#open !== undefined) this.#endPart(this.#open, undefined);
    this.#closeMessage(ending.status === 'incomplete' ? 'incomplete' : 'completed');
    this.#output.terminate(ending);
  }
}

/** See {@link ResponsesStreamEncoder}: events out, one `Response` at the end, everything numbered from 0. */
export function streamEncoder(reply: Reply): StreamEncoder {
  return new ResponsesStreamEncoder(reply);
}
