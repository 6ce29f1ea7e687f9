import { SluiceError } from '../core/errors/error.ts';
import type { Finish, Usage } from '../core/model/index.ts';
import { type Frame, MAX_FRAME_BYTES } from './frame.ts';
import type { Quirks } from './quirks.ts';

/** What one event of a forwarded stream says, as far as money and endings need to know. */
export interface Observation {
  /** The upstream's id of the answer, where later requests can name it. */
  readonly id?: string;
  readonly usage?: Usage;
  readonly finish?: Finish;
  readonly error?: SluiceError;
  /** The format's terminator: the answer is complete. */
  readonly done?: boolean;
  /** The event carries nothing but usage (Chat's `choices: []` chunk). */
  readonly usageOnly?: boolean;
}

/**
 * How to watch a stream of one SSE format without parsing each event. Needles are searched in an event's raw text; only
 * events with a `watch` needle are parsed, by `read`.
 */
export interface TapRules {
  /** A JSON key with its opening quote, for example `"content":"`, whose string value is model output. */
  readonly content: readonly string[];
  /** In an event's raw text: the answer has really begun (commit point). Lifecycle events alone are no beginning. */
  readonly begins: RegExp;
  readonly watch: readonly string[];
  /** Throws `upstream_malformed` when the event's data is not what the format allows. */
  read(frame: Frame, before: Seen): Observation;
}

/** What is known before an event is read. */
export interface Seen {
  readonly quirks: Quirks;
  /** Usage reported so far, for formats that report it in pieces. */
  readonly usage: Usage | undefined;
}

/** Watches bytes go by. Forwards complete events only, so that an error event can follow at any time. */
export interface ByteTap {
  /** Bytes to forward now; may be empty. After an error it returns only what stood before it. */
  push(chunk: Uint8Array): Uint8Array;
  /** The body ended: returns a last event that lacked its blank line, and finds out whether the answer was complete. */
  end(): Uint8Array;
  readonly state: TapState;
}

/** What a {@link ByteTap} has seen so far. */
export interface TapState {
  id: string | undefined;
  committed: boolean;
  done: boolean;
  usage: Usage | undefined;
  finish: Finish | undefined;
  error: SluiceError | undefined;
  /** UTF-8 bytes of model output seen, escapes counted as written. */
  contentBytes: number;
}

const EMPTY = new Uint8Array(0);
const LF = 10;
const CR = 13;

/** Index just after the blank line that ends the event starting at `from`, or -1. */
function eventEnd(bytes: Buffer, from: number): number {
  for (let lf = bytes.indexOf(LF, from); lf >= 0; lf = bytes.indexOf(LF, lf + 1)) {
    if (bytes[lf + 1] === LF) return lf + 2;
    if (bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3;
  }
  return -1;
}

/** Length of the JSON string that starts at `from` (after its opening quote). */
function stringLength(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end > 0 && text.charCodeAt(end - 1) === 92) {
    let slashes = 1;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) break;
    end = text.indexOf('"', end + 1);
  }
  return end < 0 ? text.length - from : end - from;
}

function toFrame(text: string): Frame {
  let event: string | undefined;
  let data = '';
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('data:')) {
      const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5);
      data = data === '' ? value : `${data}\n${value}`;
    } else if (line.startsWith('event:')) {
      event = line.slice(line.charCodeAt(6) === 32 ? 7 : 6);
    }
  }
  return { event, data };
}

class SseTap implements ByteTap {
  readonly state: TapState = {
    id: undefined,
    committed: false,
    done: false,
    usage: undefined,
    finish: undefined,
    error: undefined,
    contentBytes: 0,
  };
  readonly #rules: TapRules;
  readonly #quirks: Quirks;
  readonly #hideUsage: boolean;
  #rest: Buffer | undefined;

  constructor(rules: TapRules, quirks: Quirks, hideUsage: boolean) {
    this.#rules = rules;
    this.#quirks = quirks;
    this.#hideUsage = hideUsage;
  }

