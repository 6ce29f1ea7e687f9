import { SluiceError } from '../core/errors/error.ts';
import type { Permission } from '../core/policy/permission.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import { type Caller, notFound } from './caller.ts';
import type { PlaceDesk } from './place-ports.ts';
import { can, canWithOwn, demand, type Location, organizationFor } from './rights.ts';
import { teamAndProject } from './service-accounts.ts';

/** Where a key belongs. */
export type KeyPlace = Pick<
  VirtualKey,
  'organizationId' | 'teamId' | 'projectId' | 'userId' | 'serviceAccountId'
>;

/** The fields of the input that say where a key belongs. */
export interface KeyPlaceInput {
  readonly team_id?: string | null | undefined;
  readonly project_id?: string | null | undefined;
  readonly user_id?: string | null | undefined;
  readonly service_account_id?: string | null | undefined;
}

function locationOf(place: KeyPlace): Location {
  return { organizationId: place.organizationId, teamId: place.teamId, ownerId: place.userId };
}

/** Throws `not_found` or `forbidden` unless the caller holds `strong` over the key's place, or `own` and it is his. */
export function demandKey(
  caller: Caller,
  key: KeyPlace,
  permissions: { readonly strong: Permission; readonly own: Permission },
): void {
  const location = locationOf(key);
  if (canWithOwn(caller, permissions.own, location)) return;
  // A key of a team the caller has nothing to do with is no more his to know of than another organization's.
  if (!can(caller, 'keys:read', location)) throw notFound('key');
  demand(caller, permissions.strong, { ...location, what: 'key' });
}

/** Throws `forbidden` for a change of what limits a key by somebody who only owns it. */
export function demandFields(
  caller: Caller,
  key: KeyPlace,
  change: { readonly input: object; readonly fields: Readonly<Record<string, Permission>> },
): void {
  for (const [field, value] of Object.entries(change.input)) {
    const permission = change.fields[field];
    if (value === undefined || permission === undefined || can(caller, permission, locationOf(key))) continue;
    throw new SluiceError('forbidden', `Changing \`${field}\` needs the permission \`${permission}\` here.`, {
      param: field,
    });
  }
}

/** The places a key names, checked to be of one organization and to fit each other. */
export function keyPlace(desk: PlaceDesk, organizationId: string, input: KeyPlaceInput): KeyPlace {
  const userId = input.user_id ?? undefined;
  const serviceAccountId = input.service_account_id ?? undefined;
  if (userId !== undefined && serviceAccountId !== undefined) {
    throw new SluiceError('bad_request', 'A key belongs to a user or to a service account, not to both.', {
      param: 'service_account_id',
    });
  }
  if (userId !== undefined) desk.named('user', organizationId, { name: 'user_id', id: userId });
  const account =
    serviceAccountId === undefined
      ? undefined
      : desk.named('service_account', organizationId, { name: 'service_account_id', id: serviceAccountId });
  const named = teamAndProject(desk, organizationId, {
    team_id: input.team_id ?? account?.teamId,
    project_id: input.project_id ?? account?.projectId,
  });
  if (account?.teamId !== undefined && account.teamId !== named.teamId) {
    throw new SluiceError('bad_request', '`team_id`: this service account belongs to another team.', {
      param: 'team_id',
    });
  }
  return { organizationId, ...named, userId, serviceAccountId };
}

/** Teams in which the caller may make keys of his own; `undefined` among them stands for no team. */
function ownTeams(caller: Caller): readonly (string | undefined)[] {
  return caller.reach.filter(({ permissions }) => permissions.has('own:write')).map(({ teamId }) => teamId);
}

/**
 * Where a new key belongs. Who manages keys there puts it where he says; everybody else makes keys of his own, in a team he
 * belongs to (the only one, where he names none).
 */
export function placeForNewKey(
  desk: PlaceDesk,
  caller: Caller,
  input: KeyPlaceInput & { readonly organization_id?: string | undefined },
): KeyPlace {
  const organizationId = organizationFor(caller, input.organization_id);
  desk.find('organization', caller, organizationId);
  const place = keyPlace(desk, organizationId, input);
  if (can(caller, 'keys:write', place)) return place;
  const teams = ownTeams(caller);
  const [only] = teams;
  const own =
    place.teamId === undefined && only !== undefined && teams.length === 1
      ? { ...place, teamId: only }
      : place;
  const mine = { ...own, userId: own.userId ?? caller.userId };
  if (mine.userId === undefined || mine.userId !== caller.userId || mine.serviceAccountId !== undefined) {
    throw new SluiceError('forbidden', 'You can make keys of your own here, not for others.', {
      param: mine.serviceAccountId === undefined ? 'user_id' : 'service_account_id',
    });
  }
  if (!teams.includes(mine.teamId)) {
    const sentence =
      mine.teamId === undefined
        ? 'Name the team the key is for in `team_id`.'
        : 'You do not belong to this team.';
    throw new SluiceError('forbidden', sentence, { param: 'team_id' });
  }
  return mine;
}
