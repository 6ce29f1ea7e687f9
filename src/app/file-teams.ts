import { DEFAULT_ORGANIZATION_ID, type Team } from '../core/policy/place.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { Store } from '../ports/store.ts';
import type { Config } from './config/index.ts';

type TeamConfig = Config['teams'][number];

/** Marks teams that the configuration file declares; only these are changed and removed with it. */
const SOURCE = 'declared_in';

function policyOf({ models, regions, limits }: TeamConfig): Policy {
  const given = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined);
  return {
    ...(models === undefined ? {} : { models }),
    ...(regions === undefined ? {} : { regions }),
    ...(given.length === 0 ? {} : { limits: Object.fromEntries(given) }),
  };
}

function toTeam(entry: TeamConfig, now: number): Team {
  return {
    id: entry.id,
    organizationId: DEFAULT_ORGANIZATION_ID,
    name: entry.name,
    blocked: false,
    policy: policyOf(entry),
    metadata: { ...(entry.metadata as Record<string, string> | undefined), [SOURCE]: 'file' },
    createdAt: now,
  };
}

/**
 * Brings the stored teams in line with those of the file: new ones in, changed ones updated. One that left the file is
 * blocked, because keys may still belong to it; coming back unblocks it.
 */
export async function syncFileTeams(config: Config, store: Store, now: number): Promise<void> {
  const wanted = new Map(config.teams.map((entry) => [entry.id, toTeam(entry, now)]));
  const { team: stored } = await store.places.all();
  for (const team of stored) {
    if (team.metadata[SOURCE] !== 'file' || wanted.has(team.id) || team.blocked) continue;
    await store.places.update('team', 'every', { id: team.id, change: { blocked: true } });
  }
  const known = new Map(stored.map((team) => [team.id, team]));
  for (const team of wanted.values()) {
    const { id, organizationId: _, createdAt: __, ...change } = team;
    if (known.has(id)) await store.places.update('team', 'every', { id, change });
    else await store.places.insert('team', 'every', team);
  }
}
