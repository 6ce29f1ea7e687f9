import { MalformedAnswerError } from './errors.ts';

/** What an {@link AnswerReader} finds, in this order: `head` once, `data` any number of times, `end` once. */
export interface AnswerEvents {
  /** Header names are lower-case; repeated ones are joined by `, `. */
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** Bytes of the body, without their framing. They are the receiver's own. */
  data(bytes: Buffer): void;
  end(): void;
}

/** Where in a message the next byte stands. */
type Place = 'idle' | 'head' | 'length' | 'close' | 'size' | 'chunk' | 'chunk-end' | 'trailer';

/** Bytes in one line of chunk framing, extensions included: far more than anybody sends. */
const MAX_LINE_BYTES = 4096;

/** Hexadecimal digits of a chunk's size: up to 2^48 bytes. */
const MAX_SIZE_DIGITS = 12;

/** Digits of a chunk's size that are read at a glance; of more the line is. */
const PLAIN_DIGITS = 7;

const CR = 13;
const LF = 10;
const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const LENGTH = /^\d{1,15}$/;
const SIZE = /^[0-9a-fA-F]+$/;
/** `;name=value` and `;name="quoted value"`, any number of them. */
const EXTENSIONS = /^ *(?:;(?:[!#-:<-~]|"[\t !#-~\x80-\xff]*")+)*$/;

/** Fields in one head; every vendor's answers have fewer than fifty. */
const MAX_FIELDS = 500;

interface Head {
  readonly headers: Record<string, string>;
  readonly status: number;
  readonly persistent: boolean;
}

/**
 * Reads HTTP/1.1 answers off a connection, one after the other (RFC 9112 §4 to §7). As strict as node's own parser: line ends
 * are CRLF, one length, no length beside chunks. Throws {@link MalformedAnswerError}; nothing can be read after that.
 */
export class AnswerReader {
  readonly #events: AnswerEvents;
  readonly #maxHeaderBytes: number;
  #place: Place = 'idle';
  #bodyless = false;
  /** Bytes of a head, or of a line of framing, that is not complete yet. */
  #held: Buffer | undefined;
  /** Bytes of the body or chunk that are still to come. */
  #left = 0;
  #trailerBytes = 0;
  #persistent = false;

  constructor(events: AnswerEvents, maxHeaderBytes: number) {
    this.#events = events;
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  /** A request was sent. An answer to `HEAD` has no body. */
  expect(method: string): void {
    this.#place = 'head';
    this.#bodyless = method === 'HEAD';
    this.#persistent = false;
  }

  /** Whether another request may follow on this connection; known once `end` was called. */
  get persistent(): boolean {
    return this.#persistent;
  }

  /** The connection ended. Returns whether that was the end of an answer; it is told of it then. */
  close(): boolean {
    if (this.#place !== 'close') return false;
    this.#finish();
    return true;
  }

  /** Takes what arrived. `bytes` are only looked at during the call, and may be overwritten. */
  read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) at = this.#step(bytes, at);
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#place) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'length':
        return this.#readLength(bytes, at);
      case 'close':
        this.#give(bytes, at, bytes.length);
        return bytes.length;
      case 'idle':
        // Nothing was asked: nobody may answer.
        throw new MalformedAnswerError('bytes after the end of an answer');
      default:
        return this.#readChunks(bytes, at);
    }
  }

  #give(bytes: Buffer, from: number, to: number): void {
    if (to > from) this.#events.data(Buffer.from(bytes.subarray(from, to)));
  }

  #finish(): void {
    this.#place = 'idle';
    this.#events.end();
  }

  #readHead(chunk: Buffer, at: number): number {
    const held = this.#held;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk.subarray(at)]);
    const from = held === undefined ? at : 0;
    const end = bytes.indexOf(HEAD_END, held === undefined ? at : Math.max(0, held.length - 3));
    if ((end < 0 ? bytes.length : end) - from > this.#maxHeaderBytes)
      throw new MalformedAnswerError('headers above the limit');
    if (end < 0) {
      this.#held = held === undefined ? Buffer.from(chunk.subarray(at)) : bytes;
      return chunk.length;
    }
    this.#held = undefined;
    const head = readHead(bytes.toString('latin1', from, end));
    const next = held === undefined ? end + 4 : at + (end + 4 - held.length);
    // Before the answer itself there may be others that only say that it will come (100, 103).
    if (head.status < 200) {
      if (head.status === 101) throw new MalformedAnswerError('a switch of protocols nobody asked for');
      return next;
    }
    this.#begin(head);
    return next;
  }

  /** How long a body is: RFC 9112 §6.3. */
  #begin({ status, headers, persistent }: Head): void {
    const coding = headers['transfer-encoding'];
    const length = headers['content-length'];
    this.#persistent = persistent;
    if (coding !== undefined && length !== undefined)
      throw new MalformedAnswerError('both a length and chunks');
    if (length !== undefined && !LENGTH.test(length)) throw new MalformedAnswerError('no valid length');
    if (coding !== undefined && coding.toLowerCase() !== 'chunked')
      throw new MalformedAnswerError('an unknown transfer coding');
    this.#left = length === undefined ? 0 : Number(length);
    const none = this.#bodyless || status === 204 || status === 304;
    if (coding !== undefined) this.#place = 'size';
    else if (length !== undefined) this.#place = 'length';
    else {
      this.#place = 'close';
      if (!none) this.#persistent = false;
    }
    this.#trailerBytes = 0;
    this.#events.head(status, headers);
    if (none || (length !== undefined && this.#left === 0)) this.#finish();
  }

  #readLength(bytes: Buffer, at: number): number {
    const to = Math.min(bytes.length, at + this.#left);
    this.#left -= to - at;
    this.#give(bytes, at, to);
    if (this.#left === 0) this.#finish();
    return to;
  }

  /**
   * Chunks (RFC 9112 §7.1). What several of them hold is moved together, over their framing, so that small events that came
   * at once are handed on at once.
   */
  #readChunks(bytes: Buffer, from: number): number {
    let at = from;
    let filled = from;
    let ended = false;
    while (at < bytes.length && !ended) {
      if (this.#place === 'chunk') {
        const to = Math.min(bytes.length, at + this.#left);
        if (filled !== at) bytes.copy(bytes, filled, at, to);
        filled += to - at;
        this.#left -= to - at;
        at = to;
        if (this.#left === 0) this.#place = 'chunk-end';
      } else if (this.#takePlain(bytes, at)) {
        at = bytes.indexOf(LF, at) + 1;
      } else {
        const end = bytes.indexOf(LF, at);
        const line = this.#line(bytes, at, end < 0 ? bytes.length : end + 1);
        at = end < 0 ? bytes.length : end + 1;
        if (line !== undefined) ended = this.#takeLine(line);
      }
    }
    this.#give(bytes, from, filled);
    if (ended) this.#finish();
    return at;
  }

  /** Takes a line of framing as nearly all are: complete, and nothing in it but a size. */
  #takePlain(bytes: Buffer, from: number): boolean {
    if (this.#held !== undefined) return false;
    let at = from;
    let size = 0;
    for (
      let digit = hexDigit(bytes[at]);
      digit >= 0 && at - from < PLAIN_DIGITS;
      digit = hexDigit(bytes[++at])
    )
      size = size * 16 + digit;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return false;
    if (this.#place === 'chunk-end' && at === from) this.#place = 'size';
    else if (this.#place === 'size' && size > 0) {
      this.#left = size;
      this.#place = 'chunk';
    } else return false;
    return true;
  }

  /** A line of framing without its end; `undefined` while it is not complete. */
  #line(bytes: Buffer, from: number, to: number): string | undefined {
    const part = bytes.subarray(from, to);
    const held = this.#held;
    const line = held === undefined ? part : Buffer.concat([held, part]);
    if (line.length > MAX_LINE_BYTES) throw new MalformedAnswerError('a line of framing above the limit');
    if (line.at(-1) !== LF) {
      this.#held = Buffer.from(line);
      return undefined;
    }
    this.#held = undefined;
    if (line.at(-2) !== CR) throw new MalformedAnswerError('a line without its end');
    return line.toString('latin1', 0, line.length - 2);
  }

  /** Returns whether it was the last line of the body. */
  #takeLine(line: string): boolean {
    if (this.#place === 'chunk-end') {
      if (line !== '') throw new MalformedAnswerError('a chunk longer than announced');
      this.#place = 'size';
      return false;
    }
    if (this.#place === 'size') {
      this.#left = chunkSize(line);
      this.#place = this.#left === 0 ? 'trailer' : 'chunk';
      return false;
    }
    if (line === '') return true;
    // Trailer fields are nobody's business here; they are only looked over.
    this.#trailerBytes += line.length;
    if (this.#trailerBytes > this.#maxHeaderBytes) throw new MalformedAnswerError('trailers above the limit');
    fieldOf(line);
    return false;
  }
}

/** What a character stands for, or -1. */
function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function chunkSize(line: string): number {
  const extension = line.search(/[ ;]/);
  const digits = extension < 0 ? line : line.slice(0, extension);
  if (digits.length > MAX_SIZE_DIGITS || !SIZE.test(digits))
    throw new MalformedAnswerError('no valid size of a chunk');
  if (extension >= 0 && !EXTENSIONS.test(line.slice(extension)))
    throw new MalformedAnswerError('no valid extension of a chunk');
  return Number.parseInt(digits, 16);
}

function readHead(text: string): Head {
  let end = text.indexOf('\r\n');
  const status = STATUS_LINE.exec(end < 0 ? text : text.slice(0, end));
  if (status === null) throw new MalformedAnswerError('no status line');
  const headers = Object.create(null) as Record<string, string>;
  let fields = 0;
  while (end >= 0) {
    const from = end + 2;
    end = text.indexOf('\r\n', from);
    // A line that begins with white space goes on with the one before (RFC 9112 §5.2).
    while (end >= 0 && isBlank(text.charCodeAt(end + 2))) end = text.indexOf('\r\n', end + 2);
    const { name, value } = fieldOf(end < 0 ? text.slice(from) : text.slice(from, end));
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
    if (++fields > MAX_FIELDS) throw new MalformedAnswerError('too many headers');
  }
  const options = headers['connection']?.toLowerCase();
  const persistent =
    status[1] === '1' ? options?.includes('close') !== true : options?.includes('keep-alive') === true;
  return { headers, status: Number(status[2]), persistent };
}

const isBlank = (code: number) => code === 32 || code === 9;

function withoutBlanks(text: string, start: number): string {
  let from = start;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

/** Name in lower case and value of a field line. */
function fieldOf(line: string): { readonly name: string; readonly value: string } {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(0, colon));
  const raw = line.includes('\r\n') ? line.replaceAll(/\r\n[\t ]+/g, ' ') : line;
  const value = withoutBlanks(raw, colon + 1);
  if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value)) throw new MalformedAnswerError('no valid header');
  return { name: name.toLowerCase(), value };
}
