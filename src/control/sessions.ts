import { timingSafeEqual } from 'node:crypto';
import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import { type Caller, type Handlers, operator, toTime } from './caller.ts';
import { everySetting } from './every-setting.ts';
import type { Rights } from './rights.ts';
import { OneTime } from './sign-in/one-time.ts';

/** A sign-in link works once and for this long. */
const LINK_MS = 10 * 60_000;
/** An id that was renewed works on for this long: a page sends several requests at once. */
const RENEWED_MS = 15_000;
/** Closed sessions remembered, so that a touch under way does not bring one back. */
const MAX_CLOSED = 10_000;
const PREFIX = 'session/';

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
  /** Names the roles a user holds; another text when they change. */
  readonly rolesOf?: (userId: string) => string;
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
  /** What the user held when the session got its id. */
  readonly held?: string | undefined;
  /** The address and the browser that signed in. */
  readonly from?: SessionOrigin | undefined;
}

/** Where somebody signed in from. */
export interface SessionOrigin {
  readonly address: string;
  /** What the browser calls itself. */
  readonly agent: string;
}

/** A session as its owner is shown it. */
export interface SessionView {
  /** Names the session; opens nothing. */
  readonly id: string;
  readonly openedAt: number;
  readonly usedAt: number;
  readonly expiresAt: number;
  readonly from: SessionOrigin | undefined;
}

/** Who a session speaks for. */
export interface FoundSession {
  readonly caller: Caller;
  /** His roles are others than when the session got its id: it needs a new one. */
  readonly outdated: boolean;
}

/** What a sign-in link leads to. */
interface Link {
  /** Absent: to a session with the rights of the admin key. */
  readonly userId?: string | undefined;
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Portal sessions and the one-time links that open them. Only hashes of session tokens are stored. */
export class Sessions {
  readonly #ports: SessionPorts;
  readonly #links: OneTime<Link>;
  readonly #closed = new Set<string>();

  constructor(ports: SessionPorts) {
    this.#ports = ports;
    this.#links = new OneTime(ports, 'link', LINK_MS);
  }

  #token(): string {
    return Buffer.from(this.#ports.random.bytes(24)).toString('base64url');
  }

  /** A link to the portal that signs its first visitor in: as this user, else with the rights of the admin key. */
  async createLink(userId?: string): Promise<{ url: string; expiresAt: number }> {
    const { token, expiresAt } = await this.#links.put({ userId });
    return { url: `${this.#ports.baseUrl()}/sign-in#${token}`, expiresAt };
  }

  /** Whether this is the admin key. */
  isAdminKey(key: string): boolean {
    return same(key, this.#ports.adminKey);
  }

  /** Exchanges a link's token or the admin key for a session. Throws `invalid_key`. */
  async open(token: string): Promise<OpenedSession> {
    if (this.isAdminKey(token)) return this.openFor(undefined);
    const link = await this.#links.take(token);
    if (link === undefined) {
      throw new SluiceError(
        'invalid_key',
        'This sign-in link was used or has expired. Print a new one with `sluice status --link`.',
      );
    }
    try {
      return await this.openFor(link.userId);
    } catch (error) {
      // The storage failed: the link was not used.
      await this.#links.keep(token, link).catch(() => undefined);
      throw error;
    }
  }

  /** A session for a user who has proved who he is; without one it has the rights of the admin key. */
  async openFor(userId: string | undefined): Promise<OpenedSession> {
    const { clock, maxAgeMs } = this.#ports;
    const now = clock.now();
    const held = this.#held(userId);
    return this.#keep({ openedAt: now, userId, held }, now + maxAgeMs);
  }

  #held(userId: string | undefined): string | undefined {
    return userId === undefined ? undefined : this.#ports.rolesOf?.(userId);
  }

  async #keep(stored: StoredSession, expiresAt: number): Promise<OpenedSession> {
    const { secrets, clock, store } = this.#ports;
    const token = this.#token();
    const name = `session/${secrets.hashKey(token)}`;
    await store.settings.put({ name, value: JSON.stringify(stored), updatedAt: clock.now(), expiresAt });
    return { token, expiresAt };
  }

