import { SluiceError } from '../core/errors/error.ts';
import { type ChatResponse, isObject, type JsonObject, type StreamEvent } from '../core/model/index.ts';
import { parseJson } from '../core/model/parse-json.ts';
import { replayResponse } from '../core/translation/replay.ts';
import type { ChatCodec, Source } from '../formats/codec.ts';
import type { UpstreamFailure } from '../formats/failure.ts';
import { isTooDeep } from '../formats/json-scan.ts';
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
      return `\`${provider}\` failed (HTTP ${status}). Try again, or add a fallback model.`;
  }
}

const CLIENT_STATUSES: ReadonlySet<number> = new Set([400, 404, 409, 413, 422]);

/** An upstream's refusal as our error; a client-blamed one keeps the upstream's status class (F1). */
export function failureError(told: UpstreamFailure, provider: string, status: number): SluiceError {
  const { param, ...rest } = told;
  const failure: UpstreamFailure = param === undefined || !FIELD.test(param) ? rest : told;
  const code = failure.upstreamCode?.replaceAll(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  return new SluiceError(failure.code, sentence(failure, provider, status), {
    provider,
    upstreamStatus: status,
    ...(failure.code === 'upstream_refused' && CLIENT_STATUSES.has(status) ? { status } : {}),
    ...(failure.param === undefined ? {} : { param: failure.param }),
    ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
    ...(failure.shouldRetry === undefined ? {} : { shouldRetry: failure.shouldRetry }),
    ...(code === undefined || code === '' ? {} : { upstreamCode: code }),
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
  return new SluiceError('upstream_malformed', `\`${provider}\` sent an answer that is not valid.`, {
    provider,
  });
}

/** Parses and decodes a whole answer. A 200 with an error inside is an error. */
function readWhole(
  bytes: Uint8Array,
  prepared: Prepared,
  from: { provider: string; source: Source },
): ChatResponse {
  const { provider, source } = from;
  let body: unknown;
  if (isTooDeep(bytes)) throw malformed(provider);
  try {
    const text = STRICT_UTF8.decode(bytes);
    // Bytes that are forwarded keep their numbers anyhow.
    body = prepared.plan === 'canonical' ? parseJson(text) : JSON.parse(text);
  } catch {
    throw malformed(provider);
  }
  if (!isObject(body)) throw malformed(provider);
  if (holdsError(body)) throw failureError(prepared.codec.decodeError(500, body, {}), provider, 200);
  return prepared.codec.decodeResponse(body, source);
}

/** An answer that cannot be read is lost, yet what it says of its length is worth knowing. */
function tryWhole(exchange: Routed, bytes: Uint8Array, read: () => ChatResponse): ChatResponse {
  try {
    return read();
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
  const response = tryWhole(exchange, bytes, () => readWhole(bytes, prepared, { provider, source }));
  const [only] = response.choices;
  if (only !== undefined && response.choices.length === 1 && only.parts.length === 0) {
    refuseEmptyEnd(exchange, only.finish, provider);
  }
  const { facts } = exchange;
  facts.usage = response.usage;
  facts.finish = response.choices[0]?.finish;
  facts.deliveredBytes = outputBytes(response);
  // Only Responses ids can be continued later.
  if (
    response.id !== undefined &&
    prepared.codec.id === 'openai-responses' &&
    exchange.codec.id === 'openai-responses'
  ) {
    exchange.issued(response.id, deployment.id);
  }
  if (prepared.plan === 'canonical') exchange.remember(response.choices[0]?.parts ?? []);
  // The client asked for a stream and the provider answered whole: lawful to convert.
  if (exchange.envelope.stream) return { kind: 'event-stream', events: once(replayResponse(response)) };
  if (prepared.plan === 'canonical') return { kind: 'whole', response };
  return { kind: 'bytes', contentType: 'application/json', bytes };
}

/** UTF-8 bytes of model output in an answer, for estimates. */
function outputBytes(response: ChatResponse): number {
  let size = 0;
  for (const choice of response.choices) {
    for (const part of choice.parts) {
      if (part.type === 'tool_call') size += part.name.length + Buffer.byteLength(part.arguments);
      else if ('text' in part) size += Buffer.byteLength(part.text);
    }
  }
  return size;
}
