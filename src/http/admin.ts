import '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../control/audit.ts';
import { ALL_PERMISSIONS, type Caller, type Handlers } from '../control/caller.ts';
import { CONTRACT, type EndpointName } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';
import { exchangeRowOf } from '../control/exchanges.ts';
import type { Sessions } from '../control/sessions.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Log } from '../ports/log-sink.ts';
import { toFailure } from './respond.ts';

/** What the admin routes are built from. */
export interface AdminPorts {
  readonly handlers: Handlers;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
  readonly events: EventBus;
  readonly log: Log;
  /** Wrong admin keys and sign-in tokens. Both throw `rate_limited` for an address that sent too many. */
  readonly guesses: { check(address: string): void; note(address: string): void };
  /** Whether cookies may carry `Secure` and the `__Host-` prefix. */
  readonly secureCookies: boolean;
}

const NOBODY: ReadonlySet<never> = new Set();
/** Rows a slow watcher may fall behind before it is cut off. */
const MAX_WATCH_BUFFER = 1024 * 1024;

function cookieName(ports: AdminPorts): string {
  return ports.secureCookies ? '__Host-sluice' : 'sluice_session';
}

/** Who calls: the admin key as Bearer, else the session cookie. The bearer API never reads cookies (T17). */
async function callerOf(ports: AdminPorts, request: FastifyRequest): Promise<Caller | undefined> {
  const { authorization } = request.headers;
  const address = request.ip;
  if (authorization !== undefined) {
    // An operator may have chosen the admin key: while an address guesses, even the right one is not told from others.
    ports.guesses.check(address);
    const key = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (key === undefined || !ports.sessions.isAdminKey(key)) {
      ports.guesses.note(address);
      throw new SluiceError('invalid_key', 'This is not the admin key of this gateway.');
    }
    return { actor: 'admin-key', address, permissions: ALL_PERMISSIONS, sessionId: undefined };
  }
  const cookie = request.cookies[cookieName(ports)];
  return cookie === undefined ? undefined : ports.sessions.find(cookie, address);
}

async function authorize(ports: AdminPorts, request: FastifyRequest, endpoint: Endpoint): Promise<Caller> {
  const caller = await callerOf(ports, request);
  if (endpoint.permission === 'public') {
    return caller ?? { actor: 'nobody', address: request.ip, permissions: NOBODY, sessionId: undefined };
  }
  if (caller === undefined) {
    throw new SluiceError('missing_key', 'Sign in, or send `Authorization: Bearer <admin key>`.');
  }
  if (!caller.permissions.has(endpoint.permission)) {
    throw new SluiceError('forbidden', `This needs the permission \`${endpoint.permission}\`.`);
  }
  return caller;
}

function parseInput(endpoint: Endpoint, request: FastifyRequest): Record<string, unknown> {
  const inQuery = endpoint.method === 'GET' || endpoint.method === 'DELETE';
  const given = inQuery ? request.query : (request.body ?? {});
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw badRequest('body', 'Send a JSON object.');
  }
  const parsed = endpoint.input.safeParse({ ...given, ...(request.params as object) });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.join('.') ?? '';
  const where = path === '' && issue?.code === 'unrecognized_keys' ? (issue.keys[0] ?? '') : path;
  throw badRequest(where, `\`${where || 'body'}\`: ${issue?.message ?? 'not valid'}.`);
}

/** An error as `{ error: { code, message, details? } }`. */
export function adminError(error: unknown): { status: number; body: object; failure: SluiceError } {
  const failure = toFailure(error);
  const { param, details } = failure.facts;
  const facts = { ...(param === undefined ? {} : { param }), ...details };
  return {
    status: failure.status,
    failure,
    body: {
      error: {
        code: failure.code,
        message: failure.message,
        ...(Object.keys(facts).length === 0 ? {} : { details: facts }),
      },
    },
  };
}

