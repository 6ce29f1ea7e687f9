import { type ErrorFacts, SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import { isObject, type JsonObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { classifyFailure } from '../classify.ts';
import type { ErrorReply, UpstreamFailure } from '../failure.ts';
import { compact } from '../fields.ts';

/** `google.rpc.Code` names for HTTP statuses (googleapis `google/rpc/code.proto`). */
const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  501: 'UNIMPLEMENTED',
  502: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

function statusWord(status: number): string {
  return STATUSES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
}

/** See `ChatCodec.encodeError`. The delay also stands in `RetryInfo`, where Google's clients look for it. */
export function encodeError(error: SluiceError, requestId: string): ErrorReply {
  const { param, retryAfterS } = error.facts;
  const details: JsonObject[] = [];
  if (param !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: param, description: error.message }],
    });
  }
  if (retryAfterS !== undefined) {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterS}s` });
  }
  if (requestId !== '') {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId });
  }
  return {
    status: error.status,
    body: {
      error: compact({
        code: error.status,
        message: error.message,
        status: statusWord(error.status),
        details: details.length === 0 ? undefined : details,
      }),
    },
  };
}

/** See `ChatCodec.decodeError`. */
export function decodeError(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): UpstreamFailure {
  return classifyFailure(status, body, headers);
}

/** What we say of an upstream's error; its own words stay in the log. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  context_overflow:
    'The conversation is longer than the model allows; shorten it or use a model with more room.',
  upstream_rate_limited: 'The provider limits the rate of requests at the moment; try again later.',
  upstream_overloaded: 'The provider is overloaded at the moment; try again.',
  upstream_timeout: 'The provider did not finish in time; try again.',
  upstream_content_filter: 'The provider refused the content of the request.',
};

/** The error of `{error: {code, message, status}}` found in place of an answer or of a stream's event. */
export function upstreamError(body: JsonObject): SluiceError {
  const inner = isObject(body['error']) ? body['error'] : body;
  const code = toNumber(inner['code']);
  const status = typeof code === 'number' && code >= 400 && code < 600 ? code : 500;
  const failure = classifyFailure(status, body, {});
  const upstreamCode = failure.upstreamCode?.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  const facts: ErrorFacts = {
    upstreamStatus: status,
    ...(upstreamCode === undefined || upstreamCode === '' ? {} : { upstreamCode }),
    ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
  };
  const sentence = SENTENCES[failure.code] ?? 'The provider broke the answer off with an error.';
  return new SluiceError(failure.code, sentence, facts);
}

/** The upstream sent something that no answer of this format can be. */
export function malformed(what: string): SluiceError {
  return new SluiceError('upstream_malformed', `The provider's answer could not be read: ${what}.`);
}
