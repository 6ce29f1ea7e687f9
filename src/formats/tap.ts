import { isUtf8 } from 'node:buffer';
import { SluiceError } from '../core/errors/error.ts';
import type { Finish, Usage } from '../core/model/index.ts';
import { type Frame, MAX_FRAME_BYTES } from './frame.ts';
import { isTooDeep } from './json-scan.ts';
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
/** Shorter events cannot be nested deep enough to hurt anyone. */
const DEEP_FROM = 4096;
const LF = 10;
const CR = 13;

/** Index just after the blank line that ends the event starting at `from`, or -1. */
function eventEnd(text: string, from: number): number {
  for (let lf = text.indexOf('\n', from); lf >= 0; lf = text.indexOf('\n', lf + 1)) {
    const next = text.charCodeAt(lf + 1);
    if (next === LF) return lf + 2;
    if (next === CR && text.charCodeAt(lf + 2) === LF) return lf + 3;
  }
  return -1;
}

/**
 * Finds several needles in one text, event after event. A position found stays valid until the events have passed it, so
 * a chunk is searched once for each needle, not once for each needle and event.
 */
class Needles {
  readonly #needles: readonly string[];
  readonly #next: number[];
  #text = '';

  constructor(needles: readonly string[]) {
    this.#needles = needles;
    this.#next = needles.map(() => -1);
  }

  /** Begins a new text. */
  in(text: string): void {
    this.#text = text;
    this.#next.fill(-1);
  }

  get count(): number {
    return this.#needles.length;
  }

  /** Where the needle ends that first begins in `[from, to)`, or -1. `from` never goes back within a text. */
  endWithin(index: number, from: number, to: number): number {
    let at = this.#next[index] ?? -1;
    const needle = this.#needles[index] ?? '';
    if (at < from) {
      at = this.#text.indexOf(needle, from);
      if (at < 0) at = Number.POSITIVE_INFINITY;
      this.#next[index] = at;
    }
    return at < to ? at + needle.length : -1;
  }
}

/** Length of the JSON string that starts at `from` (after its opening quote); it ends at `to` at the latest. */
function stringLength(text: string, from: number, to: number): number {
  let end = text.indexOf('"', from);
  while (end > 0 && text.charCodeAt(end - 1) === 92) {
    let slashes = 1;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) break;
    end = text.indexOf('"', end + 1);
  }
  return end < 0 || end > to ? to - from : end - from;
}

const SPACE = 32;
const OPEN = 123;
const CLOSE = 125;

/**
 * Whether the event in `[from, to)` looks like whole JSON: its first data line begins with `{` and ends with `}`. A look at
 * three places instead of a parse; what does not look so may still be lawful (`[DONE]`, data over several lines).
 */
function looksWhole(text: string, from: number, to: number): boolean {
  let line = from;
  while (!text.startsWith('data:', line)) {
    line = text.indexOf('\n', line) + 1;
    // No data: a comment or a lone `event:` line.
    if (line === 0 || line >= to) return true;
  }
  let start = line + 5;
  while (text.charCodeAt(start) === SPACE) start++;
  let end = text.indexOf('\n', start);
  if (end < 0 || end > to) end = to;
  while (end > start && text.charCodeAt(end - 1) <= SPACE) end--;
  return text.charCodeAt(start) === OPEN && text.charCodeAt(end - 1) === CLOSE;
}

/** Where the first line end of a stream stands in `bytes`, and whether lines end in CR alone; `undefined` while unknown. */
function endsInCr(bytes: Buffer): boolean | undefined {
  const cr = bytes.indexOf(CR);
  const lf = bytes.indexOf(LF);
  if (cr < 0 || (lf >= 0 && lf < cr)) return lf < 0 ? undefined : false;
  return cr + 1 === bytes.length ? undefined : bytes[cr + 1] !== LF;
}

/** The same bytes with LF for CR: a CR inside JSON is always escaped. */
function withLf(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  for (let at = changed.indexOf(CR); at >= 0; at = changed.indexOf(CR, at + 1)) changed[at] = LF;
  return changed;
}

