import { SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import { classifyError, classifyFailure, readErrorBody } from '../classify.ts';
import type { ErrorReply, UpstreamFailure } from '../failure.ts';

/** AWS's exception names by our status and code (API reference, Converse errors). */
function exceptionName(error: SluiceError): string {
  switch (error.code) {
    case 'upstream_timeout':
      return 'ModelTimeoutException';
    case 'model_not_found':
    case 'upstream_not_found':
      return 'ResourceNotFoundException';
    case 'upstream_malformed':
    case 'upstream_cut':
      return 'ModelErrorException';
    default:
      break;
  }
  const { status } = error;
  if (status === 401) return 'UnrecognizedClientException';
  if (status === 403) return 'AccessDeniedException';
  if (status === 404) return 'ResourceNotFoundException';
  if (status === 429) return 'ThrottlingException';
  if (status === 503 || status === 529) return 'ServiceUnavailableException';
  return status >= 500 ? 'InternalServerException' : 'ValidationException';
}

/** See `ChatCodec.decodeError`: `{message}` with the exception's name in `x-amzn-errortype` or `__type`. */
export function decodeError(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): UpstreamFailure {
  return classifyFailure(status, body, headers);
}

/** See `ChatCodec.encodeError`. AWS clients read the name from `__type` where the header is absent. */
export function encodeError(error: SluiceError, _requestId: string): ErrorReply {
  return { status: error.status, body: { __type: exceptionName(error), message: error.message } };
}

const STREAM_EXCEPTIONS: Readonly<Record<string, string>> = {
  ThrottlingException: 'throttlingException',
  ServiceUnavailableException: 'serviceUnavailableException',
  ValidationException: 'validationException',
  ModelErrorException: 'modelStreamErrorException',
  ModelTimeoutException: 'modelStreamErrorException',
};

/**
 * The name of an error inside a stream (API reference ConverseStreamOutput); the union has no other members.
 */
export function streamExceptionName(error: SluiceError): string {
  return STREAM_EXCEPTIONS[exceptionName(error)] ?? 'internalServerException';
}

/** An exception frame as an error; the upstream's own sentence stays out of it. */
export function exceptionError(type: string, payload: string): SluiceError {
  let body: unknown = payload;
  try {
    body = JSON.parse(payload);
  } catch {
    // Classified as plain text.
  }
  const fields = readErrorBody(body);
  const code: ErrorCode = classifyError(200, { ...fields, codes: [type, ...fields.codes] });
  const upstreamCode = type.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  return new SluiceError(code, 'The provider ended the stream with an error.', { upstreamCode });
}
