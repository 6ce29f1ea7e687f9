import { SluiceError } from '../errors/error.ts';
import type { StreamEvent } from '../model/index.ts';

/** Most characters held back for parts that wait for their turn. */
export const MAX_HELD_CHARS = 16 * 1024 * 1024;

/** Rough size of an event without text, so that a flood of empty events is bounded too. */
const EVENT_COST = 64;

/** Turns a stream with interleaved parts into one with at most one open part per choice. */
export interface Sequencer {
  /** Returns the very array it was given when nothing had to be moved. */
  push(events: readonly StreamEvent[]): readonly StreamEvent[];
}

type PartEvent = Extract<StreamEvent, { part: number }>;

/** Follows JSON text piece by piece and knows when its outermost value has closed. */
class JsonBalance {
  #depth = 0;
  #inString = false;
  #escaped = false;
  closed = false;

  take(text: string): void {
    for (let at = 0; at < text.length && !this.closed; at++) {
      const unit = text.charCodeAt(at);
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (unit === 92) this.#escaped = true;
        else if (unit === 34) this.#inString = false;
      } else if (unit === 34) this.#inString = true;
      else if (unit === 123 || unit === 91) this.#depth++;
      else if ((unit === 125 || unit === 93) && --this.#depth <= 0) this.closed = true;
    }
  }
}

/** One part that has opened and not yet gone out whole. */
interface Lane {
  readonly part: number;
  /** Present for calls with JSON arguments: nobody says that a call of a Chat stream ended, its JSON does. */
  readonly balance: JsonBalance | undefined;
  /** Events waiting for their turn; empty while the lane is live. */
  readonly held: PartEvent[];
  ended: boolean;
}

/** The lanes of one choice in opening order; the first one is live. */
class Lanes {
  live: Lane | undefined;
  waiting: Lane[] = [];
  /** Calls that were ended on their behalf; what still comes for them is white space and their own end. */
  closed: Set<number> | undefined;

  find(part: number): Lane | undefined {
    if (this.live?.part === part) return this.live;
    return this.waiting.find((lane) => lane.part === part);
  }
}

function laneOf(event: Extract<StreamEvent, { type: 'part_start' }>): Lane {
  const isCall = event.head.type === 'tool_call' && event.head.kind === 'function';
  return { part: event.part, balance: isCall ? new JsonBalance() : undefined, held: [], ended: false };
}

function costOf(event: PartEvent): number {
  if (event.type === 'delta') return EVENT_COST + event.text.length;
  if (event.type === 'signature') return EVENT_COST + event.signature.value.length;
  return event.type === 'part_start' && 'value' in event.head
    ? EVENT_COST + JSON.stringify(event.head).length
    : EVENT_COST;
}

/** See {@link createSequencer}. One object per stream. */
class StreamSequencer implements Sequencer {
  readonly #limit: number;
  readonly #first = new Lanes();
  #others: Map<number, Lanes> | undefined;
  #heldChars = 0;
  #failed = false;
  /** What goes out of this push; `undefined` while it equals the input. */
  #out: StreamEvent[] | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(events: readonly StreamEvent[]): readonly StreamEvent[] {
    if (this.#failed) return [];
    this.#out = undefined;
    for (let index = 0; index < events.length && !this.#failed; index++) {
      const event = events[index];
      if (event === undefined || this.#passes(event)) {
        if (event !== undefined) this.#out?.push(event);
        continue;
      }
      this.#out ??= events.slice(0, index);
      this.#reorder(event, this.#out);
    }
    return this.#out ?? events;
  }

