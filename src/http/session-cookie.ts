import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenedSession, Sessions } from '../control/sessions.ts';
import { addressOf } from './client-address.ts';

/** Whether cookies may carry `Secure` and the `__Host-` prefix. */
export interface CookiePorts {
  readonly secureCookies: boolean;
  readonly sessions: Sessions;
}

/** `__Host-` where the page came over TLS: no other host, and no page without TLS, can set such a cookie. */
export function sessionCookieName({ secureCookies }: Pick<CookiePorts, 'secureCookies'>): string {
  return secureCookies ? '__Host-sluice' : 'sluice_session';
}

/** Sends the session's cookie. */
export function sendSession(ports: CookiePorts, reply: FastifyReply, opened: OpenedSession): void {
  reply.setCookie(sessionCookieName(ports), opened.token, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: ports.secureCookies,
    expires: new Date(opened.expiresAt),
  });
}

/** Sends a new session's cookie and ends the one the browser came with: a planted id dies at sign-in (T17). */
export async function startSession(
  ports: CookiePorts,
  browser: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  opened: OpenedSession,
): Promise<void> {
  const before = browser.request.cookies[sessionCookieName(ports)];
  if (before !== undefined && before !== opened.token) await ports.sessions.closeToken(before);
  const agent = String(browser.request.headers['user-agent'] ?? '').slice(0, 200);
  await ports.sessions.noteOrigin(opened.token, { address: addressOf(browser.request.raw), agent });
  sendSession(ports, browser.reply, opened);
}
