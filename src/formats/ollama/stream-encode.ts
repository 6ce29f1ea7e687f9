import type { Finish, JsonObject, StreamEvent, ToolCallPart, Usage } from '../../core/model/index.ts';
import { isObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { ndjsonLine } from '../ndjson.ts';
import { encodeFinish } from './finish.ts';
import { encodeCall } from './messages-encode.ts';
import { encodeHead } from './response.ts';
import { encodeUsage } from './usage.ts';
import { own } from './wire.ts';

type PartEvent = Extract<StreamEvent, { part: number }>;

/** What the deltas of an open part are written as. */
type Open = { readonly type: 'content' | 'thinking' } | { readonly type: 'call'; call: ToolCallPart };

class OllamaEncoder implements StreamEncoder {
  readonly #head: JsonObject;
  readonly #open = new Map<number, Open>();
  #out = '';
  #failed = false;
  #finish: Finish = { reason: 'unknown' };
  #brought: JsonObject = {};
  #usage: Usage = UNKNOWN_USAGE;

  constructor(reply: Reply) {
    this.#head = encodeHead(reply);
  }

  push(events: readonly StreamEvent[]): string {
    for (const event of events) this.#take(event);
    return this.#flush();
  }

  end(): string {
    if (this.#failed) return '';
    this.#out += ndjsonLine({
      ...this.#head,
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: encodeFinish(this.#finish),
      ...this.#brought,
      ...encodeUsage(this.#usage),
    });
    return this.#flush();
  }

  #flush(): string {
    const out = this.#out;
    this.#out = '';
    return out;
  }

  #line(message: JsonObject, beside: JsonObject = {}): void {
    const body = { role: 'assistant', content: '', ...message };
    this.#out += ndjsonLine({ ...this.#head, message: body, ...beside, done: false });
  }

  #take(event: StreamEvent): void {
    if (this.#failed) return;
    switch (event.type) {
      case 'error':
        this.#failed = true;
        this.#out += ndjsonLine({ error: event.error.message });
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      case 'start':
        break;
      case 'logprobs': {
        const content = isObject(event.logprobs) ? event.logprobs['content'] : undefined;
        if (event.choice === 0 && Array.isArray(content)) this.#line({}, { logprobs: content });
        break;
      }
      case 'finish':
        if (event.choice !== 0) break;
        this.#finish = event.finish;
        this.#brought = own(event.extensions);
        break;
      default:
        // Ollama gives one answer.
        if (event.choice === 0) this.#part(event);
    }
  }

  #part(event: PartEvent): void {
    if (event.type === 'part_start') {
      this.#partStart(event);
      return;
    }
    const open = this.#open.get(event.part);
    if (open === undefined) return;
    if (event.type === 'delta') this.#delta(open, event.text);
    else if (event.type === 'part_end') {
      this.#open.delete(event.part);
      if (open.type !== 'call') return;
      const { extensions } = event;
      const call = extensions === undefined ? open.call : { ...open.call, extensions };
      this.#line({ tool_calls: [encodeCall(call)] });
    }
  }

  #partStart({ part, head }: Extract<StreamEvent, { type: 'part_start' }>): void {
    switch (head.type) {
      case 'text':
      case 'refusal':
        this.#open.set(part, { type: 'content' });
        break;
      case 'reasoning':
        this.#open.set(part, { type: 'thinking' });
        break;
      case 'tool_call':
        // Arguments are an object here, so a call goes out when its JSON has ended.
        this.#open.set(part, { type: 'call', call: { ...head, arguments: '' } });
        break;
      case 'image':
        if (head.source.kind === 'base64') this.#line({ images: [head.source.data] });
        break;
      default:
        break;
    }
  }

  #delta(open: Open, text: string): void {
    if (open.type === 'call') open.call = { ...open.call, arguments: open.call.arguments + text };
    else this.#line({ [open.type]: text });
  }
}

/** See `ChatCodec.streamEncoder`: one line per piece, counts and reason on the last. */
export function streamEncoder(reply: Reply): StreamEncoder {
  return new OllamaEncoder(reply);
}
