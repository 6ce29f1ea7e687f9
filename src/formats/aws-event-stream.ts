import { SluiceError } from '../core/errors/error.ts';
import { type Frame, type FrameReader, MAX_FRAME_BYTES } from './frame.ts';

/*
 * The `application/vnd.amazon.eventstream` framing: total length, headers length and CRC-32 of these eight
 * bytes, then headers, payload and CRC-32 of everything before it; integers are big-endian.
 */

const PRELUDE = 12;
const OVERHEAD = PRELUDE + 4;
/** AWS allows 128 KiB of headers per message. */
const MAX_HEADERS_BYTES = 128 * 1024;

const CRC_TABLE = (() => {
  const table = new Uint32Array(256);
  for (let index = 0; index < 256; index++) {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    table[index] = value >>> 0;
  }
  return table;
})();

/** CRC-32 as in ISO-HDLC (zip, PNG) of `bytes[from, to)`. */
export function crc32(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let value = 0xffffffff;
  for (let at = from; at < to; at++) {
    value = (CRC_TABLE[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return (value ^ 0xffffffff) >>> 0;
}

function malformed(what: string): SluiceError {
  return new SluiceError('upstream_malformed', `The provider's event stream is damaged: ${what}.`);
}

/** Value bytes after the type byte; −1 for types that carry their own 16-bit length. */
const HEADER_SIZES: readonly number[] = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16];
const STRING_TYPE = 7;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The string headers of a message; other header types are skipped. */
function readHeaders(bytes: Uint8Array, from: number, to: number): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = from;
  while (at < to) {
    const nameEnd = at + 1 + (bytes[at] ?? 0);
    const type = bytes[nameEnd];
    const fixed = type === undefined ? undefined : HEADER_SIZES[type];
    if (fixed === undefined || nameEnd >= to) throw malformed('a header cannot be read');
    let start = nameEnd + 1;
    let size = fixed;
    if (fixed < 0) {
      if (start + 2 > to) throw malformed('a header cannot be read');
      size = view.getUint16(start);
      start += 2;
    }
    if (start + size > to) throw malformed('a header cannot be read');
    if (type === STRING_TYPE) {
      const name = utf8.decode(bytes.subarray(at + 1, nameEnd));
      headers.set(name, utf8.decode(bytes.subarray(start, start + size)));
    }
    at = start + size;
  }
  return headers;
}

/** Claude's own event inside a `chunk` of `invoke-with-response-stream`, or `undefined` if it holds none. */
function unwrapChunk(payload: string): Frame | undefined {
  const inner = /"bytes"\s*:\s*"([^"]*)"/.exec(payload)?.[1];
  if (inner === undefined) return undefined;
  const data = Buffer.from(inner, 'base64').toString('utf8');
  return { event: /^\s*\{\s*"type"\s*:\s*"([a-z_]+)"/.exec(data)?.[1], data };
}

function toFrame(headers: ReadonlyMap<string, string>, payload: string): Frame {
  const kind = headers.get(':message-type');
  if (kind === 'exception')
    return { event: `exception:${headers.get(':exception-type') ?? ''}`, data: payload };
  if (kind === 'error') {
    const message = headers.get(':error-message') ?? payload;
    return { event: `exception:${headers.get(':error-code') ?? ''}`, data: JSON.stringify({ message }) };
  }
  const event = headers.get(':event-type');
  if (event === 'chunk') return unwrapChunk(payload) ?? { event, data: payload };
  return { event, data: payload };
}

/** Bytes that have arrived and belong to no whole message yet. */
class Pending {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * `room` is the size the message is known to reach, so that many small pieces do not copy it many times.
   */
  add(piece: Uint8Array, room: number): void {
    const size = this.#length + piece.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, Math.min(room, 2 * size), 256));
      grown.set(this.view);
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = size;
  }

  clear(): void {
    this.#length = 0;
  }
}

/**
 * Reads AWS event-stream messages, split anywhere, both checksums verified. `:event-type` becomes the frame's
 * event; exceptions and errors arrive as `exception:<type>`. The `{bytes}` chunks of Bedrock's
 * `invoke-with-response-stream` are unwrapped to the model's own events (Claude: as in its SSE stream).
 *
 * Throws `upstream_malformed` on a bad checksum, length or header, `upstream_too_large` on a message above
 * `limit` bytes, and from `end()` `upstream_cut` if the body ended inside a message.
 */
