import { SluiceError } from '../core/errors/error.ts';
import { type ChatResponse, isObject, type JsonObject, type StreamEvent } from '../core/model/index.ts';
import { parseJson } from '../core/model/parse-json.ts';
import { replayResponse } from '../core/translation/replay.ts';
import type { ChatCodec, Source } from '../formats/codec.ts';
import type { UpstreamFailure } from '../formats/failure.ts';
import { type Glance, glanceAt } from '../formats/glance.ts';
import { hasManyBrackets, isTooDeep } from '../formats/json-scan.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import type { Got } from './carrier.ts';
import { toldOutput } from './charge.ts';
import { refuseEmptyEnd } from './empty-end.ts';
import type { Answer, Routed } from './exchange.ts';
import type { Prepared } from './prepare.ts';
import { ProgressClock } from './progress.ts';
import { receiveStream } from './receive-stream.ts';
import type { Deployment } from './runtime.ts';

/** Framings whose streams are never plain JSON: one that says so is a whole answer to a streamed call. */
const WHOLE_INSTEAD: ReadonlySet<string> = new Set(['sse', 'aws-event-stream']);
/** Keeps nothing between answers: each is decoded whole. */
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A field's path; anything else under that name is the provider's own text. */
const FIELD = /^[A-Za-z_]\w{0,63}(?:[.[]\w{1,63}\]?){0,8}$/;
/** A vendor's word or number for an error; keys hold both letters and digits. */
const WORD = /^(?:[A-Za-z_.]{1,48}|\d{1,6})$/;

function refusal({ param, upstreamCode }: UpstreamFailure, provider: string, status: number): string {
  const where = param === undefined ? '' : `: look at \`${param}\``;
  const word = upstreamCode !== undefined && WORD.test(upstreamCode) ? `, ${upstreamCode}` : '';
  return `\`${provider}\` refused the request as invalid${where} (HTTP ${status}${word}).`;
}

/** Our sentence for a failed upstream; its own text may hold a key, so it never goes further than classification. */
function sentence(failure: UpstreamFailure, provider: string, status: number): string {
  switch (failure.code) {
    case 'context_overflow':
      return 'The prompt is longer than this model’s context window. Shorten it or use a model with a larger window.';
    case 'upstream_auth':
      return `\`${provider}\` refused the gateway’s credential (HTTP ${status}). The operator has to check its API key.`;
    case 'upstream_quota':
      return `\`${provider}\` says that its account is out of credit or quota (HTTP ${status}).`;
    case 'upstream_rate_limited':
      return `\`${provider}\` limits the rate of requests. Try again later, or add a fallback model.`;
    case 'upstream_overloaded':
      return `\`${provider}\` is overloaded. Try again later, or add a fallback model.`;
    case 'upstream_not_found':
      return `\`${provider}\` does not know this model or endpoint.`;
    case 'upstream_content_filter':
      return `\`${provider}\` refused the content of this request by its policy.`;
    case 'upstream_refused':
      return refusal(failure, provider, status);
    default:
      if (status >= 300 && status < 400)
        return `\`${provider}\` sent the request elsewhere (HTTP ${status}), which is not followed. Check its base URL.`;
      return `\`${provider}\` failed (HTTP ${status}). Try again, or add a fallback model.`;
  }
}

const CLIENT_STATUSES: ReadonlySet<number> = new Set([400, 404, 409, 413, 422]);

/** An upstream's refusal as our error; a client-blamed one keeps the upstream's status class (F1). */
export function failureError(told: UpstreamFailure, provider: string, status: number): SluiceError {
  const { param, ...rest } = told;
  const failure: UpstreamFailure = param === undefined || !FIELD.test(param) ? rest : told;
  const { errorCode } = failure;
  const code = failure.upstreamCode?.replaceAll(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  return new SluiceError(failure.code, sentence(failure, provider, status), {
    provider,
    upstreamStatus: status,
    ...(failure.code === 'upstream_refused' && CLIENT_STATUSES.has(status) ? { status } : {}),
    ...(failure.param === undefined ? {} : { param: failure.param }),
    ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
    ...(failure.shouldRetry === undefined ? {} : { shouldRetry: failure.shouldRetry }),
    ...(code === undefined || code === '' ? {} : { upstreamCode: code }),
    ...(errorCode !== undefined && WORD.test(errorCode) ? { details: { error_code: errorCode } } : {}),
  });
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text.trimStart());
  } catch {
    return text;
  }
}

/** Reads an upstream's refusal and classifies it. */
export async function readFailure(
  answer: UpstreamAnswer,
  decodeError: ChatCodec['decodeError'],
  from: { readonly provider: string; readonly maxBytes: number },
): Promise<SluiceError> {
  let body: unknown = '';
  try {
    body = tryParse(Buffer.from(await answer.bytes(from.maxBytes)).toString('utf8'));
  } catch {
    // The status alone says enough: the body was too large, broken off or badly compressed.
  }
  const status = answer.status < 400 ? 502 : answer.status;
  return failureError(decodeError(status, body, answer.headers), from.provider, answer.status);
}

/** An answer that is not what was asked for. */
export function malformed(provider: string): SluiceError {
  return new SluiceError(
    'upstream_malformed',
    `\`${provider}\` sent an answer that is not valid. Check its base URL, or add a fallback model.`,
    {
      provider,
    },
  );
}

