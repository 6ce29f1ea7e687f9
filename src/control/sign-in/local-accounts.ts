import { WEEK_MS } from '../../core/durations.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { Identity, User } from '../../core/policy/place.ts';
import type { OneTimeCodes, PasswordHasher } from '../../ports/sign-in.ts';
import type { PlacePorts } from '../place-ports.ts';
import type { OpenedSession, Sessions } from '../sessions.ts';
import { AttemptLimiter } from './attempt-limiter.ts';
import { OneTime, type OneTimePorts, type OneTimeToken, type Waiting } from './one-time.ts';
import { checkPassword, wrongPassword } from './password-rules.ts';
import { SecondFactor } from './second-factor.ts';

/** Issuer of identities whose password is kept here. */
const LOCAL = 'local';
const CHALLENGE_MS = 5 * 60_000;
const INVITATION_MS = WEEK_MS;
/** Passwords tried for one account in a minute, from wherever. */
const MAX_ATTEMPTS = 10;

export interface LocalAccountPorts extends PlacePorts, OneTimePorts {
  readonly passwords: PasswordHasher;
  readonly codes: OneTimeCodes;
  readonly sessions: Sessions;
  /** Whether accounts with a password may be used now. */
  readonly enabled: () => boolean;
}

/** A session, or a challenge that a code of the second factor answers. */
export type LocalSignIn =
  | { readonly user: User; readonly session: OpenedSession }
  | { readonly user: User; readonly challenge: OneTimeToken };

interface Invitation {
  readonly userId: string;
}

interface Challenge {
  readonly identityId: string;
  readonly userId: string;
  /** What the password was: changing it ends what was begun with the old one. */
  readonly passwordHash: string | undefined;
}

/** Accounts with a password kept here. */
export class LocalAccounts {
  readonly secondFactor: SecondFactor;
  readonly #ports: LocalAccountPorts;
  readonly #attempts: AttemptLimiter;
  readonly #challenges: OneTime<Challenge>;
  readonly #invitations: OneTime<Invitation>;

  constructor(ports: LocalAccountPorts) {
    this.#ports = ports;
    this.secondFactor = new SecondFactor(ports);
    this.#attempts = new AttemptLimiter(ports, 'password', { limit: MAX_ATTEMPTS, escalates: false });
    this.#challenges = new OneTime(ports, 'challenge', CHALLENGE_MS);
    this.#invitations = new OneTime(ports, 'invitation', INVITATION_MS);
  }

  /** Throws `invalid_key` whatever is wrong, at the same pace; `rate_limited` after too many attempts. */
  async signIn(email: string, password: string): Promise<LocalSignIn> {
    const name = email.trim().toLowerCase();
    this.#demandEnabled();
    await this.#attempts.begin(name);
    const identity = await this.#ports.store.places.findIdentity(LOCAL, name);
    const good = await this.#ports.passwords.verify(password, identity?.passwordHash);
    const user = identity === undefined ? undefined : this.#userOf(identity);
    if (!good || identity === undefined || user === undefined) throw wrongPassword();
    await this.#attempts.succeeded(name);
    return this.#passed(identity, user);
  }

