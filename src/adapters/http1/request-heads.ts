import type { UpstreamRequest } from '../../ports/upstream.ts';

/** Headers about the connection and the framing, which are ours to write. */
const OWN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

const METHOD = /^[A-Z]{1,16}$/;
const TARGET = /^\/[\x21-\xff]*$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Methods whose requests say that they have no body (RFC 9110 §8.6). */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Writes the heads of requests to one origin, Latin-1 (RFC 9112 §3, §5). */
export class RequestHeads {
  readonly #host: string;
  /** The last one; calls to one deployment share their headers. */
  #last:
    | { readonly method: string; readonly path: string; readonly headers: object; readonly start: string }
    | undefined;

  constructor(host: string) {
    this.#host = host;
  }

  /**
   * The head of a request. `bodyBytes` is `undefined` without a body. Throws a `TypeError` for what could not be sent without
   * becoming something else.
   */
  head(request: UpstreamRequest, bodyBytes: number | undefined): string {
    const { method, path, headers } = request;
    let last = this.#last;
    if (last === undefined || last.headers !== headers || last.path !== path || last.method !== method) {
      last = { method, path, headers, start: startOf(request, this.#host) };
      this.#last = last;
    }
    if (bodyBytes === undefined && !WITH_BODY.has(method)) return `${last.start}\r\n`;
    return `${last.start}content-length: ${bodyBytes ?? 0}\r\n\r\n`;
  }
}

/** Everything but the length. */
function startOf({ method, path, headers }: UpstreamRequest, host: string): string {
  if (!METHOD.test(method) || !TARGET.test(path)) throw new TypeError('no valid method or path');
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || OWN.has(name)) continue;
    if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value)) throw new TypeError(`no valid header: ${name}`);
    head += `${name}: ${value}\r\n`;
  }
  return head;
}
