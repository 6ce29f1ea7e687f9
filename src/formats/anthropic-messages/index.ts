import { classifyFailure } from '../classify.ts';
import type { ChatCodec } from '../codec.ts';
import { encodeError } from './errors.ts';
import { glance } from './glance.ts';
import { FORMAT } from './names.ts';
import { decodeEnvelope, decodeRequest } from './request-decode.ts';
import { encodeRequest } from './request-encode.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { streamDecoder } from './stream-decode.ts';
import { streamEncoder } from './stream-encode.ts';
import { tapRules } from './tap.ts';

/**
 * Anthropic Messages: the dialect of `POST /v1/messages` (versions 2023-06-01 and 2026-10-21) and the upstream format of
 * Anthropic, Claude on Vertex and on Bedrock, and vendors that imitate it. Facts and rules in `../shared/WIRE.md`.
 */
export const anthropicMessages: ChatCodec = {
  id: FORMAT,
  framing: 'sse',
  tap: tapRules,
  envelope: decodeEnvelope,
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
