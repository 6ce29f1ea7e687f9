import type { Json, StreamEvent, Usage } from '../../core/model/index.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { errorBody } from '../openai-chat/errors.ts';
import { encodeUsage } from '../openai-chat/usage.ts';
import { encodeLogprobs, finishOf } from './response.ts';

interface OpenChoice {
  /** Parts whose deltas are text of this dialect. */
  readonly texts: Set<number>;
  /** UTF-16 units of text already described by log-probabilities. */
  described: number;
  hasRefusal: boolean;
}

class CompletionStreamEncoder implements StreamEncoder {
  readonly #head: string;
  readonly #includeUsage: boolean;
  readonly #choices = new Map<number, OpenChoice>();
  #usage: Usage | undefined;
  #failed = false;

  constructor(reply: Reply) {
    const { id, created, model } = reply;
    this.#head = `data: ${JSON.stringify({ id, object: 'text_completion', created, model }).slice(0, -1)},"choices":[`;
    this.#includeUsage = reply.includeUsage;
  }

  push(events: readonly StreamEvent[]): string {
    let out = '';
    for (const event of events) {
      if (this.#failed) break;
      out += this.#write(event);
    }
    return out;
  }

  end(): string {
    if (this.#failed) return '';
    const known = this.#includeUsage && this.#usage !== undefined && this.#usage.source !== 'unknown';
    const usage = known
      ? `${this.#head}],"usage":${JSON.stringify(encodeUsage(this.#usage as Usage))}}\n\n`
      : '';
    return `${usage}data: [DONE]\n\n`;
  }

  #choice(index: number): OpenChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = { texts: new Set(), described: 0, hasRefusal: false };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #write(event: StreamEvent): string {
    switch (event.type) {
      case 'part_start':
        if (event.head.type === 'text' || event.head.type === 'refusal') {
          const choice = this.#choice(event.choice);
          choice.texts.add(event.part);
          choice.hasRefusal ||= event.head.type === 'refusal';
        }
        return '';
      case 'delta':
        if (event.text === '' || this.#choices.get(event.choice)?.texts.has(event.part) !== true) return '';
        return this.#chunk(event.choice, JSON.stringify(event.text), { logprobs: null, finish: null });
      case 'logprobs': {
        const choice = this.#choice(event.choice);
        const logprobs = encodeLogprobs(event.logprobs, choice.described);
        for (const token of (logprobs as { tokens?: unknown[] } | null)?.tokens ?? []) {
          if (typeof token === 'string') choice.described += token.length;
        }
        return this.#chunk(event.choice, '""', { logprobs, finish: null });
      }
      case 'finish': {
        const finish = finishOf(event.finish, this.#choices.get(event.choice)?.hasRefusal === true);
        return this.#chunk(event.choice, '""', { logprobs: null, finish });
      }
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'error':
        this.#failed = true;
        return `data: ${JSON.stringify(errorBody(event.error))}\n\n`;
      default:
        return '';
    }
  }

  #chunk(index: number, text: string, more: { logprobs: Json; finish: string | null }): string {
    const { logprobs, finish } = more;
    return `${this.#head}{"text":${text},"index":${index},"logprobs":${JSON.stringify(logprobs)},"finish_reason":${JSON.stringify(finish)}}]}\n\n`;
  }
}

/** See `ChatCodec.streamEncoder`: `text_completion` chunks, usage if asked, `[DONE]`. */
export function createStreamEncoder(reply: Reply): StreamEncoder {
  return new CompletionStreamEncoder(reply);
}