  /** Throws `invalid_key` for a wrong code, one that was used, or a challenge that has ended. */
  async answerChallenge(challenge: string, code: string): Promise<LocalSignIn> {
    this.#demandEnabled();
    const begun = await this.#challenges.peek(challenge);
    if (begun === undefined) throw wrongCode();
    const identity = await this.ofUser(begun.userId);
    const user = identity === undefined ? undefined : this.#userOf(identity);
    const same = identity?.id === begun.identityId && identity.passwordHash === begun.passwordHash;
    if (identity === undefined || user === undefined || !same) throw wrongCode();
    if (!(await this.secondFactor.accept(identity, code))) throw wrongCode();
    if ((await this.#challenges.take(challenge)) === undefined) throw wrongCode();
    return this.#open(identity, user);
  }

  async #passed(identity: Identity, user: User): Promise<LocalSignIn> {
    if (identity.totpSecret === undefined) return this.#open(identity, user);
    const { id: identityId, passwordHash } = identity;
    return { user, challenge: await this.#challenges.put({ identityId, userId: user.id, passwordHash }) };
  }

  async #open(identity: Identity, user: User): Promise<LocalSignIn> {
    const { store, clock, sessions } = this.#ports;
    const change = { lastUsedAt: clock.now() };
    await store.places.update('identity', tenantOf(identity), { id: identity.id, change });
    return { user, session: await sessions.openFor(user.id) };
  }

  /** A link's token with which this user chooses a password. */
  invite(user: User): Promise<OneTimeToken> {
    this.#demandEnabled();
    if (user.email === undefined) {
      throw new SluiceError(
        'conflict',
        'This user has no e-mail address, which is the name one signs in with.',
      );
    }
    return this.#invitations.put({ userId: user.id });
  }

  /** Invitations that nobody has used. */
  invited(): Promise<readonly Waiting<Invitation>[]> {
    return this.#invitations.waiting();
  }

  /** False when there is none with this id. */
  withdrawInvitation(id: string): Promise<boolean> {
    return this.#invitations.drop(id);
  }

  /** Sets the password and signs in, once `before` has written down that it happens. Sessions from before end. */
  async acceptInvitation(
    token: string,
    password: string,
    before: (user: User) => Promise<void>,
  ): Promise<LocalSignIn> {
    const { places, sessions } = this.#ports;
    this.#demandEnabled();
    const invitation = await this.#invitations.peek(token);
    const user = invitation === undefined ? undefined : places.users.get(invitation.userId);
    if (user?.email === undefined || user.disabled || user.deletedAt !== undefined) throw usedInvitation();
    checkPassword(password, user);
    const passwordHash = await this.#ports.passwords.hash(password);
    await before(user);
    if ((await this.#invitations.take(token)) === undefined) throw usedInvitation();
    const identity = await this.#keep(user, user.email, passwordHash);
    await sessions.closeAllOf(user.id);
    return this.#passed(identity, user);
  }

  async #keep(user: User, subject: string, passwordHash: string): Promise<Identity> {
    const { store, clock, random } = this.#ports;
    const known = await this.ofUser(user.id);
    const tenant = { organizationId: user.organizationId };
    if (known !== undefined) {
      const change = { subject, passwordHash, disabled: false };
      return store.places.update('identity', tenant, { id: known.id, change });
    }
    const identity: Identity = {
      id: random.id('idn_'),
      organizationId: user.organizationId,
      userId: user.id,
      issuer: LOCAL,
      subject,
      passwordHash,
      totpSecret: undefined,
      disabled: false,
      lastUsedAt: undefined,
      createdAt: clock.now(),
    };
    await store.places.insert('identity', tenant, identity);
    return identity;
  }

  /** Throws `invalid_key` for a wrong current password. */
  async changePassword(
    user: User,
    given: { current: string; next: string },
    sessionId?: string,
  ): Promise<void> {
    const identity = await this.prove(user, given.current);
    checkPassword(given.next, user);
    const passwordHash = await this.#ports.passwords.hash(given.next);
    await this.#ports.store.places.update('identity', tenantOf(identity), {
      id: identity.id,
      change: { passwordHash },
    });
    await this.#ports.sessions.closeAllOf(user.id, sessionId);
  }

  /** The account of somebody who knows its password: a session alone does not suffice for what matters. */
  async prove(user: User, password: string): Promise<Identity> {
    await this.#attempts.begin(`prove ${user.id}`);
    const identity = await this.ofUser(user.id);
    if (identity === undefined) {
      throw new SluiceError('conflict', 'You have no password here; you sign in with another provider.');
    }
    if (!(await this.#ports.passwords.verify(password, identity.passwordHash))) throw wrongPassword();
    await this.#attempts.succeeded(`prove ${user.id}`);
    return identity;
  }

  /** A user's account with a password here. */
  async ofUser(userId: string): Promise<Identity | undefined> {
    const { store } = this.#ports;
    const filter = { userId, issuer: LOCAL };
    return (await store.places.list('identity', 'every', { page: { limit: 1 }, filter })).data[0];
  }

  #userOf(identity: Identity): User | undefined {
    const { places } = this.#ports;
    const user = places.users.get(identity.userId);
    const gone = user === undefined || user.disabled || user.deletedAt !== undefined || identity.disabled;
    if (gone || places.organizations.get(user.organizationId)?.blocked !== false) return undefined;
    return user;
  }

  #demandEnabled(): void {
    if (this.#ports.enabled()) return;
    throw new SluiceError('forbidden', 'Passwords are switched off here (`sign_in.local`); use another way.');
  }
}

function tenantOf({ organizationId }: Identity): { readonly organizationId: string } {
  return { organizationId };
}

function wrongCode(): SluiceError {
  return new SluiceError('invalid_key', 'This code is wrong, was used, or came too late. Begin again.');
}

function usedInvitation(): SluiceError {
  return new SluiceError('invalid_key', 'This invitation was used or has expired. Ask for a new one.');
}
