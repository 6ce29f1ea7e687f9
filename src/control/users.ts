import type { z } from 'zod';
import { SluiceError } from '../core/errors/error.ts';
import type { Membership, User } from '../core/policy/place.ts';
import { type Caller, type Handlers, toTime } from './caller.ts';
import type { userInput, userView } from './contracts/place-shapes.ts';
import { newMembership } from './memberships.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { policyOf, policyView } from './policies.ts';
import { canWithOwn, demand, organizationFor, teamsWith } from './rights.ts';

type UserHandlers = Pick<Handlers, 'createUser' | 'listUsers' | 'getUser' | 'updateUser' | 'deleteUser'>;
type UserInput = z.output<typeof userInput>;

/** Fields that say who somebody is or what he may do: changing them takes control over him. */
const OF_RIGHTS = ['email', 'external_id', 'disabled', 'policy'] as const;

function viewOf(user: User, memberships: Iterable<Membership>): z.output<typeof userView> {
  return {
    id: user.id,
    organization_id: user.organizationId,
    name: user.name,
    email: user.email ?? null,
    external_id: user.externalId ?? null,
    disabled: user.disabled,
    policy: policyView(user.policy),
    limited_by: [...user.limitedBy],
    metadata: { ...user.metadata },
    memberships: [...memberships].map(({ id, teamId, role }) => ({ id, team_id: teamId ?? null, role })),
    created_at: toTime(user.createdAt),
  };
}

/** Ids of the users a caller may see; `undefined` for everybody of the organization. */
function visibleIds(ports: PlacePorts, caller: Caller): readonly string[] | undefined {
  const teams = teamsWith(caller, 'users:read');
  if (teams === 'all') return undefined;
  const inTeams = [...ports.places.memberships.values()].filter(
    ({ teamId }) => teamId !== undefined && teams.includes(teamId),
  );
  return [...new Set(inTeams.map(({ userId }) => userId))];
}

function changeOf(input: { readonly [K in keyof UserInput]?: UserInput[K] | undefined }) {
  return {
    ...(input.name === undefined ? {} : { name: input.name }),
    ...(input.email === undefined ? {} : { email: input.email ?? undefined }),
    ...(input.external_id === undefined ? {} : { externalId: input.external_id ?? undefined }),
    ...(input.disabled === undefined ? {} : { disabled: input.disabled }),
    ...(input.metadata === undefined ? {} : { metadata: input.metadata }),
    ...(input.policy === undefined ? {} : { policy: policyOf(input.policy) }),
  };
}

/** Throws unless the caller may change these fields of the user. */
function demandChange(ports: PlacePorts, caller: Caller, change: { user: User; input: object }): void {
  const { user, input } = change;
  const location = { organizationId: user.organizationId, ownerId: user.id };
  const fields = OF_RIGHTS.filter((field) => (input as Record<string, unknown>)[field] !== undefined);
  if (fields.length === 0) {
    if (!canWithOwn(caller, 'own:write', location))
      demand(caller, 'users:write', { ...location, what: 'user' });
    return;
  }
  ports.rights.demandControlOf(caller, user.id);
  if (!fields.includes('policy')) return;
  ports.rights.demandUnbound(caller);
  if (user.id === caller.userId) throw new SluiceError('forbidden', 'Nobody changes what limits himself.');
}

/** Ends everything a deleted user could act with. */
async function endAccess(
  ports: PlacePorts,
  desk: PlaceDesk,
  ending: { caller: Caller; user: User },
): Promise<void> {
  const { caller, user } = ending;
  for (const membership of [...ports.places.membershipsOf(user.id)]) {
    await desk.remove('membership', caller, membership.id);
  }
  for (const key of [...ports.directory.keys()].filter(({ userId }) => userId === user.id)) {
    await ports.store.keys.update(key.id, { revokedAt: ports.clock.now() });
    ports.directory.remove(key.id);
  }
  const { places } = ports.store;
  for (;;) {
    const { data } = await places.list('identity', caller.tenant, {
      page: { limit: 100 },
      filter: { userId: user.id },
    });
    for (const { id } of data) await places.remove('identity', caller.tenant, id);
    if (data.length === 0) return;
  }
}

/** People. What one makes is bound by what binds oneself, and nobody touches who holds more. */
export function createUserHandlers(ports: PlacePorts): UserHandlers {
  const desk = new PlaceDesk(ports);
  const show = (user: User) => viewOf(user, ports.places.membershipsOf(user.id));
  return {
    async createUser(input, caller) {
      const organizationId = organizationFor(caller, input.organization_id);
      demand(caller, 'users:write', { organizationId, what: 'organization' });
      desk.find('organization', caller, organizationId);
      if (input.team_id !== undefined && input.role === undefined) {
        throw new SluiceError('bad_request', '`team_id` needs the `role` held there.', { param: 'role' });
      }
      const user: User = {
        id: desk.newId('user'),
        organizationId,
        name: input.name,
        email: input.email ?? undefined,
        externalId: input.external_id ?? undefined,
        disabled: input.disabled ?? false,
        deletedAt: undefined,
        policy: policyOf(input.policy ?? {}),
        limitedBy: ports.rights.boundBy(caller),
        metadata: input.metadata ?? {},
        createdAt: ports.clock.now(),
      };
      const membership =
        input.role === undefined
          ? undefined
          : newMembership(ports, caller, { user, teamId: input.team_id, role: input.role });
      await desk.insert('user', caller, user);
      if (membership !== undefined) await desk.insert('membership', caller, membership);
      return show(user);
    },
    listUsers: (input, caller) =>
      desk.list('user', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: {
          email: input.email?.toLowerCase(),
          externalId: input.external_id,
          ids: visibleIds(ports, caller),
        },
        view: show,
      }),
    async getUser({ id }, caller) {
      const user = desk.find('user', caller, id);
      const location = { organizationId: user.organizationId, ownerId: id };
      const seen = visibleIds(ports, caller)?.includes(id) === true;
      if (!seen && !canWithOwn(caller, 'own:read', location))
        demand(caller, 'users:read', { ...location, what: 'user' });
      return show(user);
    },
    async updateUser({ id, ...input }, caller) {
      const user = desk.find('user', caller, id);
      demandChange(ports, caller, { user, input });
      return show(await desk.update('user', caller, { id, change: changeOf(input) }));
    },
    async deleteUser({ id }, caller) {
      const user = desk.find('user', caller, id);
      ports.rights.demandControlOf(caller, id);
      // First of all nobody may act as him any more, whatever fails afterwards.
      const change = {
        deletedAt: ports.clock.now(),
        disabled: true,
        email: undefined,
        externalId: undefined,
      };
      await desk.update('user', caller, { id, change });
      await endAccess(ports, desk, { caller, user });
      return { ok: true };
    },
  };
}
