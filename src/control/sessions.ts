import { timingSafeEqual } from 'node:crypto';
import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import { type Caller, type Handlers, operator, toTime } from './caller.ts';
import type { Rights } from './rights.ts';

/** A sign-in link works once and for this long. */
const LINK_MS = 10 * 60_000;
const MAX_LINKS = 100;

export interface SessionPorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly random: Random;
  readonly adminKey: string;
  /** Where the portal is, without a trailing slash. */
  readonly baseUrl: () => string;
  /** The caller a user is now; `undefined` when he is disabled or gone. */
  readonly userCaller: (
    userId: string,
    from: { readonly address: string; readonly sessionId: string },
  ) => Caller | undefined;
  readonly idleMs: number;
  readonly maxAgeMs: number;
}

/** A session that was opened: the cookie's value leaves the process once. */
export interface OpenedSession {
  readonly token: string;
  readonly expiresAt: number;
}

interface StoredSession {
  readonly openedAt: number;
  /** Absent: the session of the admin key. */
  readonly userId?: string | undefined;
}

/** What a sign-in link leads to. */
interface Link {
  readonly endsAt: number;
  readonly userId: string | undefined;
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Portal sessions and the one-time links that open them. Only hashes of session tokens are stored. */
export class Sessions {
  readonly #ports: SessionPorts;
  /** Hash of the link's token → when it ends. Links do not outlive the process. */
  readonly #links = new Map<string, Link>();

  constructor(ports: SessionPorts) {
    this.#ports = ports;
  }

  #token(): string {
    return Buffer.from(this.#ports.random.bytes(24)).toString('base64url');
  }

  /** A link to the portal that signs its first visitor in: as this user, else with the rights of the admin key. */
  createLink(userId?: string): { url: string; expiresAt: number } {
    const { secrets, clock, baseUrl } = this.#ports;
    const token = this.#token();
    const expiresAt = clock.now() + LINK_MS;
    if (this.#links.size >= MAX_LINKS) this.#links.delete(this.#links.keys().next().value ?? '');
    this.#links.set(secrets.hashKey(token), { endsAt: expiresAt, userId });
    return { url: `${baseUrl()}/sign-in#${token}`, expiresAt };
  }

  /** Whether this is the admin key. */
  isAdminKey(key: string): boolean {
    return same(key, this.#ports.adminKey);
  }

  /** Exchanges a link's token or the admin key for a session. Throws `invalid_key`. */
  async open(token: string): Promise<OpenedSession> {
    const { secrets, clock } = this.#ports;
    const now = clock.now();
    const linkHash = secrets.hashKey(token);
    const link = this.#links.get(linkHash);
    this.#links.delete(linkHash);
    if (!(link !== undefined && link.endsAt > now) && !this.isAdminKey(token)) {
      throw new SluiceError(
        'invalid_key',
        'This sign-in link was used or has expired. Print a new one with `sluice status --link`.',
      );
    }
    return this.openFor(link?.userId);
  }

  /** A session for a user who has proved who he is; without one it has the rights of the admin key. */
  async openFor(userId: string | undefined): Promise<OpenedSession> {
    const { secrets, clock, store, maxAgeMs } = this.#ports;
    const now = clock.now();
    const session = this.#token();
    await store.settings.put({
      name: `session/${secrets.hashKey(session)}`,
      value: JSON.stringify({ openedAt: now, userId } satisfies StoredSession),
      updatedAt: now,
      expiresAt: now + maxAgeMs,
    });
    return { token: session, expiresAt: now + maxAgeMs };
  }

  /** Who a session cookie speaks for; `undefined` when it is unknown, idle for too long or too old. */
  async find(token: string, address: string): Promise<Caller | undefined> {
    const { secrets, clock, store, idleMs } = this.#ports;
    const id = secrets.hashKey(token);
    const found = await store.settings.get(`session/${id}`);
    const now = clock.now();
    if (found === undefined || (found.expiresAt ?? 0) <= now || now - found.updatedAt > idleMs)
      return undefined;
    // Touched at most once a minute: a page that polls must not write on every call.
    if (now - found.updatedAt > 60_000) await store.settings.put({ ...found, updatedAt: now });
    const { userId } = JSON.parse(found.value) as StoredSession;
    if (userId !== undefined) return this.#ports.userCaller(userId, { address, sessionId: id });
    return operator(`session:${id.slice(0, 8)}`, address, id);
  }

  async close(sessionId: string): Promise<void> {
    await this.#ports.store.settings.delete(`session/${sessionId}`);
  }
}

/** Signing out and new links; opening a session also sets a cookie, so the http layer calls {@link Sessions} itself. */
export function createSessionHandlers(
  sessions: Sessions,
  rights: Rights,
): Pick<Handlers, 'closeSession' | 'createSignInLink' | 'openSession'> {
  return {
    async openSession({ token }) {
      const { expiresAt } = await sessions.open(token);
      return { expires_at: toTime(expiresAt) };
    },
    async closeSession(_input, caller) {
      if (caller.sessionId !== undefined) await sessions.close(caller.sessionId);
      return { ok: true };
    },
    async createSignInLink({ user_id }, caller) {
      // Without a name: a link for oneself, with no more rights than one has.
      if (user_id !== undefined && user_id !== caller.userId) rights.demandControlOf(caller, user_id);
      const { url, expiresAt } = sessions.createLink(user_id ?? caller.userId);
      return { url, expires_at: toTime(expiresAt) };
    },
  };
}
