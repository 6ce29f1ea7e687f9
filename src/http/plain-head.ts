import type { IncomingHttpHeaders } from 'node:http';

/** The head of a plain request. */
export interface PlainHead {
  readonly url: string;
  /** As node:http would give them. */
  readonly headers: IncomingHttpHeaders;
  /** `content-length`. */
  readonly bodyBytes: number;
}

/** Most headers a request may have here; one with more is node's to judge. */
const MAX_HEADERS = 100;

/** Largest body that is collected here. Bytes. */
const MAX_PLAIN_BODY = 1024 * 1024;

/**
 * A narrower language than HTTP's (RFC 9112 §3 to §5): one method, one version, one form of the target, CRLF after every line, at
 * most one space before a value, none after it, ASCII throughout, no folded lines, no empty values. Nothing in it can be read in
 * two ways.
 */
const PLAIN =
  /^POST \/(?!\/)[A-Za-z0-9\-._~:/?@!$&'()*+,;=%]* HTTP\/1\.1\r\n(?:[A-Za-z0-9!#$%&'*+\-.^_`|~]+: ?[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?\r\n)*$/;

/** Headers that say more about the message or the connection than is understood here, or that node shapes in its own way. */
const NOT_PLAIN =
  /^(?:transfer-encoding|expect|upgrade|trailer|te|http2-settings|keep-alive|set-cookie|__proto__|proxy-.*)$/;

const LENGTH = /^\d{1,9}$/;

/** The beginning of a request line, and of a header line. */
const FIRST_LINE = /^(?:P|PO|POS|POST|POST |POST \/[\x20-\x7e]*)\r?$/;
const NEXT_LINE = /^[\t\x20-\x7e]*\r?$/;

/** Whether what has come of a head, as latin1, may become a plain one. Empty is. */
export function mayBePlain(text: string): boolean {
  const lines = text.lastIndexOf('\r\n') + 2;
  if (lines < 2) return text === '' || FIRST_LINE.test(text);
  return PLAIN.test(text.slice(0, lines)) && NEXT_LINE.test(text.slice(lines));
}

interface Read extends PlainHead {
  /** Where the value of `content-length` begins. */
  readonly lengthAt: number;
}

function read(text: string, isServed: (path: string) => boolean): Read | undefined {
  if (!PLAIN.test(text)) return undefined;
  let at = text.indexOf('\r\n') + 2;
  const url = text.slice('POST '.length, at - ' HTTP/1.1\r\n'.length);
  const mark = url.indexOf('?');
  if (!isServed(mark < 0 ? url : url.slice(0, mark))) return undefined;
  const headers: IncomingHttpHeaders = {};
  let count = 0;
  let lengthAt = 0;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r', colon);
    const name = text.slice(at, colon).toLowerCase();
    // A name that every object has counts as one that was there before.
    if (++count > MAX_HEADERS || name in headers || NOT_PLAIN.test(name)) return undefined;
    const valueAt = text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1;
    if (name === 'content-length') lengthAt = valueAt;
    headers[name] = text.slice(valueAt, end);
    at = end + 2;
  }
  const { host, connection, 'content-length': length } = headers;
  if (host === undefined || (connection !== undefined && connection !== 'keep-alive')) return undefined;
  const bodyBytes = bytesOf(length);
  return bodyBytes === undefined ? undefined : { url, headers, bodyBytes, lengthAt };
}

/** A plain `content-length` as a number. */
function bytesOf(length: string | undefined): number | undefined {
  if (length === undefined || !LENGTH.test(length)) return undefined;
  const bytes = Number(length);
  return bytes > MAX_PLAIN_BODY ? undefined : bytes;
}

/**
 * Reads the heads of one connection. Clients say the same each time but for the length of the body, so the last head is
 * remembered: one that differs in nothing else is not read again.
 */
export class PlainHeads {
  readonly #isServed: (path: string) => boolean;
  #last: Read | undefined;
  /** The last head up to the value of `content-length`, and what follows it. */
  #before = '';
  #after = '';

  /** `isServed` is asked for the path. */
  constructor(isServed: (path: string) => boolean) {
    this.#isServed = isServed;
  }

  /** A head up to its last header's CRLF, given as latin1. `undefined` where anything in it is not plain: it is node's to read. */
  read(text: string): PlainHead | undefined {
    const last = this.#last;
    if (last !== undefined && text.startsWith(this.#before) && text.endsWith(this.#after)) {
      const length = text.slice(this.#before.length, text.length - this.#after.length);
      if (length === last.headers['content-length']) return last;
      const bodyBytes = bytesOf(length);
      if (bodyBytes !== undefined)
        return { url: last.url, headers: { ...last.headers, 'content-length': length }, bodyBytes };
    }
    const head = read(text, this.#isServed);
    this.#last = head;
    if (head === undefined) return undefined;
    this.#before = text.slice(0, head.lengthAt);
    this.#after = text.slice(head.lengthAt + (head.headers['content-length']?.length ?? 0));
    return head;
  }
}
