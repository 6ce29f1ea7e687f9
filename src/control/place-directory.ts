import type {
  Membership,
  Organization,
  PlaceKind,
  Places,
  Project,
  ServiceAccount,
  Team,
  User,
} from '../core/policy/place.ts';
import type { PlaceMaps } from '../core/policy/policy-snapshot.ts';
import type { Role } from '../core/policy/role.ts';
import type { PlaceStore } from '../ports/place-store.ts';

/** What the directory keeps; identities stay in the store. */
type Kept = Exclude<PlaceKind, 'identity'>;

/**
 * Organizations and what they hold, in memory: what keys are compiled against and callers are judged by. Changes are
 * stored first and then taken over here.
 */
export class PlaceDirectory implements PlaceMaps {
  readonly organizations = new Map<string, Organization>();
  readonly teams = new Map<string, Team>();
  readonly projects = new Map<string, Project>();
  readonly users = new Map<string, User>();
  readonly serviceAccounts = new Map<string, ServiceAccount>();
  readonly roles = new Map<string, Role>();
  readonly memberships = new Map<string, Membership>();
  readonly #ofUser = new Map<string, Set<Membership>>();
  readonly #store: PlaceStore;
  #changed: () => void = () => undefined;

  constructor(store: PlaceStore) {
    this.#store = store;
  }

  /** Called after every change that may matter to keys. */
  onChange(callback: () => void): void {
    this.#changed = callback;
  }

  /** Reads everything. On a failure the directory stays as it was. */
  async load(): Promise<void> {
    const all = await this.#store.all();
    refill(this.organizations, all.organization);
    refill(this.teams, all.team);
    refill(this.projects, all.project);
    refill(this.users, all.user);
    refill(this.serviceAccounts, all.service_account);
    refill(this.roles, all.role);
    refill(this.memberships, all.membership);
    this.#ofUser.clear();
    for (const membership of all.membership) this.#index(membership);
    this.#changed();
  }

  /** A user's memberships. */
  membershipsOf(userId: string): Iterable<Membership> {
    return this.#ofUser.get(userId) ?? [];
  }

  /** Whose a thing is, whatever its kind. */
  organizationOf(id: string): string | undefined {
    if (this.organizations.has(id)) return id;
    const { teams, projects, users, serviceAccounts, roles, memberships } = this;
    for (const map of [teams, projects, users, serviceAccounts, roles, memberships]) {
      const found = map.get(id);
      if (found !== undefined) return found.organizationId;
    }
    return undefined;
  }

  get<Kind extends Kept>(kind: Kind, id: string): Places[Kind] | undefined {
    return this.#mapOf(kind).get(id);
  }

  /** Takes over what was stored. */
  put<Kind extends Kept>(kind: Kind, row: Places[Kind]): void {
    const map = this.#mapOf(kind);
    const before = map.get(row.id);
    map.set(row.id, row);
    if (kind === 'membership') {
      if (before !== undefined) this.#unindex(before as Membership);
      this.#index(row as Membership);
    } else if (kind !== 'role') this.#changed();
  }

  /** Forgets what was removed. */
  drop(kind: Kept, id: string): void {
    const map = this.#mapOf(kind);
    const before = map.get(id);
    map.delete(id);
    if (kind === 'membership' && before !== undefined) this.#unindex(before as Membership);
    else if (kind !== 'role') this.#changed();
  }

  #mapOf<Kind extends Kept>(kind: Kind): Map<string, Places[Kind]> {
    const maps: { readonly [K in Kept]: Map<string, Places[K]> } = {
      organization: this.organizations,
      team: this.teams,
      project: this.projects,
      user: this.users,
      service_account: this.serviceAccounts,
      role: this.roles,
      membership: this.memberships,
    };
    return maps[kind];
  }

  #index(membership: Membership): void {
    const known = this.#ofUser.get(membership.userId);
    if (known === undefined) this.#ofUser.set(membership.userId, new Set([membership]));
    else known.add(membership);
  }

  #unindex(membership: Membership): void {
    this.#ofUser.get(membership.userId)?.delete(membership);
  }
}

function refill<T extends { readonly id: string }>(map: Map<string, T>, rows: readonly T[]): void {
  map.clear();
  for (const row of rows) map.set(row.id, row);
}
