import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { Permission } from '../core/policy/permission.ts';
import type { Scope, ScopeKind } from '../core/policy/scope.ts';
import { EVERY_MEMBER } from '../core/policy/scope-index.ts';
import { type Caller, notFound } from './caller.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { PlaceDirectory } from './place-directory.ts';
import { can, demand, type Location, organizationFor } from './rights.ts';

/** What rules of a scope are judged by. */
export interface ScopePorts {
  readonly places: PlaceDirectory;
  readonly directory: KeyDirectory;
}

/** A rule as far as rights go. */
export interface Ruled {
  readonly scope: Scope;
  readonly organizationId: string | undefined;
  readonly locked?: boolean | undefined;
}

interface Named {
  readonly scope: ScopeKind;
  readonly scope_id: string;
  readonly organization_id?: string | undefined;
}

/** Whether the caller runs the gateway: the admin key, and the owners and admins of the default organization. */
export function runsGateway(caller: Caller): boolean {
  return caller.tenant === 'every' || can(caller, 'config:write', caller.tenant);
}

/** Where a place is; undefined when there is none. */
function placeOf({ places, directory }: ScopePorts, { kind, id }: Scope): Location | undefined {
  switch (kind) {
    case 'organization':
      return places.organizations.has(id) ? { organizationId: id } : undefined;
    case 'team': {
      const team = places.teams.get(id);
      return team && { organizationId: team.organizationId, teamId: id };
    }
    case 'project': {
      const project = places.projects.get(id);
      return project && { organizationId: project.organizationId, teamId: project.teamId };
    }
    case 'user': {
      const user = places.users.get(id) ?? places.serviceAccounts.get(id);
      return user && { organizationId: user.organizationId };
    }
    case 'key': {
      const key = directory.get(id);
      return key && { organizationId: key.organizationId, teamId: key.teamId, ownerId: key.userId };
    }
    default:
      return undefined;
  }
}

const FROM_REQUEST: ReadonlySet<ScopeKind> = new Set(['tag', 'model', 'end_user', 'session']);

/**
 * The scope that an input names, and whose it is. Throws `bad_request` for one that does not exist, as for one of another
 * organization; `*` stands for every member of a kind.
 */
export function scopeFor(ports: ScopePorts, caller: Caller, named: Named): Omit<Ruled, 'locked'> {
  const scope: Scope = { kind: named.scope, id: named.scope_id };
  if (scope.kind === 'tag' && !/^[A-Za-z0-9_.-]{1,64}=.+$/.test(scope.id)) {
    throw badRequest('scope_id', '`scope_id`: write a tag as `name=value`, or `name=*` for every value.');
  }
  if (FROM_REQUEST.has(scope.kind) || scope.id === EVERY_MEMBER) {
    // Without an organization it holds for the whole gateway, which only the admin key can want.
    const everywhere = caller.tenant === 'every' && named.organization_id === undefined;
    const organizationId = everywhere ? undefined : organizationFor(caller, named.organization_id);
    if (organizationId !== undefined && !ports.places.organizations.has(organizationId)) {
      throw badRequest('organization_id', '`organization_id`: there is no organization with this id.');
    }
    return { scope, organizationId };
  }
  const place = placeOf(ports, scope);
  const mine =
    place !== undefined &&
    (caller.tenant === 'every' || caller.tenant.organizationId === place.organizationId);
  if (!mine) {
    throw badRequest(
      'scope_id',
      `\`scope_id\`: there is no ${scope.kind.replace('_', ' ')} with this id here.`,
    );
  }
  if (named.organization_id !== undefined && named.organization_id !== place.organizationId) {
    throw badRequest(
      'organization_id',
      `\`organization_id\`: this ${scope.kind.replace('_', ' ')} belongs to another organization; leave the field out.`,
    );
  }
  return { scope, organizationId: place.organizationId };
}

/** Throws unless the caller may see a rule: `not_found` for what is another organization's. */
export function demandSight(
  ports: ScopePorts,
  caller: Caller,
  wish: { readonly permission: Permission; readonly rule: Ruled; readonly what: string },
): void {
  const { permission, rule, what } = wish;
  if (rule.organizationId === undefined) {
    if (!runsGateway(caller)) throw notFound(what);
    return;
  }
  const at = placeOf(ports, rule.scope) ?? { organizationId: rule.organizationId };
  demand(caller, permission, { ...at, what });
}

/** Whether the caller sees a rule. */
export function sees(ports: ScopePorts, caller: Caller, wish: Parameters<typeof demandSight>[2]): boolean {
  try {
    demandSight(ports, caller, wish);
    return true;
  } catch {
    return false;
  }
}

/**
 * Throws unless the caller may change a rule: what binds a team is changed by who manages the organization, what binds a
 * key or a project by who manages its team, and what was set by who runs the gateway by nobody else.
 */
export function demandHold(
  ports: ScopePorts,
  caller: Caller,
  wish: { readonly permission: Permission; readonly rule: Ruled; readonly what: string },
): void {
  const { permission, rule, what } = wish;
  demandSight(ports, caller, { permission, rule, what });
  if (rule.organizationId === undefined || runsGateway(caller)) return;
  const place = placeOf(ports, rule.scope);
  const inTeam = rule.scope.kind === 'key' || rule.scope.kind === 'project';
  const above = inTeam && place !== undefined ? place : { organizationId: rule.organizationId };
  if (rule.locked === true || !can(caller, permission, above)) {
    throw new SluiceError('forbidden', `This ${what} binds you; it is changed by those above.`);
  }
}
