import type { SluiceError } from '../../core/errors/error.ts';
import { classifyFailure } from '../classify.ts';
import type { ErrorReply, UpstreamFailure } from '../failure.ts';

/** See `ChatCodec.decodeError`: `{error: "text"}`. */
export function decodeError(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): UpstreamFailure {
  return classifyFailure(status, body, headers);
}

/** See `ChatCodec.encodeError`. */
export function encodeError(error: SluiceError, _requestId: string): ErrorReply {
  return { status: error.status, body: { error: error.message } };
}
