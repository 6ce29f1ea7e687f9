import type { Finish, JsonObject, PartHead, StreamEvent, Usage } from '../../core/model/index.ts';
import { UNKNOWN_USAGE } from '../../core/model/index.ts';
import { createSequencer } from '../../core/translation/sequence.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { sseEvent } from '../sse.ts';
import { encodeCitation } from './citations.ts';
import { encodeFinish } from './finish.ts';
import { encodeUsage } from './usage.ts';
import { own } from './wire.ts';

type PartEvent = Extract<StreamEvent, { part: number }>;

interface OpenPart {
  readonly part: number;
  readonly type: 'text' | 'thinking' | 'call';
  readonly index: number;
  /** What has been written of a text, for the citations that quote it. */
  text: string;
}

class CohereEncoder implements StreamEncoder {
  readonly #reply: Reply;
  readonly #sequencer = createSequencer();
  #open: OpenPart | undefined;
  #out = '';
  #started = false;
  #failed = false;
  #contents = 0;
  #calls = 0;
  #citations = 0;
  #finish: Finish = { reason: 'unknown' };
  #brought: JsonObject = {};
  #usage: Usage = UNKNOWN_USAGE;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  push(events: readonly StreamEvent[]): string {
    for (const event of this.#sequencer.push(events)) this.#take(event);
    return this.#flush();
  }

  end(): string {
    if (this.#failed) return '';
    this.#start();
    const usage = encodeUsage(this.#usage);
    const { tool_plan: plan, citations, ...brought } = this.#brought;
    if (typeof plan === 'string') this.#write('tool-plan-delta', { delta: { message: { tool_plan: plan } } });
    for (const entry of Array.isArray(citations) ? citations : []) this.#citation(entry);
    this.#write('message-end', {
      delta: {
        ...brought,
        finish_reason: encodeFinish(this.#finish),
        ...(usage === undefined ? {} : { usage }),
      },
    });
    return `${this.#flush()}${sseEvent('[DONE]')}`;
  }

  #flush(): string {
    const out = this.#out;
    this.#out = '';
    return out;
  }

  #write(type: string, body: JsonObject): void {
    this.#out += sseEvent(JSON.stringify({ type, ...body }), type);
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    const message = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] };
    this.#write('message-start', { id: this.#reply.id, delta: { message } });
  }

  #take(event: StreamEvent): void {
    if (this.#failed) return;
    this.#start();
    switch (event.type) {
      case 'error':
        this.#failed = true;
        this.#write('message-end', { delta: { finish_reason: 'ERROR', error: event.error.message } });
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      case 'start':
      case 'logprobs':
        break;
      case 'finish':
        if (event.choice !== 0) break;
        this.#finish = event.finish;
        this.#brought = own(event.extensions);
        break;
      default:
        // Cohere gives one answer.
        if (event.choice === 0) this.#part(event);
    }
  }

  #part(event: PartEvent): void {
    if (event.type === 'part_start') {
      this.#partStart(event.part, event.head);
      return;
    }
    const open = this.#open;
    if (open === undefined || open.part !== event.part) return;
    if (event.type === 'delta') this.#delta(open, event.text);
    else if (event.type === 'citation') {
      this.#citation(encodeCitation(event.citation, open.text, open.index));
    } else if (event.type === 'part_end') {
      this.#write(open.type === 'call' ? 'tool-call-end' : 'content-end', { index: open.index });
      this.#open = undefined;
    }
  }

  #partStart(part: number, head: PartHead): void {
    switch (head.type) {
      case 'text':
      case 'refusal':
      case 'reasoning': {
        const type = head.type === 'reasoning' ? 'thinking' : 'text';
        this.#open = { part, type, index: this.#contents++, text: '' };
        const content = { type, [type]: '' };
        this.#write('content-start', { index: this.#open.index, delta: { message: { content } } });
        break;
      }
      case 'tool_call': {
        this.#open = { part, type: 'call', index: this.#calls++, text: '' };
        const call = { id: head.id, type: 'function', function: { name: head.name, arguments: '' } };
        this.#write('tool-call-start', { index: this.#open.index, delta: { message: { tool_calls: call } } });
        break;
      }
      default:
        // Neither media nor another vendor's blocks have a place in the stream.
        this.#open = undefined;
    }
  }

  #delta(open: OpenPart, text: string): void {
    const { index, type } = open;
    if (type === 'call') {
      const message = { tool_calls: { function: { arguments: text } } };
      this.#write('tool-call-delta', { index, delta: { message } });
      return;
    }
    if (type === 'text') open.text += text;
    this.#write('content-delta', { index, delta: { message: { content: { [type]: text } } } });
  }

  #citation(entry: JsonObject[string]): void {
    const index = this.#citations++;
    this.#write('citation-start', { index, delta: { message: { citations: entry } } });
    this.#write('citation-end', { index });
  }
}

/** See `ChatCodec.streamEncoder`: Cohere's events in its order, `message-end` and `[DONE]` last. */
export function streamEncoder(reply: Reply): StreamEncoder {
  return new CohereEncoder(reply);
}
