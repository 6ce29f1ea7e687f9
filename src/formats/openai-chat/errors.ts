import type { SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import { isObject, type JsonObject } from '../../core/model/index.ts';
import { classifyFailure, upstreamError } from '../classify.ts';
import { compact } from '../fields.ts';

/** OpenAI's `type` and `code` for our codes (WIRE §2.4); the rest follow from the status. */
const WORDS: { readonly [Code in ErrorCode]?: readonly [type: string, code: string | null] } = {
  missing_key: ['invalid_request_error', 'invalid_api_key'],
  invalid_key: ['invalid_request_error', 'invalid_api_key'],
  key_expired: ['invalid_request_error', 'invalid_api_key'],
  key_blocked: ['invalid_request_error', 'invalid_api_key'],
  conflicting_credentials: ['invalid_request_error', 'invalid_api_key'],
  model_not_found: ['invalid_request_error', 'model_not_found'],
  upstream_not_found: ['invalid_request_error', 'model_not_found'],
  context_overflow: ['invalid_request_error', 'context_length_exceeded'],
  unsupported_feature: ['invalid_request_error', 'unsupported_parameter'],
  budget_exceeded: ['insufficient_quota', 'insufficient_quota'],
  price_unknown: ['insufficient_quota', 'insufficient_quota'],
  guardrail_blocked: ['invalid_request_error', 'content_filter'],
  upstream_content_filter: ['invalid_request_error', 'content_filter'],
  rate_limited: ['requests', 'rate_limit_exceeded'],
  upstream_rate_limited: ['requests', 'rate_limit_exceeded'],
};

function wordsOf(error: SluiceError): readonly [string, string | null] {
  const found = WORDS[error.code];
  if (found !== undefined) return found;
  const { status } = error;
  if (status === 403) return ['permission_error', null];
  return status >= 500 ? ['server_error', 'server_error'] : ['invalid_request_error', null];
}

/** An error as OpenAI writes it: `{error: {message, type, param, code}}`. Details of ours are in headers, not here. */
export function errorBody(error: SluiceError): JsonObject {
  const [type, code] = wordsOf(error);
  return { error: { message: error.message, type, param: error.facts.param ?? null, code } };
}

/** A body that reports a failure instead of holding an answer, of any shape seen in WIRE §2.4. */
export function isErrorBody(body: JsonObject): boolean {
  if (isObject(body['error']) || typeof body['error'] === 'string') return true;
  if (Array.isArray(body['choices'])) return false;
  if (body['type'] === 'error' || body['object'] === 'error') return true;
  return typeof body['message'] === 'string' || typeof body['detail'] === 'string';
}

/** The failure in a body that came with status 200 or inside a stream. */
export function failureIn(body: JsonObject | string): SluiceError {
  return upstreamError(classifyFailure(200, typeof body === 'string' ? body : compact(body), {}));
}
