import type { SluiceError } from '../core/errors/error.ts';
import type {
  ChatRequest,
  ChatResponse,
  FormatId,
  JsonObject,
  ModelProfile,
  StreamEvent,
} from '../core/model/index.ts';
import type { ErrorReply, UpstreamFailure } from './failure.ts';
import type { Frame, Framing } from './frame.ts';
import type { Glance } from './glance.ts';
import type { Quirks } from './quirks.ts';
import type { TapRules } from './tap.ts';

export type { Quirks } from './quirks.ts';

/** What a request is encoded for. */
export interface Target {
  /** The upstream's name of the model, written into the body or the path. */
  readonly model: string;
  readonly profile: ModelProfile;
  readonly quirks: Quirks;
  /** Output limit to send when the client gave none and the format demands one. */
  readonly defaultMaxOutputTokens: number;
}

/** A request in an upstream's format. */
export interface EncodedRequest {
  /** May hold `JSON.rawJSON` numbers: serialise it with `JSON.stringify` only. */
  readonly body: JsonObject;
  /** Features that this target cannot carry and that were left out, in the client's words, for `x-sluice-dropped`. */
  readonly dropped: readonly string[];
  /** Extra request headers, for example `anthropic-beta`. Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an answer is decoded with. */
export interface Source {
  readonly quirks: Quirks;
  /** The request that was sent, for links the answer does not carry: custom tools, forced-tool JSON output, call ids in use. */
  readonly request?: ChatRequest;
}

/** How an answer is written for the client. */
export interface Reply {
  /** Id in the client's dialect prefix, constant over a stream. */
  readonly id: string;
  /** The model name to echo. */
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
  /** Whether a Chat stream ends with a usage chunk. */
  readonly includeUsage: boolean;
  /** The client's request, for dialects that echo parts of it (Responses). */
  readonly request?: ChatRequest;
  /** Dialect version the client speaks (`anthropic-version`). */
  readonly version?: string;
}

/** What limits, money and routing need to know of a request without decoding it. */
export interface Envelope {
  readonly model: string;
  readonly stream: boolean;
  readonly maxOutputTokens?: number;
  /** How many answers were asked for; 1 unless the client says more. */
  readonly choices: number;
  /** Openai-chat only: the client asked for a usage chunk. */
  readonly includeUsage: boolean;
  readonly tools: number;
  /** Images, documents and audio in the prompt, a count. */
  readonly media: number;
  /** An upper estimate of the prompt's tokens, where the size of the body says nothing about them (uploads). */
  readonly promptTokens?: number;
  /** Images asked for, a count. */
  readonly images?: number;
  /** Characters of text to be spoken, a count. */
  readonly characters?: number;
  /** The most seconds that sound which was sent can last. */
  readonly audioSeconds?: number;
  /** Audio is sent or asked for, which may be billed at its own rate. */
  readonly audio?: boolean;
}

/** Reads an upstream's frames, one at a time. Synchronous; keeps no reference to the frame. */
export interface StreamDecoder {
  push(frame: Frame): readonly StreamEvent[];
  /** The body ended. Ends with an `error` event (`upstream_cut`) unless the answer was finished properly. */
  end(): readonly StreamEvent[];
}

/** Writes a client's stream. The returned chunk may be empty. Nothing may be pushed after an `error` event. */
export interface StreamEncoder {
  push(events: readonly StreamEvent[]): string | Uint8Array;
  /** Terminators (`[DONE]`), after the last event of an answer without an error; empty after an error. */
  end(): string | Uint8Array;
}

/** The part of a codec that serves clients. A dialect that no provider speaks has only this. */
export type ClientDialect = Pick<
  ChatCodec,
  'id' | 'framing' | 'envelope' | 'decodeRequest' | 'encodeResponse' | 'streamEncoder' | 'encodeError'
>;

/** Who an error is written for. */
export interface ErrorDialect {
  /** The dialect's name in the log. */
  readonly id: string;
  encodeError(error: SluiceError, requestId: string): ErrorReply;
}

/**
 * One wire format, both directions, pure. The client side (`decodeRequest`, `encode*`) serves dialects, the upstream
 * side (`encodeRequest`, `decode*`) serves providers; the simulator uses the client side to speak as an upstream.
 */
export interface ChatCodec {
  readonly id: FormatId;
  readonly framing: Framing;
  /** How to watch a forwarded stream; absent where streams of this format are always decoded. */
  readonly tap?: TapRules;
  /** Checks a body's structure as far as limits and money need it. Throws `bad_request` naming the field. */
  envelope(body: JsonObject): Envelope;
  /** Full decode of a client's request. Throws `bad_request` naming the field. */
  decodeRequest(body: JsonObject): ChatRequest;
  /** Throws `unsupported_feature` where leaving something out would change the meaning. */
  encodeRequest(request: ChatRequest, target: Target): EncodedRequest;
  /** Throws `upstream_malformed` if the body is not an answer of this format. */
  decodeResponse(body: JsonObject, source: Source): ChatResponse;
  /**
   * What `decodeResponse` would tell of the answer as a whole, with the same throws; absent where answers of this format are
   * always decoded.
   */
  glance?(body: JsonObject, source: Source): Glance;
  encodeResponse(response: ChatResponse, reply: Reply): JsonObject;
  streamDecoder(source: Source): StreamDecoder;
  streamEncoder(reply: Reply): StreamEncoder;
  /** Reads an upstream's error body; `body` is the parsed JSON, or text when it was none. */
  decodeError(status: number, body: unknown, headers: Readonly<Record<string, string>>): UpstreamFailure;
  /** Writes an error in this dialect. */
  encodeError(error: SluiceError, requestId: string): ErrorReply;
}
