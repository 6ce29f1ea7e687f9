import type { User } from '../../core/policy/place.ts';
import { pageOfRules } from '../budgets.ts';
import { type Caller, type Handlers, notFound, toTime } from '../caller.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import { demand, isOf } from '../rights.ts';
import type { LocalAccounts } from './local-accounts.ts';

interface InvitationPorts extends PlacePorts {
  readonly accounts: LocalAccounts;
  readonly baseUrl: () => string;
}

/** As for making one: who manages a team only invites nobody. */
function demandWhole(caller: Caller): void {
  if (caller.tenant === 'every') return;
  demand(caller, 'users:write', { organizationId: caller.tenant.organizationId, what: 'user' });
}

/** Links with which users choose their first password: made, listed while they wait, and taken back. */
export function createInvitationHandlers(
  ports: InvitationPorts,
): Pick<Handlers, 'createInvitation' | 'listInvitations' | 'revokeInvitation'> {
  const { accounts, rights, places, baseUrl } = ports;
  const desk = new PlaceDesk(ports);
  /** Whether the caller could have invited him. */
  const controls = (caller: Caller, user: User): boolean => {
    if (user.deletedAt !== undefined || !isOf(caller, user.organizationId)) return false;
    try {
      rights.demandControlOf(caller, user.id);
      return true;
    } catch {
      return false;
    }
  };
  return {
    async createInvitation({ user_id }, caller) {
      const user = desk.find('user', caller, user_id);
      // Whoever chooses the password acts as him.
      rights.demandControlOf(caller, user.id);
      const { id, token, expiresAt } = await accounts.invite(user);
      return { id, url: `${baseUrl()}/sign-in#invite=${token}`, expires_at: toTime(expiresAt) };
    },
    async listInvitations({ organization_id, limit, cursor }, caller) {
      demandWhole(caller);
      const all = (await accounts.invited()).flatMap(({ id, value, createdAt, expiresAt }) => {
        const user = places.users.get(value.userId);
        if (user === undefined || !controls(caller, user)) return [];
        if (organization_id !== undefined && user.organizationId !== organization_id) return [];
        return [{ id, user, createdAt, expiresAt }];
      });
      const page = pageOfRules(all, { limit, cursor });
      return {
        data: page.data.map(({ id, user, createdAt, expiresAt }) => ({
          id,
          user_id: user.id,
          user_name: user.name,
          email: user.email ?? null,
          created_at: toTime(createdAt),
          expires_at: toTime(expiresAt),
        })),
        next_cursor: page.next_cursor,
      };
    },
    async revokeInvitation({ id }, caller) {
      demandWhole(caller);
      const found = (await accounts.invited()).find((one) => one.id === id);
      const user = found === undefined ? undefined : places.users.get(found.value.userId);
      if (user === undefined || !isOf(caller, user.organizationId)) throw notFound('invitation');
      rights.demandControlOf(caller, user.id);
      if (!(await accounts.withdrawInvitation(id))) throw notFound('invitation');
      return { ok: true };
    },
  };
}
