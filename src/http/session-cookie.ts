import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenedSession, Sessions } from '../control/sessions.ts';
import { addressOf, cameOverTls } from './client-address.ts';

/** Where sessions are, and whether the gateway's own address is one of TLS. */
export interface CookiePorts {
  readonly secureCookies: boolean;
  readonly sessions: Sessions;
}

/** Whether this browser keeps a cookie with `Secure` and the `__Host-` prefix: its side of the way is TLS. */
export function isSecure(
  { secureCookies }: Pick<CookiePorts, 'secureCookies'>,
  request: FastifyRequest,
): boolean {
  return secureCookies || cameOverTls(request.raw);
}

/** `__Host-` where the page came over TLS: no other host, and no page without TLS, can set such a cookie. */
export function sessionCookieName(
  ports: Pick<CookiePorts, 'secureCookies'>,
  request: FastifyRequest,
): string {
  return isSecure(ports, request) ? '__Host-sluice' : 'sluice_session';
}

/** Sends the session's cookie. */
export function sendSession(ports: CookiePorts, reply: FastifyReply, opened: OpenedSession): void {
  reply.setCookie(sessionCookieName(ports, reply.request), opened.token, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: isSecure(ports, reply.request),
    expires: new Date(opened.expiresAt),
  });
}

/** Sends a new session's cookie and ends the one the browser came with: a planted id dies at sign-in (T17). */
export async function startSession(
  ports: CookiePorts,
  browser: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  opened: OpenedSession,
): Promise<void> {
  const before = browser.request.cookies[sessionCookieName(ports, browser.request)];
  if (before !== undefined && before !== opened.token) await ports.sessions.closeToken(before);
  const agent = String(browser.request.headers['user-agent'] ?? '').slice(0, 200);
  await ports.sessions.noteOrigin(opened.token, { address: addressOf(browser.request.raw), agent });
  sendSession(ports, browser.reply, opened);
}
