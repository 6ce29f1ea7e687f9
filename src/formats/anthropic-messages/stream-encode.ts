import { SluiceError } from '../../core/errors/error.ts';
import {
  type Extensions,
  type Finish,
  isObject,
  type JsonObject,
  type PartHead,
  type Signature,
  type StreamEvent,
  UNKNOWN_USAGE,
  type Usage,
} from '../../core/model/index.ts';
import { createSequencer } from '../../core/translation/sequence.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { sseEvent } from '../sse.ts';
import { encodeCitation } from './citations.ts';
import { errorBody } from './errors.ts';
import { encodeFinish } from './finish.ts';
import { FORMAT } from './names.ts';
import { carrierBlock, clientSignature, mediaBlock } from './response.ts';
import { encodeUsage } from './usage.ts';

type StartEvent = Extract<StreamEvent, { type: 'start' }>;

/** The part that is being written. */
interface OpenPart {
  readonly head: PartHead;
  /** `content_block_start` went out. It waits for content, since the API refuses empty blocks when they come back. */
  opened: boolean;
  signature: Signature | undefined;
  extensions: Extensions | undefined;
  /** What comes before and after the JSON string of a delta. */
  before: string;
}

function event(type: string, fields: JsonObject): string {
  return sseEvent(JSON.stringify({ type, ...fields }), type);
}

/** Block and delta words of the parts that stream text. */
const STREAMED: Partial<Readonly<Record<PartHead['type'], readonly [delta: string, field: string]>>> = {
  text: ['text_delta', 'text'],
  refusal: ['text_delta', 'text'],
  reasoning: ['thinking_delta', 'thinking'],
  tool_call: ['input_json_delta', 'partial_json'],
};

function startBlock(part: OpenPart): JsonObject {
  const { head } = part;
  const own = part.extensions?.[FORMAT];
  switch (head.type) {
    case 'reasoning':
      if (head.redacted !== undefined) return { type: 'redacted_thinking', data: head.redacted, ...own };
      return { type: 'thinking', thinking: '', signature: '' };
    case 'tool_call':
      return { type: 'tool_use', id: head.id, name: head.name, input: {}, ...head.extensions?.[FORMAT] };
    default:
      return { type: 'text', text: '' };
  }
}

/** Writes the official event order (WIRE §2.3), at most one open block. */
class AnthropicStreamEncoder implements StreamEncoder {
  readonly #reply: Reply;
  readonly #sequencer = createSequencer();
  #text = '';
  #index = 0;
  #startEvent: StartEvent | undefined;
  #started = false;
  #usage: Usage = UNKNOWN_USAGE;
  #open: OpenPart | undefined;
  #finish: { readonly finish: Finish; readonly extensions?: Extensions } | undefined;
  #failed = false;
  #hasToolCall = false;
  #refusal: string | undefined;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  push(events: readonly StreamEvent[]): string {
    this.#text = '';
    for (const event of this.#sequencer.push(events)) if (!this.#failed) this.#take(event);
    if (this.#startEvent !== undefined && !this.#failed) this.#begin();
    return this.#text;
  }

  end(): string {
    if (this.#failed) return '';
    this.#text = '';
    if (this.#finish === undefined) {
      this.#fail(new SluiceError('upstream_cut', 'The provider broke off its answer.'));
      return this.#text;
    }
    this.#begin();
    this.#end(this.#finish);
    return this.#text;
  }

  #take(event: StreamEvent): void {
    switch (event.type) {
      case 'delta':
        if (event.choice === 0) this.#delta(event.text);
        break;
      case 'start':
        this.#startEvent ??= event;
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      case 'part_start':
        if (event.choice === 0) this.#openPart(event.head);
        break;
      case 'signature':
        if (event.choice === 0 && this.#open !== undefined) this.#open.signature = event.signature;
        break;
      case 'citation':
        if (event.choice === 0) this.#cite(encodeCitation(event.citation));
        break;
      case 'part_end':
        if (event.choice === 0) this.#closePart(event.extensions);
        break;
      case 'finish':
        if (event.choice === 0) this.#finish = event;
        break;
      case 'error':
        this.#fail(event.error);
        break;
    }
  }

  /** Writes `message_start` once, with the prompt's counts if they are known by now. */
  #begin(): void {
    if (this.#started) return;
    this.#started = true;
    const serviceTier = this.#startEvent?.serviceTier;
    const own = this.#startEvent?.extensions?.[FORMAT];
    this.#startEvent = undefined;
    this.#text += event('message_start', {
      message: {
        ...own,
        id: this.#reply.id,
        type: 'message',
        role: 'assistant',
        model: this.#reply.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: encodeUsage(this.#usage, serviceTier),
      },
    });
  }

