import type { SluiceError } from '../../core/errors/error.ts';
import { classifyFailure } from '../classify.ts';
import type { ErrorReply, UpstreamFailure } from '../failure.ts';

/** See `ChatCodec.decodeError`: `{id, message, error_type?}`. */
export function decodeError(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): UpstreamFailure {
  return classifyFailure(status, body, headers);
}

/** See `ChatCodec.encodeError`. */
export function encodeError(error: SluiceError, requestId: string): ErrorReply {
  return { status: error.status, body: { id: requestId, message: error.message } };
}