  push(chunk: Uint8Array): Uint8Array {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const bytes = this.#rest === undefined ? fresh : Buffer.concat([this.#rest, fresh]);
    this.#rest = undefined;
    let at = 0;
    let kept: Uint8Array[] | undefined;
    let keptFrom = 0;
    while (at < bytes.length && this.state.error === undefined) {
      const end = eventEnd(bytes, at);
      if (end < 0) break;
      if (this.#inspect(bytes.toString('latin1', at, end), bytes, at, end)) {
        kept ??= [];
        kept.push(bytes.subarray(keptFrom, at));
        keptFrom = end;
      }
      at = end;
    }
    if (this.state.error === undefined && at < bytes.length) this.#keep(bytes.subarray(at));
    const tail = bytes.subarray(keptFrom, at);
    if (kept === undefined) return tail;
    kept.push(tail);
    return Buffer.concat(kept);
  }

  end(): Uint8Array {
    const rest = this.#rest;
    this.#rest = undefined;
    let last: Uint8Array = EMPTY;
    if (rest !== undefined && this.state.error === undefined) {
      const hidden = this.#inspect(rest.toString('latin1'), rest, 0, rest.length);
      if (!hidden && this.state.error === undefined) last = Buffer.concat([rest, Buffer.from('\n\n')]);
    }
    if (this.state.error === undefined && !this.#complete()) {
      this.state.error = new SluiceError('upstream_cut', 'The provider broke off its answer.');
    }
    return last;
  }

  #complete(): boolean {
    if (this.state.done) return true;
    return this.#quirks.doneMarker === 'optional' && this.state.finish !== undefined;
  }

  #keep(rest: Buffer): void {
    if (rest.length > MAX_FRAME_BYTES) {
      this.state.error = new SluiceError(
        'upstream_too_large',
        'The provider sent one stream event above the limit.',
      );
      return;
    }
    // A copy: the chunk may be a view of a large pooled buffer.
    this.#rest = Buffer.from(rest);
  }

  /** Looks at one event; true when it must not be forwarded. */
  #inspect(text: string, bytes: Buffer, from: number, to: number): boolean {
    const { state } = this;
    const rules = this.#rules;
    for (const needle of rules.content) {
      const at = text.indexOf(needle);
      if (at >= 0) state.contentBytes += stringLength(text, at + needle.length);
    }
    if (!state.committed) {
      // The first events are few: parse them all, so that a broken one is seen while failing over is still possible.
      return this.#read(toFrame(bytes.toString('utf8', from, to)), rules.begins.test(text));
    }
    for (const needle of rules.watch) {
      if (text.includes(needle)) return this.#read(toFrame(bytes.toString('utf8', from, to)), false);
    }
    return false;
  }

  #read(frame: Frame, begins: boolean): boolean {
    if (frame.data === '') return false;
    const { state } = this;
    try {
      const seen = this.#rules.read(frame, { quirks: this.#quirks, usage: state.usage });
      if (seen.id !== undefined) state.id = seen.id;
      if (seen.usage !== undefined) state.usage = seen.usage;
      if (seen.finish !== undefined) state.finish = seen.finish;
      if (seen.done === true) state.done = true;
      if (seen.error !== undefined) {
        state.error = seen.error;
        return true;
      }
      if (begins || seen.finish !== undefined) state.committed = true;
      return this.#hideUsage && seen.usageOnly === true;
    } catch (error) {
      state.error =
        error instanceof SluiceError
          ? error
          : new SluiceError('upstream_malformed', 'The provider sent a stream event that is not valid JSON.');
      return true;
    }
  }
}

/** A tap on one SSE stream. `hideUsage`: drop events that carry only usage, because the client did not ask for them. */
export function createByteTap(rules: TapRules, quirks: Quirks, hideUsage: boolean): ByteTap {
  return new SseTap(rules, quirks, hideUsage);
}
