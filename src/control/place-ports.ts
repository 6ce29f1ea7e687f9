import { badRequest } from '../core/errors/error.ts';
import type { PlaceKind, Places } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { PlaceChange, PlaceFilter } from '../ports/place-store.ts';
import type { Random } from '../ports/random.ts';
import type { PageRequest, Store } from '../ports/store.ts';
import { type Caller, notFound } from './caller.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { PlaceDirectory } from './place-directory.ts';
import { isOf, type Rights } from './rights.ts';

/** What the handlers of organizations and what they hold work with. */
export interface PlacePorts {
  readonly store: Store;
  readonly places: PlaceDirectory;
  readonly directory: KeyDirectory;
  readonly rights: Rights;
  readonly clock: Clock;
  readonly random: Random;
}

type Kept = Exclude<PlaceKind, 'identity'>;

/** The id of a kind of thing begins with this. */
const PREFIX: Readonly<Record<Kept, string>> = {
  organization: 'org_',
  team: 'team_',
  project: 'proj_',
  user: 'user_',
  service_account: 'sa_',
  membership: 'mem_',
  role: 'role_',
};

/** Stores and directory as one: what is stored is in force at once. */
export class PlaceDesk {
  readonly #ports: PlacePorts;

  constructor(ports: PlacePorts) {
    this.#ports = ports;
  }

  newId(kind: Kept): string {
    return this.#ports.random.id(PREFIX[kind]);
  }

  /** A row of the caller's organization; throws `not_found` for what is not there, or not his to know of. */
  find<Kind extends Kept>(kind: Kind, caller: Caller, id: string): Places[Kind] {
    const row = this.#ports.places.get(kind, id);
    const deleted = row !== undefined && 'deletedAt' in row && row.deletedAt !== undefined;
    if (row === undefined || deleted || !isOf(caller, organizationOf(row)))
      throw notFound(kind.replace('_', ' '));
    return row;
  }

  /** As `find`, for an id that stands in a field of the input: the error names the field. */
  named<Kind extends Kept>(
    kind: Kind,
    organizationId: string,
    field: { name: string; id: string },
  ): Places[Kind] {
    const row = this.#ports.places.get(kind, field.id);
    const deleted = row !== undefined && 'deletedAt' in row && row.deletedAt !== undefined;
    if (row === undefined || deleted || organizationOf(row) !== organizationId) {
      throw badRequest(
        field.name,
        `\`${field.name}\`: there is no ${kind.replace('_', ' ')} with this id here.`,
      );
    }
    return row;
  }

  async insert<Kind extends Kept>(kind: Kind, caller: Caller, row: Places[Kind]): Promise<void> {
    await this.#ports.store.places.insert(kind, caller.tenant, row);
    this.#ports.places.put(kind, row);
  }

  async update<Kind extends Kept>(
    kind: Kind,
    caller: Caller,
    target: { readonly id: string; readonly change: PlaceChange<Kind> },
  ): Promise<Places[Kind]> {
    const row = await this.#ports.store.places.update(kind, caller.tenant, target);
    this.#ports.places.put(kind, row);
    return row;
  }

  async remove(kind: Kept, caller: Caller, id: string): Promise<{ ok: true }> {
    const word = kind.replace('_', ' ');
    if (!(await this.#ports.store.places.remove(kind, caller.tenant, id))) throw notFound(word);
    this.#ports.places.drop(kind, id);
    return { ok: true };
  }

  /** A page as the API shows it. `organizationId` is what the input names; only the admin key may name another's. */
  async list<Kind extends Kept, View>(
    kind: Kind,
    caller: Caller,
    query: {
      readonly page: PageRequest;
      readonly organizationId: string | undefined;
      readonly filter: PlaceFilter;
      readonly view: (row: Places[Kind]) => View;
    },
  ): Promise<{ data: View[]; next_cursor: string | null }> {
    const { page, organizationId, filter, view } = query;
    if (organizationId !== undefined && !isOf(caller, organizationId)) throw notFound('organization');
    const tenant = organizationId === undefined ? caller.tenant : { organizationId };
    const { limit, cursor } = page;
    const found = await this.#ports.store.places.list(kind, tenant, { page: { limit, cursor }, filter });
    return { data: found.data.map(view), next_cursor: found.nextCursor ?? null };
  }
}

function organizationOf(row: Places[Kept]): string {
  return 'organizationId' in row ? row.organizationId : row.id;
}
