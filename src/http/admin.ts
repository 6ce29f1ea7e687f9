import '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../control/audit.ts';
import { type Caller, type Handlers, operator, stranger } from '../control/caller.ts';
import { CONTRACT, type EndpointName } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';
import { exchangeRowOf, maySee } from '../control/exchanges.ts';
import type { Sessions } from '../control/sessions.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Log } from '../ports/log-sink.ts';
import { addressOf } from './client-address.ts';
import type { Idempotency } from './idempotency.ts';
import { toFailure } from './respond.ts';

/** What the admin routes are built from. */
export interface AdminPorts {
  readonly handlers: Handlers;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
  readonly events: EventBus;
  readonly log: Log;
  readonly idempotency: Idempotency;
  /** The organization that a call with this input is about. */
  readonly organizationOf: (input: Readonly<Record<string, unknown>>, caller: Caller) => string;
  /** Wrong admin keys and sign-in tokens. Both throw `rate_limited` for an address that sent too many. */
  readonly guesses: { check(address: string): void; note(address: string): void };
  /** Whether cookies may carry `Secure` and the `__Host-` prefix. */
  readonly secureCookies: boolean;
}

/** Rows a slow watcher may fall behind before it is cut off. */
const MAX_WATCH_BUFFER = 1024 * 1024;

function cookieName(ports: AdminPorts): string {
  return ports.secureCookies ? '__Host-sluice' : 'sluice_session';
}

/** Who calls: the admin key as Bearer, else the session cookie. The bearer API never reads cookies (T17). */
async function callerOf(ports: AdminPorts, request: FastifyRequest): Promise<Caller | undefined> {
  const { authorization } = request.headers;
  const address = addressOf(request.raw);
  if (authorization !== undefined) {
    // An operator may have chosen the admin key: while an address guesses, even the right one is not told from others.
    ports.guesses.check(address);
    const key = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (key !== undefined && ports.sessions.isAdminKey(key)) return operator('admin-key', address);
    // A storage that is down throws here: nobody is told that his good credential is a bad one.
    const caller = key === undefined ? undefined : await ports.sessions.find(key, address);
    if (caller !== undefined) return caller;
    ports.guesses.note(address);
    throw new SluiceError(
      'invalid_key',
      'This is neither the admin key of this gateway nor a session of it.',
    );
  }
  const cookie = request.cookies[cookieName(ports)];
  return cookie === undefined ? undefined : ports.sessions.find(cookie, address);
}

async function authorize(ports: AdminPorts, request: FastifyRequest, name: EndpointName): Promise<Caller> {
  const endpoint: Endpoint = CONTRACT[name];
  const caller = await callerOf(ports, request);
  if (endpoint.permission === 'public') {
    return caller ?? stranger('nobody', addressOf(request.raw));
  }
  if (caller === undefined) {
    throw new SluiceError('missing_key', 'Sign in, or send `Authorization: Bearer <admin key>`.');
  }
  const { permission, own } = endpoint;
  if (!caller.permissions.has(permission) && !(own !== undefined && caller.permissions.has(own))) {
    const error = new SluiceError('forbidden', `This needs the permission \`${permission}\`.`);
    const input = request.params as Readonly<Record<string, unknown>>;
    await noteRefusal(ports, name, { request, caller, input, error });
  }
  return caller;
}

/** Throws for a field that needs more than the caller holds anywhere; where it must hold, the handler knows. */
function checkFields(endpoint: Endpoint, input: Readonly<Record<string, unknown>>, caller: Caller): void {
  for (const [field, permission] of Object.entries(endpoint.fields ?? {})) {
    if (input[field] === undefined || caller.permissions.has(permission)) continue;
    throw new SluiceError('forbidden', `The field \`${field}\` needs the permission \`${permission}\`.`, {
      param: field,
    });
  }
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
    onRequest: async (request) => void callers.set(request, await authorize(ports, request, name)),
    handler: async (request, reply) => {
      const caller = callers.get(request) ?? (await authorize(ports, request, name));
      const input = parseInput(definition, request);
      try {
        checkFields(definition, input, caller);
      } catch (error) {
        await noteRefusal(ports, name, { request, caller, input, error });
      }
      if (name === 'openSession') return openSession(ports, request, reply);
      const output = await carryOut(ports, name, { request, caller, input });
      if (name === 'closeSession') reply.clearCookie(cookieName(ports), { path: '/' });
      return reply.header('cache-control', 'no-store').send(output);
    },
  });
}