/** Input as it may stand in the audit log: no tokens. */
function auditDetails(input: Readonly<Record<string, unknown>>): object {
  const { token: _, ...rest } = input;
  return rest;
}

function registerJson(app: FastifyInstance, ports: AdminPorts, name: EndpointName): void {
  const definition: Endpoint = CONTRACT[name];
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.route({
    method: definition.method,
    url: definition.path,
    // Before the body is read: nothing of a stranger's is parsed.
    onRequest: async (request) => void callers.set(request, await authorize(ports, request, definition)),
    handler: async (request, reply) => {
      const caller = callers.get(request) ?? (await authorize(ports, request, definition));
      const input = parseInput(definition, request);
      if (name === 'openSession') return openSession(ports, request, reply);
      if (definition.audit !== undefined) {
        const target = String(input['id'] ?? input['model'] ?? input['name'] ?? '');
        // Written first: an admin write whose audit entry cannot be stored does not happen.
        await ports.audit.append(caller, { action: definition.audit, target, details: auditDetails(input) });
      }
      const handler = ports.handlers[name as keyof Handlers] as (
        input: unknown,
        caller: Caller,
      ) => Promise<unknown>;
      const output = await handler(input, caller);
      if (name === 'closeSession') reply.clearCookie(cookieName(ports), { path: '/' });
      return reply.header('cache-control', 'no-store').send(output);
    },
  });
}

async function openSession(
  ports: AdminPorts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { token } = CONTRACT.openSession.input.parse(request.body);
  const { ip } = request;
  ports.guesses.check(ip);
  const opened = await ports.sessions.open(token).catch((error: unknown) => {
    ports.guesses.note(ip);
    throw error;
  });
  await ports.audit.append(
    { actor: 'sign-in', address: request.ip, permissions: NOBODY, sessionId: undefined },
    { action: 'session.open', target: '', details: {} },
  );
  reply.setCookie(cookieName(ports), opened.token, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: ports.secureCookies,
    expires: new Date(opened.expiresAt),
  });
  return reply.send({ expires_at: new Date(opened.expiresAt).toISOString() });
}

/** `GET /api/exchanges/stream`: one event per exchange that ends, a comment every 15 s to keep proxies awake. */
function registerWatch(app: FastifyInstance, ports: AdminPorts): void {
  const definition: Endpoint = CONTRACT.watchExchanges;
  app.get(definition.path, async (request, reply) => {
    await authorize(ports, request, definition);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    raw.write(': watching\n\n');
    const stop = ports.events.subscribe((record) => {
      if (raw.writableLength > MAX_WATCH_BUFFER) raw.destroy();
      else raw.write(`data: ${JSON.stringify(exchangeRowOf(record))}\n\n`);
    });
    const beat = setInterval(() => raw.write(': still here\n\n'), 15_000);
    beat.unref();
    raw.on('close', () => {
      clearInterval(beat);
      stop();
    });
  });
}

/** Registers every endpoint of the contract. */
export function registerAdmin(app: FastifyInstance, ports: AdminPorts): void {
  app.setErrorHandler((error, _request, reply) => {
    const known = error as { statusCode?: number; code?: string };
    const client = known.statusCode !== undefined && known.statusCode >= 400 && known.statusCode < 500;
    const shown =
      client && !(error instanceof SluiceError)
        ? new SluiceError('bad_request', 'The request could not be read: send valid JSON.', {
            ...(known.statusCode === undefined ? {} : { status: known.statusCode }),
          })
        : error;
    const { status, body, failure } = adminError(shown);
    if (failure.code === 'internal') {
      ports.log.error('admin.internal_error', { cause: String((failure.cause as Error | undefined)?.stack) });
    }
    const { retryAfterS } = failure.facts;
    if (retryAfterS !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterS)));
    return reply.status(status).send(body);
  });
  for (const name of Object.keys(CONTRACT) as EndpointName[]) {
    if (name === 'watchExchanges') registerWatch(app, ports);
    else registerJson(app, ports, name);
  }
}
