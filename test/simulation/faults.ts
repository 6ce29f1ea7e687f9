import type { Draw } from './random.ts';
import {
  errorBody,
  errorEvent,
  ping,
  type Speech,
  type SpokenUsage,
  streamEvents,
  wholeAnswer,
} from './wire.ts';

/** Ways in which a call to a provider may go. */
export const FAULTS = [
  'refused',
  'connect-hang',
  'reset-early',
  'headers-hang',
  'headers-slow',
  'status-client',
  'status-account',
  'status-limit',
  'status-server',
  'body-stall',
  'stall-first',
  'stall-middle',
  'pings-only',
  'cut-first',
  'cut-middle',
  'end-early',
  'half-event',
  'error-first',
  'error-middle',
  'empty',
  'lifecycle-only',
  'bad-json',
  'html',
  'json-for-stream',
  'stream-for-json',
  'error-in-200',
  'slow',
] as const;

export type Fault = (typeof FAULTS)[number];

/** How a connection ends. */
export type Close = 'end' | 'reset' | 'hang';

/** What a provider does with one call, in order. Times are milliseconds after the step before. */
export interface Script {
  /** `undefined`: never connects. */
  readonly connectMs: number | undefined;
  readonly refuses: boolean;
  /** `undefined`: never answers. */
  readonly headersMs: number | undefined;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly { readonly afterMs: number; readonly bytes: Buffer }[];
  readonly close: Close;
  readonly closeMs: number;
  /** It is a proper answer from beginning to end. */
  readonly proper: boolean;
}

/** What decides over a script. */
export interface Wish {
  readonly fault: Fault | undefined;
  readonly speech: Speech;
  readonly stream: boolean;
}

const SSE = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** Bytes in pieces that keep to no border of events or characters. */
function inPieces(draw: Draw, text: string, most: { pieces: number; gapMs: number }): Script['pieces'] {
  const bytes = Buffer.from(text);
  const count = Math.min(draw.whole(1, most.pieces), Math.max(1, bytes.length));
  const cuts = Array.from({ length: count - 1 }, () => draw.whole(1, bytes.length)).sort((a, b) => a - b);
  const borders = [0, ...cuts, bytes.length];
  return borders.slice(1).flatMap((to, index) => {
    const from = borders[index] ?? 0;
    return to > from ? [{ afterMs: draw.uniform() * most.gapMs, bytes: bytes.subarray(from, to) }] : [];
  });
}

function statusScript(draw: Draw, wish: Wish): Pick<Script, 'status' | 'headers' | 'pieces'> {
  const { dialect } = wish.speech;
  const status =
    wish.fault === 'status-client'
      ? draw.pick([400, 404, 413, 422])
      : wish.fault === 'status-account'
        ? draw.pick([401, 402, 403])
        : wish.fault === 'status-limit'
          ? 429
          : draw.pick([500, 502, 503, 504, 520, 529]);
  const retryAfter = draw.pick([undefined, '0', '1', '3', '86400', 'Wed, 21 Oct 2026 07:28:00 GMT', 'soon']);
  const limited = status === 429 || status === 503;
  const json = JSON.stringify(errorBody(dialect, status === 429 ? 'rate_limit_error' : 'api_error'));
  const body = draw.pick([json, json, '<html>down</html>', '', `{"error":"${'x'.repeat(70_000)}"}`]);
  return {
    status,
    headers: {
      'content-type': body.startsWith('<') ? 'text/html' : 'application/json',
      ...(limited && retryAfter !== undefined ? { 'retry-after': retryAfter } : {}),
    },
    pieces: inPieces(draw, body, { pieces: 3, gapMs: 20 }),
  };
}

/** How far into the events of a stream a fault strikes: at least one content event is out, one is not. */
function middle(draw: Draw, events: readonly { kind: string }[]): number {
  const first = events.findIndex(({ kind }) => kind === 'content');
  const last = events.findLastIndex(({ kind }) => kind === 'content');
  return draw.whole(first + 1, Math.max(first + 1, last));
}

interface Body {
  readonly text: string;
  readonly close: Close;
  readonly proper: boolean;
  readonly type?: Readonly<Record<string, string>>;
}

