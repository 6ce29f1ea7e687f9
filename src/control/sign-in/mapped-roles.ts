import type { Membership, User } from '../../core/policy/place.ts';
import { isBuiltInRole } from '../../core/policy/role.ts';
import type { Log } from '../../ports/log-sink.ts';
import { operator } from '../caller.ts';
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

/**
 * Brings the memberships a mapping made in line with what it gives now. What somebody gave by hand, or another mapping
 * made, is not touched and wins where both speak of one place.
 */
export async function syncRoles(
  ports: PlacePorts & { readonly log: Log },
  user: User,
  mapped: { readonly source: string; readonly wanted: readonly WantedRole[] },
): Promise<void> {
  const { source, wanted } = mapped;
  const desk = new PlaceDesk(ports);
  const system = operator(source, '');
  const good = wanted.filter((role) => exists(ports, user.organizationId, role));
  const held = [...ports.places.membershipsOf(user.id)];
  for (const membership of held.filter((one) => one.source === source)) {
    const kept = good.find(({ teamId }) => teamId === membership.teamId);
    if (kept === undefined) await desk.remove('membership', system, membership.id);
    else if (kept.role !== membership.role) {
      await desk.update('membership', system, { id: membership.id, change: { role: kept.role } });
    }
  }
  for (const { role, teamId } of good) {
    if (held.some((membership) => membership.teamId === teamId)) continue;
    const membership: Membership = {
      id: desk.newId('membership'),
      organizationId: user.organizationId,
      userId: user.id,
      teamId,
      role,
      source,
      createdAt: ports.clock.now(),
    };
    await desk.insert('membership', system, membership);
  }
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
