import type { ClientDialect } from '../codec.ts';
import { errorBody } from '../openai-chat/errors.ts';
import { decodeRequest, readEnvelope } from './request-decode.ts';
import { encodeResponse } from './response.ts';
import { createStreamEncoder } from './stream-encode.ts';

/**
 * OpenAI's legacy Completions, `POST /v1/completions` (API reference, "Completions"): a dialect of clients only, which
 * reaches every chat provider with the prompt as a user message. Reasoning and tool calls have no place in it.
 */
export const openaiCompletions: ClientDialect = {
  id: 'openai-completions',
  framing: 'sse',
  envelope: readEnvelope,
  decodeRequest,
  encodeResponse,
  streamEncoder: createStreamEncoder,
  encodeError: (error) => ({ status: error.status, body: errorBody(error) }),
};
