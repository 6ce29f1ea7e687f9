import type { IncomingMessage } from 'node:http';
import { nanoToUsd } from '../core/cost/money.ts';
import { SluiceError } from '../core/errors/error.ts';
import { latin1 } from '../formats/bytes.ts';
import type { ErrorDialect, Reply } from '../formats/codec.ts';
import type { Framing } from '../formats/frame.ts';
import { chargeExchange } from '../pipeline/charge.ts';
import type { Answered, Exchange } from '../pipeline/exchange.ts';
import type { Clock } from '../ports/clock.ts';
import type { Outbox } from '../ports/outbox.ts';
import type { ClientResponse } from './client-response.ts';
import { MAX_JOINED_BYTES, PieceWriter } from './piece-writer.ts';

/** What is needed to write answers. */
export interface RespondPorts {
  readonly clock: Clock;
  /** A client that takes no bytes for this long is cut off. */
  readonly writeStallMs: number;
  /** Whole answers are sent from here. */
  readonly outbox: Outbox;
}

/** Longest value of a header made from a name. Several together must stay below what clients take. */
const MAX_HEADER_VALUE = 1024;

/** Header values are short ASCII without controls; anything else in a name from a client is percent-encoded. */
function headerSafe(text: string): string {
  const short = text.length > MAX_HEADER_VALUE ? `${text.slice(0, MAX_HEADER_VALUE)}...` : text;
  // `encodeURIComponent` throws on half a surrogate pair.
  return /^[\x20-\x7e]*$/.test(short) ? short : encodeURIComponent(short.toWellFormed());
}

/** Our headers on every answer (SURFACE, "Response headers"). */
export function baseHeaders(exchange: Exchange): Record<string, string> {
  const { facts } = exchange;
  const headers: Record<string, string> = {
    'x-sluice-request-id': exchange.id,
    'x-sluice-model': headerSafe(exchange.envelope.model),
    'x-sluice-attempts': String(facts.attempts.length),
    'x-sluice-cache': facts.cache,
  };
  const { deployment } = facts;
  const from =
    deployment === undefined
      ? (facts.origin ?? facts.attempts.at(-1))
      : { provider: deployment.provider.name, upstreamModel: deployment.model };
  if (from !== undefined) {
    headers['x-sluice-provider'] = headerSafe(from.provider);
    headers['x-sluice-upstream-model'] = headerSafe(from.upstreamModel);
  }
  if (facts.plan !== undefined) headers['x-sluice-plan'] = facts.plan;
  if (facts.decision !== undefined) headers['x-sluice-decision'] = headerSafe(facts.decision);
  if (facts.queue !== undefined) {
    headers['x-sluice-queue-position'] = String(facts.queue.position);
    headers['x-sluice-queue-wait-ms'] = String(Math.round(facts.queue.waitMs));
  }
  if (facts.dropped.length > 0) headers['x-sluice-dropped'] = headerSafe(facts.dropped.join(', '));
  if (facts.upstreamRequestId !== undefined) {
    headers['x-sluice-upstream-request-id'] = headerSafe(facts.upstreamRequestId);
  }
  return headers;
}

/** Failures of an upstream after which the same request may do better a moment later. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'upstream_error',
  'upstream_unreachable',
  'upstream_malformed',
  'upstream_cut',
  'upstream_timeout',
]);

/** Writes an error in the client's dialect. Does nothing when headers are out already. */
export function sendError(
  response: ClientResponse,
  error: SluiceError,
  told: { readonly codec: ErrorDialect; readonly requestId: string; readonly exchange?: Exchange },
): void {
  if (response.headersSent || response.destroyed) return;
  const { status, body } = told.codec.encodeError(error, told.requestId);
  const text = JSON.stringify(body);
  const headers: Record<string, string> = {
    ...(told.exchange === undefined ? { 'x-sluice-request-id': told.requestId } : baseHeaders(told.exchange)),
    ...error.facts.headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'x-sluice-error': error.code,
  };
  // Bodies that were not read to the end leave the connection in an unknown state.
  if (!response.req.complete) headers['connection'] = 'close';
  const mayRetry = error.status === 503 || error.status === 429 || TRANSIENT.has(error.code);
  const retryAfter = error.facts.retryAfterS ?? (mayRetry ? 1 : undefined);
  if (retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfter)));
  response.writeHead(status, headers);
  const { req } = response;
  if (req.complete) response.end(text);
  else endAfterBody(response, req, text);
}

