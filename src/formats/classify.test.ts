import { describe, expect, it } from 'vitest';
import { WIRE_PRESENT, wireBytes, wireCases } from '../../test/golden/wire.ts';
import type { ErrorCode } from '../core/errors/table.ts';
import { classifyFailure, readErrorBody, retryAfterS, upstreamError } from './classify.ts';

const openai = (message: string, code: string | null = null, type = 'invalid_request_error') => ({
  error: { message, type, param: null, code },
});

/** Hand-made after recorded and documented errors of the vendors: status, body, code. */
const CASES: readonly (readonly [status: number, body: unknown, code: ErrorCode])[] = [
  [
    400,
    openai("This model's maximum context length is 8192 tokens. However, you asked for 9000."),
    'context_overflow',
  ],
  [400, openai('too long', 'context_length_exceeded'), 'context_overflow'],
  [
    400,
    {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' },
    },
    'context_overflow',
  ],
  [400, { message: 'Input is too long for requested model.' }, 'context_overflow'],
  [
    400,
    { error_type: 'TOO_MANY_TOKENS', message: 'too many tokens: size limit exceeded by 5 tokens.' },
    'context_overflow',
  ],
  [
    400,
    {
      error: {
        code: 400,
        message: 'The input token count (12) exceeds the maximum number of tokens allowed (10).',
        status: 'INVALID_ARGUMENT',
      },
    },
    'context_overflow',
  ],
  [
    400,
    {
      object: 'error',
      message: 'Prompt contains 40000 tokens, too large for model with 32768 maximum context length',
      code: 3051,
    },
    'context_overflow',
  ],
  [
    400,
    {
      code: 'Client specified an invalid argument',
      error: "This model's maximum prompt length is 131072 but the request contains 500000 tokens.",
    },
    'context_overflow',
  ],
  [401, openai('Incorrect API key provided', 'invalid_api_key'), 'upstream_auth'],
  [
    400,
    { code: 'Client specified an invalid argument', error: 'Incorrect API key provided: xa***. ' },
    'upstream_auth',
  ],
  [
    400,
    {
      error: {
        code: 400,
        message: 'API key not valid.',
        status: 'INVALID_ARGUMENT',
        details: [{ reason: 'API_KEY_INVALID' }],
      },
    },
    'upstream_auth',
  ],
  [
    403,
    {
      __type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    },
    'upstream_auth',
  ],
  [403, openai('Your input was flagged by moderation', null), 'upstream_content_filter'],
  [402, { error: { message: 'Insufficient credits', code: 402 } }, 'upstream_quota'],
  [
    429,
    openai(
      'You exceeded your current quota, please check your plan',
      'insufficient_quota',
      'insufficient_quota',
    ),
    'upstream_quota',
  ],
  [
    429,
    { error: { code: 429, message: 'You exceeded your current quota', status: 'RESOURCE_EXHAUSTED' } },
    'upstream_rate_limited',
  ],
  [
    429,
    openai(
      'Rate limit reached for gpt-4o in organization: Limit 3, Used 3',
      'rate_limit_exceeded',
      'requests',
    ),
    'upstream_rate_limited',
  ],
  [
    413,
    openai(
      'Request too large for model on tokens per minute (TPM): Limit 6000',
      'rate_limit_exceeded',
      'tokens',
    ),
    'upstream_rate_limited',
  ],
  [
    400,
    {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' },
    },
    'upstream_quota',
  ],
  [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'upstream_overloaded'],
  [
    503,
    { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } },
    'upstream_overloaded',
  ],
  [400, { __type: 'ThrottlingException', message: 'Too many requests' }, 'upstream_rate_limited'],
  [400, openai('The response was filtered', 'content_filter'), 'upstream_content_filter'],
  [
    400,
    {
      error: {
        code: 'content_filter',
        innererror: { code: 'ResponsibleAIPolicyViolation' },
        message: 'content management policy',
      },
    },
    'upstream_content_filter',
  ],
  [404, openai('The model `x` does not exist', 'model_not_found'), 'upstream_not_found'],
  [400, openai("The requested model 'x' does not exist.", 'model_not_found'), 'upstream_not_found'],
  [404, { error: "model 'llama9' not found" }, 'upstream_not_found'],
  [400, openai('Failed to call a function.', 'tool_use_failed'), 'upstream_error'],
  [500, '<html>Internal Server Error</html>', 'upstream_error'],
  [502, '', 'upstream_error'],
  [504, { detail: 'timed out' }, 'upstream_timeout'],
  [422, { detail: [{ loc: ['body'], msg: 'field required' }] }, 'upstream_refused'],
  [400, [{ error: { code: 400, message: 'Invalid value', status: 'INVALID_ARGUMENT' } }], 'upstream_refused'],
  [200, { error: { message: 'Provider disconnected', code: 502 } }, 'upstream_error'],
  [200, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'upstream_overloaded'],
];

