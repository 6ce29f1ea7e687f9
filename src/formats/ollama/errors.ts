import { SluiceError } from '../../core/errors/error.ts';
import { classifyError, classifyFailure, readErrorBody } from '../classify.ts';
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

/** An `error` line of a stream or in a whole answer, without the upstream's own sentence. */
export function answerError(body: unknown): SluiceError {
  return new SluiceError(
    classifyError(200, readErrorBody(body)),
    'The provider ended the answer with an error.',
  );
}
