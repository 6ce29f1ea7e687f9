import type { Json, JsonObject, PartHead, Signature, StreamEvent, Usage } from '../../core/model/index.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { encodeCitation } from './citations.ts';
import { errorBody } from './errors.ts';
import { encodeFinish } from './finish.ts';
import { detailsOf, extraContent } from './reasoning-details.ts';
import { isMedia, mediaFields } from './response.ts';
import { encodeUsage } from './usage.ts';

/** A part in flight, with what its later events need. */
interface OpenPart {
  readonly head: PartHead;
  /** What goes before and after the JSON text of a delta's string; precomputed, since deltas are the hot path. */
  readonly before: string;
  readonly after: string;
  /** `index` in `tool_calls` or `reasoning_details`. */
  readonly index: number;
  /** Code points of text in earlier text parts of the choice; only kept up for texts. */
  readonly offset: number;
  length: number;
  /** Reasoning text so far, once a signature may have to repeat it. */
  text: string;
}

interface OpenChoice {
  readonly index: number;
  readonly prefix: string;
  readonly parts: OpenPart[];
  calls: number;
  thoughts: number;
  textLength: number;
  hasRefusal: boolean;
}

function countPoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) count++;
  return count;
}

const END_OF_DELTA = '},"finish_reason":null}]}\n\n';

class ChatStreamEncoder implements StreamEncoder {
  readonly #reply: Reply;
  /** Everything of a chunk up to and including `"choices":[`. */
  #head: string;
  #choices: (OpenChoice | undefined)[] = [];
  #usage: Usage | undefined;
  #failed = false;

  constructor(reply: Reply) {
    this.#reply = reply;
    this.#head = this.#headWith({});
  }

  push(events: readonly StreamEvent[]): string {
    let out = '';
    for (const event of events) {
      if (this.#failed) break;
      if (event.type === 'delta') {
        const part = this.#choices[event.choice]?.parts[event.part];
        if (part !== undefined && event.text !== '') out += this.#delta(part, event.text);
      } else out += this.#other(event);
    }
    return out;
  }

  end(): string {
    if (this.#failed) return '';
    const usage =
      this.#reply.includeUsage && this.#usage !== undefined && this.#usage.source !== 'unknown'
        ? `${this.#head}],"usage":${JSON.stringify(encodeUsage(this.#usage))}}\n\n`
        : '';
    return `${usage}data: [DONE]\n\n`;
  }

  #headWith(extra: JsonObject): string {
    const { id, created, model } = this.#reply;
    const facts = JSON.stringify({ ...extra, id, object: 'chat.completion.chunk', created, model });
    return `data: ${facts.slice(0, -1)},"choices":[`;
  }

  #delta(part: OpenPart, text: string): string {
    if (part.head.type === 'reasoning') part.text += text;
    part.length += part.head.type === 'text' ? countPoints(text) : text.length;
    return part.before + JSON.stringify(text) + part.after;
  }

