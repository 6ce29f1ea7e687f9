import { SluiceError } from '../../core/errors/error.ts';
import { isObject, type JsonObject } from '../../core/model/index.ts';
import type { ErrorReply } from '../failure.ts';
import { errorBody, failureIn } from '../openai-chat/errors.ts';

/** Errors look as in Chat Completions: both endpoints are one API (WIRE §2.4). */
export function encodeError(error: SluiceError): ErrorReply {
  return { status: error.status, body: errorBody(error) };
}

/** The failure that an `error` event, or an answer with status `failed`, reports. Never the upstream's own text. */
export function reportedFailure(holder: JsonObject): SluiceError {
  const error = holder['error'];
  return failureIn(isObject(error) || typeof error === 'string' ? { error } : holder);
}

/** The body ended before a terminal event: what arrived is not the whole answer. */
export function cutFailure(): SluiceError {
  return new SluiceError(
    'upstream_cut',
    'The provider closed the stream before the answer was finished. Send the request again.',
  );
}

/** An event that is no JSON object. */
export function malformedEvent(): SluiceError {
  return new SluiceError(
    'upstream_malformed',
    'The provider sent a stream event that is not valid JSON. Send the request again.',
  );
}

/** The fields of an error as they stand inside a stream: official SDK `ResponseErrorEvent` and `ResponseError`. */
export function errorFields(error: SluiceError): {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
} {
  const { error: fields } = errorBody(error);
  const { type, code } = isObject(fields) ? fields : {};
  return {
    type: typeof type === 'string' ? type : 'server_error',
    code: typeof code === 'string' ? code : 'server_error',
    message: error.message,
    param: error.facts.param ?? null,
  };
}
