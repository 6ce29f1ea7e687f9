import { SluiceError } from '../core/errors/error.ts';
import type { ErrorCode } from '../core/errors/table.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { toNumber } from '../core/model/parse-json.ts';
import type { UpstreamFailure } from './failure.ts';

/*
 * One reader and one classifier for the errors of every upstream (WIRE §2.4). Codecs call `classifyFailure` from
 * `decodeError`, and `classifyError` where they have already found code and text (error events inside a stream).
 */

/** Longer texts are cut before matching: an upstream's text is not ours to trust. */
const MAX_TEXT = 4096;

/** What an error body says, whatever its shape. */
export interface ErrorFields {
  /** Every short word that may be a code: `code`, `type`, `status`, ErrorInfo reasons; as sent, most exact first. */
  readonly codes: readonly string[];
  readonly text: string;
  readonly param?: string;
  /** Seconds, from the body. */
  readonly retryAfterS?: number;
  /** A status given as a number inside the body (OpenRouter, Gemini). */
  readonly status?: number;
  /** Anthropic's `details.error_code`, by which its SDKs choose what to do. */
  readonly errorCode?: string;
}

/** The eight recorded texts and those that the vendors' documents and issue lists show, see WIRE §2.4. */
const OVERFLOW = new RegExp(
  [
    'maximum (?:context|prompt|model|input) length',
    'context (?:window|length|size|limit)[^.]{0,40}exceed',
    'exceeds? (?:the |this |its |your )?(?:model.s |available |maximum )?(?:context|max length|token limit)',
    'exceeded model token limit',
    '(?:prompt|input|message|conversation) is too long',
    'total length of all messages is too long',
    'input token count[^.]{0,40}exceeds',
    'too many (?:input |prompt )?tokens: ',
    'too many input tokens',
    'tokens? \\+ `?max_new_tokens`? must be',
    'please reduce the length of the (?:messages|prompt|input)',
    'range of input length should be',
    'too large for model with \\d+ maximum',
    'longer than the maximum model length',
    'when context (?:the )?overflows',
    'exceed_context_size',
  ].join('|'),
  'i',
);

const BAD_KEY =
  /api[ _-]?key (?:is )?(?:not valid|invalid|expired|not found)|(?:incorrect|invalid|missing|no|expired) (?:api[ _-]?key|authentication|credentials|x-api-key|auth token)|security token included in the request|authentication fail/i;
const NO_CREDIT =
  /credit balance|insufficient (?:credit|fund|balance|quota)|out of credits?|billing (?:hard )?limit|(?:used|spent) (?:all|up)[^.]{0,40}(?:credit|spending)|payment required|arrears/i;
const BILLING_QUOTA = /exceeded your current quota/i;
const FILTERED =
  /content (?:management|filter(?:ing)?|moderation|safety) policy|usage polic|safety system|flagged (?:as|by|for)|content[ _]filter|inappropriate content|guardrail/i;
const NO_MODEL =
  /model[^.]{0,120}(?:does not exist|not found|not exist|is not available|not supported in this region)|model identifier is invalid|no (?:such|allowed) model|unknown model|no endpoints found|^model: /i;
const BUSY =
  /overloaded|over capacity|at capacity|currently (?:busy|loading)|temporarily unavailable|no capacity/i;
const TOO_FAST =
  /rate[ -]?limit|too many requests|tokens per (?:min|day)|requests per (?:min|day)|throttl|concurrency limit/i;

