import { asBuffer } from './bytes.ts';
/** Bounds on the structure of a JSON text, beyond its size in bytes. */
export interface ScanLimits {
  /** Deepest nesting, levels. */
  readonly maxDepth: number;
  /** Array elements and object members together. */
  readonly maxValues: number;
  /** Object members. */
  readonly maxMembers: number;
}

/** Why a text is refused before it is parsed. */
export type ScanRefusal = 'depth' | 'values' | 'members' | 'number' | 'escaped-key';

/** What a look at the bytes tells. */
export interface Scan {
  readonly refused: ScanRefusal | undefined;
  /** Members of the outermost object, repeated names counted each time. */
  readonly topMembers: number;
  readonly values: number;
  /** Some number, outside strings, may not survive a trip through a double. */
  readonly longNumbers: boolean;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x5b;
const CLOSE = 0x5d;
/** `{` and `}` are `[` and `]` with this bit set. */
const CURLY = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
const POINT = 0x2e;

/** Longer than any field's name, spelled with six bytes a letter. */
const MAX_NAME_BYTES = 256;
/** A double holds any 15 decimal digits. */
const SAFE_DIGITS = 15;
/** No number of any API has more; the time to convert one grows faster than its length. */
const MAX_NUMBER_LENGTH = 1000;

/** Up to here a string is walked: for names and short values that takes less than a call of a search. */
const SHORT_STRING = 24;

/** Index after the closing quote of the string that opens at `from`; the length of the bytes when it never closes. */
export function endOfString(bytes: Buffer, from: number): number {
  let at = from + 1;
  const near = Math.min(bytes.length, at + SHORT_STRING);
  while (at < near && bytes[at] !== BACKSLASH) {
    if (bytes[at] === QUOTE) return at + 1;
    at++;
  }
  if (at === near) {
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) return bytes.length;
    if (bytes[quote - 1] !== BACKSLASH) return quote + 1;
  }
  // Searching from quote to quote is slow where most are escaped.
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    at += byte === BACKSLASH ? 2 : 1;
  }
  return bytes.length;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** Index after the number that starts at `from`: digits, point, exponent. */
function endOfNumber(bytes: Buffer, from: number): number {
  let at = from + 1;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    const part =
      isDigit(byte) || byte === POINT || byte === 0x65 || byte === 0x45 || byte === 0x2b || byte === 0x2d;
    if (!part) break;
    at++;
  }
  return at;
}

function isLong(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > SAFE_DIGITS) return true;
  for (let at = from; at < to; at++) if (bytes[at] === 0x65 || bytes[at] === 0x45) return true;
  return false;
}

function isEscapedName(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > MAX_NAME_BYTES) return false;
  for (let at = from; at < to; at++) if (bytes[at] === BACKSLASH) return true;
  return false;
}

/**
 * Looks over JSON bytes once, without recursion and without making anything, so that what would cost much memory or time
 * (`JSON.parse` itself takes 200,000 levels) is refused first. It checks no grammar: the text may still be no JSON.
 */
export function scanJson(bytes: Buffer, limits: ScanLimits): Scan {
  let depth = 0;
  let values = 0;
  let members = 0;
  let topMembers = 0;
  let longNumbers = false;
  /** Where the last string at the first level stands; a colon after it makes it a name. */
  let stringAt = 0;
  let stringEnd = 0;
  const scan = (refused?: ScanRefusal): Scan => ({ refused, topMembers, values, longNumbers });
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte <= SPACE) continue;
    if (byte === QUOTE) {
      const end = endOfString(bytes, at);
      if (depth === 1) {
        stringAt = at;
        stringEnd = end;
      }
      at = end - 1;
    } else if (byte === COMMA) {
      if (++values > limits.maxValues) return scan('values');
    } else if (byte === COLON) {
      if (++members > limits.maxMembers) return scan('members');
      if (depth === 1) {
        topMembers++;
        if (isEscapedName(bytes, stringAt, stringEnd)) return scan('escaped-key');
      }
    } else if ((byte | CURLY) === (OPEN | CURLY)) {
      if (++depth > limits.maxDepth) return scan('depth');
    } else if ((byte | CURLY) === (CLOSE | CURLY)) depth--;
    else if (isDigit(byte)) {
      const end = endOfNumber(bytes, at);
      if (end - at > MAX_NUMBER_LENGTH) return scan('number');
      longNumbers ||= isLong(bytes, at, end);
      at = end - 1;
    }
  }
  return scan();
}

/** The first name that stands twice in the outermost object of a valid JSON text. */
export function repeatedName(bytes: Buffer): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let last = '';
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) {
      const end = endOfString(bytes, at);
      if (depth === 1) last = bytes.toString('utf8', at + 1, Math.min(end - 1, at + 101));
      at = end - 1;
    } else if ((byte | CURLY) === (OPEN | CURLY)) depth++;
    else if ((byte | CURLY) === (CLOSE | CURLY)) depth--;
    else if (byte === COLON && depth === 1) {
      if (seen.has(last)) return last;
      seen.add(last);
    }
  }
  return undefined;
}

/** Levels an answer of an upstream may be nested: what the gateway takes in requests, and some more for what wraps it. */
const MAX_ANSWER_DEPTH = 128;

function countOf(text: string, bracket: string, most: number): number {
  let count = 0;
  for (let at = text.indexOf(bracket); at >= 0 && count <= most; at = text.indexOf(bracket, at + 1)) count++;
  return count;
}

/** Whether a JSON text holds so many brackets, in strings too, that it could be too deep (see {@link isTooDeep}). */
export function hasManyBrackets(text: string): boolean {
  const objects = countOf(text, '{', MAX_ANSWER_DEPTH);
  return objects + countOf(text, '[', MAX_ANSWER_DEPTH) > MAX_ANSWER_DEPTH;
}

/** Whether JSON bytes are nested deeper than any answer is. Whoever parses such a text recursively runs out of stack. */
export function isTooDeep(bytes: Uint8Array): boolean {
  const buffer = asBuffer(bytes);
  let depth = 0;
  for (let at = 0; at < buffer.length; at++) {
    const byte = buffer[at] ?? 0;
    if (byte === QUOTE) at = endOfString(buffer, at) - 1;
    else if ((byte | CURLY) === (OPEN | CURLY)) {
      if (++depth > MAX_ANSWER_DEPTH) return true;
    } else if ((byte | CURLY) === (CLOSE | CURLY)) depth--;
  }
  return false;
}
