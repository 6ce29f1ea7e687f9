import type { z } from 'zod';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { Membership, User } from '../core/policy/place.ts';
import { BUILT_IN_ROLES, isBuiltInRole, permissionsOf, type Role } from '../core/policy/role.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import type { membershipView, roleView } from './contracts/place-shapes.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { present } from './policies.ts';
import { can, canWithOwn, demand, organizationFor, teamsWith } from './rights.ts';

type MembershipHandlers = Pick<
  Handlers,
  'createMembership' | 'listMemberships' | 'getMembership' | 'updateMembership' | 'deleteMembership'
>;
type RoleView = (typeof BUILT_IN_VIEWS)[number];

/** What cursors into the roles that are built in begin with; they come after an organization's own. */
const BUILT_IN_PLACE = 'built-in~';

/** Fills a page up with built-in roles from the place of a cursor on. Throws `bad_request` for a place that is none. */
function builtInPage(
  cursor: string,
  { data, limit }: { readonly data: readonly RoleView[]; readonly limit: number },
): { data: RoleView[]; next_cursor: string | null } {
  const after = cursor.slice(BUILT_IN_PLACE.length);
  const at = BUILT_IN_VIEWS.findIndex(({ id }) => id === after);
  if (after !== '' && at < 0) {
    throw badRequest('cursor', '`cursor` must be a `next_cursor` of an earlier answer.');
  }
  const left = BUILT_IN_VIEWS.slice(at + 1);
  const shown = left.slice(0, limit - data.length);
  const last = shown.at(-1)?.id ?? after;
  return {
    data: [...data, ...shown],
    next_cursor: shown.length < left.length ? BUILT_IN_PLACE + last : null,
  };
}

type RoleHandlers = Pick<Handlers, 'createRole' | 'listRoles' | 'getRole' | 'updateRole' | 'deleteRole'>;

function viewOf(membership: Membership): z.output<typeof membershipView> {
  return {
    id: membership.id,
    organization_id: membership.organizationId,
    user_id: membership.userId,
    team_id: membership.teamId ?? null,
    role: membership.role,
    source: membership.source,
    created_at: toTime(membership.createdAt),
  };
}

function demandRole(ports: PlacePorts, organizationId: string, role: string): void {
  if (isBuiltInRole(role) || ports.places.roles.get(role)?.organizationId === organizationId) return;
  throw badRequest(
    'role',
    `\`role\`: write ${BUILT_IN_ROLES.join(', ')}, or the id of a role of this organization.`,
  );
}

/**
 * A membership the caller may give: he manages the place and holds everything the role holds there.
 * @throws SluiceError `forbidden`, or `bad_request` for a team or role that is not of the user's organization
 */
export function newMembership(
  ports: PlacePorts,
  caller: Caller,
  wanted: { readonly user: User; readonly teamId: string | undefined; readonly role: string },
): Membership {
  const { user, teamId, role } = wanted;
  const { organizationId } = user;
  const desk = new PlaceDesk(ports);
  if (teamId !== undefined) desk.named('team', organizationId, { name: 'team_id', id: teamId });
  demand(caller, 'memberships:write', { organizationId, teamId, what: 'user' });
  demandRole(ports, organizationId, role);
  const membership: Membership = {
    id: desk.newId('membership'),
    organizationId,
    userId: user.id,
    teamId,
    role,
    source: 'manual',
    createdAt: ports.clock.now(),
  };
  ports.rights.demandAll(caller, ports.rights.permissionsOf(membership), membership);
  return membership;
}

/** Throws unless the caller manages the place and holds what the membership gives: nobody unseats who holds more. */
function demandOver(ports: PlacePorts, caller: Caller, membership: Membership): void {
  demand(caller, 'memberships:write', { ...membership, what: 'membership' });
  ports.rights.demandAll(caller, ports.rights.permissionsOf(membership), membership);
}