interface Asked {
  readonly request: FastifyRequest;
  readonly caller: Caller;
  readonly input: Readonly<Record<string, unknown>>;
}

/**
 * Writes down that a call did not happen, and throws the error on. The entry before it said what was wanted. Reads are
 * noted only where somebody knocked at what he may not see.
 */
async function noteRefusal(
  ports: AdminPorts,
  name: EndpointName,
  refused: Asked & { readonly error: unknown },
): Promise<never> {
  const { caller, input, error } = refused;
  const { audit }: Endpoint = CONTRACT[name];
  const code = error instanceof SluiceError ? error.code : 'internal';
  if (audit !== undefined || code === 'forbidden') {
    const entry = {
      action: `${audit ?? name}.refused`,
      target: String(input['id'] ?? input['model'] ?? input['name'] ?? ''),
      organization: ports.organizationOf(input, caller),
      details: { error: code },
    };
    // The refusal stands, whether or not it could be written down.
    await ports.audit.append(caller, entry).catch((cause: unknown) => {
      ports.log.error('audit.refusal_not_written', { action: entry.action, error: String(cause) });
    });
  }
  throw error;
}

/** Writes the audit entry and calls the handler; a `POST` with an `Idempotency-Key` is carried out once. */
async function carryOut(ports: AdminPorts, name: EndpointName, asked: Asked): Promise<unknown> {
  const definition: Endpoint = CONTRACT[name];
  const { request, caller, input } = asked;
  const handler = ports.handlers[name as keyof Handlers] as (
    input: unknown,
    caller: Caller,
  ) => Promise<unknown>;
  const work = async () => {
    if (definition.audit !== undefined) {
      const target = String(input['id'] ?? input['model'] ?? input['name'] ?? '');
      // Written first: an admin write whose audit entry cannot be stored does not happen.
      const organization = ports.organizationOf(input, caller);
      const details = auditDetails(input);
      await ports.audit.append(caller, { action: definition.audit, target, organization, details });
    }
    return handler(input, caller);
  };
  const told = () => work().catch((error: unknown) => noteRefusal(ports, name, { ...asked, error }));
  const key = request.headers['idempotency-key'];
  if (key === undefined || definition.method !== 'POST') return told();
  const repeatable = { actor: caller.actor, key: String(key), request: JSON.stringify([name, input]) };
  return (await ports.idempotency.once(repeatable, told)).answer;
}

async function openSession(
  ports: AdminPorts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { token } = CONTRACT.openSession.input.parse(request.body);
  const ip = addressOf(request.raw);
  ports.guesses.check(ip);
  const opened = await ports.sessions.open(token).catch((error: unknown) => {
    ports.guesses.note(ip);
    throw error;
  });
  await ports.audit.append(stranger('sign-in', addressOf(request.raw)), {
    action: 'session.open',
    target: '',
    details: {},
  });
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
  const name = 'watchExchanges';
  const definition: Endpoint = CONTRACT[name];
  app.get(definition.path, async (request, reply) => {
    let caller = await authorize(ports, request, name);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    raw.write(': watching\n\n');
    const stop = ports.events.subscribe((record) => {
      if (!maySee(caller, record)) return;
      if (raw.writableLength > MAX_WATCH_BUFFER) raw.destroy();
      else raw.write(`data: ${JSON.stringify(exchangeRowOf(record))}\n\n`);
    });
    const beat = setInterval(async () => {
      raw.write(': still here\n\n');
      // A stream may outlive the rights it was opened with.
      const again = await authorize(ports, request, name).catch(() => undefined);
      if (again === undefined) raw.destroy();
      else caller = again;
    }, 15_000);
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
