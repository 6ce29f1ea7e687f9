import type { ChatCodec } from '../codec.ts';
import { decodeError, encodeError } from './errors.ts';
import { decodeRequest, envelope } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { streamDecoder } from './stream-decode.ts';
import { streamEncoder } from './stream-encode.ts';
import { FORMAT } from './wire.ts';

/**
 * Amazon Bedrock's Converse and ConverseStream. Model and stream flag stand in the path; the request body
 * carries them as `model` and `stream` on the way in and never on the way out. Binary fields are base64 in
 * JSON.
 */
export const bedrockConverse: ChatCodec = {
  id: FORMAT,
  framing: 'aws-event-stream',
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
