import { Readable } from 'node:stream';
import '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, type Handlers, operator, stranger } from '../control/caller.ts';
import { CONTRACT, type EndpointName, type ParsedInputOf } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';
import { exchangeRowOf, maySee } from '../control/exchanges.ts';
import type { OpenedSession, Sessions } from '../control/sessions.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { EventBus } from '../ports/event-bus.ts';
import { type AdminAuditPorts, type Asked, audited, noteRefusal, noteUnread } from './admin-audit.ts';
import { addressOf } from './client-address.ts';
import { bearerToken } from './client-facts.ts';
import type { Idempotency } from './idempotency.ts';
import { inputProblem } from './input-problem.ts';
import { toFailure } from './respond.ts';
import { isSecure, sendSession, sessionCookieName, startSession } from './session-cookie.ts';
import { openLocal, opensSession, type SignInPorts } from './sign-in.ts';

/** What the admin routes are built from. */
export interface AdminPorts extends AdminAuditPorts {
  readonly sessions: Sessions;
  readonly events: EventBus;
  readonly idempotency: Idempotency;
  /** The audit log's entries for an export. Throws as a handler does. */
  readonly auditLines: (input: ParsedInputOf<'exportAudit'>, caller: Caller) => AsyncIterable<unknown>;
  /** Wrong admin keys and sign-in tokens. Both throw `rate_limited` for an address that sent too many. */
  readonly guesses: { check(address: string): void; note(address: string): void };
  /** Whether cookies may carry `Secure` and the `__Host-` prefix. */
  readonly secureCookies: boolean;
  /** Accounts with a password, and providers of identities. */
  readonly signIn: Pick<SignInPorts, 'accounts' | 'sso'>;
}

/** Rows a slow watcher may fall behind before it is cut off. */
const MAX_WATCH_BUFFER = 1024 * 1024;

/** Sessions that got a new id while a request was looked at; their cookie goes out with the answer. */
const renewed = new WeakMap<FastifyRequest, OpenedSession>();

/** A credential that is none: summed up, because guesses come in floods. */
function noteWrong({ refusals }: AdminPorts, action: string, address: string): void {
  const details = { error: 'invalid_key' };
  refusals.note({ action, target: '', caller: { actor: 'nobody', address }, details });
}

/** Who calls: the admin key as Bearer, else the session cookie. The bearer API never reads cookies (T17). */
async function callerOf(ports: AdminPorts, request: FastifyRequest): Promise<Caller | undefined> {
  const { authorization } = request.headers;
  const address = addressOf(request.raw);
  if (authorization !== undefined) {
    // An operator may have chosen the admin key: while an address guesses, even the right one is not told from others.
    ports.guesses.check(address);
    const key = bearerToken(authorization);
    if (key !== undefined && ports.sessions.isAdminKey(key)) return operator('admin-key', address);
    // A storage that is down throws here: nobody is told that his good credential is a bad one.
    const caller = key === undefined ? undefined : await ports.sessions.find(key, address);
    if (caller !== undefined) return caller;
    noteWrong(ports, 'access.wrong_admin_key', address);
    ports.guesses.note(address);
    throw new SluiceError(
      'invalid_key',
      'This is neither the admin key of this gateway nor a session of it.',
    );
  }
  const cookie = request.cookies[sessionCookieName(ports, request)];
  const found = cookie === undefined ? undefined : await ports.sessions.look(cookie, address);
  if (cookie === undefined || found === undefined) return undefined;
  if (found.outdated) {
    const opened = await ports.sessions.renew(cookie);
    if (opened !== undefined) renewed.set(request, opened);
  }
  return found.caller;
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
  const input = { ...given, ...(request.params as object) };
  const parsed = endpoint.input.safeParse(input);
  if (parsed.success) return parsed.data;
  const { field, sentence } = inputProblem(parsed.error, input, Object.keys(endpoint.input.shape));
  throw badRequest(field, sentence);
}