function streamBody(draw: Draw, wish: Wish): Body {
  const { speech, fault } = wish;
  const events = streamEvents(speech);
  const text = (to: number): string =>
    events
      .slice(0, to)
      .map((event) => event.text)
      .join('');
  const first = events.findIndex(({ kind }) => kind === 'content');
  const some = middle(draw, events);
  switch (fault) {
    case 'stall-first':
      return { text: text(first), close: 'hang', proper: false };
    case 'stall-middle':
      return { text: text(some), close: 'hang', proper: false };
    case 'cut-first':
      return { text: text(first), close: 'reset', proper: false };
    case 'cut-middle':
      return { text: text(some), close: 'reset', proper: false };
    case 'end-early':
      return { text: text(some), close: 'end', proper: false };
    case 'half-event':
      return { text: text(some) + events[some]!.text.slice(0, 20), close: 'end', proper: false };
    case 'error-first':
      return { text: text(draw.whole(0, first)) + errorEvent(speech.dialect), close: 'end', proper: false };
    case 'error-middle':
      return { text: text(some) + errorEvent(speech.dialect), close: 'end', proper: false };
    case 'empty':
      return { text: '', close: 'end', proper: false };
    case 'lifecycle-only':
      return { text: text(first), close: 'end', proper: false };
    case 'bad-json':
      return {
        text: `${text(draw.whole(0, 1))}data: {"choices":[{"delta":{"con\n\n`,
        close: 'end',
        proper: false,
      };
    case 'html':
      return {
        text: '<html>hello</html>',
        close: 'end',
        proper: false,
        type: { 'content-type': 'text/html' },
      };
    case 'json-for-stream':
      return { text: wholeAnswer(speech), close: 'end', proper: true, type: JSON_TYPE };
    case 'error-in-200':
      return {
        text: JSON.stringify(errorBody(speech.dialect, 'api_error')),
        close: 'end',
        proper: false,
        type: JSON_TYPE,
      };
    default:
      return { text: text(events.length), close: 'end', proper: true };
  }
}

function wholeBody(draw: Draw, wish: Wish): Body {
  const { speech, fault } = wish;
  const text = wholeAnswer(speech);
  const part = text.slice(0, draw.whole(1, text.length - 2));
  switch (fault) {
    case 'body-stall':
    case 'stall-first':
    case 'stall-middle':
      return { text: part, close: 'hang', proper: false };
    case 'cut-first':
    case 'cut-middle':
      return { text: part, close: 'reset', proper: false };
    case 'end-early':
    case 'half-event':
    case 'bad-json':
      return { text: part, close: 'end', proper: false };
    case 'empty':
    case 'lifecycle-only':
      return { text: '', close: 'end', proper: false };
    case 'html':
      return {
        text: '<html>hello</html>',
        close: 'end',
        proper: false,
        type: { 'content-type': 'text/html' },
      };
    case 'stream-for-json':
      return { ...streamBody(draw, { ...wish, fault: undefined }), proper: false, type: SSE };
    case 'error-first':
    case 'error-middle':
    case 'error-in-200':
      return {
        text: JSON.stringify(errorBody(speech.dialect, 'api_error')),
        close: 'end',
        proper: false,
      };
    default:
      return { text, close: 'end', proper: true };
  }
}

/** Writes down what a provider will do with a call. */
export function scriptOf(draw: Draw, wish: Wish): Script {
  const { fault, stream, speech } = wish;
  const base = {
    connectMs: fault === 'connect-hang' ? undefined : draw.spread(0.1, 50),
    refuses: fault === 'refused',
    headersMs:
      fault === 'headers-hang' ? undefined : draw.spread(0.1, fault === 'headers-slow' ? 20_000 : 500),
    closeMs: draw.spread(0.1, 50),
  };
  if (fault === 'reset-early')
    return { ...base, status: 0, headers: {}, pieces: [], close: 'reset', proper: false };
  if (fault?.startsWith('status-') === true) {
    const close = draw.pick<Close>(['end', 'end', 'end', 'reset', 'hang']);
    return { ...base, ...statusScript(draw, wish), close, proper: false };
  }
  if (fault === 'pings-only' && stream) {
    const pings = Array.from({ length: draw.whole(5, 60) }, () => ({
      afterMs: draw.spread(50, 1500),
      bytes: Buffer.from(ping(speech.dialect)),
    }));
    return { ...base, status: 200, headers: SSE, pieces: pings, close: 'hang', proper: false };
  }
  const body = stream ? streamBody(draw, wish) : wholeBody(draw, wish);
  const gapMs = fault === 'slow' ? 1500 : draw.pick([0, 5, 100]);
  const pieces = inPieces(draw, body.text, { pieces: stream ? 12 : 4, gapMs });
  const headers = body.type ?? (stream ? SSE : JSON_TYPE);
  return { ...base, status: 200, headers, pieces, close: body.close, proper: body.proper };
}

/** What a provider claims to have used. `honest`: the truth, or nothing. */
export function usageFor(
  draw: Draw,
  truth: { readonly input: number; readonly output: number },
  honest: boolean,
): SpokenUsage | undefined {
  if (honest || draw.chance(0.6)) return truth;
  return draw.pick<SpokenUsage | undefined>([
    undefined,
    { input: 0, output: 0 },
    { input: null, output: null },
    { input: '12', output: '7' },
    { input: -5, output: 3.5 },
    { input: truth.input, output: 100_000_000 },
  ]);
}