  #lanes(choice: number): Lanes {
    if (choice === 0) return this.#first;
    this.#others ??= new Map();
    let lanes = this.#others.get(choice);
    if (lanes === undefined) {
      lanes = new Lanes();
      this.#others.set(choice, lanes);
    }
    return lanes;
  }

  /** Takes note of an event and says whether it may go out where it stands. */
  #passes(event: StreamEvent): boolean {
    switch (event.type) {
      case 'delta': {
        const lanes = this.#lanes(event.choice);
        const { live } = lanes;
        if (live === undefined || live.part !== event.part) return false;
        live.balance?.take(event.text);
        return lanes.waiting.length === 0 || live.balance?.closed !== true;
      }
      case 'part_start': {
        const lanes = this.#lanes(event.choice);
        if (lanes.live !== undefined) return false;
        lanes.live = laneOf(event);
        return true;
      }
      case 'part_end': {
        const lanes = this.#lanes(event.choice);
        if (lanes.live?.part !== event.part || lanes.waiting.length > 0) return false;
        lanes.live = undefined;
        return true;
      }
      case 'signature':
      case 'citation':
        return this.#lanes(event.choice).live?.part === event.part;
      case 'finish':
        return this.#lanes(event.choice).live === undefined;
      case 'error':
        this.#failed = true;
        return true;
      default:
        return true;
    }
  }

  #reorder(event: StreamEvent, out: StreamEvent[]): void {
    if (!('choice' in event) || event.type === 'logprobs') return;
    const lanes = this.#lanes(event.choice);
    switch (event.type) {
      case 'finish':
        this.#flush(event.choice, lanes, out);
        out.push(event);
        break;
      case 'part_start':
        lanes.waiting.push(laneOf(event));
        this.#hold(event, lanes, out);
        this.#advance(event.choice, lanes, out);
        break;
      case 'part_end':
        if (lanes.closed?.delete(event.part)) break;
        this.#end(event, lanes, out);
        break;
      case 'delta':
        if (lanes.live?.part === event.part) {
          out.push(event);
          this.#advance(event.choice, lanes, out);
        } else this.#hold(event, lanes, out);
        break;
      default:
        this.#hold(event, lanes, out);
    }
  }

  #end(event: PartEvent, lanes: Lanes, out: StreamEvent[]): void {
    if (lanes.live?.part !== event.part) {
      this.#hold(event, lanes, out);
      return;
    }
    lanes.live.ended = true;
    out.push(event);
    this.#advance(event.choice, lanes, out);
  }

  /** Keeps an event of a part whose turn has not come. */
  #hold(event: PartEvent, lanes: Lanes, out: StreamEvent[]): void {
    const lane = lanes.find(event.part);
    if (lane === undefined) {
      const isLate = event.type === 'delta' && event.text.trim() !== '';
      if (isLate) this.#fail(out, 'upstream_malformed', 'The provider sent text for a part that had ended.');
      return;
    }
    if (event.type === 'delta') lane.balance?.take(event.text);
    if (event.type === 'part_end') lane.ended = true;
    lane.held.push(event);
    this.#heldChars += costOf(event);
    if (this.#heldChars > this.#limit) {
      this.#fail(
        out,
        'upstream_too_large',
        'The provider sent more parallel output than can be put in order.',
      );
    }
  }

  /** Ends the live part if it is complete and others wait, and lets the next ones out. */
  #advance(choice: number, lanes: Lanes, out: StreamEvent[]): void {
    while (lanes.waiting.length > 0) {
      const { live } = lanes;
      if (live !== undefined && !live.ended) {
        if (live.balance?.closed !== true) return;
        this.#close(choice, lanes, live.part, out);
      }
      this.#release(lanes, out);
    }
    if (lanes.live?.ended) lanes.live = undefined;
  }

  #close(choice: number, lanes: Lanes, part: number, out: StreamEvent[]): void {
    out.push({ type: 'part_end', choice, part });
    lanes.closed ??= new Set();
    lanes.closed.add(part);
  }

  /** Makes the first waiting lane the live one. */
  #release(lanes: Lanes, out: StreamEvent[]): void {
    const next = lanes.waiting.shift();
    lanes.live = next;
    if (next === undefined) return;
    for (const event of next.held) {
      this.#heldChars -= costOf(event);
      out.push(event);
    }
    next.held.length = 0;
  }

  /** Everything of a choice goes out, because its answer is finished. */
  #flush(choice: number, lanes: Lanes, out: StreamEvent[]): void {
    while (lanes.live !== undefined) {
      if (!lanes.live.ended) this.#close(choice, lanes, lanes.live.part, out);
      this.#release(lanes, out);
    }
  }

  #fail(out: StreamEvent[], code: 'upstream_malformed' | 'upstream_too_large', text: string): void {
    if (this.#failed) return;
    this.#failed = true;
    out.push({ type: 'error', error: new SluiceError(code, text) });
  }
}

/**
 * Puts a stream in an order that dialects with one open part at a time can be written in (Anthropic, Responses, Gemini,
 * Converse). The first open part streams live; events of the others wait until it ends and then follow in opening order.
 * A tool call also counts as ended once its JSON is balanced and another part waits. At `finish` everything left goes
 * out; on `error` what waits is discarded. More than `limit` held characters become an `upstream_too_large` error event,
 * after which nothing is returned.
 */
export function createSequencer(limit = MAX_HELD_CHARS): Sequencer {
  return new StreamSequencer(limit);
}