/** How long a client may go on sending a body that nobody wants. */
const UNWANTED_BODY_MS = 1000;

/**
 * Ends an answer whose request is still arriving. Closing a socket with unread bytes resets it, and the client would lose
 * the answer: it is written at once, and what still comes is thrown away for a moment.
 */
function endAfterBody(response: ClientResponse, req: IncomingMessage, text: string): void {
  response.write(text);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, UNWANTED_BODY_MS);
  req.once('end', end);
  req.once('close', end);
  req.resume();
}

/** What ids of answers begin with in each dialect. */
const ID_PREFIXES: Readonly<Record<string, string>> = {
  'openai-chat': 'chatcmpl-',
  'openai-responses': 'resp_',
  'openai-completions': 'cmpl-',
  'anthropic-messages': 'msg_',
};

/** Content types of streams, by framing. */
const STREAM_TYPES: Readonly<Record<Framing, string>> = {
  sse: 'text/event-stream; charset=utf-8',
  ndjson: 'application/x-ndjson',
  'aws-event-stream': 'application/vnd.amazon.eventstream',
  'json-array': 'application/json',
};

function replyFor(exchange: Answered, ports: RespondPorts): Reply {
  const request = exchange.facts.plan === 'canonical' ? { request: exchange.decoded() } : {};
  const version = exchange.client.version === undefined ? {} : { version: exchange.client.version };
  return {
    id: (ID_PREFIXES[exchange.codec.id] ?? '') + exchange.id.slice('exc_'.length),
    model: exchange.envelope.model,
    created: Math.floor(ports.clock.now() / 1000),
    includeUsage: exchange.envelope.includeUsage,
    ...request,
    ...version,
  };
}

function sendWhole(exchange: Answered, response: ClientResponse, ports: RespondPorts): void {
  const { answer } = exchange;
  let bytes: Uint8Array | string;
  if (answer.kind === 'bytes') bytes = answer.bytes;
  else if (answer.kind === 'whole') {
    bytes = JSON.stringify(exchange.codec.encodeResponse(answer.response, replyFor(exchange, ports)));
  } else return;
  const { cost } = chargeExchange(exchange);
  const headers = baseHeaders(exchange);
  headers['content-type'] = 'application/json';
  headers['content-length'] = String(Buffer.byteLength(bytes));
  if (cost !== undefined) headers['x-sluice-cost-usd'] = nanoToUsd(cost.total);
  Object.assign(headers, exchange.slot.headers);
  exchange.facts.status = 200;
  exchange.facts.firstByteAt = ports.clock.monotonic();
  response.writeHead(200, headers);
  finish(exchange, ports, () => {
    // A string goes out together with the headers in one piece; bytes would be a list of two.
    if (typeof bytes === 'string' || bytes.length > MAX_JOINED_BYTES) response.end(bytes);
    else response.end(latin1(bytes), 'latin1');
    boundRest(response, ports);
  });
}

/** Ends the exchange and sends what lets the client know that it has all. Journalled before that: see docs/lifecycle.md. */
function finish(exchange: Answered, ports: RespondPorts, send: () => void): void {
  void exchange.end?.(exchange.signal.aborted ? { kind: 'abandoned' } : { kind: 'answered' });
  ports.outbox.add(send);
}

/**
 * What the client has not taken yet is waited for, but not for ever: after so long without a byte node closes the
 * connection. The server's keep-alive sets its own time limit as soon as all is out.
 */
function boundRest(response: ClientResponse, ports: RespondPorts): void {
  const { socket } = response;
  if ((socket?.writableLength ?? 0) > 0) socket?.setTimeout(ports.writeStallMs);
}

