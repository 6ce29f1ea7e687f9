import type { ChatCodec } from '../codec.ts';
import { decodeError, encodeError } from './errors.ts';
import { decodeRequest, envelope } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { streamDecoder } from './stream-decode.ts';
import { streamEncoder } from './stream-encode.ts';
import { FORMAT } from './wire.ts';

/** Ollama's own chat API (`POST /api/chat`). */
export const ollama: ChatCodec = {
  id: FORMAT,
  framing: 'ndjson',
  envelope,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  streamDecoder,
  streamEncoder,
  decodeError,
  encodeError,
};
