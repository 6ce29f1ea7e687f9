import { SluiceError } from '../core/errors/error.ts';
import type { Permission } from '../core/policy/permission.ts';
import { DEFAULT_ORGANIZATION_ID, type Membership, type User } from '../core/policy/place.ts';
import { saysNothing } from '../core/policy/policy.ts';
import { isBuiltInRole, permissionsOf } from '../core/policy/role.ts';
import type { Extent } from '../ports/place-store.ts';
import { type Caller, notFound, type Reach } from './caller.ts';
import type { PlaceDirectory } from './place-directory.ts';

/** Where something is: what a permission is asked for. */
export interface Location {
  readonly organizationId: string;
  /** Absent: it belongs to the organization as a whole. */
  readonly teamId?: string | undefined;
  /** Whose it is, where the weak permissions `own:…` may do. */
  readonly ownerId?: string | undefined;
}

/** Whether the caller's credential reaches into this organization at all. */
export function isOf(caller: Caller, organizationId: string): boolean {
  return caller.tenant === 'every' || caller.tenant.organizationId === organizationId;
}

/** Whether the caller holds a permission at a place. A role over the organization holds in all of its teams. */
export function can(caller: Caller, permission: Permission, at: Location): boolean {
  return (
    isOf(caller, at.organizationId) &&
    caller.reach.some(
      ({ teamId, permissions }) =>
        (teamId === undefined || teamId === at.teamId) && permissions.has(permission),
    )
  );
}

/** Whether the thing is the caller's own and he may do this with what is his. */
export function canWithOwn(caller: Caller, permission: Permission, at: Location): boolean {
  return (
    caller.userId !== undefined &&
    at.ownerId === caller.userId &&
    isOf(caller, at.organizationId) &&
    caller.permissions.has(permission)
  );
}

/**
 * Throws `not_found` for what is another organization's, as if it did not exist, and `forbidden` for what the caller can
 * know of and may not touch.
 */
export function demand(
  caller: Caller,
  permission: Permission,
  at: Location & { readonly what: string },
): void {
  if (!isOf(caller, at.organizationId)) throw notFound(at.what);
  if (!can(caller, permission, at)) {
    throw new SluiceError('forbidden', `This needs the permission \`${permission}\` here.`);
  }
}

/** Teams in which the caller holds a permission; `all` when he holds it over the whole organization. */
export function teamsWith(caller: Caller, permission: Permission): 'all' | readonly string[] {
  const holding = caller.reach.filter(({ permissions }) => permissions.has(permission));
  if (holding.some(({ teamId }) => teamId === undefined)) return 'all';
  return holding.flatMap(({ teamId }) => (teamId === undefined ? [] : [teamId]));
}

/**
 * What a caller may read with a permission: the organization, or his teams and what is his own.
 * @param organizationId what the input names; only the admin key can name another organization than its own
 */
export function extentOf(caller: Caller, permission: Permission, organizationId?: string): Extent {
  if (organizationId !== undefined && !isOf(caller, organizationId)) throw notFound('organization');
  const tenant = organizationId === undefined ? caller.tenant : { organizationId };
  const teams = teamsWith(caller, permission);
  if (teams === 'all') return { tenant };
  const ownerId = caller.permissions.has('own:read') ? caller.userId : undefined;
  return { tenant, within: { teamIds: teams, ownerId } };
}

/** The organization something is made in: the caller's own, or for the admin key the one it names. */
export function organizationFor(caller: Caller, named: string | undefined): string {
  if (caller.tenant === 'every') return named ?? DEFAULT_ORGANIZATION_ID;
  if (named !== undefined && named !== caller.tenant.organizationId) throw notFound('organization');
  return caller.tenant.organizationId;
}

/** Who may do what, from users, memberships and roles as they are now. */
export class Rights {
  readonly #places: PlaceDirectory;

  constructor(places: PlaceDirectory) {
    this.#places = places;
  }

  /** The caller a user is; `undefined` when he is unknown, disabled or gone, or his organization is blocked. */
  callerOf(
    userId: string,
    from: { readonly address: string; readonly sessionId: string | undefined },
  ): Caller | undefined {
    const user = this.#places.users.get(userId);
    if (user === undefined || user.disabled || user.deletedAt !== undefined) return undefined;
    if (this.#places.organizations.get(user.organizationId)?.blocked !== false) return undefined;
    const reach = this.#reachOf(user);
    return {
      actor: `user:${user.id}`,
      address: from.address,
      permissions: new Set(reach.flatMap(({ permissions }) => [...permissions])),
      tenant: { organizationId: user.organizationId },
      userId: user.id,
      reach,
      sessionId: from.sessionId,
    };
  }

  #reachOf(user: User): readonly Reach[] {
    return [...this.#places.membershipsOf(user.id)]
      .filter(({ organizationId }) => organizationId === user.organizationId)
      .map((membership) => ({
        teamId: membership.teamId,
        permissions: this.permissionsOf(membership),
      }));
  }

  /** Names the roles a user holds; another text when they change. */
  rolesOf(userId: string): string {
    const held = [...this.#places.membershipsOf(userId)].map(({ teamId = '', role }) => `${teamId}:${role}`);
    return held.sort().join(' ');
  }

  /** What a membership gives. A role of another organization gives nothing. */
  permissionsOf({
    organizationId,
    teamId,
    role,
  }: Pick<Membership, 'organizationId' | 'teamId' | 'role'>): ReadonlySet<Permission> {
    const { roles } = this.#places;
    if (!isBuiltInRole(role) && roles.get(role)?.organizationId !== organizationId) return new Set();
    return permissionsOf(role, roles, teamId === undefined && organizationId === DEFAULT_ORGANIZATION_ID);
  }

  /** Throws `forbidden` unless the caller holds all of these at the place himself: nobody gives what he has not. */
  demandAll(caller: Caller, permissions: Iterable<Permission>, at: Location): void {
    for (const permission of permissions) {
      if (permission === 'public' || can(caller, permission, at)) continue;
      throw new SluiceError(
        'forbidden',
        `You cannot give the permission \`${permission}\`, which you do not hold here.`,
      );
    }
  }

  /** Throws unless the caller holds, over this user, everything the user holds: else acting as him would be a way up. */
  demandControlOf(caller: Caller, userId: string): void {
    const user = this.#places.users.get(userId);
    if (user === undefined || user.deletedAt !== undefined) throw notFound('user');
    demand(caller, 'users:write', { organizationId: user.organizationId, what: 'user' });
    for (const membership of this.#places.membershipsOf(userId)) {
      this.demandAll(caller, this.permissionsOf(membership), membership);
    }
    const bound = this.boundBy(caller);
    if (bound.some((id) => id !== userId && !user.limitedBy.includes(id))) {
      throw new SluiceError('forbidden', 'Your own policy limits you, and does not limit this user.');
    }
  }

  /** Users whose policies bind what the caller makes: himself, where somebody limited him. */
  boundBy(caller: Caller): readonly string[] {
    const user = caller.userId === undefined ? undefined : this.#places.users.get(caller.userId);
    if (user === undefined) return [];
    return saysNothing(user.policy) && user.limitedBy.length === 0 ? [] : [user.id];
  }

  /** Throws `forbidden` for a caller whom a policy limits: he could write himself a wider one. */
  demandUnbound(caller: Caller): void {
    if (this.boundBy(caller).length === 0) return;
    throw new SluiceError('forbidden', 'Your own policy limits you, so you cannot change policies.');
  }
}