  /** A new id for a session whose user holds other roles now; it ends when the old one would have. */
  async renew(token: string): Promise<OpenedSession | undefined> {
    const { secrets, clock, store } = this.#ports;
    const name = `session/${secrets.hashKey(token)}`;
    const found = await store.settings.get(name);
    if (found === undefined) return undefined;
    const stored = JSON.parse(found.value) as StoredSession;
    const now = clock.now();
    const renewed = { ...stored, held: this.#held(stored.userId) };
    const expiresAt = found.expiresAt ?? now;
    const opened = await this.#keep(renewed, expiresAt);
    const until = Math.min(expiresAt, now + RENEWED_MS);
    await store.settings.put({ ...found, value: JSON.stringify(renewed), expiresAt: until });
    return opened;
  }

  /** Keeps where a session was opened from. */
  async noteOrigin(token: string, from: SessionOrigin): Promise<void> {
    const { secrets, store } = this.#ports;
    const found = await store.settings.get(`session/${secrets.hashKey(token)}`);
    if (found === undefined) return;
    const stored = { ...(JSON.parse(found.value) as StoredSession), from };
    await store.settings.put({ ...found, value: JSON.stringify(stored) });
  }

  /** The live sessions of a user, the latest used first; without one those with the rights of the admin key. */
  async listOf(userId: string | undefined): Promise<readonly SessionView[]> {
    const { store, clock, idleMs } = this.#ports;
    const now = clock.now();
    const found: SessionView[] = [];
    for await (const { name, value, updatedAt, expiresAt = 0 } of everySetting(store.settings, PREFIX)) {
      const { userId: owner, openedAt, from } = JSON.parse(value) as StoredSession;
      const id = name.slice(PREFIX.length);
      const over = expiresAt <= now || now - updatedAt > idleMs || this.#closed.has(id);
      if (owner === userId && !over) found.push({ id, openedAt, usedAt: updatedAt, expiresAt, from });
    }
    return found.sort((a, b) => b.usedAt - a.usedAt);
  }

  /** Ends the sessions of a user (without one: those of the admin key) but for one of them. Resolves to how many. */
  async closeAllOf(userId: string | undefined, exceptId?: string): Promise<number> {
    let closed = 0;
    for await (const { name, value } of everySetting(this.#ports.store.settings, PREFIX)) {
      const id = name.slice(PREFIX.length);
      if (id === exceptId || (JSON.parse(value) as StoredSession).userId !== userId) continue;
      await this.close(id);
      closed += 1;
    }
    return closed;
  }

  /** Ends the session a browser brings to a sign-in: what somebody may have planted there dies. */
  async closeToken(token: string): Promise<void> {
    await this.close(this.#ports.secrets.hashKey(token));
  }

  /** Who a session cookie speaks for; `undefined` when it is unknown, idle for too long or too old. */
  async find(token: string, address: string): Promise<Caller | undefined> {
    return (await this.look(token, address))?.caller;
  }

  /** As `find`, and whether the session needs a new id. */
  async look(token: string, address: string): Promise<FoundSession | undefined> {
    const { secrets, clock, store, idleMs } = this.#ports;
    const id = secrets.hashKey(token);
    const found = await store.settings.get(`session/${id}`);
    const now = clock.now();
    if (found === undefined || (found.expiresAt ?? 0) <= now || now - found.updatedAt > idleMs)
      return undefined;
    if (this.#closed.has(id)) return undefined;
    // Touched at most once a minute: a page that polls must not write on every call.
    if (now - found.updatedAt > 60_000) {
      await store.settings.put({ ...found, updatedAt: now });
      if (this.#closed.has(id)) await store.settings.delete(found.name);
    }
    const { userId, held } = JSON.parse(found.value) as StoredSession;
    if (userId === undefined) {
      return { caller: operator(`session:${id.slice(0, 8)}`, address, id), outdated: false };
    }
    const caller = this.#ports.userCaller(userId, { address, sessionId: id });
    return caller === undefined ? undefined : { caller, outdated: held !== this.#held(userId) };
  }

  async close(sessionId: string): Promise<void> {
    if (this.#closed.size >= MAX_CLOSED) this.#closed.delete(this.#closed.values().next().value ?? '');
    this.#closed.add(sessionId);
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
      const { url, expiresAt } = await sessions.createLink(user_id ?? caller.userId);
      return { url, expires_at: toTime(expiresAt) };
    },
  };
}
