import type { ExchangePlace } from '../cost/exchange.ts';
import {
  DEFAULT_ORGANIZATION_ID,
  type Organization,
  type Project,
  type ServiceAccount,
  type Team,
  type User,
} from './place.ts';
import { type EffectivePolicy, narrow, type Policy, saysNothing, UNRESTRICTED } from './policy.ts';
import { type Scope, scopeName } from './scope.ts';
import type { PlaceLimits, VirtualKey } from './virtual-key.ts';

/** Everything keys can belong to, by id. */
export interface PlaceMaps {
  readonly organizations: ReadonlyMap<string, Organization>;
  readonly teams: ReadonlyMap<string, Team>;
  readonly projects: ReadonlyMap<string, Project>;
  /** Deleted ones included: what they made keeps their limits. */
  readonly users: ReadonlyMap<string, User>;
  readonly serviceAccounts: ReadonlyMap<string, ServiceAccount>;
}

/** A key with everything that follows from where it belongs. Immutable; one object until the key or a place changes. */
export interface KeyEntry {
  readonly key: VirtualKey;
  /** Organization ⊃ team ⊃ project ⊃ user ⊃ key, widest first; those the key has. */
  readonly scopes: readonly Scope[];
  readonly policy: EffectivePolicy;
  /** As the log has it; `undefined` says: the default organization and nothing below it. */
  readonly place: ExchangePlace | undefined;
  /** Why no key of its place is served now, as the end of a sentence; for example `its team is blocked`. */
  readonly suspended: string | undefined;
}

/** Whose secret was presented. */
export interface FoundKey {
  readonly entry: KeyEntry;
  /** It is the secret before the last rotation. */
  readonly previous: boolean;
}

/** Keys that are not revoked. */
export interface KeyFinder {
  /** Keys. */
  readonly size: number;
  /** By the hash of the presented secret, as keys are now. */
  find(hash: string): FoundKey | undefined;
}

/** All keys that are not revoked, and what holds for them; replaced when a key or a place changes. */
export interface PolicySnapshot extends KeyFinder {
  /** Grows with every snapshot of this process. */
  readonly version: number;
  /** What holds for requests without a key (open mode): they are made in the default organization. */
  readonly keyless: Pick<KeyEntry, 'scopes' | 'policy' | 'suspended'>;
  /** Rate limits that everything in a place shares, by `scopeName`. Keys have their own in `VirtualKey.limits`. */
  limitsOf(scope: string): PlaceLimits | undefined;
}

/** Works out a key's scopes and policy from its places. Several keys of one place share what they have in common. */
export class KeyCompiler {
  readonly #places: PlaceMaps;
  readonly #shared = new Map<string, EffectivePolicy>();

  constructor(places: PlaceMaps) {
    this.#places = places;
  }

  compile(key: VirtualKey): KeyEntry {
    const scopes = scopesOf(key);
    const own: Policy = { ...key.policy, ...(key.models === undefined ? {} : { models: key.models }) };
    return {
      key,
      scopes,
      policy: narrow(this.#around(key), own),
      place: exchangePlaceOf(key),
      suspended: this.#suspended(key),
    };
  }

  /** What holds around a key, before what it says itself. */
  #around(key: VirtualKey): EffectivePolicy {
    const { organizationId, teamId = '', projectId = '', userId = '', serviceAccountId = '' } = key;
    const name = JSON.stringify([organizationId, teamId, projectId, userId, serviceAccountId, key.limitedBy]);
    const known = this.#shared.get(name);
    if (known !== undefined) return known;
    const { organizations, teams, projects, serviceAccounts } = this.#places;
    const account = serviceAccounts.get(serviceAccountId);
    const places = [organizations.get(organizationId), teams.get(teamId), projects.get(projectId), account];
    const users = this.#boundBy([
      ...(userId === '' ? [] : [userId]),
      ...(account?.limitedBy ?? []),
      ...key.limitedBy,
    ]);
    const policy = [...places, ...users].reduce(
      (outer, place) => (place === undefined ? outer : narrow(outer, place.policy)),
      UNRESTRICTED,
    );
    this.#shared.set(name, policy);
    return policy;
  }

  /** The users with these ids and those who bound them in turn. */
  #boundBy(ids: readonly string[]): readonly User[] {
    const found = new Map<string, User>();
    const open = [...ids];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const user = this.#places.users.get(id);
      if (user === undefined || found.has(id)) continue;
      found.set(id, user);
      open.push(...user.limitedBy);
    }
    return [...found.values()].filter(({ policy }) => !saysNothing(policy));
  }

  #suspended(key: VirtualKey): string | undefined {
    const { organizations, teams, projects, users, serviceAccounts } = this.#places;
    if (organizations.get(key.organizationId)?.blocked === true) return 'its organization is blocked';
    if (key.teamId !== undefined && teams.get(key.teamId)?.blocked === true) return 'its team is blocked';
    if (key.projectId !== undefined && projects.get(key.projectId)?.blocked === true)
      return 'its project is blocked';
    const user = key.userId === undefined ? undefined : users.get(key.userId);
    if (user?.disabled === true || user?.deletedAt !== undefined) return 'its user is disabled';
    const account =
      key.serviceAccountId === undefined ? undefined : serviceAccounts.get(key.serviceAccountId);
    return account?.disabled === true ? 'its service account is disabled' : undefined;
  }
}

