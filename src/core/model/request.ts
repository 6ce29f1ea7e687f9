import type { Json, JsonObject } from './json.ts';
import type { CacheMark, Extensions, Message } from './message.ts';

/** A function the model may call. `parameters` is JSON Schema; absent means an object without properties. */
export interface FunctionTool {
  readonly type: 'function';
  readonly name: string;
  readonly description?: string;
  readonly parameters?: JsonObject;
  readonly strict?: boolean;
  readonly cache?: CacheMark;
  readonly extensions?: Extensions;
}

/** A tool with free-text input (OpenAI `custom`). `format` is the vendor's grammar object. */
export interface CustomTool {
  readonly type: 'custom';
  readonly name: string;
  readonly description?: string;
  readonly format?: Json;
  readonly extensions?: Extensions;
}

/** A tool that runs at the vendor (web search, code execution). Only its own format can carry it. */
export interface ServerTool {
  readonly type: 'server';
  readonly format: import('./format.ts').FormatId;
  /** The vendor's type word, for example `web_search_20250305`. */
  readonly label: string;
  readonly value: JsonObject;
  readonly cache?: CacheMark;
}

export type Tool = FunctionTool | CustomTool | ServerTool;

/** `allowed` restricts the choice to `names`; `required` inside it says whether a call must happen. */
export type ToolChoice =
  | { readonly type: 'auto' | 'none' | 'required' }
  | { readonly type: 'tool'; readonly name: string; readonly kind?: 'function' | 'custom' }
  | { readonly type: 'allowed'; readonly names: readonly string[]; readonly required: boolean };

/** How hard to think, from least to most. Not every model takes every level: see `ReasoningControl`. */
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type Effort = (typeof EFFORTS)[number];

/** What the client asked about reasoning. At most one of `effort` and `budgetTokens` is authoritative: the one given. */
export interface ReasoningRequest {
  readonly enabled: boolean;
  readonly effort?: Effort;
  /** Tokens the model may think (Anthropic `budget_tokens`, Gemini `thinkingBudget`; −1 there is `adaptive`). */
  readonly budgetTokens?: number;
  /** The model decides how much (Anthropic `adaptive`, Gemini budget −1). */
  readonly adaptive?: boolean;
  /** Whether thoughts or their summary should come back. `undefined`: the format's default. */
  readonly summary?: 'auto' | 'concise' | 'detailed' | 'none';
}

/** The shape the answer must have. */
export type OutputShape =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly name?: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict?: boolean;
    };

/** Sampling and search parameters, absent when the client did not send them. */
export interface Sampling {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly logitBias?: JsonObject;
  readonly logprobs?: boolean;
  readonly topLogprobs?: number;
}

/** A chat request in no vendor's words. Every client dialect decodes to it, every upstream format encodes from it. */
export interface ChatRequest {
  /** The model name as the client wrote it. */
  readonly model: string;
  /** In order; leading `system` messages are the system prompt, later ones stay where they stood. */
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  /** The client gave OpenAI's `functions`, from before tools: it reads one call of an answer, as `function_call`. */
  readonly legacyFunctions?: boolean;
  readonly sampling: Sampling;
  readonly maxOutputTokens?: number;
  readonly stop?: readonly string[];
  /** How many answers; absent means one. */
  readonly choices?: number;
  readonly output: OutputShape;
  readonly verbosity?: string;
  readonly reasoning?: ReasoningRequest;
  readonly stream: boolean;
  /** Whether the client wants a usage chunk in a Chat stream (`stream_options.include_usage`). */
  readonly includeUsage: boolean;
  readonly user?: string;
  readonly metadata?: JsonObject;
  readonly serviceTier?: string;
  /** Request-level prompt-cache hints (OpenAI `prompt_cache_key`). */
  readonly promptCacheKey?: string;
  /** Whether the vendor may store the exchange (OpenAI `store`). */
  readonly store?: boolean;
  /** Vendor state the request continues (Responses `previous_response_id`); pins the route to its issuer. */
  readonly previousResponseId?: string;
  /** Top-level fields the canonical model has no word for. */
  readonly extensions?: Extensions;
}