/** A whole answer as far as it has to be understood. */
interface Whole {
  readonly glance: Glance;
  /** Decoded, unless its bytes are what the client gets. */
  readonly response: ChatResponse | undefined;
}

/** Whose answer it is, and how it is read. */
interface From {
  readonly provider: string;
  readonly prepared: Prepared;
  readonly source: Source;
  /** Its bytes are what the client gets. */
  readonly forwarded: boolean;
}

/** Parses a whole answer. Throws `upstream_malformed`. */
function parseWhole(bytes: Uint8Array, { provider, prepared }: From): JsonObject {
  let body: unknown;
  try {
    const text = STRICT_UTF8.decode(bytes);
    if (hasManyBrackets(text) && isTooDeep(bytes)) throw malformed(provider);
    // Bytes that are forwarded keep their numbers anyhow.
    body = prepared.plan === 'canonical' ? parseJson(text) : JSON.parse(text);
  } catch {
    throw malformed(provider);
  }
  if (!isObject(body)) throw malformed(provider);
  return body;
}

/** Reads a whole answer; one that is forwarded is only glanced at. A 200 with an error inside is an error. */
function readWhole(bytes: Uint8Array, from: From): Whole {
  const { prepared, provider, source, forwarded } = from;
  const { codec } = prepared;
  const body = parseWhole(bytes, from);
  if (holdsError(body)) throw failureError(codec.decodeError(500, body, {}), provider, 200);
  if (forwarded && codec.glance !== undefined) {
    return { glance: codec.glance(body, source), response: undefined };
  }
  const response = codec.decodeResponse(body, source);
  return { glance: glanceAt(response), response: forwarded ? undefined : response };
}

/** An answer that cannot be read is lost, yet what it says of its length is worth knowing. */
function tryWhole(exchange: Routed, bytes: Uint8Array, from: From): Whole {
  try {
    return readWhole(bytes, from);
  } catch (error) {
    exchange.facts.lostOutput = toldOutput(bytes);
    throw error;
  }
}

function holdsError(body: JsonObject): boolean {
  return (
    body['type'] === 'error' ||
    (body['error'] !== undefined && body['error'] !== null && !('output' in body) && !('choices' in body))
  );
}

async function* once(events: readonly StreamEvent[]): AsyncGenerator<readonly StreamEvent[]> {
  yield events;
}

/**
 * Reads an upstream's answer up to the commit point: a whole answer entirely, a stream until its first real event. Throws
 * what the attempt failed with; nothing has gone to the client by then.
 */
export async function receive(exchange: Routed, deployment: Deployment, got: Got<Prepared>): Promise<Answer> {
  const { answer, prepared, clock, watch, sentAt } = got;
  const provider = deployment.provider.name;
  if (answer.status >= 300) {
    const from = { provider, maxBytes: exchange.runtime.maxErrorBytes };
    throw await readFailure(answer, prepared.codec.decodeError, from);
  }
  const source: Source =
    prepared.plan === 'canonical'
      ? { quirks: deployment.provider.quirks, request: exchange.decoded() }
      : { quirks: deployment.provider.quirks };
  const type = answer.headers['content-type'] ?? '';
  const wholeBody =
    !exchange.envelope.stream ||
    (type.includes('application/json') && WHOLE_INSTEAD.has(prepared.codec.framing));
  if (!wholeBody) {
    if (type.includes('text/html')) {
      answer.cancel();
      throw malformed(provider);
    }
    const progress = new ProgressClock(clock, deployment.timeouts.progressIdleMs, provider);
    const { firstByteMs } = prepared.request.timeouts;
    if (firstByteMs > 0) progress.expect(sentAt + firstByteMs, answer);
    return receiveStream(exchange, {
      watch,
      answer,
      prepared,
      source,
      provider,
      deployment: deployment.id,
      progress,
      maxEventBytes: exchange.runtime.maxEventBytes,
    });
  }
  const bytes = await answer.bytes(exchange.runtime.maxAnswerBytes);
  const { plan, codec } = prepared;
  const forwarded = plan !== 'canonical' && !exchange.envelope.stream;
  const { glance, response } = tryWhole(exchange, bytes, { provider, prepared, source, forwarded });
  if (glance.isEmpty && glance.finish !== undefined) refuseEmptyEnd(exchange, glance.finish, provider);
  const { facts } = exchange;
  facts.usage = glance.usage;
  facts.finish = glance.finish;
  facts.deliveredBytes = glance.outputBytes;
  facts.usageAt = glance.outputBytes;
  // Only Responses ids can be continued later.
  if (
    glance.id !== undefined &&
    codec.id === 'openai-responses' &&
    exchange.codec.id === 'openai-responses'
  ) {
    exchange.issued(glance.id, deployment.id);
  }
  if (response === undefined) return { kind: 'bytes', contentType: 'application/json', bytes };
  if (plan === 'canonical') exchange.remember(response.choices[0]?.parts ?? []);
  // The client asked for a stream and the provider answered whole: lawful to convert.
  if (exchange.envelope.stream) return { kind: 'event-stream', events: once(replayResponse(response)) };
  return { kind: 'whole', response };
}
