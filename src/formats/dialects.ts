import { anthropicMessages } from './anthropic-messages/index.ts';
import type { ClientDialect } from './codec.ts';
import { gemini } from './gemini/index.ts';
import { openaiChat } from './openai-chat/index.ts';
import { openaiCompletions } from './openai-completions/index.ts';
import { openaiResponses } from './openai-responses/index.ts';

/** Every dialect in which clients can hold a chat, by format; the routes and the compatibility matrix are made from it. */
export const CLIENT_DIALECTS = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  'openai-completions': openaiCompletions,
  'anthropic-messages': anthropicMessages,
  gemini,
} as const satisfies Readonly<Record<string, ClientDialect>>;
