import { crc32 } from 'node:zlib';
import type { ExchangeRecord, HoldRecord } from '../../core/cost/exchange.ts';
import { SluiceError } from '../../core/errors/error.ts';
import { writeExchange, writeHold } from './exchange-text.ts';
import { JsonWriter } from './json-writer.ts';

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
const HEX = Buffer.from('0123456789abcdef');

/**
 * Lines of the journal, written one behind the other into one buffer: `crc kind id text\n`, the CRC-32 (hex, eight
 * digits) over everything after it. The id stands outside the text so that holds can be matched without parsing them.
 * The text is JSON and tabs, without a raw newline, so a line is a record.
 */
export class LineBuffer {
  readonly #to = new JsonWriter();

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.#to.length;
  }

  hold(record: HoldRecord): void {
    this.#add(HOLD, record, writeHold);
  }

  settle(record: ExchangeRecord): void {
    this.#add(SETTLE, record, writeExchange);
  }

  /** What was written; valid until the next change. */
  bytes(): Buffer {
    return this.#to.bytes();
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
    this.#to.clear();
  }

  #add<R extends { readonly id: string }>(
    letter: number,
    record: R,
    write: (to: JsonWriter, record: R) => void,
  ): void {
    if (!isWord(record.id)) {
      throw new SluiceError('internal', 'An exchange id must not be empty or contain white space.');
    }
    const to = this.#to;
    const start = to.length;
    try {
      to.skip(LETTER_AT);
      to.byte(letter);
      to.byte(SPACE);
      to.text(record.id);
      to.byte(SPACE);
      write(to, record);
    } catch (error) {
      to.cut(start);
      throw error;
    }
    to.put(start + LETTER_AT - 1, SPACE);
    writeHex(to, start, crc32(to.bytes(start + LETTER_AT)));
    to.byte(NEWLINE);
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

function writeHex(to: JsonWriter, at: number, checksum: number): void {
  for (let digit = 0; digit < 8; digit += 1) {
    to.put(at + digit, HEX[(checksum >>> (28 - digit * 4)) & 15] ?? 0);
  }
}

/** Reads the line between `start` and its newline at `end`; undefined when it is torn or altered. */
export function decodeLine(bytes: Buffer, start: number, end: number): JournalLine | undefined {
  const idAt = start + ID_AT;
  const idEnd = bytes.indexOf(SPACE, idAt);
  if (idEnd < 0 || idEnd >= end) return undefined;
  if (bytes[start + LETTER_AT - 1] !== SPACE || bytes[start + LETTER_AT + 1] !== SPACE) return undefined;
  if (readHex(bytes, start) !== crc32(bytes.subarray(start + LETTER_AT, end))) return undefined;
  const letter = bytes[start + LETTER_AT];
  if (letter !== HOLD && letter !== SETTLE) {
    return undefined;
  }
  const kind = letter === HOLD ? 'hold' : 'settle';
  return { kind, id: bytes.toString('utf8', idAt, idEnd), text: bytes.toString('utf8', idEnd + 1, end) };
}

/** The number in the first eight bytes of a line; NaN when they are not lower-case hex digits. */
function readHex(bytes: Buffer, start: number): number {
  let value = 0;
  for (let at = start; at < start + 8; at += 1) {
    const code = bytes[at] ?? 0;
    const digit =
      code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : Number.NaN;
    value = value * 16 + digit;
  }
  return value;
}
