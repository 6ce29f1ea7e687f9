import { SluiceError } from '../../core/errors/error.ts';
import { classifyError, classifyFailure, readErrorBody } from '../classify.ts';
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

/** An error that a stream or a whole answer carries, without the upstream's own sentence. */
export function answerError(body: unknown): SluiceError {
  const fields = readErrorBody(body);
  const code = classifyError(200, fields);
  const upstreamCode = fields.codes[0]?.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  const facts = upstreamCode === undefined ? {} : { upstreamCode };
  return new SluiceError(code, 'The provider ended the answer with an error.', facts);
}
