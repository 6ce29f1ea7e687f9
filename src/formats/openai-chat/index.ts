import { classifyFailure } from '../classify.ts';
import type { ChatCodec } from '../codec.ts';
import { errorBody } from './errors.ts';
import { glance } from './glance.ts';
import { decodeRequest, readEnvelope } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { createStreamDecoder } from './stream-decode.ts';
import { createStreamEncoder } from './stream-encode.ts';
import { tapRules } from './tap.ts';

/**
 * OpenAI Chat Completions: the dialect of `POST /v1/chat/completions`, and the upstream format of OpenAI and of every
 * vendor that calls itself compatible. The reader is lenient (WIRE §1.2), the writer is strict (WIRE §2.3).
 */
export const openaiChat: ChatCodec = {
  id: 'openai-chat',
  framing: 'sse',
  tap: tapRules,
  envelope: readEnvelope,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  glance,
  encodeResponse,
  streamDecoder: createStreamDecoder,
  streamEncoder: createStreamEncoder,
  decodeError: classifyFailure,
  encodeError: (error) => ({ status: error.status, body: errorBody(error) }),
};