  #other(event: Exclude<StreamEvent, { type: 'delta' }>): string {
    switch (event.type) {
      case 'start':
        return this.#start(event);
      case 'part_start':
        return this.#open(event.choice, event.part, event.head);
      case 'signature':
        return this.#signature(event.choice, event.part, event.signature);
      case 'citation': {
        const { choice, part } = this.#at(event.choice, event.part);
        const annotation = encodeCitation(event.citation, part?.offset ?? 0);
        return this.#chunk(choice, { annotations: [annotation] });
      }
      case 'part_end':
        return this.#close(event.choice, event.part);
      case 'logprobs':
        return this.#logprobs(event.choice, event.logprobs);
      case 'finish':
        return this.#finish(event);
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'error':
        this.#failed = true;
        return `data: ${JSON.stringify(errorBody(event.error))}\n\n`;
    }
  }

  /** The first chunk carries the role at once, so that the client hears from us with the upstream's first event. */
  #start(event: Extract<StreamEvent, { type: 'start' }>): string {
    const tier = event.serviceTier === undefined ? {} : { service_tier: event.serviceTier };
    const own = event.extensions?.['openai-chat'];
    if (this.#choices.length > 0) return '';
    if (own !== undefined || event.serviceTier !== undefined)
      this.#head = this.#headWith({ ...own, ...tier });
    const out: string[] = [];
    this.#choice(0, out);
    return out.join('');
  }

  /** The choice; `out` receives its first chunk if this is its first event. */
  #choice(index: number, out: string[]): OpenChoice {
    let choice = this.#choices[index];
    if (choice === undefined) {
      const prefix = `${this.#head}{"index":${index},"delta":`;
      choice = { index, prefix, parts: [], calls: 0, thoughts: 0, textLength: 0, hasRefusal: false };
      this.#choices[index] = choice;
      out.push(`${prefix}{"role":"assistant","content":""${END_OF_DELTA}`);
    }
    return choice;
  }

  #at(index: number, part: number): { choice: OpenChoice; part: OpenPart | undefined } {
    const choice = this.#choice(index, []);
    return { choice, part: choice.parts[part] };
  }

  #chunk(choice: OpenChoice, delta: JsonObject): string {
    return `${choice.prefix}${JSON.stringify(delta)},"finish_reason":null}]}\n\n`;
  }

  #open(index: number, position: number, head: PartHead): string {
    const out: string[] = [];
    const choice = this.#choice(index, out);
    const field = (name: string) => ({ before: `${choice.prefix}{"${name}":`, after: END_OF_DELTA });
    const base = { head, index: 0, offset: choice.textLength, length: 0, text: '' };
    switch (head.type) {
      case 'text':
        choice.parts[position] = { ...base, ...field('content') };
        break;
      case 'refusal':
        choice.hasRefusal = true;
        choice.parts[position] = { ...base, ...field('refusal') };
        break;
      case 'reasoning': {
        choice.parts[position] = { ...base, ...field('reasoning_content'), index: choice.thoughts++ };
        if (head.redacted === undefined) break;
        const part = { type: 'reasoning', text: '', redacted: head.redacted } as const;
        out.push(this.#chunk(choice, { reasoning_details: detailsOf(part, choice.thoughts - 1) }));
        break;
      }
      case 'tool_call':
        out.push(this.#openCall(choice, position, { ...base, head }));
        break;
      default:
        choice.parts[position] = { ...base, before: '', after: '' };
        if (isMedia(head)) out.push(this.#chunk(choice, mediaFields([head])));
    }
    return out.join('');
  }

  #openCall(
    choice: OpenChoice,
    position: number,
    base: Omit<OpenPart, 'before' | 'after'> & { head: Extract<PartHead, { type: 'tool_call' }> },
  ): string {
    const index = choice.calls++;
    const { id, name, kind } = base.head;
    if (this.#reply.request?.legacyFunctions === true) {
      // One call is all such a client reads; what belongs to another is left out.
      if (index > 0) return '';
      const [before, after] = [`${choice.prefix}{"function_call":{"arguments":`, `}${END_OF_DELTA}`];
      choice.parts[position] = { ...base, index, before, after };
      return this.#chunk(choice, { function_call: { name, arguments: '' } });
    }
    const isCustom = kind === 'custom';
    choice.parts[position] = {
      ...base,
      index,
      before: `${choice.prefix}{"tool_calls":[{"index":${index},"${isCustom ? 'custom":{"input' : 'function":{"arguments'}":`,
      after: `}}]${END_OF_DELTA}`,
    };
    const body = isCustom ? { custom: { name, input: '' } } : { function: { name, arguments: '' } };
    return this.#chunk(choice, { tool_calls: [{ index, id, type: kind, ...body }] });
  }

  #signature(index: number, position: number, signature: Signature): string {
    const { choice, part } = this.#at(index, position);
    if (part === undefined) return '';
    if (part.head.type === 'tool_call') {
      if (this.#reply.request?.legacyFunctions === true) return '';
      // Some clients take no delta of a call without its function (Vercel's AI SDK validates each chunk).
      const body = part.head.kind === 'custom' ? { custom: { input: '' } } : { function: { arguments: '' } };
      return this.#chunk(choice, {
        tool_calls: [{ index: part.index, ...body, extra_content: extraContent(signature) }],
      });
    }
    if (part.head.type !== 'reasoning')
      return this.#chunk(choice, { extra_content: extraContent(signature) });
    const { id } = part.head;
    const value = {
      type: 'reasoning',
      text: part.text,
      signature,
      ...(id === undefined ? {} : { id }),
    } as const;
    // The first entry leaves its text to what `reasoning_content` brought; later ones must repeat theirs.
    const withText = part.index > 0 || part.text === '';
    return this.#chunk(choice, { reasoning_details: detailsOf(value, part.index, withText) });
  }

  /** A call without arguments still has to be JSON for its reader. */
  #close(index: number, position: number): string {
    const { choice, part } = this.#at(index, position);
    if (part === undefined) return '';
    if (part.head.type === 'text') choice.textLength += part.length;
    const isEmptyCall = part.head.type === 'tool_call' && part.head.kind === 'function' && part.length === 0;
    return isEmptyCall ? this.#delta(part, '{}') : '';
  }

  #logprobs(index: number, logprobs: Json): string {
    const out: string[] = [];
    const { prefix } = this.#choice(index, out);
    out.push(`${prefix}{},"logprobs":${JSON.stringify(logprobs)},"finish_reason":null}]}\n\n`);
    return out.join('');
  }

  #finish({ choice: index, finish, extensions }: Extract<StreamEvent, { type: 'finish' }>): string {
    const out: string[] = [];
    const choice = this.#choice(index, out);
    const word = encodeFinish(finish, {
      hasCalls: choice.calls > 0,
      hasRefusal: choice.hasRefusal,
      legacy: this.#reply.request?.legacyFunctions,
    });
    const { message: _, ...own } = extensions?.['openai-chat'] ?? {};
    const rest = Object.keys(own).length === 0 ? '' : `,${JSON.stringify(own).slice(1, -1)}`;
    out.push(`${choice.prefix}{},"finish_reason":${JSON.stringify(word)}${rest}}]}\n\n`);
    return out.join('');
  }
}

/** See `ChatCodec.streamEncoder`: role first, one id, one finish per choice, usage if asked, `[DONE]` (WIRE §2.3). */
export function createStreamEncoder(reply: Reply): StreamEncoder {
  return new ChatStreamEncoder(reply);
}