/** Codes, lower-cased with only letters and digits, by what they mean wherever they appear. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  contextlengthexceeded: 'context_overflow',
  exceedcontextsizeerror: 'context_overflow',
  toomanytokens: 'context_overflow',
  toomanyprompttokens: 'context_overflow',
  modelcontextwindowexceeded: 'context_overflow',
  invalidapikey: 'upstream_auth',
  apikeyinvalid: 'upstream_auth',
  authenticationerror: 'upstream_auth',
  unauthenticated: 'upstream_auth',
  unauthorized: 'upstream_auth',
  permissionerror: 'upstream_auth',
  permissiondenied: 'upstream_auth',
  accessdeniedexception: 'upstream_auth',
  unrecognizedclientexception: 'upstream_auth',
  invalidsignatureexception: 'upstream_auth',
  expiredtokenexception: 'upstream_auth',
  missingauthenticationtokenexception: 'upstream_auth',
  incompletesignatureexception: 'upstream_auth',
  insufficientquota: 'upstream_quota',
  billingerror: 'upstream_quota',
  billinghardlimitreached: 'upstream_quota',
  insufficientbalance: 'upstream_quota',
  servicequotaexceededexception: 'upstream_quota',
  ratelimitexceeded: 'upstream_rate_limited',
  ratelimiterror: 'upstream_rate_limited',
  ratelimitreached: 'upstream_rate_limited',
  resourceexhausted: 'upstream_rate_limited',
  throttlingexception: 'upstream_rate_limited',
  toomanyrequestsexception: 'upstream_rate_limited',
  overloadederror: 'upstream_overloaded',
  serveroverloaded: 'upstream_overloaded',
  engineoverloaded: 'upstream_overloaded',
  serviceunavailable: 'upstream_overloaded',
  serviceunavailableexception: 'upstream_overloaded',
  unavailable: 'upstream_overloaded',
  modelnotreadyexception: 'upstream_overloaded',
  capacityexceeded: 'upstream_overloaded',
  contentfilter: 'upstream_content_filter',
  contentpolicyviolation: 'upstream_content_filter',
  responsibleaipolicyviolation: 'upstream_content_filter',
  datainspectionfailed: 'upstream_content_filter',
  invalidprompt: 'upstream_content_filter',
  moderationblocked: 'upstream_content_filter',
  modelnotfound: 'upstream_not_found',
  notfounderror: 'upstream_not_found',
  notfound: 'upstream_not_found',
  deploymentnotfound: 'upstream_not_found',
  resourcenotfoundexception: 'upstream_not_found',
  timeouterror: 'upstream_timeout',
  modeltimeoutexception: 'upstream_timeout',
  deadlineexceeded: 'upstream_timeout',
  toolusefailed: 'upstream_error',
  internalservererror: 'upstream_error',
  internalserverexception: 'upstream_error',
  servererror: 'upstream_error',
  apierror: 'upstream_error',
  modelerrorexception: 'upstream_error',
  modelstreamerrorexception: 'upstream_error',
  validationexception: 'upstream_refused',
  invalidrequesterror: 'upstream_refused',
  invalidargument: 'upstream_refused',
  failedprecondition: 'upstream_refused',
};

/** Codes that only repeat the status class; they decide after status and text. */
const VAGUE = new Set<ErrorCode>(['upstream_error', 'upstream_refused']);

const STATUSES: Readonly<Record<number, ErrorCode>> = {
  401: 'upstream_auth',
  402: 'upstream_quota',
  403: 'upstream_auth',
  404: 'upstream_not_found',
  408: 'upstream_timeout',
  424: 'upstream_error',
  425: 'upstream_error',
  429: 'upstream_rate_limited',
  498: 'upstream_overloaded',
  503: 'upstream_overloaded',
  504: 'upstream_timeout',
  524: 'upstream_timeout',
  529: 'upstream_overloaded',
};

function textField(value: Json | undefined): string {
  if (typeof value === 'string') return value;
  return isObject(value) || Array.isArray(value) ? JSON.stringify(value) : '';
}

/** `34.4s`, `6m0s`, `1h2m3.5s`, `120ms` in seconds. */
function durationS(text: string): number | undefined {
  const found =
    /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/.exec(text);
  if (found === null || text === '') return undefined;
  const [, h = '0', m = '0', s = '0', ms = '0'] = found;
  return Number(h) * 3600 + Number(m) * 60 + Number(s) + Number(ms) / 1000;
}

function delayInText(text: string): number | undefined {
  const found = /(?:try again|retry)(?: in| after) ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+|\d+(?:\.\d+)? ?sec)/i.exec(
    text,
  );
  const word = found?.[1];
  if (word === undefined) return undefined;
  return durationS(word.replace(/ ?sec$/i, 's'));
}

/** Google's `details`: RetryInfo and ErrorInfo (`google.rpc.error_details`). */
function readDetails(details: Json | undefined, codes: string[]): number | undefined {
  let delay: number | undefined;
  for (const entry of Array.isArray(details) ? details : []) {
    if (!isObject(entry)) continue;
    if (typeof entry['reason'] === 'string') codes.push(entry['reason']);
    if (typeof entry['retryDelay'] === 'string') delay = durationS(entry['retryDelay']);
  }
  return delay;
}

function pushCode(codes: string[], value: Json | undefined): number | undefined {
  const code = toNumber(value);
  if (typeof code === 'string' && code !== '') codes.push(code);
  return typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
}