describe('upstream errors', () => {
  for (const [status, body, code] of CASES) {
    it(`${status} ${JSON.stringify(body).slice(0, 70)} is ${code}`, () => {
      expect(classifyFailure(status, body, {}).code).toBe(code);
    });
  }

  it('recorded ones of every api are classified as they are meant', () => {
    const expected: Readonly<Record<string, ErrorCode>> = {
      'anthropic-messages-036': 'upstream_not_found',
      'bedrock-converse-038': 'upstream_refused',
      'bedrock-converse-049': 'upstream_not_found',
      'cohere-chat-015': 'context_overflow',
      'gemini-gen-054': 'upstream_auth',
      'gemini-gen-057': 'upstream_rate_limited',
      'gemini-gen-062': 'upstream_rate_limited',
      'openai-responses-028': 'upstream_not_found',
      'openai-responses-052': 'context_overflow',
      'vertex-gen-012': 'upstream_refused',
      'vertex-gen-018': 'context_overflow',
    };
    const apis = ['anthropic', 'bedrock', 'cohere', 'gemini', 'openai-responses'];
    const cases = apis.flatMap((api) => wireCases(api)).filter(({ id }) => Object.hasOwn(expected, id));
    const codes = cases.map((entry) => {
      const body: unknown = JSON.parse(wireBytes(entry.response).toString('utf8'));
      return [entry.id, classifyFailure(entry.status, body, entry.headers).code];
    });
    // Without the recordings beside the repository only the hand-made cases above say anything.
    expect(Object.fromEntries(codes)).toEqual(WIRE_PRESENT ? expected : {});
  });

  it('say how long to wait, from headers before the body', () => {
    const delay = { error: { code: 429, message: 'x', details: [{ retryDelay: '34.4s' }] } };
    expect(classifyFailure(429, delay, {}).retryAfterS).toBe(34.4);
    expect(classifyFailure(429, delay, { 'retry-after': '7' }).retryAfterS).toBe(7);
    expect(retryAfterS({ 'retry-after-ms': '1500', 'retry-after': '9' })).toBe(1.5);
    const date = 'Wed, 21 Oct 2026 07:28:30 GMT';
    expect(retryAfterS({ 'retry-after': date, date: 'Wed, 21 Oct 2026 07:28:00 GMT' })).toBe(30);
    expect(retryAfterS({ 'retry-after': date }, Date.parse(date) - 5000)).toBe(5);
    expect(retryAfterS({ 'retry-after': date })).toBeUndefined();
    expect(retryAfterS({ 'retry-after': 'soon' })).toBeUndefined();
    const text = (message: string) => readErrorBody({ error: { message } }).retryAfterS;
    expect(text('Please try again in 6m0s.')).toBe(360);
    expect(text('Please try again in 120ms.')).toBe(0.12);
    expect(text('Please retry in 48.939935699s.')).toBeCloseTo(48.94, 2);
  });

  it('pass on whether to try again', () => {
    expect(classifyFailure(500, {}, { 'x-should-retry': 'false' }).shouldRetry).toBe(false);
    expect(classifyFailure(409, {}, { 'x-should-retry': 'true' }).shouldRetry).toBe(true);
    expect(classifyFailure(500, {}, {}).shouldRetry).toBeUndefined();
  });

  it('never repeat the text of the upstream', () => {
    const failure = classifyFailure(401, openai('Incorrect API key provided: sk-secret'), {});
    expect(failure.text).toContain('sk-secret');
    expect(upstreamError(failure).message).not.toContain('sk-secret');
  });

  it('of any shape are read without a throw', () => {
    for (const body of [null, undefined, 7, [], [[]], {}, { error: null }, { error: [] }, { message: {} }]) {
      expect(classifyFailure(500, body, {}).code).toBe('upstream_error');
    }
  });
});
