import type { Handlers } from './caller.ts';
import type { PlaceDirectory } from './place-directory.ts';

/** Tells callers who they are and what they may do, so that nobody is shown what he would be refused. */
export function createMeHandlers(places: PlaceDirectory): Pick<Handlers, 'getMe'> {
  return {
    async getMe(_input, { actor, userId, tenant, permissions, reach }) {
      const user = userId === undefined ? undefined : places.users.get(userId);
      return {
        actor,
        user_id: userId ?? null,
        name: user?.name ?? 'Admin key',
        organization_id: tenant === 'every' ? null : tenant.organizationId,
        permissions: [...permissions],
        reach: reach.map(({ teamId, permissions: held }) => ({
          team_id: teamId ?? null,
          permissions: [...held],
        })),
      };
    },
  };
}