/**
 * Reads an error body of any recorded shape: `{error:{…}}`, `{type:'error',error}`, `{message}`, `{detail}`,
 * `{code, error:'text'}` (xAI), `{error:'text'}` (Ollama), `[{error}]` (Gemini), plain text. Never throws.
 */
export function readErrorBody(body: unknown): ErrorFields {
  const outer = Array.isArray(body) ? (body[0] as unknown) : body;
  if (!isObject(outer)) {
    const text = typeof outer === 'string' ? outer.slice(0, MAX_TEXT) : '';
    const retryAfterS = delayInText(text);
    return { codes: [], text, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
  }
  const inner: JsonObject = isObject(outer['error']) ? outer['error'] : outer;
  const codes: string[] = [];
  const errorCode = isObject(inner['details']) ? inner['details']['error_code'] : undefined;
  pushCode(codes, errorCode);
  const status = pushCode(codes, inner['code']);
  const innererror = inner['innererror'] ?? inner['inner_error'];
  if (isObject(innererror)) pushCode(codes, innererror['code']);
  for (const key of ['error_type', 'type', '__type', 'status', 'reason']) {
    if (inner[key] !== 'error') pushCode(codes, inner[key]);
  }
  const pieces = [
    inner['message'],
    inner['detail'],
    inner === outer ? outer['error'] : undefined,
    inner['Message'],
  ];
  const metadata = inner['metadata'];
  if (isObject(metadata)) pieces.push(metadata['raw']);
  const text = pieces.map(textField).filter(Boolean).join(' ').slice(0, MAX_TEXT);
  const retryAfterS = readDetails(inner['details'], codes) ?? delayInText(text);
  const param = inner['param'];
  return {
    codes,
    text,
    ...(typeof param === 'string' ? { param } : {}),
    ...(retryAfterS === undefined ? {} : { retryAfterS }),
    ...(status === undefined ? {} : { status }),
    ...(typeof errorCode === 'string' ? { errorCode } : {}),
  };
}

/**
 * Seconds to wait from `retry-after-ms` and `retry-after` (RFC 9110 §10.2.3). A date is read against `nowMs`, or the
 * answer's own `date` header, since the codecs have no clock.
 */
export function retryAfterS(
  headers: Readonly<Record<string, string>>,
  nowMs = Date.parse(headers['date'] ?? ''),
): number | undefined {
  const ms = Number.parseFloat(headers['retry-after-ms'] ?? '');
  if (ms >= 0) return ms / 1000;
  const raw = headers['retry-after']?.trim();
  if (raw === undefined || raw === '') return undefined;
  if (/^\d+(?:\.\d+)?s?$/.test(raw)) return Number.parseFloat(raw);
  const wait = (Date.parse(raw) - nowMs) / 1000;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

function byCode(codes: readonly string[]): ErrorCode | undefined {
  let vague: ErrorCode | undefined;
  for (const word of codes) {
    const found = CODES[word.toLowerCase().replace(/[^a-z0-9]/g, '')];
    if (found !== undefined && !VAGUE.has(found)) return found;
    vague ??= found;
  }
  return vague;
}

/** By the sentence alone, most specific first. */
function byText(text: string, status: number): ErrorCode | undefined {
  if (OVERFLOW.test(text)) return 'context_overflow';
  if (BAD_KEY.test(text)) return 'upstream_auth';
  if (NO_CREDIT.test(text)) return 'upstream_quota';
  if (FILTERED.test(text)) return 'upstream_content_filter';
  if (status < 500 && NO_MODEL.test(text)) return 'upstream_not_found';
  if (BUSY.test(text)) return 'upstream_overloaded';
  if (TOO_FAST.test(text)) return 'upstream_rate_limited';
  return undefined;
}

/**
 * Our code for an upstream's status, codes and sentence. An exact code wins, then the sentence where the status is a
 * plain 4xx or absent, then the status; so a 400 with "API key not valid" is an auth failure and a 429 for an empty
 * account is no rate limit. `status` 200 means: found inside a stream.
 */
export function classifyError(
  status: number,
  fields: Pick<ErrorFields, 'codes' | 'text' | 'status' | 'retryAfterS'>,
): ErrorCode {
  const effective = status >= 400 ? status : (fields.status ?? 0);
  const coded = byCode(fields.codes);
  const worded = byText(fields.text, effective);
  if (worded === 'context_overflow' && coded !== 'upstream_rate_limited' && effective !== 429) return worded;
  if (effective === 429) {
    // Gemini words its per-minute limits as "exceeded your current quota", but names a delay or its own status.
    if (coded === 'upstream_quota' || worded === 'upstream_quota') return 'upstream_quota';
    const timed = fields.retryAfterS !== undefined || coded === 'upstream_rate_limited';
    return BILLING_QUOTA.test(fields.text) && !timed ? 'upstream_quota' : 'upstream_rate_limited';
  }
  if (coded !== undefined && !VAGUE.has(coded)) {
    // 403 of a moderation layer carries a permission code; the sentence knows better.
    return coded === 'upstream_auth' && worded === 'upstream_content_filter' ? worded : coded;
  }
  const named = byExactName(fields.codes);
  if (named !== undefined) return named;
  if (worded !== undefined && effective < 500 && effective !== 401) return worded;
  const byStatus = STATUSES[effective];
  if (byStatus !== undefined) return byStatus;
  if (effective >= 500) return worded === 'upstream_overloaded' ? worded : 'upstream_error';
  return coded ?? (effective >= 400 ? 'upstream_refused' : 'upstream_error');
}

/** Codes that stand against a 4xx status: the model's own tool call failed (Groq), which another try may cure. */
function byExactName(codes: readonly string[]): ErrorCode | undefined {
  return codes.includes('tool_use_failed') ? 'upstream_error' : undefined;
}

/** A thread that is lost, in use or mixed with what it cannot hold is the client's to mend, whatever the status. */
const THREAD = /^thread_/;

/** Reads and classifies an upstream's error answer; the whole of a codec's `decodeError`. Never throws. */
export function classifyFailure(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): UpstreamFailure {
  const fields = readErrorBody(body);
  // AWS names the exception in a header: `ThrottlingException:http://internal…`.
  const awsType = headers['x-amzn-errortype']?.split(':')[0];
  const codes = awsType === undefined ? fields.codes : [awsType, ...fields.codes];
  const wait = retryAfterS(headers) ?? fields.retryAfterS;
  const { errorCode } = fields;
  const code = THREAD.test(errorCode ?? '')
    ? 'upstream_refused'
    : classifyError(status, {
        codes,
        text: fields.text,
        ...(fields.status === undefined ? {} : { status: fields.status }),
        ...(fields.retryAfterS === undefined ? {} : { retryAfterS: fields.retryAfterS }),
      });
  const should = headers['x-should-retry'];
  return {
    code,
    text: fields.text,
    ...(codes[0] === undefined ? {} : { upstreamCode: codes[0] }),
    ...(errorCode === undefined ? {} : { errorCode }),
    ...(fields.param === undefined ? {} : { param: fields.param }),
    ...(wait === undefined ? {} : { retryAfterS: wait }),
    ...(should === 'true' || should === 'false' ? { shouldRetry: should === 'true' } : {}),
  };
}

/** What a client is told, by code; an upstream's own words go no further than the log. */
const SENTENCES: { readonly [Code in ErrorCode]?: string } = {
  context_overflow:
    'The prompt is longer than the model takes. Shorten it or choose a model with a larger context.',
  upstream_auth: 'The provider refused the credential it was sent. Check the provider key in the gateway.',
  upstream_quota:
    'The provider account has no credit or quota left. Check the account behind the provider key.',
  upstream_rate_limited: 'The provider is rate limiting these calls. Try again later.',
  upstream_overloaded: 'The provider is overloaded. Try again shortly.',
  upstream_timeout: 'The provider did not finish in time. Try again.',
  upstream_content_filter: 'The provider refused the content by its own policy. Change the prompt.',
  upstream_not_found: 'The provider does not know the model or address. Check the deployment.',
  upstream_refused: 'The provider did not accept the request. Check its parameters.',
  upstream_error: 'The provider failed while answering. Try again.',
};

/** The error to raise or to send as a stream's `error` event for a failure an upstream reported. */
export function upstreamError(failure: UpstreamFailure): SluiceError {
  const word = failure.upstreamCode?.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  const sentence = SENTENCES[failure.code] ?? 'The provider failed while answering. Try again.';
  return new SluiceError(failure.code, sentence, {
    ...(word ? { upstreamCode: word } : {}),
    ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
  });
}

/** An error that a whole answer or an event of a stream carries, whatever status it came with. */
export function answerError(body: unknown): SluiceError {
  return upstreamError(classifyFailure(200, body, {}));
}