/** Resolves when the socket takes bytes again; rejects with `client_closed` when it went away or took none for long. */
export function drained(
  response: ClientResponse,
  ports: RespondPorts,
  source: NodeJS.EventEmitter = response,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = ports.clock.after(ports.writeStallMs, () => {
      done();
      response.destroy();
      reject(new SluiceError('client_closed', 'The client stopped reading.'));
    });
    const onDrain = (): void => {
      done();
      resolve();
    };
    const onClose = (): void => {
      done();
      reject(new SluiceError('client_closed', 'The client left.'));
    };
    function done(): void {
      cancel();
      source.off('drain', onDrain);
      response.off('close', onClose);
    }
    source.once('drain', onDrain);
    response.once('close', onClose);
  });
}

/** A forwarded stream is iterated as it is: a generator around it would cost several promises per chunk. */
function outgoing(exchange: Answered, ports: RespondPorts): AsyncIterable<Uint8Array | string> {
  const { answer } = exchange;
  return answer.kind === 'byte-stream' ? answer.chunks : encoded(exchange, ports);
}

async function* encoded(exchange: Answered, ports: RespondPorts): AsyncGenerator<Uint8Array | string> {
  const { answer } = exchange;
  if (answer.kind !== 'event-stream') return;
  const encoder = exchange.codec.streamEncoder(replyFor(exchange, ports));
  try {
    for await (const events of answer.events) yield encoder.push(events);
    exchange.facts.lastPiece = encoder.end();
    yield exchange.facts.lastPiece;
  } catch (error) {
    if (error instanceof SluiceError && error.code !== 'client_closed') {
      yield encoder.push([{ type: 'error', error }]);
    }
    throw error;
  }
}

/** The error event of a forwarded stream, which has no encoder of its own. */
function errorEvent(exchange: Answered, error: SluiceError, ports: RespondPorts): string | Uint8Array {
  if (exchange.answer.kind !== 'byte-stream') return '';
  return exchange.codec.streamEncoder(replyFor(exchange, ports)).push([{ type: 'error', error }]);
}

async function sendStream(exchange: Answered, response: ClientResponse, ports: RespondPorts): Promise<void> {
  const headers = baseHeaders(exchange);
  headers['content-type'] = STREAM_TYPES[exchange.codec.framing];
  headers['cache-control'] = 'no-cache';
  headers['x-accel-buffering'] = 'no';
  Object.assign(headers, exchange.slot.headers);
  exchange.facts.status = 200;
  response.writeHead(200, headers);
  const writer = new PieceWriter(response);
  let isFinished = false;
  const finishWith = (last: Uint8Array | string): void => {
    isFinished = true;
    finish(exchange, ports, () => {
      response.end(last);
      boundRest(response, ports);
    });
  };
  try {
    for await (const chunk of outgoing(exchange, ports)) {
      // Nothing but the end of the upstream's body is still to come.
      if (isFinished) continue;
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      if (chunk.length === 0) continue;
      exchange.facts.firstByteAt ??= ports.clock.monotonic();
      if (chunk === exchange.facts.lastPiece) finishWith(chunk);
      else if (!writer.write(chunk)) await drained(response, ports, writer.drain);
    }
    if (!isFinished) finishWith('');
  } catch (error) {
    if (isFinished) return;
    const failure = toFailure(error);
    if (exchange.signal.aborted || failure.code === 'client_closed') {
      response.destroy();
      await exchange.end?.({ kind: 'abandoned' });
      return;
    }
    const last = errorEvent(exchange, failure, ports);
    response.end(last.length === 0 ? undefined : last);
    boundRest(response, ports);
    await exchange.end?.({ kind: 'cut', error: failure });
  }
}

/** Any thrown value as an error fit for a client. */
export function toFailure(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('internal', 'The gateway failed on this request. It has been logged.', {
    cause: error,
  });
}

/** Delivers an answer to its last byte and ends the exchange. */
export async function sendAnswer(
  exchange: Answered,
  response: ClientResponse,
  ports: RespondPorts,
): Promise<void> {
  if (exchange.answer.kind === 'bytes' || exchange.answer.kind === 'whole')
    sendWhole(exchange, response, ports);
  else await sendStream(exchange, response, ports);
}
