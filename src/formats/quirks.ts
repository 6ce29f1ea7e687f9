/**
 * Deviations of one provider from the format it speaks, as data. A codec reads these; it never knows a provider's
 * name. All absent: the format as its owner documents it.
 */
export interface Quirks {
  /** Which field carries the output limit on openai-chat. Default `max_completion_tokens`. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens';
  /** Which field carries the seed on openai-chat. Default `seed`. */
  readonly seedField?: 'random_seed';
  /** The role of system prompts on openai-chat. Default: as the client wrote it (`system` or `developer`). */
  readonly systemRole?: 'system';
  /** `always`: usage comes unasked and `stream_options` is refused. Default `option`. */
  readonly streamUsage?: 'option' | 'always' | 'never';
  /** `optional`: the stream may end without `[DONE]` once a finish reason was seen. Default `required`. */
  readonly doneMarker?: 'required' | 'optional';
  /** `absent`: the vendor never sends a finish reason; a properly ended stream is reported as `unknown`. */
  readonly finishReason?: 'absent';
  /** Reasoning tokens are reported outside `completion_tokens` (xAI Chat). */
  readonly reasoningOutsideOutput?: boolean;
  /** Audio tokens are reported outside `prompt_tokens` (Mistral). */
  readonly audioOutsideInput?: boolean;
  /** Tool-call ids must match a shape: `alnum9` is Mistral's nine alphanumerics. */
  readonly toolCallIds?: 'alnum9';
  /** Word for "a tool must be called". Default `required`. */
  readonly toolChoiceRequired?: 'any' | 'required';
  /** How earlier reasoning goes back: DeepSeek wants `reasoning_content` on tool turns. Default `none`. */
  readonly reasoningReplay?:
    | 'reasoning_content'
    | 'reasoning'
    | 'reasoning_details'
    | 'thinking_parts'
    | 'none';
  /** How reasoning is asked for on openai-chat. Default `reasoning_effort`. */
  readonly reasoningRequest?: 'reasoning_effort' | 'openrouter' | 'thinking' | 'none';
  /** Reads OpenRouter's `provider` itself, so it is left in the request. */
  readonly providerRouting?: boolean;
  /** Takes Anthropic's `cache_control` on openai-chat parts (OpenRouter, LiteLLM). Default: models of family `claude`. */
  readonly cacheControl?: boolean;
  /** Top-level request fields the vendor refuses by name. */
  readonly refusedFields?: readonly string[];
  /** Streams need repair for strict clients, so a same-format stream is decoded and re-encoded. */
  readonly repairStream?: boolean;
  /** Same for whole answers. */
  readonly repairWhole?: boolean;
  /** JSON-schema subset the vendor takes in tools and outputs. Default `full`. */
  readonly schema?: 'full' | 'openapi';
  /** Which Gemini surface: AI Studio and Vertex differ in a few fields. */
  readonly geminiSurface?: 'ai-studio' | 'vertex';
  /** Keeps the message threads of Anthropic's API: a request may continue an answer instead of repeating what came before. */
  readonly messageThreads?: boolean;
  /** Media may be sent as URLs and the vendor fetches them. Default true for formats that know URLs. */
  readonly mediaUrls?: boolean;
}
