import { SluiceError } from '../../core/errors/error.ts';
import type { Json, JsonObject, StreamEvent } from '../../core/model/index.ts';

import { isObject } from '../../core/model/index.ts';
import { parseJson, toNumber } from '../../core/model/parse-json.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import type { Frame } from '../frame.ts';
import { namedDecoder } from '../given-names.ts';
import { ChoiceStream } from './choice-stream.ts';
import { flatCitations } from './citations.ts';
import { failureIn, isErrorBody } from './errors.ts';
import { customTools, finishWord, restOf, topFacts } from './response.ts';
import { usageIn } from './usage.ts';

const NOTHING: readonly StreamEvent[] = [];
const CHOICE_FIELDS = new Set(['index', 'message', 'delta', 'finish_reason', 'logprobs', 'text']);
/** Padding and framing of single chunks: not facts about the answer. */
const PADDING = ['obfuscation', 'p', 'x_groq', 'error'] as const;

/** A chunk as an object. Arguments sent as objects are read again without losing digits of their numbers. */
function parseChunk(data: string): Json {
  const value = JSON.parse(data) as Json;
  return data.includes('"arguments":{') || data.includes('"arguments": {') ? parseJson(data) : value;
}

class ChatStreamDecoder implements StreamDecoder {
  readonly #source: Source;
  readonly #customTools: ReadonlySet<string>;
  readonly #choices: ChoiceStream[] = [];
  #ids: IdSource | undefined;
  #started = false;
  #hasUsage = false;
  /** Nothing more is read: `[DONE]` came, or an error. */
  #closed = false;

  constructor(source: Source) {
    this.#source = source;
    this.#customTools = customTools(source);
  }

  push(frame: Frame): readonly StreamEvent[] {
    if (this.#closed) return NOTHING;
    const data = frame.data.trim();
    if (data === '') return NOTHING;
    const out: StreamEvent[] = [];
    if (data === '[DONE]') {
      this.#finish(out);
      return out;
    }
    let chunk: Json;
    try {
      chunk = parseChunk(data);
    } catch {
      const error = new SluiceError(
        'upstream_malformed',
        'The provider sent a stream event that is not JSON.',
      );
      return this.#fail(error, out);
    }
    if (Array.isArray(chunk)) chunk = chunk[0] ?? null;
    if (!isObject(chunk)) return NOTHING;
    if (frame.event === 'error' || isErrorBody(chunk)) return this.#fail(failureIn(chunk), out);
    this.#take(chunk, out);
    return out;
  }

  end(): readonly StreamEvent[] {
    if (this.#closed) return NOTHING;
    const { quirks } = this.#source;
    const isFinished = this.#choices.length > 0 && this.#choices.every((choice) => choice.word !== undefined);
    // A vendor without finish reasons and without `[DONE]` ends with its usage, if with anything.
    const isOver = isFinished || (quirks.finishReason === 'absent' && this.#hasUsage);
    const out: StreamEvent[] = [];
    if (quirks.doneMarker === 'optional' && isOver) this.#finish(out);
    else this.#cut(out);
    return out;
  }

  #fail(error: SluiceError, out: StreamEvent[]): readonly StreamEvent[] {
    this.#closed = true;
    out.push({ type: 'error', error });
    return out;
  }

  #cut(out: StreamEvent[]): void {
    this.#fail(
      new SluiceError('upstream_cut', 'The provider broke off before the answer was complete.'),
      out,
    );
  }

  /** The upstream says the answer is complete; a choice without a finish reason says otherwise. */
  #finish(out: StreamEvent[]): void {
    const isAbsent = this.#source.quirks.finishReason === 'absent';
    const isWhole = this.#choices.every((choice) => choice.word !== undefined || isAbsent);
    if (this.#choices.length === 0 || !isWhole) {
      this.#cut(out);
      return;
    }
    this.#closed = true;
    for (const choice of this.#choices) choice.finish(out);
  }

  #take(chunk: JsonObject, out: StreamEvent[]): void {
    const { choices } = chunk;
    const groq = chunk['x_groq'];
    if (isObject(groq) && groq['error'] !== undefined) {
      this.#fail(failureIn({ error: groq['error'] }), out);
      return;
    }
    if (Array.isArray(choices) && choices.length > 0) {
      if (!this.#started) this.#start(chunk, out);
      for (let position = 0; position < choices.length; position++)
        this.#choice(choices[position], position, out);
      if (chunk['citations'] !== undefined || chunk['search_results'] !== undefined) this.#cite(chunk);
    }
    const usage = usageIn(chunk, this.#source.quirks);
    if (usage === undefined) return;
    this.#hasUsage = true;
    out.push({ type: 'usage', usage });
  }

  #start(chunk: JsonObject, out: StreamEvent[]): void {
    this.#started = true;
    const { extensions, ...facts } = topFacts(chunk);
    const own = { ...extensions?.['openai-chat'] };
    for (const key of PADDING) delete own[key];
    const rest = Object.keys(own).length === 0 ? {} : { extensions: { 'openai-chat': own } };
    this.#ids = createIdSource(this.#source.request, facts.id);
    out.push({ type: 'start', ...facts, ...rest });
  }

  #choice(value: Json | undefined, position: number, out: StreamEvent[]): void {
    if (!isObject(value)) return;
    const index = toNumber(value['index']);
    const choice = this.#choiceAt(typeof index === 'number' ? index : position);
    const delta = value['delta'] ?? value['message'];
    if (isObject(delta)) choice.take(delta, out);
    const { logprobs } = value;
    if (
      isObject(logprobs) &&
      Object.values(logprobs).some((list) => Array.isArray(list) && list.length > 0)
    ) {
      out.push({ type: 'logprobs', choice: choice.index, logprobs });
    }
    const word = finishWord(value);
    if (word === undefined) return;
    choice.word = word;
    choice.rest = restOf(value, CHOICE_FIELDS);
  }

  #choiceAt(index: number): ChoiceStream {
    let choice = this.#choices.find((open) => open.index === index);
    if (choice === undefined) {
      this.#ids ??= createIdSource(this.#source.request);
      choice = new ChoiceStream(index, this.#ids, this.#customTools);
      this.#choices.push(choice);
    }
    return choice;
  }

  #cite(chunk: JsonObject): void {
    const flat = flatCitations(chunk);
    if (flat.length === 0) return;
    for (const choice of this.#choices) choice.flat = flat;
  }
}

/** See `ChatCodec.streamDecoder`; leniency per WIRE §1.2. */
export function createStreamDecoder(source: Source): StreamDecoder {
  return namedDecoder(new ChatStreamDecoder(source), source.request);
}
