import { CONNECTION } from './fault-connection.ts';
import { CONTENT } from './fault-content.ts';
import { REFUSALS } from './fault-refusals.ts';
import { STREAM } from './fault-stream.ts';
import { VARIETY } from './fault-variety.ts';
import type { Scene } from './scene.ts';
import type { Script } from './script.ts';

/** A way to misbehave. */
export interface Fault {
  readonly mode: string;
  /** One line for people. */
  readonly does: string;
}

const PLAYS: Readonly<Record<string, (scene: Scene) => Script>> = {
  ...REFUSALS,
  ...CONNECTION,
  ...STREAM,
  ...CONTENT,
  ...VARIETY,
};

const DOES: Readonly<Record<string, string>> = {
  e400: 'status 400 in the vendor’s shape',
  e401: 'status 401, bad key',
  'e401-key': 'status 401 with the caller’s key echoed in the message',
  e402: 'status 402, no credit',
  e403: 'status 403, no permission',
  e404: 'status 404, no such model',
  e413: 'status 413, too large',
  e422: 'status 422, not processable',
  e429: 'status 429 with retry-after in seconds (e429:30 sets it)',
  'e429-date': 'status 429 with retry-after as an HTTP date',
  'e429-long': 'status 429 with retry-after of a day',
  'e429-html': 'status 429 with an HTML page and no retry-after',
  e500: 'status 500 in the vendor’s shape',
  e502: 'status 502 in the vendor’s shape',
  e503: 'status 503 in the vendor’s shape',
  e504: 'status 504 in the vendor’s shape',
  e520: 'status 520 with a proxy’s HTML page',
  e529: 'status 529, overloaded',
  'e500-html': 'status 500 with an HTML page',
  'e500-empty': 'status 500 with an empty body',
  'e500-huge': 'status 500 with a body of 24 MB',
  e302: 'redirects with 302 (to=URL)',
  e307: 'redirects with 307 (to=URL)',
  html200: 'status 200 with an HTML page',
  err200: 'status 200 with an error body',
  rst: 'resets the connection before answering',
  fin: 'closes the connection before answering',
  'garbage-status': 'answers something that is not HTTP',
  hang: 'never answers',
  'slow-headers': 'sends the headers line by line over ms (5000)',
  ttfb: 'sends headers and answer after ms (ttfb=500)',
  ttft: 'sends headers at once, the first token after ms (ttft=500)',
  'cl-te': 'sends Content-Length and Transfer-Encoding both',
  'bad-cl': 'says ten bytes less than it sends',
  'bad-chunk': 'sends a chunk size that is no number',
  'big-headers': 'sends 300 KB of headers',
  'hop-headers': 'sends hop-by-hop, cookie, CORS and organisation headers',
  'info-1xx': 'sends 102 and 103 before the answer',
  gzip: 'compresses the answer',
  'gzip-chain': 'compresses the answer three times',
  'gzip-bomb': 'one gigabyte of blanks in a few hundred kilobytes',
  drip: 'sends one byte at a time',
  'json-for-sse': 'answers a streamed call with one JSON body',
  'sse-for-json': 'answers a whole call with a stream',
  'wrong-ct': 'labels the answer text/plain',
  stall: 'stops at N percent, for ever or for ms',
  'stall-ping': 'stops at N percent and sends heart-beats every ms (1000)',
  cut: 'resets the connection at N percent',
  'cut-fin': 'closes the connection at N percent without ending the body',
  'cut-clean': 'ends the body at N percent without the format’s terminator',
  'cut-mid-event': 'ends the body in the middle of an event at N percent',
  'mid-error': 'an error event at N percent',
  'err200-sse': 'a stream whose first event is an error',
  'bad-json': 'one event at N percent is no JSON',
  'bad-utf8': 'one event at N percent is no UTF-8',
  'usage-missing': 'reports no usage',
  'usage-null': 'reports usage null',
  'usage-zero': 'reports zero for every count',
  'usage-string': 'reports counts as text',
  'usage-float': 'reports fractions',
  'usage-negative': 'reports negative counts',
  'usage-huge': 'reports nine trillion for every count',
  'ignore-max-tokens': 'writes more than the limit allows',
  'wrong-model': 'names another model in the answer',
  huge: 'an answer of 256 MB (huge:N sets megabytes)',
  'huge-event': 'one event of 24 MB (huge-event:N sets megabytes)',
  tiny: 'one-letter events without end',
  deep: 'an unknown field nested 100,000 levels deep',
  endless: 'events, or a body, without end',
  'empty-choices': 'events without content in between',
  'sse-crlf': 'lines end in CRLF',
  'sse-cr': 'lines end in CR',
  'sse-bom': 'the stream begins with a byte order mark',
  'sse-comments': 'comment or blank lines between events',
  'sse-nospace': 'no space after the colon',
  'sse-nofinal': 'no blank line after the last event',
  'sse-no-final-blank': 'the same as sse-nofinal',
  'sse-unknown': 'unknown event types, ids and retry fields',
  'sse-unknown-events': 'the same as sse-unknown',
  'sse-split-utf8': 'network pieces end inside a character',
  'sse-multiline': 'JSON spread over several data lines',
};

/** Every fault mode with what it does. */
export const FAULTS: readonly Fault[] = Object.keys(PLAYS).map((mode) => ({ mode, does: DOES[mode] ?? '' }));

/** The script of a fault, or `undefined` for a word that is none. */
export function playFault(mode: string, scene: Scene): Script | undefined {
  return Object.hasOwn(PLAYS, mode) ? PLAYS[mode]?.(scene) : undefined;
}
