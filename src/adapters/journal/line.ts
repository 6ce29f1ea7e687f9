import { crc32 } from 'node:zlib';
import { SluiceError } from '../../core/errors/error.ts';

/** `hold`: money set aside. `settle`: the finished exchange. */
export type LineKind = 'hold' | 'settle';

/** One intact line of a segment. `json` is the record's text. */
export interface JournalLine {
  readonly kind: LineKind;
  readonly id: string;
  readonly json: string;
}

const LETTERS: Readonly<Record<LineKind, string>> = { hold: 'H', settle: 'S' };
const SPACE = 0x20;
/** `CRC-32 in hex`, a space, the letter, a space. */
const ID_AT = 11;

/**
 * A line of the journal: `crc kind id json\n`, the CRC-32 (hex, eight digits) over everything after it. The id stands
 * outside the JSON so that holds can be matched without parsing them. JSON has no raw newline, so a line is a record.
 */
export function encodeLine(kind: LineKind, record: { readonly id: string }): string {
  if (/[\s]/.test(record.id) || record.id === '') {
    throw new SluiceError('internal', 'An exchange id must not be empty or contain white space.');
  }
  const content = `${LETTERS[kind]} ${record.id} ${JSON.stringify(record)}`;
  return `${crc32(content).toString(16).padStart(8, '0')} ${content}\n`;
}

/** Reads a line without its newline; undefined when it is torn or altered. */
export function decodeLine(bytes: Buffer): JournalLine | undefined {
  const idEnd = bytes.indexOf(SPACE, ID_AT);
  if (idEnd < 0 || bytes[8] !== SPACE || bytes[10] !== SPACE) {
    return undefined;
  }
  if (Number.parseInt(bytes.toString('latin1', 0, 8), 16) !== crc32(bytes.subarray(9))) {
    return undefined;
  }
  const letter = bytes[9];
  const kind = letter === 0x48 ? 'hold' : letter === 0x53 ? 'settle' : undefined;
  if (kind === undefined) {
    return undefined;
  }
  return { kind, id: bytes.toString('latin1', ID_AT, idEnd), json: bytes.toString('utf8', idEnd + 1) };
}
