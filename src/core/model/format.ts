/** Every wire format the gateway has a codec for. A format is how bytes look, not who answers. */
export const FORMATS = [
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'gemini',
  'bedrock-converse',
  'cohere',
  'ollama',
] as const;

/** One of {@link FORMATS}. */
export type FormatId = (typeof FORMATS)[number];