/** What was sent. Throws `bad_request`, which is written down where the call would have changed something. */
function readInput(
  ports: AdminPorts,
  name: EndpointName,
  { request, caller }: Omit<Asked, 'input'>,
): Record<string, unknown> {
  const endpoint: Endpoint = CONTRACT[name];
  try {
    return parseInput(endpoint, request);
  } catch (error) {
    if (endpoint.audit !== undefined) noteUnread(ports, name, { request, caller, error });
    throw error;
  }
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

/**
 * A table is a file to keep, and never looked at as a page. It is made as it is read; when it cannot be finished the
 * connection is cut, so that nobody takes a part for the whole.
 */
function sendTable(reply: FastifyReply, name: EndpointName, text: AsyncIterable<string>): FastifyReply {
  reply.type('text/csv; charset=utf-8').header('x-content-type-options', 'nosniff');
  reply.header('content-disposition', `attachment; filename="sluice-${name}.csv"`);
  return reply.send(Readable.from(text));
}

function registerJson(app: FastifyInstance, ports: AdminPorts, name: EndpointName): void {
  const definition: Endpoint = CONTRACT[name];
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.route({
    method: definition.method,
    url: definition.path,
    // Before the body is read: nothing of a stranger's is parsed.
    onRequest: async (request, reply) => {
      callers.set(request, await authorize(ports, request, name));
      const opened = renewed.get(request);
      if (opened !== undefined) sendSession(ports, reply, opened);
    },
    handler: async (request, reply) => {
      const caller = callers.get(request) ?? (await authorize(ports, request, name));
      const input = readInput(ports, name, { request, caller });
      try {
        checkFields(definition, input, caller);
      } catch (error) {
        await noteRefusal(ports, name, { request, caller, input, error });
      }
      if (name === 'openSession') return openSession(ports, request, reply);
      if (opensSession(name))
        return openLocal({ ...ports, ...ports.signIn }, name, { request, reply, input });
      const output = await carryOut(ports, name, { request, caller, input });
      if (name === 'closeSession')
        reply.clearCookie(sessionCookieName(ports, request), { path: '/', secure: isSecure(ports, request) });
      reply.header('cache-control', 'no-store');
      if (definition.answer === 'csv') return sendTable(reply, name, output as AsyncIterable<string>);
      return reply.send(output);
    },
  });
}

/** Writes the audit entry and calls the handler; a `POST` with an `Idempotency-Key` is carried out once. */
async function carryOut(ports: AdminPorts, name: EndpointName, asked: Asked): Promise<unknown> {
  const definition: Endpoint = CONTRACT[name];
  const { request, caller, input } = asked;
  const handler = ports.handlers[name as keyof Handlers] as (
    input: unknown,
    caller: Caller,
  ) => Promise<unknown>;
  const work = () => audited(ports, { name, asked }, () => handler(input, caller));
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
    if (error instanceof SluiceError && error.code === 'invalid_key') {
      noteWrong(ports, 'access.wrong_sign_in', ip);
      ports.guesses.note(ip);
    }
    throw error;
  });
  const entry = { action: 'session.open', target: '', details: {} };
  await ports.audit.append(stranger('sign-in', ip), entry).catch(async (error: unknown) => {
    // A session that cannot be written down is none.
    await ports.sessions.closeToken(opened.token).catch(() => undefined);
    throw error;
  });
  await startSession(ports, { request, reply }, opened);
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

/** `GET /api/audit/export`: an entry a line, as they are read; whoever reads slowly is waited for. */
function registerExport(app: FastifyInstance, ports: AdminPorts): void {
  const name = 'exportAudit';
  const definition: Endpoint = CONTRACT[name];
  app.get(definition.path, async (request, reply) => {
    const caller = await authorize(ports, request, name);
    const input = parseInput(definition, request) as ParsedInputOf<'exportAudit'>;
    const rows = ports.auditLines(input, caller)[Symbol.asyncIterator]();
    // The first row tells whether the caller may read at all, while an error can still be answered.
    const first = await rows
      .next()
      .catch((error: unknown) => noteRefusal(ports, name, { request, caller, input, error }));
    async function* lines(): AsyncGenerator<string> {
      for (let row = first; row.done !== true; row = await rows.next())
        yield `${JSON.stringify(row.value)}\n`;
    }
    reply
      .header('cache-control', 'no-store')
      .header('content-disposition', 'attachment; filename="audit.jsonl"');
    return reply.type('application/x-ndjson').send(Readable.from(lines()));
  });
}

const NO_JSON = 'The request could not be read: send valid JSON.';
/** Sentences for what fails before a handler sees the request. */
const UNREAD: Readonly<Record<number, string>> = {
  413: 'The request is too large.',
  415: 'Send JSON, with `Content-Type: application/json`.',
};

/** JSON in valid UTF-8. Clients name the type of a body they do not send, too: that is no body. */
function readJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = utf8.decode(bytes as Buffer);
    } catch {
      return done(new SluiceError('bad_request', 'The request is no valid UTF-8.'), undefined);
    }
    return parse(request, text, done);
  });
}

/** Registers every endpoint of the contract. */
export function registerAdmin(app: FastifyInstance, ports: AdminPorts): void {
  readJson(app);
  app.setErrorHandler((error, _request, reply) => {
    const known = error as { statusCode?: number; code?: string };
    const client = known.statusCode !== undefined && known.statusCode >= 400 && known.statusCode < 500;
    const shown =
      client && !(error instanceof SluiceError)
        ? new SluiceError('bad_request', UNREAD[known.statusCode ?? 0] ?? NO_JSON, {
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
    else if (name === 'exportAudit') registerExport(app, ports);
    else registerJson(app, ports, name);
  }
}
