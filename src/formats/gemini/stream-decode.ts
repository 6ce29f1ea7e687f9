import { SluiceError } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject, type StreamEvent } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { createIdSource, type IdSource } from '../../core/translation/tool-ids.ts';
import type { Source, StreamDecoder } from '../codec.ts';
import type { Frame } from '../frame.ts';
import { asObject, asString, listOf } from './aliases.ts';
import { CandidateStream } from './candidate-stream.ts';
import { malformed, upstreamError } from './errors.ts';
import { blockedFinish } from './finish.ts';
import { MADE_ID } from './message-decode.ts';
import { blockOf, candidateIndex, customTools, LATE_FIELDS, responseFacts } from './response.ts';
import { decodeUsage, isUsage } from './usage.ts';

/** Candidates of one stream; more than this is an attack. */
const MAX_CANDIDATES = 128;

class GeminiStreamDecoder implements StreamDecoder {
  readonly #source: Source;
  readonly #custom: ReadonlySet<string>;
  readonly #candidates = new Map<number, CandidateStream>();
  #ids: IdSource | undefined;
  #topKeys: ReadonlySet<string> | undefined;
  #late: JsonObject | undefined;
  #blocked = false;
  #failed = false;
  #images = 0;

  constructor(source: Source) {
    this.#source = source;
    this.#custom = customTools(source);
  }

  push(frame: Frame): readonly StreamEvent[] {
    const out: StreamEvent[] = [];
    if (this.#failed || frame.data === '' || frame.data === '[DONE]') return out;
    try {
      for (const chunk of listOf(parse(frame.data))) {
        if (!isObject(chunk)) throw malformed('an event of the stream is not an object');
        if (chunk['error'] !== undefined && chunk['error'] !== null) throw upstreamError(chunk);
        this.#chunk(chunk, out);
      }
    } catch (error) {
      this.#fail(error, out);
    }
    return out;
  }

  end(): readonly StreamEvent[] {
    const out: StreamEvent[] = [];
    if (this.#failed) return out;
    const open = [...this.#candidates.values()].some((candidate) => !candidate.finished);
    if (!this.#blocked && (open || this.#candidates.get(0) === undefined)) {
      this.#fail(
        new SluiceError(
          'upstream_cut',
          'The provider ended the stream before the answer was complete; try again.',
        ),
        out,
      );
    }
    return out;
  }

  #fail(error: unknown, out: StreamEvent[]): void {
    if (!(error instanceof SluiceError)) throw error;
    this.#failed = true;
    out.push({ type: 'error', error });
  }

  #chunk(body: JsonObject, out: StreamEvent[]): void {
    this.#top(body, out);
    const candidates = listOf(body['candidates']);
    for (const [position, value] of candidates.entries()) {
      const candidate = asObject(value);
      if (candidate === undefined) throw malformed('a candidate is not an object');
      this.#candidate(candidate, candidateIndex(candidate, position), out);
    }
    const block = blockOf(body);
    if (block !== undefined && candidates.length === 0 && this.#candidates.size === 0 && !this.#blocked) {
      this.#blocked = true;
      out.push({
        type: 'finish',
        choice: 0,
        finish: blockedFinish(block.reason, block.message),
        ...this.#lateFields(),
      });
    }
    const usage = body['usageMetadata'];
    // A snapshot replaces the one before; one that says nothing replaces nothing (WIRE §1.1).
    if (isUsage(usage)) out.push({ type: 'usage', usage: decodeUsage(usage, this.#images) });
  }

  #top(body: JsonObject, out: StreamEvent[]): void {
    const facts = responseFacts(body);
    const unknown = facts.extensions?.gemini ?? {};
    if (this.#topKeys === undefined) {
      this.#topKeys = new Set(Object.keys(unknown));
      this.#ids = createIdSource(this.#source.request, facts.id ?? '', MADE_ID);
      out.push({ type: 'start', ...facts });
      return;
    }
    for (const key of Object.keys(unknown)) {
      if (this.#topKeys.has(key)) continue;
      this.#late ??= {};
      this.#late[key] = unknown[key];
    }
  }

  #lateFields() {
    return this.#late === undefined ? {} : { extensions: { gemini: { [LATE_FIELDS]: this.#late } } };
  }

  #candidate(candidate: JsonObject, index: number, out: StreamEvent[]): void {
    let found = this.#candidates.get(index);
    if (found === undefined) {
      if (this.#candidates.size >= MAX_CANDIDATES) throw malformed('it has too many candidates');
      const ids = this.#ids ?? createIdSource(this.#source.request, '', MADE_ID);
      found = new CandidateStream(index, ids, this.#custom);
      this.#candidates.set(index, found);
    }
    this.#images += found.push(candidate, out);
    if (asString(candidate['finishReason']) === undefined) return;
    const late = this.#late;
    found.finish(candidate, late === undefined ? {} : { [LATE_FIELDS]: late }, out);
  }
}

function parse(data: string): Json {
  try {
    return parseJson(data);
  } catch {
    throw malformed('an event of the stream is not JSON');
  }
}

/** See `ChatCodec.streamDecoder`. Takes events of SSE and elements of a JSON array alike. */
export function createStreamDecoder(source: Source): StreamDecoder {
  return new GeminiStreamDecoder(source);
}
