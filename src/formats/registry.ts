import type { UpstreamFormat } from '../core/model/index.ts';
import { anthropicMessages } from './anthropic-messages/index.ts';
import { bedrockConverse } from './bedrock-converse/index.ts';
import type { ChatCodec } from './codec.ts';
import { cohere } from './cohere/index.ts';
import { gemini } from './gemini/index.ts';
import { ollama } from './ollama/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { openaiResponses } from './openai-responses/index.ts';

/** Every codec with an upstream side, by format. Client dialects: `dialects.ts`. */
export const CODECS: Readonly<Record<UpstreamFormat, ChatCodec>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  'anthropic-messages': anthropicMessages,
  gemini,
  'bedrock-converse': bedrockConverse,
  cohere,
  ollama,
};
