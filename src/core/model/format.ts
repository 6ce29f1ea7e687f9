/** Every wire format the gateway has a codec for. A format is how bytes look, not who answers. */
export const FORMATS = [
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'gemini',
  'bedrock-converse',
  'cohere',
  'ollama',
  'openai-completions',
] as const;

/** One of {@link FORMATS}. */
export type FormatId = (typeof FORMATS)[number];

/** Formats that only clients speak: they have no upstream side. */
export type ClientOnlyFormat = 'openai-completions';

/** Formats with both sides, see `CODECS`. */
export type UpstreamFormat = Exclude<FormatId, ClientOnlyFormat>;
