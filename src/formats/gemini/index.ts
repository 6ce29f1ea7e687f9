import type { ChatCodec } from '../codec.ts';
import { decodeError, encodeError } from './errors.ts';
import { glance } from './glance.ts';
import { decodeRequest, envelope } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { createStreamDecoder } from './stream-decode.ts';
import { createStreamEncoder } from './stream-encode.ts';
import { tapRules } from './tap.ts';

/**
 * Gemini `generateContent` and `streamGenerateContent`, of AI Studio and Vertex AI (Gemini API reference
 * v1beta; WIRE.md).
 *
 * In this format the model and the choice between whole and streamed answers stand in the path, not in the
 * body. The HTTP layer puts both into the parsed body before it calls the codec, as the pseudo-fields `model`
 * (string, percent-decoded, without `models/`) and `stream` (boolean). `encodeRequest` writes neither: the
 * caller fills the endpoint's path.
 *
 * Requests may spell fields in `snake_case`, as Google allows. Upstreams are asked with `alt=sse`.
 */
export const gemini: ChatCodec = {
  id: 'gemini',
  framing: 'sse',
  tap: tapRules,
  envelope,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  glance,
  encodeResponse,
  streamDecoder: createStreamDecoder,
  streamEncoder: (reply) => createStreamEncoder(reply, 'sse'),
  decodeError,
  encodeError,
};

/**
 * The same dialect as a JSON array, for clients that stream without `alt=sse`. Answer with content type
 * `application/json`; read with `createJsonArrayReader`.
 */
export const geminiJsonArray: ChatCodec = {
  ...gemini,
  framing: 'json-array',
  streamEncoder: (reply) => createStreamEncoder(reply, 'json-array'),
};
