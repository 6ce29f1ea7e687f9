import type {
  Choice,
  Citation,
  Extensions,
  JsonObject,
  OutputPart,
  PartHead,
  Signature,
  StreamEvent,
  Usage,
} from '../../core/model/index.ts';
import { createSequencer, type Sequencer } from '../../core/translation/sequence.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { compact } from '../fields.ts';
import { createJsonArrayWriter, type JsonArrayWriter } from '../json-array.ts';
import { asObject } from './aliases.ts';
import { encodeError } from './errors.ts';
import { signatureField, withUnknown } from './part-encode.ts';
import { candidateTail, encodeOutputPart, isBlocked, LATE_FIELDS } from './response.ts';
import { encodeUsage } from './usage.ts';

type Finished = Extract<StreamEvent, { type: 'finish' }>;

interface OpenPart {
  readonly head: PartHead;
  /** Arguments of a call, and visible text where citations may need its bytes. */
  text: string;
  signature: Signature | undefined;
  readonly citations: Citation[];
}

interface OpenChoice {
  parts: Map<number, OpenPart>;
  /** Texts for the byte offsets of citations, complete once closed. */
  readonly texts: OutputPart[];
  logprobs: JsonObject[];
  wrote: boolean;
}

/** One JSON object of the stream in its framing. */
type Framer = (json: string) => string;

class GeminiStreamEncoder implements StreamEncoder {
  readonly #reply: Reply;
  readonly #frame: Framer;
  readonly #array: JsonArrayWriter | undefined;
  readonly #sequencer: Sequencer = createSequencer();
  readonly #choices = new Map<number, OpenChoice>();
  #top: JsonObject = {};
  #usage: Usage | undefined;
  /** Held until the end, so that the last event has finish reason and usage both (WIRE §2.3). */
  readonly #finished: Finished[] = [];
  #failed = false;

  constructor(reply: Reply, framing: 'sse' | 'json-array') {
    this.#reply = reply;
    this.#array = framing === 'sse' ? undefined : createJsonArrayWriter();
    this.#frame = this.#array?.element ?? ((json) => `data: ${json}\r\n\r\n`);
  }

  push(events: readonly StreamEvent[]): string {
    let out = '';
    for (const event of this.#sequencer.push(events)) {
      if (this.#failed) break;
      out += this.#take(event);
    }
    return out;
  }

  end(): string {
    if (this.#failed) return '';
    let out = '';
    for (const [i, event] of this.#finished.entries())
      out += this.#last(event, i === this.#finished.length - 1);
    return out + (this.#array?.end() ?? '');
  }

  #choice(index: number): OpenChoice {
    let found = this.#choices.get(index);
    if (found === undefined) {
      found = { parts: new Map(), texts: [], logprobs: [], wrote: false };
      this.#choices.set(index, found);
    }
    return found;
  }

  #take(event: StreamEvent): string {
    switch (event.type) {
      case 'start':
        this.#top = event.extensions?.gemini ?? {};
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'finish':
        this.#finished.push(event);
        return '';
      case 'error':
        return this.#error(event);
      case 'logprobs': {
        const logprobs = asObject(event.logprobs);
        if (logprobs !== undefined) this.#choice(event.choice).logprobs.push(logprobs);
        return '';
      }
      case 'part_start': {
        const open: OpenPart = { head: event.head, text: '', signature: undefined, citations: [] };
        this.#choice(event.choice).parts.set(event.part, open);
        return '';
      }
      case 'part_end':
        return this.#close(event.choice, event.part, event.extensions);
      default:
        return this.#piece(event);
    }
  }

  #piece(event: Extract<StreamEvent, { type: 'delta' | 'signature' | 'citation' }>): string {
    const open = this.#choice(event.choice).parts.get(event.part);
    if (open === undefined) return '';
    const { type } = open.head;
    if (event.type === 'citation') {
      open.citations.push(event.citation);
      return '';
    }
    const live =
      type === 'text' || type === 'refusal' || (type === 'reasoning' && open.head.redacted === undefined);
    if (event.type === 'signature') {
      if (type === 'text') return this.#part(event.choice, { text: '', ...signatureField(event.signature) });
      open.signature = event.signature;
      if (type !== 'reasoning' || !live) return '';
      const sign = signatureField(event.signature, open.head.type === 'reasoning' ? open.head.id : undefined);
      return this.#part(event.choice, { text: '', thought: true, ...sign });
    }
    open.text += event.text;
    if (!live || event.text === '') return '';
    return this.#part(event.choice, { text: event.text, ...(type === 'reasoning' ? { thought: true } : {}) });
  }

  /** Calls go out whole; texts have gone out already. */
  #close(index: number, part: number, extensions: Extensions | undefined): string {
    const choice = this.#choice(index);
    const open = choice.parts.get(part);
    if (open === undefined) return '';
    choice.parts.delete(part);
    const { head, text, signature } = open;
    if (head.type === 'text' || head.type === 'refusal') {
      choice.texts.push({ type: 'text', text, citations: open.citations });
      const extra = withUnknown({ text: '' }, extensions);
      return Object.keys(extra).length > 1 ? this.#part(index, extra) : '';
    }
    if (head.type === 'reasoning' && head.redacted === undefined) {
      const extra = withUnknown({ text: '', thought: true }, extensions);
      return Object.keys(extra).length > 2 ? this.#part(index, extra) : '';
    }
    const whole = {
      ...head,
      ...(head.type === 'tool_call' ? { arguments: text } : {}),
      ...(head.type === 'reasoning' ? { text } : {}),
      ...(signature === undefined ? {} : { signature }),
      ...(extensions === undefined ? {} : { extensions }),
    } as OutputPart;
    const body = encodeOutputPart(whole);
    return body === undefined ? '' : this.#part(index, body);
  }

