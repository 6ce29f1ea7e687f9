import type { Membership, User } from '../../core/policy/place.ts';
import { isBuiltInRole } from '../../core/policy/role.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { AuditLog } from '../audit.ts';
import { auditedChange } from '../audited-change.ts';
import { type Caller, operator } from '../caller.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';

/** What a group at a provider gives here. */
export interface GroupMapping {
  readonly group: string;
  /** A built-in role's name or a custom role's id. */
  readonly role: string;
  /** Absent: the whole organization. */
  readonly teamId: string | undefined;
}

/** A role somebody shall hold. */
export interface WantedRole {
  readonly role: string;
  readonly teamId: string | undefined;
}

/** The roles that groups give; of several for one place the first mapping holds. */
export function rolesOf(
  mappings: readonly GroupMapping[],
  groups: ReadonlySet<string>,
): readonly WantedRole[] {
  const byPlace = new Map<string, WantedRole>();
  for (const { group, role, teamId } of mappings) {
    if (groups.has(group) && !byPlace.has(teamId ?? '')) byPlace.set(teamId ?? '', { role, teamId });
  }
  return [...byPlace.values()];
}

interface RolePorts extends PlacePorts {
  readonly audit: AuditLog;
  readonly log: Log;
}

/** Where roles come from, what they are now, and who brings them. */
export interface MappedRoles {
  readonly source: string;
  readonly wanted: readonly WantedRole[];
  /** Stands in the audit log; the mapping itself when absent. */
  readonly caller?: Pick<Caller, 'actor' | 'address'>;
}

/**
 * Brings the memberships a mapping made in line with what it gives now. What somebody gave by hand, or another mapping
 * made, is not touched and wins where both speak of one place.
 */
export async function syncRoles(ports: RolePorts, user: User, mapped: MappedRoles): Promise<void> {
  const { source, wanted } = mapped;
  const good = wanted.filter((role) => exists(ports, user.organizationId, role));
  const held = [...ports.places.membershipsOf(user.id)];
  for (const membership of held.filter((one) => one.source === source)) {
    const kept = good.find(({ teamId }) => teamId === membership.teamId);
    if (kept?.role !== membership.role) await change(ports, { mapped, before: membership, role: kept?.role });
  }
  for (const { role, teamId } of good) {
    if (!held.some((membership) => membership.teamId === teamId)) {
      await give(ports, user, { mapped, role, teamId });
    }
  }
}

function viewOf({ id, userId, teamId, role, source }: Membership) {
  return { id, user_id: userId, team_id: teamId ?? null, role, source };
}

/** Another role at the same place, or none any more. */
function change(
  ports: RolePorts,
  what: { readonly mapped: MappedRoles; readonly before: Membership; readonly role: string | undefined },
): Promise<void> {
  const { mapped, before, role } = what;
  const desk = new PlaceDesk(ports);
  const system = operator(mapped.source, '');
  const { id: target, organizationId: organization } = before;
  const common = { caller: mapped.caller ?? system, target, organization, before: viewOf(before) };
  if (role === undefined) {
    return auditedChange(ports, { ...common, action: 'memberships.delete' }, async () => {
      await desk.remove('membership', system, target);
      return { result: undefined, after: null };
    });
  }
  return auditedChange(ports, { ...common, action: 'memberships.update' }, async () => {
    const after = await desk.update('membership', system, { id: target, change: { role } });
    return { result: undefined, after: viewOf(after) };
  });
}

function give(
  ports: RolePorts,
  user: User,
  what: { readonly mapped: MappedRoles } & WantedRole,
): Promise<void> {
  const { mapped, role, teamId } = what;
  const desk = new PlaceDesk(ports);
  const system = operator(mapped.source, '');
  const membership: Membership = {
    id: desk.newId('membership'),
    organizationId: user.organizationId,
    userId: user.id,
    teamId,
    role,
    source: mapped.source,
    createdAt: ports.clock.now(),
  };
  const { id: target, organizationId: organization } = membership;
  const entry = { action: 'memberships.create', target, organization, before: null };
  const input = { user_id: user.id, team_id: teamId ?? null, role };
  return auditedChange(ports, { caller: mapped.caller ?? system, ...entry, input }, async () => {
    await desk.insert('membership', system, membership);
    return { result: undefined, after: viewOf(membership) };
  });
}

/** Whether a mapping names what is there. One that does not gives nothing, and the log says so. */
function exists(
  { places, log }: PlacePorts & { readonly log: Log },
  organizationId: string,
  { role, teamId }: WantedRole,
): boolean {
  const isRole = isBuiltInRole(role) || places.roles.get(role)?.organizationId === organizationId;
  const isTeam = teamId === undefined || places.teams.get(teamId)?.organizationId === organizationId;
  if (!isRole || !isTeam) log.warn('sign_in.mapping_names_nothing', { role, team: teamId ?? '' });
  return isRole && isTeam;
}