function exchangePlaceOf(key: VirtualKey): ExchangePlace | undefined {
  const { organizationId, teamId, projectId } = key;
  const ownerId = key.userId ?? key.serviceAccountId;
  const plain = organizationId === DEFAULT_ORGANIZATION_ID && teamId === undefined && projectId === undefined;
  return plain && ownerId === undefined ? undefined : { organizationId, teamId, projectId, ownerId };
}

/** Widest first. A service account counts as a user. */
function scopesOf(key: VirtualKey): readonly Scope[] {
  const owner = key.userId ?? key.serviceAccountId;
  return [
    { kind: 'organization', id: key.organizationId },
    ...(key.teamId === undefined ? [] : [{ kind: 'team', id: key.teamId } as const]),
    ...(key.projectId === undefined ? [] : [{ kind: 'project', id: key.projectId } as const]),
    ...(owner === undefined ? [] : [{ kind: 'user', id: owner } as const]),
    { kind: 'key', id: key.id },
  ];
}

/** Rate limits of every place that has some. */
function placeLimits(places: PlaceMaps): ReadonlyMap<string, PlaceLimits> {
  const found = new Map<string, PlaceLimits>();
  const add = (kind: Scope['kind'], all: Iterable<{ readonly id: string; readonly policy: Policy }>) => {
    for (const { id, policy } of all) {
      if (policy.limits !== undefined) found.set(scopeName({ kind, id }), policy.limits);
    }
  };
  add('organization', places.organizations.values());
  add('team', places.teams.values());
  add('project', places.projects.values());
  add('user', places.users.values());
  add('user', places.serviceAccounts.values());
  return found;
}

/** Nobody said anything yet. */
export const NO_PLACES: PlaceMaps = {
  organizations: new Map(),
  teams: new Map(),
  projects: new Map(),
  users: new Map(),
  serviceAccounts: new Map(),
};

function keylessOf({ organizations }: PlaceMaps): PolicySnapshot['keyless'] {
  const home = organizations.get(DEFAULT_ORGANIZATION_ID);
  return {
    scopes: [{ kind: 'organization', id: DEFAULT_ORGANIZATION_ID }],
    policy: home === undefined ? UNRESTRICTED : narrow(UNRESTRICTED, home.policy),
    suspended: home?.blocked === true ? 'the organization is blocked' : undefined,
  };
}

/** Builds a {@link PolicySnapshot} over keys; O(places). */
export function createPolicySnapshot(
  keys: KeyFinder,
  places: PlaceMaps = NO_PLACES,
  version = 0,
): PolicySnapshot {
  const limits = placeLimits(places);
  return {
    version,
    size: keys.size,
    keyless: keylessOf(places),
    find: (hash) => keys.find(hash),
    limitsOf: (scope) => limits.get(scope),
  };
}
