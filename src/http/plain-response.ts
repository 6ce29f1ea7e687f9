import { EventEmitter } from 'node:events';
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Socket } from 'node:net';
import { latin1 } from '../formats/bytes.ts';
import type { PlainRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import { framed, MAX_JOINED_BYTES } from './piece-writer.ts';

/** The connection an answer is written on. */
export interface AnswerLine {
  /** The lines `Date` (unless `dated`), `Connection` and `Keep-Alive` at the end of a head. */
  lastLines(keepAlive: boolean, dated: boolean): string;
  /** The answer is out to its last byte. */
  answered(keepAlive: boolean): void;
}

/** A value that can be written as it is. */
const SAFE_VALUE = /^[\t\x20-\x7e]*$/;

/** Names that node found to be tokens: nearly all are always the same. */
const safeNames = new Set<string>();
const MAX_SAFE_NAMES = 500;

/** Answers to a POST that have no body (RFC 9110 §6.4.1). */
const isBodiless = (status: number): boolean => status === 204 || status === 304;

function checkName(name: string): void {
  validateHeaderName(name);
  if (safeNames.size < MAX_SAFE_NAMES) safeNames.add(name);
}

const LAST_CHUNK = '0\r\n\r\n';

/**
 * An answer to a {@link PlainRequest}, on the wire the same as node's `ServerResponse`, but in as few writes as can be: a whole
 * answer is one, a streamed one begins with its head and first piece in one.
 */
export class PlainResponse extends EventEmitter implements ClientResponse {
  readonly req: PlainRequest;
  socket: Socket | null;
  shouldKeepAlive = true;
  chunkedEncoding = false;
  headersSent = false;
  writableFinished = false;
  destroyed = false;
  readonly #line: AnswerLine;
  /** Not written yet. */
  #head = '';
  /** The head has no other characters, so that it may be written in any encoding. */
  #ascii = true;
  #bodiless = false;
  #ended = false;

  constructor(req: PlainRequest, line: AnswerLine) {
    super();
    this.req = req;
    this.socket = req.socket;
    this.#line = line;
  }

  writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.headersSent) throw new Error('The head of this answer is written already.');
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    let framing = false;
    let dated = false;
    for (const name in headers) {
      const value = headers[name] as string;
      if (!safeNames.has(name)) checkName(name);
      if (!SAFE_VALUE.test(value)) this.#checkValue(name, value);
      // `content-length` or `transfer-encoding`, `connection`.
      if (name.length === 14 || name.length === 17) framing ||= this.#isFraming(name);
      else if (name.length === 4) dated ||= name.toLowerCase() === 'date';
      else if (name.length === 10 && name.toLowerCase() === 'connection') {
        this.shouldKeepAlive &&= value.toLowerCase() !== 'close';
        continue;
      }
      head += `${name}: ${value}\r\n`;
    }
    this.#bodiless = isBodiless(status);
    this.chunkedEncoding = !framing && !this.#bodiless;
    const chunked = this.chunkedEncoding ? 'Transfer-Encoding: chunked\r\n' : '';
    this.#head = `${head}${this.#line.lastLines(this.shouldKeepAlive, dated)}${chunked}\r\n`;
    this.headersSent = true;
  }

  write(piece: Uint8Array | string): boolean {
    if (!this.#isOpen() || piece.length === 0) return true;
    return this.#bodiless ? this.#send('', '', 'latin1') : this.#piece(piece, 'utf8', '');
  }

  end(last: Uint8Array | string = '', encoding: 'latin1' | 'utf8' = 'utf8'): void {
    if (!this.#isOpen()) return;
    this.#ended = true;
    if (this.#bodiless) this.#send('', '', 'latin1');
    else this.#piece(last, encoding, this.chunkedEncoding ? LAST_CHUNK : '');
    const { socket } = this;
    if (socket === null) return;
    if (socket.writableLength === 0) this.#finish();
    // Called when all that was written before is with the operating system.
    else socket.write('', (error) => error ?? this.#finish());
  }

  destroy(): void {
    if (!this.writableFinished) this.socket?.destroy();
  }

  /** The connection is closed; nothing more can be written. */
  lost(): void {
    this.destroyed = true;
    this.socket = null;
    this.emit('close');
  }

  /** Whether something may still be written. What comes too late is left out, as node does. */
  #isOpen(): boolean {
    if (!this.headersSent) throw new Error('An answer begins with its head.');
    return !this.#ended && this.socket?.writable === true;
  }

  #checkValue(name: string, value: string): void {
    validateHeaderValue(name, value);
    this.#ascii = false;
  }

  #isFraming(name: string): boolean {
    const lower = name.toLowerCase();
    // Chunks are made here and nowhere else.
    if (lower === 'transfer-encoding') throw new Error('`transfer-encoding` is not the handler’s to set.');
    return lower === 'content-length';
  }

  #piece(piece: Uint8Array | string, encoding: 'latin1' | 'utf8', after: string): boolean {
    if (!this.chunkedEncoding || piece.length === 0) return this.#send(piece, after, encoding);
    if (piece.length > MAX_JOINED_BYTES) return this.#sendFrame(piece, encoding, after);
    if (typeof piece !== 'string') return this.#send(framed(latin1(piece), piece.length), after, 'latin1');
    return this.#send(framed(piece, Buffer.byteLength(piece, encoding)), after, encoding);
  }

  /** A piece that is too large to be copied beside its frame. */
  #sendFrame(piece: Uint8Array | string, encoding: 'latin1' | 'utf8', after: string): boolean {
    const { socket } = this;
    if (socket === null) return false;
    const length = typeof piece === 'string' ? Buffer.byteLength(piece, encoding) : piece.length;
    socket.cork();
    this.#send(`${length.toString(16)}\r\n`, '', 'latin1');
    socket.write(piece, encoding);
    const more = socket.write(`\r\n${after}`, 'latin1');
    socket.uncork();
    return more;
  }

  /** Writes the head, if it is not out yet, a piece and what comes after it; in one string where that is the same bytes. */
  #send(piece: Uint8Array | string, after: string, encoding: 'latin1' | 'utf8'): boolean {
    const { socket } = this;
    if (socket === null) return false;
    const head = this.#head;
    this.#head = '';
    if (typeof piece === 'string' && (this.#ascii || encoding === 'latin1' || head === ''))
      return socket.write(head + piece + after, encoding);
    if (typeof piece !== 'string' && piece.length <= MAX_JOINED_BYTES)
      return socket.write(head + latin1(piece) + after, 'latin1');
    socket.cork();
    if (head !== '') socket.write(head, 'latin1');
    const more = socket.write(piece, encoding);
    if (after !== '') socket.write(after, 'latin1');
    socket.uncork();
    return more;
  }

  #finish(): void {
    if (this.destroyed) return;
    this.writableFinished = true;
    this.socket = null;
    this.#line.answered(this.shouldKeepAlive);
  }
}
