import { useQuery } from '@tanstack/react-query';
import { CONTRACT, type EndpointName } from '../../src/control/contract.ts';
import { api, cached } from './api.ts';

/** Where something is, as far as rights go. */
export interface Place {
  /** Absent or null: the organization as a whole. */
  readonly teamId?: string | null;
  /** Whose it is. */
  readonly ownerId?: string | null;
}

/** What the signed-in caller may do. The gateway decides; this only spares him what would be refused. */
export interface Rights {
  readonly known: boolean;
  readonly userId: string | null;
  /** Whether he sees more than one organization: the admin key. */
  readonly everywhere: boolean;
  /** Whether he may use an endpoint: at this place, or without one, anywhere. */
  may(name: EndpointName, at?: Place): boolean;
}

/** The caller's rights, asked for again now and then; until they are known, nothing is allowed. */
export function useRights(): Rights {
  const { data } = useQuery({
    queryKey: cached.me,
    queryFn: () => api.call('getMe', {}),
    refetchInterval: 60_000,
  });
  return {
    known: data !== undefined,
    userId: data?.user_id ?? null,
    everywhere: data !== undefined && data.organization_id === null,
    may(name, at) {
      if (data === undefined) return false;
      const { permission, own }: { permission: string; own?: string } = CONTRACT[name];
      const holds = (held: readonly string[], wanted: string | undefined) =>
        wanted !== undefined && held.includes(wanted);
      if (at === undefined) return holds(data.permissions, permission) || holds(data.permissions, own);
      if (at.ownerId != null && at.ownerId === data.user_id && holds(data.permissions, own)) return true;
      return data.reach.some(
        ({ team_id, permissions }) =>
          (team_id === null || team_id === at.teamId) && holds(permissions, permission),
      );
    },
  };
}
