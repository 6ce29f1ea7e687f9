import type { Identity, PlaceKind, Places } from '../core/policy/place.ts';
import type { Page, PageRequest } from './store.ts';

/** Whose rows a query may touch: those of one organization, or everybody's (the gateway itself and its admin key). */
export type Tenant = { readonly organizationId: string } | 'every';

/** Which part of the keys, the log and the spend somebody may read. */
export interface Extent {
  readonly tenant: Tenant;
  /** Only what belongs to one of these teams, or to this user or service account whichever team it is in. */
  readonly within?: { readonly teamIds: readonly string[]; readonly ownerId: string | undefined } | undefined;
}

/** Facts that rows of a list must have. Only columns that exist for the kind; see {@link Places}. */
export interface PlaceFilter {
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  readonly role?: string | undefined;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly externalId?: string | undefined;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  /** Only rows with one of these ids. */
  readonly ids?: readonly string[] | undefined;
}

/** What may change on a row after it was made. A property present with `undefined` clears the field. */
export type PlaceChange<Kind extends PlaceKind> = {
  readonly [Field in Exclude<keyof Places[Kind], 'id' | 'organizationId' | 'createdAt'>]?:
    | Places[Kind][Field]
    | undefined;
};

/** Everything that keys and callers are judged by, for the in-memory directory. Deleted users are included. */
export type AllPlaces = { readonly [Kind in Exclude<PlaceKind, 'identity'>]: readonly Places[Kind][] };

/** What other processes (or this one) changed since a version. */
export interface PlaceChanges {
  readonly version: number;
  /** Ids of keys that were added, changed or revoked. */
  readonly keys: readonly string[];
  /** A place was added, changed or removed. */
  readonly places: boolean;
  /** A budget or a rate limit was. */
  readonly budgets: boolean;
  /** A price was set or taken back. */
  readonly prices: boolean;
  /** Too much changed: read everything again. */
  readonly everything: boolean;
}

/**
 * Organizations and what they hold. Every method takes the tenant it acts for, and finds nothing of any other: there is
 * no way to name a row without saying whose it is.
 */
export interface PlaceStore {
  /** Throws `conflict` when the id or a unique name exists, or what the row points at does not. */
  insert<Kind extends PlaceKind>(kind: Kind, tenant: Tenant, row: Places[Kind]): Promise<void>;
  get<Kind extends PlaceKind>(kind: Kind, tenant: Tenant, id: string): Promise<Places[Kind] | undefined>;
  /** Newest first; without deleted users. */
  list<Kind extends PlaceKind>(
    kind: Kind,
    tenant: Tenant,
    query: { readonly page: PageRequest; readonly filter?: PlaceFilter },
  ): Promise<Page<Places[Kind]>>;
  /** The row after the change. Throws `not_found`, or `conflict` as `insert` does. */
  update<Kind extends PlaceKind>(
    kind: Kind,
    tenant: Tenant,
    target: { readonly id: string; readonly change: PlaceChange<Kind> },
  ): Promise<Places[Kind]>;
  /** False when there was none. Throws `conflict` while other rows point at it. */
  remove(kind: PlaceKind, tenant: Tenant, id: string): Promise<boolean>;
  /** Who signs in with this name at this issuer, in whatever organization. */
  findIdentity(issuer: string, subject: string): Promise<Identity | undefined>;
  all(): Promise<AllPlaces>;
  /** What changed after `version`; `-1` for the current version only. */
  changesSince(version: number): Promise<PlaceChanges>;
}
