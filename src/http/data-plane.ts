import type { IncomingMessage, ServerResponse } from 'node:http';
import { SluiceError } from '../core/errors/error.ts';
import type { ChatCodec } from '../formats/codec.ts';
import { CODECS } from '../formats/registry.ts';
import type { Stage } from '../pipeline/compose.ts';
import type { Answered, ClientFacts, Facts, Received } from '../pipeline/exchange.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Random } from '../ports/random.ts';
import { type BodyLimits, readJsonBody } from './body.ts';
import { readClientFacts } from './client-facts.ts';
import { countTokens } from './count-tokens.ts';
import { getModel, listModels } from './models.ts';
import { sendAnswer, sendError, toFailure } from './respond.ts';

/** What the data plane is built from. */
export interface DataPlanePorts {
  readonly runtime: () => Runtime;
  readonly chat: Stage<Received, Answered>;
  /** Checks a credential for endpoints without a pipeline. Throws as `authenticate` does. */
  readonly admit: (client: ClientFacts, runtime: Runtime) => void;
  readonly bodyLimits: () => BodyLimits;
  readonly writeStallMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** New work is refused while the process drains. */
  readonly draining: () => boolean;
  /** Called around every exchange, so that a drain can wait for the last one. */
  readonly inFlight: { add(): void; remove(): void };
}

/** One request on the data plane, its dialect known. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly codec: ChatCodec;
  readonly requestId: string;
  readonly query: URLSearchParams | undefined;
  /** Parameters from the path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
}

type Action = (ports: DataPlanePorts, call: Call) => Promise<void>;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly codec: ChatCodec;
  readonly action: Action;
}

function newFacts(): Facts {
  return {
    attempts: [],
    deployment: undefined,
    upstreamFormat: undefined,
    upstreamRequestId: undefined,
    plan: undefined,
    cache: 'bypass',
    dropped: [],
    receipt: undefined,
    usage: undefined,
    finish: undefined,
    deliveredBytes: 0,
    firstByteAt: undefined,
    status: undefined,
    cost: undefined,
    error: undefined,
  };
}

/** Aborts when the client's connection closes before the answer is complete. */
function hangUp(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

async function receive(ports: DataPlanePorts, call: Call): Promise<Received> {
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const runtime = ports.runtime();
  const client = readClientFacts(call.request, call.query);
  const { raw, body } = await readJsonBody(call.request, ports.bodyLimits());
  return {
    id: call.requestId,
    startedAt,
    startedMono,
    codec: call.codec,
    operation: 'chat',
    runtime,
    client,
    raw,
    body,
    envelope: call.codec.envelope(body),
    signal: hangUp(call.response),
    facts: newFacts(),
    end: undefined,
  };
}

const chat: Action = async (ports, call) => {
  const exchange = await receive(ports, call);
  try {
    await sendAnswer(await ports.chat(exchange), call.response, ports);
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'internal') logInternal(ports, call, failure);
    sendError(call.response, failure, { codec: call.codec, requestId: call.requestId, exchange });
    // The pipeline ended the exchange when a stage threw; this covers a fault while the answer was being written.
    await exchange.end?.({ kind: 'failed', error: failure });
  }
};

function logInternal(ports: DataPlanePorts, call: Call, failure: SluiceError): void {
  const { cause } = failure;
  ports.log.error('request.internal_error', {
    exchange: call.requestId,
    cause: cause instanceof Error ? `${cause.name}: ${cause.stack ?? cause.message}` : String(cause),
  });
}

const OPENAI = CODECS['openai-chat'];
const ANTHROPIC = CODECS['anthropic-messages'];

/** Exact paths; prefixes of SURFACE are added below. Default deny: what is not here is not served. */
const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['POST /v1/chat/completions', { method: 'POST', codec: OPENAI, action: chat }],
  ['POST /v1/messages', { method: 'POST', codec: ANTHROPIC, action: chat }],
  ['POST /v1/messages/count_tokens', { method: 'POST', codec: ANTHROPIC, action: countTokens }],
  ['GET /v1/models', { method: 'GET', codec: OPENAI, action: listModels }],
]);

const MODEL_PATH = '/v1/models/';

/** `/openai/v1/x`, `/openai/x` and `/anthropic/v1/x` are the same as `/v1/x`. */
function plainPath(path: string): string {
  if (path.startsWith('/openai/v1/')) return path.slice('/openai'.length);
  if (path.startsWith('/openai/')) return `/v1${path.slice('/openai'.length)}`;
  if (path.startsWith('/anthropic/')) return path.slice('/anthropic'.length);
  return path;
}

/** The dialect an error is written in when the path alone has to decide. */
function dialectOf(path: string, request: IncomingMessage): ChatCodec {
  return path.startsWith('/v1/messages') || request.headers['anthropic-version'] !== undefined
    ? ANTHROPIC
    : OPENAI;
}

function findRoute(
  method: string,
  path: string,
): { route: Route; params: Readonly<Record<string, string>> } | undefined {
  const exact = ROUTES.get(`${method} ${path}`);
  if (exact !== undefined) return { route: exact, params: {} };
  if (method === 'GET' && path.startsWith(MODEL_PATH) && path.length > MODEL_PATH.length) {
    try {
      const model = decodeURIComponent(path.slice(MODEL_PATH.length));
      return { route: { method: 'GET', codec: OPENAI, action: getModel }, params: { model } };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function unknownRoute(method: string, path: string): SluiceError {
  const other = [...ROUTES.keys()].find((key) => key.endsWith(` ${path}`));
  if (other !== undefined) {
    return new SluiceError('method_not_allowed', `Use ${other.split(' ')[0]} for this path, not ${method}.`);
  }
  return new SluiceError(
    'route_not_found',
    'There is no such endpoint here. Check the base URL of your SDK.',
  );
}

/** Whether a path belongs to the data plane, served here, or to the control plane and portal. */
export function isDataPlanePath(path: string): boolean {
  return (
    path.startsWith('/v1/') ||
    path.startsWith('/v1beta/') ||
    /^\/(openai|anthropic|gemini|passthrough)(\/|$)/.test(path)
  );
}

/** Serves one data-plane request; never throws. `rawUrl` is the request target as sent. */
export async function serveDataPlane(
  ports: DataPlanePorts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const rawUrl = request.url ?? '/';
  const mark = rawUrl.indexOf('?');
  const path = plainPath(mark < 0 ? rawUrl : rawUrl.slice(0, mark));
  const query = mark < 0 ? undefined : new URLSearchParams(rawUrl.slice(mark + 1));
  const requestId = ports.random.id('exc_');
  const dialect = dialectOf(path, request);
  ports.inFlight.add();
  try {
    if (ports.draining())
      throw new SluiceError('draining', 'The gateway is shutting down; try again in a moment.');
    const found = findRoute(request.method ?? '', path);
    if (found === undefined) throw unknownRoute(request.method ?? '', path);
    const codec = found.route.method === 'GET' ? dialect : found.route.codec;
    await found.route.action(ports, { request, response, codec, requestId, query, params: found.params });
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'internal') {
      logInternal(ports, { request, response, codec: dialect, requestId, query, params: {} }, failure);
    }
    sendError(response, failure, { codec: dialect, requestId });
  } finally {
    ports.inFlight.remove();
  }
}
