import type { FormatId } from './format.ts';
import type { Json, JsonObject } from './json.ts';

/**
 * Fields of a wire format that the canonical model has no word for, kept so that a trip back to the
 * same format loses nothing. Another format's encoder must name what it cannot carry in `dropped`.
 */
export type Extensions = { readonly [Format in FormatId]?: JsonObject };

/** Where a client asked the provider to keep a prompt-cache breakpoint: after the part that carries the mark. */
export interface CacheMark {
  readonly ttl: '5m' | '1h';
}

/**
 * Opaque reasoning state that only its issuer can read: Anthropic `signature`, Gemini `thoughtSignature`,
 * OpenAI `encrypted_content`. It must go back byte for byte, and only to the same issuer.
 */
export interface Signature {
  /** The model family that made it, not the cloud that relayed it: Claude signatures are valid on Bedrock and Vertex. */
  readonly issuer: 'claude' | 'gemini' | 'openai' | 'deepseek' | 'other';
  readonly value: string;
}

interface PartBase {
  /** Unknown fields of this part, per source format. */
  readonly extensions?: Extensions;
  readonly cache?: CacheMark;
}

/** Plain text. `citations` stand on answers; offsets count Unicode code points of `text`. */
export interface TextPart extends PartBase {
  readonly type: 'text';
  readonly text: string;
  readonly citations?: readonly Citation[];
  /** Gemini may put a signature on a text part; it must return on the same part. */
  readonly signature?: Signature;
}

/** The model's own words for declining (OpenAI `refusal`). */
export interface RefusalPart extends PartBase {
  readonly type: 'refusal';
  readonly text: string;
}

/** Reasoning shown or hidden by the model. `redacted` holds Anthropic's opaque `redacted_thinking.data`. */
export interface ReasoningPart extends PartBase {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature?: Signature;
  readonly redacted?: string;
  /** Item id where the format gives reasoning one (OpenAI Responses `rs_…`). */
  readonly id?: string;
}

/** Where the bytes of a media part are. `data` is standard base64 without a data-URL prefix. */
export type MediaSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  | { readonly kind: 'file'; readonly id: string; readonly mediaType?: string }
  | { readonly kind: 'text'; readonly text: string; readonly mediaType?: string };

/** An image, document, audio or video, in a prompt, a tool result or an answer. */
export interface MediaPart extends PartBase {
  readonly type: 'image' | 'document' | 'audio' | 'video';
  readonly source: MediaSource;
  /** File name or document title. */
  readonly name?: string;
  /** OpenAI's `detail` for images. */
  readonly detail?: string;
  readonly citationsEnabled?: boolean;
  readonly signature?: Signature;
}

/**
 * The model asks for a tool. `arguments` is the JSON text exactly as the model wrote it (no float round
 * trip, key order kept); `''` means none were given. For `kind: 'custom'` it is free text, not JSON.
 */
export interface ToolCallPart extends PartBase {
  readonly type: 'tool_call';
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
  readonly kind: 'function' | 'custom';
  readonly signature?: Signature;
  /** Item id where it differs from the call id (OpenAI Responses `fc_…`). */
  readonly itemId?: string;
}

/** The client's answer to a tool call, linked by `callId`. `name` is filled in from the call when a format omits it. */
export interface ToolResultPart extends PartBase {
  readonly type: 'tool_result';
  readonly callId: string;
  readonly name?: string;
  readonly kind: 'function' | 'custom';
  readonly content: readonly (TextPart | MediaPart | OpaquePart)[];
  readonly isError?: boolean;
}

/**
 * A block only its own format understands (server tools and their results, item references). It survives a
 * trip to the same format; any other encoder drops it and says so as `label`.
 */
export interface OpaquePart extends PartBase {
  readonly type: 'opaque';
  readonly format: FormatId;
  /** What it is, for `x-sluice-dropped`, for example `web_search_tool_result`. */
  readonly label: string;
  readonly value: Json;
}

/** A source of a statement. Offsets are code points into the text part that carries it. */
export interface Citation {
  readonly kind: 'url' | 'document';
  readonly url?: string;
  readonly documentId?: string;
  readonly title?: string;
  readonly quote?: string;
  readonly start?: number;
  readonly end?: number;
  readonly extensions?: Extensions;
}

/** Anything a message may hold. */
export type Part =
  | TextPart
  | RefusalPart
  | ReasoningPart
  | MediaPart
  | ToolCallPart
  | ToolResultPart
  | OpaquePart;

/** Parts that a model may produce. */
export type OutputPart = Exclude<Part, ToolResultPart>;

/**
 * One turn. Roles: `system` (also mid-conversation, kept in place), `user` (also carries `tool_result`
 * parts), `assistant`. Decoders put the tool results that answer one assistant turn into one `user`
 * message, in call order, before other content.
 */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly parts: readonly Part[];
  /** The wire role where two map to one canonical role, for example `developer`. */
  readonly wireRole?: string;
  /** Participant name (OpenAI `name`). */
  readonly name?: string;
  readonly extensions?: Extensions;
}
