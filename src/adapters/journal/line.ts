import { crc32 } from 'node:zlib';
import type { ExchangeRecord, HoldRecord } from '../../core/cost/exchange.ts';
import { SluiceError } from '../../core/errors/error.ts';
import { encodeExchange, encodeHold } from './exchange-text.ts';

/** `hold`: money set aside. `settle`: the finished exchange. */
export type LineKind = 'hold' | 'settle';

/** One intact line of a segment. `text` is what `exchange-text.ts` reads. */
export interface JournalLine {
  readonly kind: LineKind;
  readonly id: string;
  readonly text: string;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const HOLD = 0x48;
const SETTLE = 0x53;
/** `CRC-32 in hex`, a space. */
const LETTER_AT = 9;
/** The letter, a space. */
const ID_AT = 11;
const FIRST_CAPACITY = 1 << 16;
/** A buffer that once grew beyond this is not kept. */
const KEPT_CAPACITY = 1 << 20;
/** UTF-8 needs at most three bytes per UTF-16 unit. */
const BYTES_PER_UNIT = 3;
const HEX = Buffer.from('0123456789abcdef');

/**
 * Lines of the journal, written one behind the other into one buffer: `crc kind id text\n`, the CRC-32 (hex, eight
 * digits) over everything after it. The id stands outside the text so that holds can be matched without parsing them.
 * The text is JSON and tabs, without a raw newline, so a line is a record.
 */
export class LineBuffer {
  #bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.#length;
  }

  hold(record: HoldRecord): void {
    this.#add(HOLD, record.id, encodeHold(record));
  }

  settle(record: ExchangeRecord): void {
    this.#add(SETTLE, record.id, encodeExchange(record));
  }

  /** What was written; valid until the next change. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of each settle's line. */
  settles(): Buffer[] {
    const found: Buffer[] = [];
    const bytes = this.bytes();
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = bytes.indexOf(NEWLINE, start) + 1;
      if (bytes[start + LETTER_AT] === SETTLE) {
        found.push(Buffer.from(bytes.subarray(start, end)));
      }
    }
    return found;
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_CAPACITY) {
      this.#bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
    }
  }

  #add(letter: number, id: string, text: string): void {
    if (!isWord(id)) {
      throw new SluiceError('internal', 'An exchange id must not be empty or contain white space.');
    }
    const start = this.#length;
    this.#grow(start + ID_AT + (id.length + 1 + text.length) * BYTES_PER_UNIT + 1);
    const bytes = this.#bytes;
    const end = start + ID_AT + bytes.write(`${id} ${text}`, start + ID_AT);
    bytes[start + LETTER_AT - 1] = SPACE;
    bytes[start + LETTER_AT] = letter;
    bytes[start + LETTER_AT + 1] = SPACE;
    bytes[end] = NEWLINE;
    writeHex(bytes, start, crc32(bytes.subarray(start + LETTER_AT, end)));
    this.#length = end + 1;
  }

  #grow(needed: number): void {
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.bytes().copy(larger);
      this.#bytes = larger;
    }
  }
}

/** Whether there is no space and nothing that could end the line; a regular expression costs three times as much. */
function isWord(id: string): boolean {
  for (let at = 0; at < id.length; at += 1) {
    if (id.charCodeAt(at) <= SPACE) {
      return false;
    }
  }
  return id !== '';
}

function writeHex(bytes: Buffer, at: number, checksum: number): void {
  for (let digit = 0; digit < 8; digit += 1) {
    bytes[at + digit] = HEX[(checksum >>> (28 - digit * 4)) & 15] ?? 0;
  }
}

/** Reads a line without its newline; undefined when it is torn or altered. */
export function decodeLine(bytes: Buffer): JournalLine | undefined {
  const idEnd = bytes.indexOf(SPACE, ID_AT);
  if (idEnd < 0 || bytes[LETTER_AT - 1] !== SPACE || bytes[LETTER_AT + 1] !== SPACE) {
    return undefined;
  }
  if (readHex(bytes) !== crc32(bytes.subarray(LETTER_AT))) {
    return undefined;
  }
  const letter = bytes[LETTER_AT];
  if (letter !== HOLD && letter !== SETTLE) {
    return undefined;
  }
  const kind = letter === HOLD ? 'hold' : 'settle';
  return { kind, id: bytes.toString('utf8', ID_AT, idEnd), text: bytes.toString('utf8', idEnd + 1) };
}

/** The number in the first eight bytes; NaN when they are not lower-case hex digits. */
function readHex(bytes: Buffer): number {
  let value = 0;
  for (let at = 0; at < 8; at += 1) {
    const code = bytes[at] ?? 0;
    const digit =
      code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : Number.NaN;
    value = value * 16 + digit;
  }
  return value;
}
