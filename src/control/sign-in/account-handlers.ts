import { SluiceError } from '../../core/errors/error.ts';
import type { User } from '../../core/policy/place.ts';
import { type Caller, type Handlers, toTime } from '../caller.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import type { OpenedSession, Sessions } from '../sessions.ts';
import { createInvitationHandlers } from './invitations.ts';
import type { LocalAccounts, LocalSignIn } from './local-accounts.ts';

type AccountHandlers = Pick<
  Handlers,
  | 'createInvitation'
  | 'listInvitations'
  | 'revokeInvitation'
  | 'resetSecondFactor'
  | 'getAccount'
  | 'changePassword'
  | 'enrollSecondFactor'
  | 'confirmSecondFactor'
  | 'removeSecondFactor'
>;

export interface AccountPorts extends PlacePorts {
  readonly accounts: LocalAccounts;
  readonly sessions: Sessions;
  readonly baseUrl: () => string;
}

/** A sign-in's answer with the session whose cookie is to be set. */
export interface SignInAnswer {
  readonly session: OpenedSession | undefined;
  readonly user: User;
  readonly output: {
    readonly status: 'signed_in' | 'second_factor';
    readonly expires_at: string;
    readonly challenge: string | null;
  };
}

/** What a local sign-in answers. */
export function answerOf(result: LocalSignIn): SignInAnswer {
  const { user } = result;
  if ('session' in result) {
    const { session } = result;
    const output = { status: 'signed_in', expires_at: toTime(session.expiresAt), challenge: null } as const;
    return { session, user, output };
  }
  const { token, expiresAt } = result.challenge;
  const output = { status: 'second_factor', expires_at: toTime(expiresAt), challenge: token } as const;
  return { session: undefined, user, output };
}

/** One's own account: password, second factor, who one is; and what who manages users may do about those. */
export function createAccountHandlers(ports: AccountPorts): AccountHandlers {
  const { accounts, sessions, rights, places, store } = ports;
  const desk = new PlaceDesk(ports);
  const self = (caller: Caller): User => {
    const user = caller.userId === undefined ? undefined : places.users.get(caller.userId);
    if (user !== undefined) return user;
    throw new SluiceError(
      'conflict',
      'The admin key is no account: it has no password and no second factor.',
    );
  };
  const ownAccount = async (caller: Caller) => {
    const identity = await accounts.ofUser(self(caller).id);
    if (identity !== undefined) return identity;
    throw new SluiceError('conflict', 'You have no password here; you sign in with another provider.');
  };
  return {
    ...createInvitationHandlers(ports),
    async resetSecondFactor({ id }, caller) {
      const user = desk.find('user', caller, id);
      rights.demandControlOf(caller, user.id);
      const identity = await accounts.ofUser(user.id);
      if (identity !== undefined) await accounts.secondFactor.remove(identity);
      await sessions.closeAllOf(user.id);
      return { ok: true };
    },
    async getAccount(_input, caller) {
      const user = caller.userId === undefined ? undefined : self(caller);
      const own = user === undefined ? undefined : await accounts.ofUser(user.id);
      const filter = { userId: user?.id ?? '' };
      const identities = await store.places.list('identity', caller.tenant, { page: { limit: 100 }, filter });
      return {
        user_id: user?.id ?? null,
        name: user?.name ?? 'Admin key',
        email: user?.email ?? null,
        organization_id: user?.organizationId ?? null,
        has_password: own?.passwordHash !== undefined,
        second_factor: own?.totpSecret !== undefined,
        recovery_codes_left: own === undefined ? 0 : await accounts.secondFactor.recoveryLeft(own),
        identities: identities.data.map(({ issuer, subject, lastUsedAt }) => ({
          issuer,
          subject,
          last_used_at: lastUsedAt === undefined ? null : toTime(lastUsedAt),
        })),
      };
    },
    async changePassword({ current_password, new_password }, caller) {
      const given = { current: current_password, next: new_password };
      await accounts.changePassword(self(caller), given, caller.sessionId);
      return { ok: true };
    },
    async enrollSecondFactor({ current_password }, caller) {
      const identity = await accounts.prove(self(caller), current_password);
      const { secret, url } = await accounts.secondFactor.begin(identity);
      return { secret, otpauth_url: url };
    },
    async confirmSecondFactor({ code }, caller) {
      const identity = await ownAccount(caller);
      const recovery = await accounts.secondFactor.confirm(identity, code);
      await sessions.closeAllOf(identity.userId, caller.sessionId);
      return { recovery_codes: [...recovery] };
    },
    async removeSecondFactor({ current_password, code }, caller) {
      const identity = await accounts.prove(self(caller), current_password);
      if (identity.totpSecret === undefined) throw new SluiceError('conflict', 'You have no second factor.');
      if (!(await accounts.secondFactor.accept(identity, code))) {
        throw new SluiceError('invalid_key', 'This code is wrong or was used.');
      }
      await accounts.secondFactor.remove(identity);
      return { ok: true };
    },
  };
}