  #openPart(head: PartHead): void {
    this.#begin();
    this.#open = { head, opened: false, signature: undefined, extensions: undefined, before: '' };
    if (head.type === 'tool_call') {
      this.#hasToolCall = true;
      this.#startBlock(this.#open);
      if (head.kind === 'custom') this.#raw('{"input":"');
    }
  }

  #startBlock(part: OpenPart): void {
    part.opened = true;
    this.#text += event('content_block_start', { index: this.#index, content_block: startBlock(part) });
    const [delta, field] = STREAMED[part.head.type] ?? ['text_delta', 'text'];
    part.before = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":"${delta}","${field}":`;
  }

  #stopBlock(): void {
    this.#text += `event: content_block_stop\ndata: {"type":"content_block_stop","index":${this.#index}}\n\n`;
    this.#index++;
  }

  #raw(text: string): void {
    this.#text += `${this.#open?.before}${JSON.stringify(text)}}}\n\n`;
  }

  #delta(text: string): void {
    const part = this.#open;
    if (part === undefined || text === '') return;
    if (!part.opened) this.#startBlock(part);
    if (part.head.type === 'refusal') this.#refusal = (this.#refusal ?? '') + text;
    if (part.head.type === 'tool_call' && part.head.kind === 'custom') {
      // The text is the inside of a JSON string that was opened with the block.
      this.#raw(JSON.stringify(text).slice(1, -1));
      return;
    }
    this.#text += `${part.before}${JSON.stringify(text)}}}\n\n`;
  }

  #blockDelta(delta: JsonObject): void {
    this.#text += event('content_block_delta', { index: this.#index, delta });
  }

  #cite(citation: JsonObject): void {
    const part = this.#open;
    if (part?.head.type !== 'text') return;
    if (!part.opened) this.#startBlock(part);
    this.#blockDelta({ type: 'citations_delta', citation });
  }

  #closePart(extensions: Extensions | undefined): void {
    const part = this.#open;
    if (part === undefined) return;
    this.#open = undefined;
    part.extensions = extensions;
    const { head, signature } = part;
    if (head.type === 'opaque' || 'source' in head) {
      this.#whole(head.type === 'opaque' ? this.#opaque(head) : mediaBlock(head));
      return;
    }
    if (head.type === 'reasoning' && !part.opened && (head.redacted ?? signature) !== undefined) {
      this.#startBlock(part);
    }
    if (part.opened) {
      if (head.type === 'tool_call' && head.kind === 'custom') {
        this.#open = part;
        this.#raw('"}');
        this.#open = undefined;
      }
      if (head.type === 'reasoning' && signature !== undefined && head.redacted === undefined) {
        this.#blockDelta({ type: 'signature_delta', signature: clientSignature(signature, head.id) });
      }
      this.#stopBlock();
    }
    if (signature !== undefined && head.type !== 'reasoning') this.#carry(signature);
  }

  #opaque(head: Extract<PartHead, { type: 'opaque' }>): JsonObject | undefined {
    return head.format === FORMAT && isObject(head.value) ? head.value : undefined;
  }

  /** A block that arrives whole; a tool's input follows as one delta, as clients expect it. */
  #whole(block: JsonObject | undefined): void {
    if (block === undefined) return;
    const { input, type } = block;
    const hasInput = typeof type === 'string' && type.endsWith('tool_use') && isObject(input);
    const start = hasInput ? { ...block, input: {} } : block;
    this.#text += event('content_block_start', { index: this.#index, content_block: start });
    if (hasInput && Object.keys(input).length > 0) {
      this.#blockDelta({ type: 'input_json_delta', partial_json: JSON.stringify(input) });
    }
    this.#stopBlock();
  }

  /** The signature of the part before, see `signatures.ts`. */
  #carry(signature: Signature): void {
    const { signature: carried } = carrierBlock(signature);
    const block = { type: 'thinking', thinking: '', signature: '' };
    this.#text += event('content_block_start', { index: this.#index, content_block: block });
    this.#blockDelta({ type: 'signature_delta', signature: carried });
    this.#stopBlock();
  }

  #end(finish: { readonly finish: Finish; readonly extensions?: Extensions }): void {
    const end = encodeFinish(finish.finish, { hasToolCall: this.#hasToolCall, refusal: this.#refusal });
    const { container, ...own } = finish.extensions?.[FORMAT] ?? {};
    this.#text += event('message_delta', {
      ...own,
      delta: { ...end, ...(container === undefined ? {} : { container }) },
      usage: encodeUsage(this.#usage),
    });
    this.#text += 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
  }

  #fail(error: SluiceError): void {
    this.#failed = true;
    this.#text += sseEvent(JSON.stringify(errorBody(error)), 'error');
  }
}

/**
 * Writes an Anthropic stream for the client. `message_delta` and `message_stop` go out with `end()`, because other
 * vendors' usage may come after their finish. A stream without a finish ends in an `error` event.
 */
export function streamEncoder(reply: Reply): StreamEncoder {
  return new AnthropicStreamEncoder(reply);
}
