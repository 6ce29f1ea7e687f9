import type { FormatId, JsonObject } from '../../core/model/index.ts';

/** An error as an upstream answers it. */
export interface VendorError {
  readonly status: number;
  readonly message: string;
  /** The vendor-independent reason, for formats that have a word of their own for it. */
  readonly code?: string;
  readonly param?: string | undefined;
  readonly retryAfterS?: number;
  /** Anthropic's `error_code`, which its SDKs act upon. */
  readonly errorCode?: string | undefined;
}

const OPENAI_TYPES: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  402: ['insufficient_quota', 'insufficient_quota'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  422: ['invalid_request_error', 'unprocessable_entity'],
  429: ['requests', 'rate_limit_exceeded'],
};

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

const GOOGLE_STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'FAILED_PRECONDITION',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  413: 'INVALID_ARGUMENT',
  422: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  502: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const AWS_TYPES: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  402: 'AccessDeniedException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  413: 'ValidationException',
  422: 'ValidationException',
  429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
  504: 'ModelTimeoutException',
};

function openai(error: VendorError): JsonObject {
  const [type, code] = OPENAI_TYPES[error.status] ?? ['server_error', null];
  return { error: { message: error.message, type, param: error.param ?? null, code: error.code ?? code } };
}

function google(error: VendorError): JsonObject {
  const details: JsonObject[] = [];
  if (error.retryAfterS !== undefined) {
    const retryDelay = `${error.retryAfterS}s`;
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });
  }
  return {
    error: {
      code: error.status,
      message: error.message,
      status: GOOGLE_STATUSES[error.status] ?? 'INTERNAL',
      ...(details.length === 0 ? {} : { details }),
    },
  };
}

/** An error body as the owner of the format writes it (shapes: WIRE §2.4). */
export function errorBody(format: FormatId, error: VendorError): JsonObject {
  switch (format) {
    case 'anthropic-messages':
      return {
        type: 'error',
        error: {
          type: ANTHROPIC_TYPES[error.status] ?? 'api_error',
          message: error.message,
          ...(error.errorCode === undefined ? {} : { details: { error_code: error.errorCode } }),
        },
        request_id: 'req_011CSimulated',
      };
    case 'gemini':
      return google(error);
    case 'bedrock-converse':
      return { message: error.message };
    case 'cohere':
      return { id: '7f3c5a52-simulated', message: error.message };
    case 'ollama':
      return { error: error.message };
    default:
      return openai(error);
  }
}

/** Headers that belong to an error of this format. */
export function errorHeaders(format: FormatId, error: VendorError): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (format === 'bedrock-converse') {
    headers['x-amzn-errortype'] = AWS_TYPES[error.status] ?? 'InternalServerException';
  }
  if (error.retryAfterS !== undefined) headers['retry-after'] = String(error.retryAfterS);
  return headers;
}

/** The AWS name of an error inside a stream (Bedrock API reference, ConverseStreamOutput). */
export function awsStreamException(status: number): string {
  if (status === 429) return 'throttlingException';
  if (status === 503) return 'serviceUnavailableException';
  return status < 500 ? 'validationException' : 'internalServerException';
}