function malformed(what: string): SluiceError {
  return new SluiceError('upstream_malformed', `The provider sent a stream event that is not valid ${what}.`);
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

/** How a stream is tapped. */
interface TapOptions {
  /** Drop events that carry only usage, because the client did not ask for them. */
  readonly hideUsage: boolean;
  /** Largest event. */
  readonly maxEventBytes?: number;
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
  readonly #maxEventBytes: number;
  readonly #content: Needles;
  readonly #watch: Needles;
  /** Beginning of an event in pieces, so that a huge one is not copied again for each chunk. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Lines end in CR alone: lawful, rare, and unreadable to many clients, so that they are given LF instead. */
  #endsInCr: boolean | undefined;

  constructor(rules: TapRules, quirks: Quirks, { hideUsage, maxEventBytes }: TapOptions) {
    this.#rules = rules;
    this.#content = new Needles(rules.content);
    this.#watch = new Needles(rules.watch);
    this.#quirks = quirks;
    this.#hideUsage = hideUsage;
    this.#maxEventBytes = maxEventBytes ?? MAX_FRAME_BYTES;
  }

  push(chunk: Uint8Array): Uint8Array {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#restBytes > 0 && this.#endsNoLine(fresh)) {
      this.#keep(fresh);
      return EMPTY;
    }
    let bytes = this.#withRest(fresh);
    if (this.#endsInCr !== false) {
      this.#endsInCr ??= endsInCr(bytes);
      if (this.#endsInCr === undefined) {
        this.#keep(bytes);
        return EMPTY;
      }
      if (this.#endsInCr) bytes = withLf(bytes);
    }
    // One character per byte, so that positions in text and bytes are the same. A piece that ends no line ended no event above.
    const text = this.#open(bytes);
    let at = 0;
    let kept: Uint8Array[] | undefined;
    let keptFrom = 0;
    while (at < text.length && this.state.error === undefined) {
      const end = eventEnd(text, at);
      if (end < 0) break;
      if (this.#inspect(text, bytes, { from: at, to: end })) {
        kept ??= [];
        kept.push(bytes.subarray(keptFrom, at));
        keptFrom = end;
      }
      at = end;
    }
    if (at > 0 && !isUtf8(bytes.subarray(0, at))) {
      this.state.error ??= malformed('UTF-8');
      return this.#soundPart(text, bytes, at);
    }
    if (this.state.error === undefined && at < bytes.length) this.#keep(bytes.subarray(at));
    const tail = bytes.subarray(keptFrom, at);
    if (kept === undefined) return tail;
    kept.push(tail);
    return Buffer.concat(kept);
  }

  end(): Uint8Array {
    const rest = this.#withRest(Buffer.from(EMPTY));
    const last = rest.length > 0 && this.state.error === undefined ? this.#last(rest) : EMPTY;
    if (this.state.error === undefined && !this.#complete()) {
      this.state.error = new SluiceError('upstream_cut', 'The provider broke off its answer.');
    }
    return last;
  }

  /** The end of a body without the blank line of its last event: that event, or nothing if it was cut through. */
  #last(rest: Buffer): Uint8Array {
    const { state } = this;
    const hidden = this.#inspect(this.#open(rest), rest, { from: 0, to: rest.length });
    if (state.error?.code === 'upstream_malformed') state.error = undefined;
    else if (!hidden && state.error === undefined && this.#complete()) {
      return Buffer.concat([rest, Buffer.from('\n\n')]);
    }
    return EMPTY;
  }

  #complete(): boolean {
    if (this.state.done) return true;
    return this.#quirks.doneMarker === 'optional' && this.state.finish !== undefined;
  }

  /** The events before the first one that is no UTF-8, hidden ones left out. */
  #soundPart(text: string, bytes: Buffer, to: number): Uint8Array {
    let at = 0;
    for (let end = eventEnd(text, 0); end > 0 && end <= to; end = eventEnd(text, at)) {
      if (!isUtf8(bytes.subarray(at, end))) break;
      at = end;
    }
    return this.#hideUsage ? EMPTY : bytes.subarray(0, at);
  }

  /** Whether a piece that follows an unfinished event leaves it unfinished for sure. */
  #endsNoLine(fresh: Buffer): boolean {
    if (this.#endsInCr === true || fresh.includes(LF)) return false;
    return this.#endsInCr === false || !(fresh.includes(CR) || this.#rest.at(-1)?.at(-1) === CR);
  }

  #keep(rest: Buffer): void {
    this.#restBytes += rest.length;
    if (this.#restBytes > this.#maxEventBytes) {
      this.#rest = [];
      this.state.error = new SluiceError(
        'upstream_too_large',
        'The provider sent one stream event above the limit.',
      );
      return;
    }
    // A copy: the chunk may be a view of a large pooled buffer.
    this.#rest.push(Buffer.from(rest));
  }

  /** What was kept, with what follows it. */
  #withRest(fresh: Buffer): Buffer {
    if (this.#restBytes === 0) return fresh;
    const bytes = Buffer.concat([...this.#rest, fresh]);
    this.#rest = [];
    this.#restBytes = 0;
    return bytes;
  }

  #open(bytes: Buffer): string {
    const text = bytes.toString('latin1');
    this.#content.in(text);
    this.#watch.in(text);
    return text;
  }

  /** Looks at one event; true when it must not be forwarded. */
  #inspect(
    text: string,
    bytes: Buffer,
    { from, to }: { readonly from: number; readonly to: number },
  ): boolean {
    const { state } = this;
    if (to - from > DEEP_FROM && isTooDeep(bytes.subarray(from, to))) {
      state.error = malformed('JSON: it is nested too deep');
      return true;
    }
    for (let index = 0; index < this.#content.count; index++) {
      const at = this.#content.endWithin(index, from, to);
      if (at >= 0) state.contentBytes += stringLength(text, at, to);
    }
    if (!state.committed) {
      // The first events are few: parse them all, so that a broken one is seen while failing over is still possible.
      if (!isUtf8(bytes.subarray(from, to))) {
        state.error = malformed('UTF-8');
        return true;
      }
      return this.#read(
        toFrame(bytes.toString('utf8', from, to)),
        this.#rules.begins.test(text.slice(from, to)),
      );
    }
    for (let index = 0; index < this.#watch.count; index++) {
      if (this.#watch.endWithin(index, from, to) >= 0)
        return this.#read(toFrame(bytes.toString('utf8', from, to)), false);
    }
    if (!looksWhole(text, from, to)) return this.#read(toFrame(bytes.toString('utf8', from, to)), false);
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
      state.error = error instanceof SluiceError ? error : malformed('JSON');
      return true;
    }
  }
}

/** A tap on one SSE stream. */
export function createByteTap(rules: TapRules, quirks: Quirks, options: TapOptions): ByteTap {
  return new SseTap(rules, quirks, options);
}
