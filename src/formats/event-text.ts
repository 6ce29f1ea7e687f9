import type { Frame } from './frame.ts';

// Events of SSE streams as text, one character per byte, looked at without a parse of their JSON.

const LF = 10;
const CR = 13;
const SPACE = 32;
const OPEN = 123;
const CLOSE = 125;

/** Index just after the blank line that ends the event starting at `from`, or -1. */
export function eventEnd(text: string, from: number): number {
  for (let lf = text.indexOf('\n', from); lf >= 0; lf = text.indexOf('\n', lf + 1)) {
    const next = text.charCodeAt(lf + 1);
    if (next === LF) return lf + 2;
    if (next === CR && text.charCodeAt(lf + 2) === LF) return lf + 3;
  }
  return -1;
}

/** Length of the JSON string that starts at `from` (after its opening quote); it ends with the text at the latest. */
export function stringLength(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end > 0 && text.charCodeAt(end - 1) === 92) {
    let slashes = 1;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) break;
    end = text.indexOf('"', end + 1);
  }
  return (end < 0 ? text.length : end) - from;
}

/** As `startsWith`, which V8 does character by character; equality of strings takes eight at once. */
function standsAt(text: string, at: number, part: string): boolean {
  return text.slice(at, at + part.length) === part;
}

/**
 * What stands before and after the model output in an event that says nothing else. In most formats the next events differ in
 * their output alone, so that they are recognised by two comparisons instead of a search for each needle.
 */
export class Likeness {
  readonly #before: string;
  readonly #after: string;
  /** Where the first line ends, from the end of the output on. */
  readonly #line: number;

  /** Parts of `event`, whose output is at `[start, end)`. */
  constructor(event: string, start: number, end: number) {
    // Copied: a slice would keep the text of the whole chunk.
    const own = Buffer.from(event, 'latin1').toString('latin1');
    this.#before = own.slice(0, start);
    this.#after = own.slice(end);
    this.#line = this.#after.indexOf('\n');
  }

  /** Bytes of output in the event that begins at `from`, when it is another such event; else -1. */
  outputOf(text: string, from: number): number {
    if (!standsAt(text, from, this.#before)) return -1;
    const start = from + this.#before.length;
    const length = stringLength(text, start);
    // A bare line feed inside of the output would end a line, and so the event.
    const isAlike =
      standsAt(text, start + length, this.#after) &&
      text.indexOf('\n', start) === start + length + this.#line;
    return isAlike ? length : -1;
  }

  /** Length of such an event without its output. */
  get frameLength(): number {
    return this.#before.length + this.#after.length;
  }
}

/**
 * Whether an event looks like whole JSON: its first data line begins with `{` and ends with `}`. A look at three places
 * instead of a parse; what does not look so may still be lawful (`[DONE]`, data over several lines).
 */
export function looksWhole(event: string): boolean {
  let line = 0;
  while (!event.startsWith('data:', line)) {
    line = event.indexOf('\n', line) + 1;
    // No data: a comment or a lone `event:` line.
    if (line === 0 || line >= event.length) return true;
  }
  let start = line + 5;
  while (event.charCodeAt(start) === SPACE) start++;
  let end = event.indexOf('\n', start);
  if (end < 0) end = event.length;
  while (end > start && event.charCodeAt(end - 1) <= SPACE) end--;
  return event.charCodeAt(start) === OPEN && event.charCodeAt(end - 1) === CLOSE;
}

/** Where the first line end of a stream stands in `bytes`, and whether lines end in CR alone; `undefined` while unknown. */
export function endsInCr(bytes: Buffer): boolean | undefined {
  const cr = bytes.indexOf(CR);
  const lf = bytes.indexOf(LF);
  if (cr < 0 || (lf >= 0 && lf < cr)) return lf < 0 ? undefined : false;
  return cr + 1 === bytes.length ? undefined : bytes[cr + 1] !== LF;
}

/** The same bytes with LF for CR: a CR inside JSON is always escaped. */
export function withLf(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  for (let at = changed.indexOf(CR); at >= 0; at = changed.indexOf(CR, at + 1)) changed[at] = LF;
  return changed;
}

/** The fields of an event's text. */
export function toFrame(text: string): Frame {
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