export function createAwsEventStreamReader(limit = MAX_FRAME_BYTES): FrameReader {
  const pending = new Pending();

  /** Total length of the message that starts at `at`; `undefined` until its prelude is there. */
  function totalLength(bytes: Uint8Array, at: number): number | undefined {
    if (bytes.length - at < PRELUDE) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    if (crc32(bytes, at, at + 8) !== view.getUint32(8)) throw malformed('a prelude checksum is wrong');
    const total = view.getUint32(0);
    const headers = view.getUint32(4);
    if (total > limit) {
      throw new SluiceError('upstream_too_large', 'The provider sent one stream event above the size limit.');
    }
    if (headers > MAX_HEADERS_BYTES || total < OVERHEAD + headers) throw malformed('a length is impossible');
    return total;
  }

  function readMessage(bytes: Uint8Array, at: number, total: number): Frame {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const end = at + total - 4;
    if (crc32(bytes, at, end) !== view.getUint32(total - 4)) throw malformed('a message checksum is wrong');
    const payload = at + PRELUDE + view.getUint32(4);
    const headers = readHeaders(bytes, at + PRELUDE, payload);
    let text: string;
    try {
      text = utf8.decode(bytes.subarray(payload, end));
    } catch {
      throw malformed('a message is not valid UTF-8');
    }
    return toFrame(headers, text);
  }

  /** Reads every whole message of `bytes`; returns how many bytes they took. */
  function readAll(bytes: Uint8Array, out: Frame[]): number {
    let at = 0;
    for (;;) {
      const total = totalLength(bytes, at);
      if (total === undefined || bytes.length - at < total) return at;
      out.push(readMessage(bytes, at, total));
      at += total;
    }
  }

  /**
   * Fills the message that is pending from the front of `chunk`; returns how many bytes of `chunk` it took.
   */
  function fill(chunk: Uint8Array, out: Frame[]): number {
    let used = 0;
    while (pending.length > 0 && used < chunk.length) {
      const goal = pending.length < PRELUDE ? PRELUDE : (totalLength(pending.view, 0) ?? PRELUDE);
      const piece = chunk.subarray(used, used + goal - pending.length);
      pending.add(piece, goal);
      used += piece.length;
      if (pending.length < goal) break;
      const total = totalLength(pending.view, 0) ?? PRELUDE;
      if (pending.length < total) continue;
      out.push(readMessage(pending.view, 0, total));
      pending.clear();
    }
    return used;
  }

  return {
    push(chunk) {
      const out: Frame[] = [];
      const rest = chunk.subarray(fill(chunk, out));
      const tail = rest.subarray(readAll(rest, out));
      if (tail.length > 0) pending.add(tail, 0);
      return out;
    },
    end() {
      if (pending.length === 0) return [];
      pending.clear();
      throw new SluiceError('upstream_cut', 'The provider closed its event stream inside a message.');
    },
  };
}

function header(name: string, value: string): Buffer {
  const key = Buffer.from(name);
  const text = Buffer.from(value);
  const bytes = Buffer.alloc(1 + key.length + 3 + text.length);
  bytes[0] = key.length;
  key.copy(bytes, 1);
  bytes[1 + key.length] = STRING_TYPE;
  bytes.writeUInt16BE(text.length, 2 + key.length);
  text.copy(bytes, 4 + key.length);
  return bytes;
}

/**
 * One message as bytes: an event of type `type`, or with `kind: 'exception'` an exception. `payload` is JSON
 * text.
 */
export function awsEventMessage(
  type: string,
  payload: string,
  kind: 'event' | 'exception' = 'event',
): Uint8Array {
  const headers = Buffer.concat([
    header(`:${kind}-type`, type),
    header(':content-type', 'application/json'),
    header(':message-type', kind),
  ]);
  const body = Buffer.from(payload);
  const bytes = Buffer.alloc(OVERHEAD + headers.length + body.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.writeUInt32BE(headers.length, 4);
  bytes.writeUInt32BE(crc32(bytes, 0, 8), 8);
  headers.copy(bytes, PRELUDE);
  body.copy(bytes, PRELUDE + headers.length);
  bytes.writeUInt32BE(crc32(bytes, 0, bytes.length - 4), bytes.length - 4);
  return bytes;
}