/** Who holds which role where. */
export function createMembershipHandlers(ports: PlacePorts): MembershipHandlers {
  const desk = new PlaceDesk(ports);
  return {
    async createMembership(input, caller) {
      const user = desk.find('user', caller, input.user_id);
      const membership = newMembership(ports, caller, {
        user,
        teamId: input.team_id ?? undefined,
        role: input.role,
      });
      await desk.insert('membership', caller, membership);
      return viewOf(membership);
    },
    async listMemberships(input, caller) {
      const teams = teamsWith(caller, 'memberships:read');
      const ids =
        teams === 'all'
          ? undefined
          : [...ports.places.memberships.values()]
              .filter(({ teamId }) => teamId !== undefined && teams.includes(teamId))
              .map(({ id }) => id);
      return desk.list('membership', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: { userId: input.user_id, teamId: input.team_id, ids },
        view: viewOf,
      });
    },
    async getMembership({ id }, caller) {
      const membership = desk.find('membership', caller, id);
      const location = { ...membership, ownerId: membership.userId };
      if (!canWithOwn(caller, 'own:read', location)) {
        demand(caller, 'memberships:read', { ...location, what: 'membership' });
      }
      return viewOf(membership);
    },
    async updateMembership({ id, role }, caller) {
      const membership = desk.find('membership', caller, id);
      demandOver(ports, caller, membership);
      demandRole(ports, membership.organizationId, role);
      demandOver(ports, caller, { ...membership, role });
      return viewOf(await desk.update('membership', caller, { id, change: { role } }));
    },
    async deleteMembership({ id }, caller) {
      demandOver(ports, caller, desk.find('membership', caller, id));
      return desk.remove('membership', caller, id);
    },
  };
}

function roleViewOf(role: Role): z.output<typeof roleView> {
  return {
    id: role.id,
    organization_id: role.organizationId,
    name: role.name,
    permissions: [...role.permissions],
    built_in: false,
    created_at: toTime(role.createdAt),
  };
}

const BUILT_IN_VIEWS: readonly z.output<typeof roleView>[] = BUILT_IN_ROLES.map((name) => ({
  id: name,
  organization_id: null,
  name,
  permissions: [...permissionsOf(name, new Map(), false)],
  built_in: true,
  created_at: null,
}));

/** Roles an organization makes for itself, beside the built-in ones. */
export function createRoleHandlers(ports: PlacePorts): RoleHandlers {
  const desk = new PlaceDesk(ports);
  const demandOwn = (caller: Caller, role: Pick<Role, 'organizationId' | 'permissions'>) => {
    const at = { organizationId: role.organizationId };
    demand(caller, 'roles:write', { ...at, what: 'role' });
    ports.rights.demandAll(caller, role.permissions, at);
  };
  return {
    async createRole(input, caller) {
      const organizationId = organizationFor(caller, input.organization_id);
      desk.find('organization', caller, organizationId);
      const role: Role = {
        id: desk.newId('role'),
        organizationId,
        name: input.name,
        permissions: [...new Set(input.permissions)],
        createdAt: ports.clock.now(),
      };
      demandOwn(caller, role);
      demandFreeName(input.name);
      await desk.insert('role', caller, role);
      return roleViewOf(role);
    },
    async listRoles(input, caller) {
      const { cursor, limit } = input;
      if (cursor?.startsWith(BUILT_IN_PLACE) === true) return builtInPage(cursor, { data: [], limit });
      const ids = teamsWith(caller, 'roles:read') === 'all' ? undefined : [];
      const page = await desk.list('role', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: { ids },
        view: roleViewOf,
      });
      return page.next_cursor === null ? builtInPage(BUILT_IN_PLACE, { data: page.data, limit }) : page;
    },
    async getRole({ id }, caller) {
      const builtIn = BUILT_IN_VIEWS.find((role) => role.id === id);
      if (builtIn !== undefined) return builtIn;
      const role = desk.find('role', caller, id);
      if (!can(caller, 'roles:read', role)) throw notFound('role');
      return roleViewOf(role);
    },
    async updateRole({ id, ...input }, caller) {
      const role = findOwn(desk, caller, id);
      demandOwn(caller, role);
      demandOwn(caller, { ...role, permissions: input.permissions ?? [] });
      if (input.name !== undefined) demandFreeName(input.name);
      return roleViewOf(await desk.update('role', caller, { id, change: present(input) }));
    },
    async deleteRole({ id }, caller) {
      demandOwn(caller, findOwn(desk, caller, id));
      for (const membership of ports.places.memberships.values()) {
        if (membership.role !== id) continue;
        throw new SluiceError('conflict', 'Somebody holds this role; give them another one first.');
      }
      return desk.remove('role', caller, id);
    },
  };
}

function findOwn(desk: PlaceDesk, caller: Caller, id: string): Role {
  if (isBuiltInRole(id)) throw new SluiceError('forbidden', 'The built-in roles cannot be changed.');
  return desk.find('role', caller, id);
}

function demandFreeName(name: string): void {
  if (isBuiltInRole(name.toLowerCase())) {
    throw new SluiceError('conflict', 'A built-in role has this name.', { param: 'name' });
  }
}