  #part(index: number, part: JsonObject): string {
    this.#choice(index).wrote = true;
    return this.#write(inPlace({ content: { parts: [part], role: 'model' }, index }, index), {});
  }

  #write(candidates: JsonObject[] | undefined, tail: JsonObject): string {
    const body = compact({
      ...this.#top,
      ...tail,
      candidates,
      modelVersion: this.#reply.model,
      responseId: this.#reply.id,
    });
    return this.#frame(JSON.stringify(body));
  }

  #last(event: Finished, isLast: boolean): string {
    const open = this.#choice(event.choice);
    const late = asObject(event.extensions?.gemini?.[LATE_FIELDS]);
    const content = open.logprobs.flatMap((one) => (Array.isArray(one['content']) ? one['content'] : []));
    const choice: Choice = {
      index: event.choice,
      parts: open.texts,
      finish: event.finish,
      ...(open.logprobs.length === 0 ? {} : { logprobs: { content } }),
      ...(event.extensions === undefined ? {} : { extensions: event.extensions }),
    };
    const usageMetadata = isLast && this.#usage !== undefined ? encodeUsage(this.#usage) : undefined;
    const tail = { ...late, usageMetadata };
    if (!open.wrote && isBlocked({ ...choice, parts: [] }, { ...this.#top, ...late })) {
      return this.#write(undefined, tail);
    }
    // Google's clients count a turn without any part as broken.
    const candidate = {
      content: { parts: [{ text: '' }], role: 'model' },
      index: event.choice,
      ...candidateTail(choice),
    };
    return this.#write(inPlace(candidate, event.choice), tail);
  }

  #error(event: Extract<StreamEvent, { type: 'error' }>): string {
    this.#failed = true;
    const { body } = encodeError(event.error, '');
    return this.#frame(JSON.stringify(body)) + (this.#array?.end() ?? '');
  }
}

/** Google's clients take candidate 0 by its place in the list, so earlier ones stand before a later one, empty. */
function inPlace(candidate: JsonObject, index: number): JsonObject[] {
  const before = Array.from({ length: index }, (_, at) => ({
    index: at,
    content: { parts: [], role: 'model' },
  }));
  return [...before, candidate];
}

/** See `ChatCodec.streamEncoder`. `json-array` is what a client gets that did not ask for `alt=sse`. */
export function createStreamEncoder(reply: Reply, framing: 'sse' | 'json-array' = 'sse'): StreamEncoder {
  return new GeminiStreamEncoder(reply, framing);
}
