import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { SluiceError } from '../core/errors/error.ts';
import type { ClientDialect } from '../formats/codec.ts';
import { CLIENT_DIALECTS } from '../formats/dialects.ts';
import { isDelimited } from './body.ts';
import type { DataPlanePorts } from './call.ts';
import { logInternal } from './chat.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import { sendError, toFailure } from './respond.ts';
import { findRoute, otherMethod } from './routes.ts';
import { classOf, placesFor } from './urgent.ts';

const OPENAI = CLIENT_DIALECTS['openai-chat'];
const ANTHROPIC = CLIENT_DIALECTS['anthropic-messages'];

/**
 * Google's SDKs call `/v1` by default from 3.0 on, and `/v1alpha` on wish; the verbs are the same. A model's name with a
 * slash is a whole resource name to some clients (Google's older SDK, LangChain, Vercel's), which leave `models/` out.
 */
const GEMINI_VERB =
  /^\/v1(?:alpha|beta)?\/(?:models\/)?(.+:(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents))$/;

/**
 * `/openai/v1/x`, `/openai/x` and `/anthropic/v1/x` are the same as `/v1/x`; a call of Gemini is at `/v1beta/models/`
 * whatever its version.
 */
export function plainPath(path: string): string {
  if (path.startsWith('/openai/v1/')) return path.slice('/openai'.length);
  if (path.startsWith('/openai/')) return `/v1${path.slice('/openai'.length)}`;
  if (path.startsWith('/anthropic/')) return path.slice('/anthropic'.length);
  const isGemini = path.startsWith('/gemini/');
  const plain = isGemini ? path.slice('/gemini'.length) : path;
  // Nearly all paths have no verb: the expression is not tried on them.
  const verb = plain.includes(':') ? plain.replace(GEMINI_VERB, '/v1beta/models/$1') : plain;
  if (isGemini) return verb.replace(/^\/v1(?:alpha)?\//, '/v1beta/');
  return verb.startsWith('/v1alpha/') ? `/v1beta/${verb.slice('/v1alpha/'.length)}` : verb;
}

/** The dialect an error is written in when path and the vendors' own headers alone have to decide. */
export function dialectOf(path: string, headers: IncomingHttpHeaders = {}): ClientDialect {
  const isGemini = path.startsWith('/v1/models') && headers['x-goog-api-key'] !== undefined;
  if (path.startsWith('/v1beta/') || isGemini) return CLIENT_DIALECTS['gemini'];
  return path.startsWith('/v1/messages') || headers['anthropic-version'] !== undefined ? ANTHROPIC : OPENAI;
}

function unknownRoute(method: string, path: string): SluiceError {
  const other = otherMethod(path);
  if (other !== undefined) {
    return new SluiceError('method_not_allowed', `Use ${other} for this path, not ${method}.`);
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
    path.startsWith('/v1alpha/') ||
    /^\/(openai|anthropic|gemini|passthrough)(\/|$)/.test(path)
  );
}

/** A body above this is large: refused first when memory runs short. Bytes. */
const LARGE_BODY_BYTES = 256 * 1024;
/** When a client turned away by overload may come back. Seconds. */
const OVERLOAD_RETRY_S = 2;

function isLarge(request: ClientRequest): boolean {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  // A chunked body may become anything.
  return length > LARGE_BODY_BYTES || request.headers['transfer-encoding'] !== undefined;
}

/** Why this request cannot be taken on right now. */
function busy(
  ports: DataPlanePorts,
  request: ClientRequest,
  query: URLSearchParams | undefined,
): SluiceError | undefined {
  if (ports.draining())
    return new SluiceError('draining', 'The gateway is shutting down; try again in a moment.');
  const { admittance, running } = ports.inFlight;
  const places = ports.maxInFlight();
  if (admittance === 'normal' && running < placesFor('normal', places)) return undefined;
  const priority = classOf(ports, request, query);
  const isFirstToGo = isLarge(request) || priority === 'low';
  if (admittance === 'nothing' || admittance === 'cancel' || (admittance === 'no_large' && isFirstToGo))
    return new SluiceError('overloaded', 'The gateway is overloaded; try again in a moment.', {
      retryAfterS: OVERLOAD_RETRY_S,
    });
  if (running < placesFor(priority, places)) return undefined;
  return new SluiceError(
    'overloaded',
    'The gateway works on as many requests as it may (`server.max_in_flight`); try again in a moment.',
  );
}

/** A JWT that a client presents; checking one may have to wait for its issuer's keys. */
function tokenOf({ headers }: ClientRequest, query: URLSearchParams | undefined): string | undefined {
  const key = headers['x-api-key'] ?? headers['x-goog-api-key'] ?? query?.get('key');
  if (typeof key === 'string' && key.startsWith('eyJ')) return key;
  const { authorization } = headers;
  // Nearly all are keys: the expression is not tried on them.
  if (authorization?.includes(' eyJ') !== true) return undefined;
  return /^Bearer +(eyJ\S+)$/i.exec(authorization)?.[1];
}

/** Lets a small body that came with its headers be read to its end, and no longer than that. */
function arrived(request: IncomingMessage): Promise<void> {
  request.resume();
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Serves one data-plane request; never throws. `refused` is why it is not to be served at all. */
export async function serveDataPlane(
  ports: DataPlanePorts,
  request: ClientRequest,
  answer: { readonly response: ClientResponse; readonly refused: SluiceError | undefined },
): Promise<void> {
  const { response, refused } = answer;
  const rawUrl = request.url ?? '/';
  const mark = rawUrl.indexOf('?');
  const path = plainPath(mark < 0 ? rawUrl : rawUrl.slice(0, mark));
  const query = mark < 0 ? undefined : new URLSearchParams(rawUrl.slice(mark + 1));
  const requestId = ports.random.id('exc_');
  const dialect = dialectOf(path, request.headers);
  // What was refused unread, or ends nobody knows where, may be followed by anything.
  if (refused !== undefined || !isDelimited(request)) response.shouldKeepAlive = false;
  const refusal = refused ?? busy(ports, request, query);
  if (refusal !== undefined) {
    // Its next request is for whoever takes over.
    if (refusal.code === 'draining') response.shouldKeepAlive = false;
    // Whoever is turned away in a rush must not have to connect anew: its body is nearly always here already.
    if (refused === undefined && !request.complete && !isLarge(request)) await arrived(request);
    sendError(response, refusal, { codec: dialect, requestId });
    return;
  }
  const done = ports.inFlight.add(() => response.destroy());
  try {
    const found = findRoute(request.method ?? '', path);
    if (found === undefined) throw unknownRoute(request.method ?? '', path);
    const { method, codec: own } = found.route;
    const token = ports.tokens === undefined ? undefined : tokenOf(request, query);
    if (token !== undefined) await ports.tokens?.prepare(token);
    const codec = method === 'GET' || method === 'ANY' ? dialect : own;
    await found.route.action(ports, { request, response, codec, requestId, query, params: found.params });
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'internal') {
      logInternal(ports, { request, response, codec: dialect, requestId, query, params: {} }, failure);
    }
    sendError(response, failure, { codec: dialect, requestId });
  } finally {
    done();
  }
}
