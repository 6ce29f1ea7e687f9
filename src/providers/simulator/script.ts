import type { ChatResponse, FormatId } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { ClientDialect, Reply } from '../../formats/codec.ts';
import type { Framing } from '../../formats/frame.ts';
import { countOutput } from './usage.ts';

/** One thing to do on the connection, in order. */
export type Step =
  /** `share` is how much of the answer is out after it, 0 to 1; absent where it carries none. */
  | { readonly do: 'send'; readonly data: string | Uint8Array; readonly share?: number }
  /** `Infinity` waits until the peer leaves. */
  | { readonly do: 'wait'; readonly ms: number }
  /** Sends the headers before any body. */
  | { readonly do: 'head' }
  /** The proper end of the body. */
  | { readonly do: 'end' }
  /** Closes the connection in the middle: `fin` in order, `reset` with a TCP RST. */
  | { readonly do: 'fin' | 'reset' };

/** An answer as data: what is sent, when, and how it ends. Played by the server. */
export interface Script {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly steps: Iterable<Step>;
  /** The steps carry the whole message, status line and headers included. */
  readonly raw?: boolean;
  /** Nothing is billed, whenever the caller hangs up. */
  readonly unbilled?: boolean;
  /** Compressions to apply to the body, innermost first. */
  readonly codings?: readonly ('gzip' | 'br')[];
  /** How often the compressed body is sent. */
  readonly repeatBody?: number;
  /** Informational answers sent beforehand. */
  readonly informational?: readonly number[];
}

/** How fast an answer comes. */
export interface Pace {
  readonly ttftMs: number;
  /** Tokens per second; 0 is as fast as possible. */
  readonly tps: number;
  /** UTF-16 units of text per chunk. */
  readonly chunk: number;
}

/** Everything needed to write one good answer down. */
export interface Telling {
  readonly codec: ClientDialect;
  readonly framing: Framing;
  readonly response: ChatResponse;
  readonly reply: Reply;
  readonly pace: Pace;
}

const STREAM_TYPES: Readonly<Record<Framing, string>> = {
  sse: 'text/event-stream',
  ndjson: 'application/x-ndjson',
  'aws-event-stream': 'application/vnd.amazon.eventstream',
  'json-array': 'application/json',
};

/** The content type of a streamed answer. */
export function streamType(framing: Framing): string {
  return framing === 'sse' ? 'text/event-stream; charset=utf-8' : STREAM_TYPES[framing];
}

/** Headers as the vendor sends them on every answer. */
export function vendorHeaders(format: FormatId, requestId: string): Record<string, string> {
  switch (format) {
    case 'anthropic-messages':
      return {
        'request-id': requestId,
        'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
        'anthropic-ratelimit-requests-limit': '4000',
        'anthropic-ratelimit-requests-remaining': '3999',
      };
    case 'bedrock-converse':
      return { 'x-amzn-requestid': requestId };
    case 'gemini':
      return { server: 'scaffolding on HTTPServer2', vary: 'origin' };
    case 'cohere':
      return { 'x-trial-endpoint-call-limit': '40', 'x-request-id': requestId };
    case 'ollama':
      return {};
    default:
      return {
        'x-request-id': requestId,
        'openai-processing-ms': '12',
        'openai-version': '2020-10-01',
        'x-ratelimit-limit-requests': '10000',
        'x-ratelimit-remaining-requests': '9999',
        'x-ratelimit-reset-requests': '6ms',
        'x-ratelimit-limit-tokens': '2000000',
        'x-ratelimit-remaining-tokens': '1999000',
        'x-ratelimit-reset-tokens': '1s',
      };
  }
}

/** The answer in one piece; a paced one arrives when its last token would. */
export function tellWhole(telling: Telling): Step[] {
  const { codec, response, reply, pace } = telling;
  const body = JSON.stringify(codec.encodeResponse(response, reply));
  const ms = pace.ttftMs + (pace.tps > 0 ? (response.usage.output / pace.tps) * 1000 : 0);
  const steps: Step[] = ms > 0 ? [{ do: 'wait', ms }] : [];
  return [...steps, { do: 'send', data: body, share: 1 }, { do: 'end' }];
}

/** The answer as the vendor streams it, a chunk of text at a time. */
export function* tellStream(telling: Telling): Generator<Step> {
  const { codec, response, reply, pace } = telling;
  const encoder = codec.streamEncoder(reply);
  const events = replayResponse(response, pace.chunk);
  const deltas = events.filter(({ type }) => type === 'delta').length;
  const tokens = response.choices.reduce(
    (sum, { parts }) => sum + parts.reduce((total, part) => total + countOutput(part), 0),
    0,
  );
  const gap = pace.tps > 0 && deltas > 0 ? (tokens / deltas / pace.tps) * 1000 : 0;
  let told = 0;
  if (pace.ttftMs > 0) yield { do: 'wait', ms: pace.ttftMs };
  // Anthropic tells the prompt's tokens first, with a small output count (WIRE §1.1).
  if (codec.id === 'anthropic-messages') {
    encoder.push([{ type: 'usage', usage: { ...response.usage, output: 1, reasoning: 0 } }]);
  }
  for (const event of events) {
    const data = encoder.push([event]);
    if (event.type === 'delta') {
      told++;
      if (gap > 0 && told > 1) yield { do: 'wait', ms: gap };
    }
    if (data.length > 0) yield { do: 'send', data, share: deltas === 0 ? 1 : told / deltas };
  }
  const rest = encoder.end();
  if (rest.length > 0) yield { do: 'send', data: rest, share: 1 };
  yield { do: 'end' };
}
