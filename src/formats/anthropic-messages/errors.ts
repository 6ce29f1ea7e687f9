import { SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import type { Json, JsonObject } from '../../core/model/index.ts';
import { classifyError, readErrorBody } from '../classify.ts';
import type { ErrorReply } from '../failure.ts';

/** Anthropic's error types by status (official reference, WIRE §2.4). */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** The status an Anthropic client knows overload by. */
const OVERLOADED = 529;

function statusOf(error: SluiceError): number {
  return error.code === 'upstream_overloaded' ? OVERLOADED : error.status;
}

function typeOf(status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/** The body of an error answer and of a stream's `error` event. */
export function errorBody(error: SluiceError, requestId?: string): JsonObject {
  const errorCode = error.facts.details?.['error_code'];
  return {
    type: 'error',
    error: {
      type: typeOf(statusOf(error)),
      message: error.message,
      ...(errorCode === undefined ? {} : { details: { error_code: errorCode } }),
    },
    ...(requestId === undefined ? {} : { request_id: requestId }),
  };
}

export function encodeError(error: SluiceError, requestId: string): ErrorReply {
  return { status: statusOf(error), body: errorBody(error, requestId) };
}

const SENTENCES: Partial<Readonly<Record<ErrorCode, string>>> = {
  upstream_overloaded: 'The provider is overloaded; try again later.',
  upstream_rate_limited: 'The provider limited the rate of requests; try again later.',
  upstream_timeout: 'The provider ran out of time while answering.',
  context_overflow: 'The conversation is longer than the model takes.',
};

/** An error that an upstream reported inside an answer or a stream; its own sentence stays out of the message. */
export function upstreamError(body: Json): SluiceError {
  const fields = readErrorBody(body);
  const code = classifyError(200, fields);
  const word = fields.codes[0]?.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  return new SluiceError(code, SENTENCES[code] ?? 'The provider reported an error while answering.', {
    ...(word === undefined || word === '' ? {} : { upstreamCode: word }),
    ...(fields.retryAfterS === undefined ? {} : { retryAfterS: fields.retryAfterS }),
  });
}
