import { isUtf8 } from 'node:buffer';
import { SluiceError } from '../core/errors/error.ts';
import type { Finish, Usage } from '../core/model/index.ts';
import { asBuffer } from './bytes.ts';
import { endsInCr, eventEnd, Likeness, looksWhole, stringLength, toFrame, withLf } from './event-text.ts';
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
  /** An event of its own says that nothing follows. Where none does, only the body's end tells. */
  readonly hasTerminator: boolean;
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
  /** `contentBytes` when usage was told last. */
  usageAt: number;
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

/** Events that may differ from the one before before events are no longer compared: some formats number theirs. */
const MAX_UNLIKE = 8;

/** Most chunks are whole events: a view of all of one would be made for nothing. */
function part(bytes: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}

function malformed(what: string): SluiceError {
  return new SluiceError('upstream_malformed', `The provider sent a stream event that is not valid ${what}.`);
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
    usageAt: 0,
    finish: undefined,
    error: undefined,
    contentBytes: 0,
  };
  readonly #rules: TapRules;
  readonly #quirks: Quirks;
  readonly #hideUsage: boolean;
  readonly #maxEventBytes: number;
  #likeness: Likeness | undefined;
  #unlike = 0;
  /** Beginning of an event in pieces, so that a huge one is not copied again for each chunk. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Lines end in CR alone: lawful, rare, and unreadable to many clients, so that they are given LF instead. */
  #endsInCr: boolean | undefined;

  constructor(rules: TapRules, quirks: Quirks, { hideUsage, maxEventBytes }: TapOptions) {
    this.#rules = rules;
    this.#quirks = quirks;
    this.#hideUsage = hideUsage;
    this.#maxEventBytes = maxEventBytes ?? MAX_FRAME_BYTES;
  }

  push(chunk: Uint8Array): Uint8Array {
    const fresh = asBuffer(chunk);
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
    const text = bytes.toString('latin1');
    let at = 0;
    let kept: Uint8Array[] | undefined;
    let keptFrom = 0;
    while (at < text.length && this.state.error === undefined) {
      const same = this.#sameAgain(text, at);
      if (same > 0) {
        at = same;
        continue;
      }
      const end = eventEnd(text, at);
      if (end < 0) break;
      if (this.#inspect(text, bytes, { from: at, to: end })) {
        kept ??= [];
        kept.push(bytes.subarray(keptFrom, at));
        keptFrom = end;
      }
      at = end;
    }
    if (at > 0 && !isUtf8(part(bytes, 0, at))) {
      this.state.error ??= malformed('UTF-8');
      return this.#soundPart(text, bytes, at);
    }
    if (this.state.error === undefined && at < bytes.length) this.#keep(bytes.subarray(at));
    const tail = part(bytes, keptFrom, at);
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
    const hidden = this.#inspect(rest.toString('latin1'), rest, { from: 0, to: rest.length });
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

  /** Counts an event that is like the one before; returns where it ends, or -1 for any other. */
  #sameAgain(text: string, from: number): number {
    const likeness = this.#likeness;
    if (likeness === undefined) return -1;
    const output = likeness.outputOf(text, from);
    if (output < 0) return -1;
    this.#unlike = 0;
    this.state.contentBytes += output;
    return from + likeness.frameLength + output;
  }

  /** Adds up the model output of an event; returns what is to be remembered of it if it says nothing else. */
  #measure(event: string): Likeness | undefined {
    let found = 0;
    let [start, length] = [0, 0];
    for (const needle of this.#rules.content) {
      const at = event.indexOf(needle);
      if (at < 0) continue;
      found++;
      start = at + needle.length;
      length = stringLength(event, start);
      this.state.contentBytes += length;
    }
    if (found !== 1 || this.#unlike > MAX_UNLIKE) return undefined;
    this.#unlike++;
    return new Likeness(event, start, start + length);
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
    const event = text.slice(from, to);
    const likeness = this.#measure(event);
    if (!state.committed) {
      // The first events are few: parse them all, so that a broken one is seen while failing over is still possible.
      if (!isUtf8(bytes.subarray(from, to))) {
        state.error = malformed('UTF-8');
        return true;
      }
      return this.#read(toFrame(bytes.toString('utf8', from, to)), this.#rules.begins.test(event));
    }
    const isWatched = this.#rules.watch.some((needle) => event.includes(needle));
    if (isWatched || !looksWhole(event)) {
      return this.#read(toFrame(bytes.toString('utf8', from, to)), false);
    }
    this.#likeness = likeness;
    return false;
  }

  #read(frame: Frame, begins: boolean): boolean {
    if (frame.data === '') return false;
    const { state } = this;
    try {
      const seen = this.#rules.read(frame, { quirks: this.#quirks, usage: state.usage });
      if (seen.id !== undefined) state.id = seen.id;
      if (seen.usage !== undefined) {
        state.usage = seen.usage;
        state.usageAt = state.contentBytes;
      }
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
