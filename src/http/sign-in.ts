import '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../control/audit.ts';
import { type SessionOpener, stranger } from '../control/caller.ts';
import { CONTRACT, type ParsedInputOf } from '../control/contract.ts';
import type { RefusalNotes } from '../control/refusal-notes.ts';
import { answerOf, type SignInAnswer } from '../control/sign-in/account-handlers.ts';
import type { LocalAccounts } from '../control/sign-in/local-accounts.ts';
import type { SignedIn, SingleSignOn } from '../control/sign-in/single-sign-on.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Log } from '../ports/log-sink.ts';
import { addressOf } from './client-address.ts';
import { toFailure } from './respond.ts';
import { type CookiePorts, isSecure, startSession } from './session-cookie.ts';

/** What signing in works with. */
export interface SignInPorts extends CookiePorts {
  readonly accounts: LocalAccounts;
  readonly sso: SingleSignOn;
  readonly audit: AuditLog;
  readonly refusals: RefusalNotes;
  readonly log: Log;
  readonly guesses: { check(address: string): void; note(address: string): void };
}

interface Browser {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Whether this endpoint opens a session. */
export function opensSession(name: string): name is SessionOpener {
  return name === 'signInLocal' || name === 'signInSecondFactor' || name === 'acceptInvitation';
}

async function answer(
  { accounts, audit }: SignInPorts,
  name: SessionOpener,
  { input, address }: { readonly input: Readonly<Record<string, unknown>>; readonly address: string },
): Promise<SignInAnswer> {
  if (name === 'signInLocal') {
    const { email, password } = input as ParsedInputOf<'signInLocal'>;
    return answerOf(await accounts.signIn(email, password));
  }
  if (name === 'signInSecondFactor') {
    const { challenge, code } = input as ParsedInputOf<'signInSecondFactor'>;
    return answerOf(await accounts.answerChallenge(challenge, code));
  }
  const { token, password } = input as ParsedInputOf<'acceptInvitation'>;
  // A password that cannot be written down is not set.
  const before = ({ id, organizationId }: { id: string; organizationId: string }) =>
    audit.append(stranger(`user:${id}`, address), {
      action: `${CONTRACT.acceptInvitation.audit}.asked`,
      target: id,
      organization: organizationId,
      details: { provider: 'local' },
    });
  return answerOf(await accounts.acceptInvitation(token, password, before));
}

/** Carries out a local sign-in. Wrong ones count for the address, and stand in the audit log. */
export async function openLocal(
  ports: SignInPorts,
  name: SessionOpener,
  asked: Browser & { readonly input: Readonly<Record<string, unknown>> },
): Promise<FastifyReply> {
  const { request, reply, input } = asked;
  const address = addressOf(request.raw);
  ports.guesses.check(address);
  const action = CONTRACT[name].audit ?? name;
  let result: SignInAnswer;
  try {
    result = await answer(ports, name, { input, address });
  } catch (error) {
    noteFailure(ports, { action, address, error, what: String(input['email'] ?? '') });
    if (error instanceof SluiceError && error.code === 'invalid_key') ports.guesses.note(address);
    throw error;
  }
  const { session, user, output } = result;
  const entry = {
    action: session === undefined ? 'session.second_factor_asked' : action,
    target: user.id,
    organization: user.organizationId,
    details: { provider: 'local' },
  };
  await ports.audit.append(stranger(`user:${user.id}`, address), entry).catch(async (error: unknown) => {
    // A session that cannot be written down is none.
    if (session !== undefined) await ports.sessions.closeToken(session.token).catch(() => undefined);
    throw error;
  });
  if (session !== undefined) await startSession(ports, asked, session);
  return reply.header('cache-control', 'no-store').send(output);
}

/** Anybody can fail as often as he likes: what he leaves in the audit log is summed up. */
function noteFailure(
  ports: SignInPorts,
  failed: { action: string; address: string; error: unknown; what: string },
): void {
  const { action, address, error, what } = failed;
  const code = error instanceof SluiceError ? error.code : 'internal';
  const caller = { actor: 'sign-in', address };
  const details = { error: code };
  ports.refusals.note({ action: `${action}.refused`, target: what.slice(0, 320), caller, details });
}

function flowCookie(ports: SignInPorts, request: FastifyRequest, id: string): string {
  return `${isSecure(ports, request) ? '__Host-' : ''}sluice-sign-in-${id}`;
}

function queryOf(request: FastifyRequest, name: string): string {
  const value = (request.query as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : '';
}

function nameOf(request: FastifyRequest): string {
  return (request.params as { readonly name: string }).name;
}

/** Back to the sign-in page, which says what went wrong by the code. Nothing of it comes from the provider. */
async function refuse(
  ports: SignInPorts,
  { request, reply }: Browser,
  error: unknown,
): Promise<FastifyReply> {
  const failure = toFailure(error);
  const cause = failure.facts.cause;
  ports.log.warn('sign_in.failed', {
    provider: nameOf(request).slice(0, 64),
    code: failure.code,
    cause: cause instanceof Error ? cause.message.slice(0, 300) : '',
  });
  const address = addressOf(request.raw);
  noteFailure(ports, { action: 'session.open', address, error: failure, what: '' });
  return reply
    .header('cache-control', 'no-store')
    .header('x-sluice-error', failure.code)
    .redirect(`/sign-in?problem=${failure.facts.details?.['problem'] ?? failure.code}`, 303);
}

async function begin(ports: SignInPorts, kind: 'oidc' | 'saml', browser: Browser): Promise<FastifyReply> {
  const { request, reply } = browser;
  try {
    const returnTo = queryOf(request, 'return_to') || undefined;
    const from = { address: addressOf(request.raw), returnTo };
    const { url, cookieId, browserSecret } = await ports.sso.begin(nameOf(request), kind, from);
    reply.setCookie(flowCookie(ports, request, cookieId), browserSecret, {
      path: '/',
      httpOnly: true,
      // Comes back with the redirect from the provider's site; a strict one would not.
      sameSite: 'lax',
      secure: isSecure(ports, request),
      maxAge: 600,
    });
    return await reply.header('cache-control', 'no-store').redirect(url, 303);
  } catch (error) {
    return refuse(ports, browser, error);
  }
}

async function finish(
  ports: SignInPorts,
  browser: Browser & { readonly cookieId: string },
  work: (browserSecret: string | undefined) => Promise<SignedIn>,
): Promise<FastifyReply> {
  const { request, reply, cookieId } = browser;
  const cookie = flowCookie(ports, request, cookieId);
  try {
    const { session, returnTo } = await work(request.cookies[cookie]);
    reply.clearCookie(cookie, { path: '/', secure: isSecure(ports, request) });
    await startSession(ports, browser, session);
    return await reply.header('cache-control', 'no-store').redirect(returnTo, 303);
  } catch (error) {
    return refuse(ports, browser, error);
  }
}

function registerOidc(app: FastifyInstance, ports: SignInPorts): void {
  app.get('/auth/oidc/:name/start', (request, reply) => begin(ports, 'oidc', { request, reply }));
  app.get('/auth/oidc/:name/callback', (request, reply) => {
    const state = queryOf(request, 'state');
    const cookieId = ports.sso.cookieId(state);
    return finish(ports, { request, reply, cookieId }, (browserSecret) =>
      ports.sso.finishOidc(
        nameOf(request),
        { url: request.url, state, browserSecret },
        addressOf(request.raw),
      ),
    );
  });
}

function registerSaml(app: FastifyInstance, ports: SignInPorts): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 512 * 1024 },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
  app.get('/auth/saml/:name/start', (request, reply) => begin(ports, 'saml', { request, reply }));
  app.get('/auth/saml/:name/metadata', async (request, reply) =>
    reply.type('application/samlmetadata+xml').send(await ports.sso.metadata(nameOf(request))),
  );
  app.post('/auth/saml/:name/acs', async (request, reply) => {
    try {
      const form = (request.body ?? {}) as Readonly<Record<string, string>>;
      const { ticket, state } = await ports.sso.receiveSaml(nameOf(request), form);
      // The POST came from the provider's site and without cookies: the browser shows who it is on the next request.
      const path = `/auth/saml/${encodeURIComponent(nameOf(request))}/finish`;
      const query = new URLSearchParams({ ticket, flow: ports.sso.cookieId(state) });
      return await reply.header('cache-control', 'no-store').redirect(`${path}?${query}`, 303);
    } catch (error) {
      return refuse(ports, { request, reply }, error);
    }
  });
  app.get('/auth/saml/:name/finish', (request, reply) => {
    const ticket = queryOf(request, 'ticket');
    return finish(
      ports,
      { request, reply, cookieId: queryOf(request, 'flow').slice(0, 12) },
      (browserSecret) =>
        ports.sso.finishSaml(nameOf(request), { ticket, browserSecret }, addressOf(request.raw)),
    );
  });
}

/** The addresses a browser goes through on its way to a provider and back. */
export function registerSignIn(app: FastifyInstance, ports: SignInPorts): void {
  app.register(async (scope) => {
    registerOidc(scope, ports);
    registerSaml(scope, ports);
  });
}
