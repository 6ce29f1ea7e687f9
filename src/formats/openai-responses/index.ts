import { classifyFailure } from '../classify.ts';
import type { ChatCodec } from '../codec.ts';
import { encodeError } from './errors.ts';
import { glance } from './glance.ts';
import { decodeRequest, envelope } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { streamDecoder } from './stream-decode.ts';
import { streamEncoder } from './stream-encode.ts';
import { tapRules } from './tap.ts';
import { FORMAT } from './wire.ts';

/** OpenAI Responses: client dialect of `POST /v1/responses` and an upstream format of several vendors. */
export const openaiResponses: ChatCodec = {
  id: FORMAT,
  framing: 'sse',
  tap: tapRules,
  envelope,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  glance,
  encodeResponse,
  streamDecoder,
  streamEncoder,
  decodeError: classifyFailure,
  encodeError,
};
