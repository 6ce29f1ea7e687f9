import type { Policy } from './policy.ts';
import type { Role } from './role.ts';

/** The organization that exists from the first start. What names no organization belongs to it. */
export const DEFAULT_ORGANIZATION_ID = 'org_default';

// Organization ⊃ team ⊃ project; users and service accounts live in an organization and reach teams by memberships.
// Times are milliseconds since 1970.

/** A tenant: nothing crosses from one to another. */
export interface Organization {
  readonly id: string;
  readonly name: string;
  /** Every key of it is refused. */
  readonly blocked: boolean;
  readonly policy: Policy;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

export interface Team {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly blocked: boolean;
  readonly policy: Policy;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

export interface Project {
  readonly id: string;
  readonly organizationId: string;
  readonly teamId: string;
  readonly name: string;
  readonly blocked: boolean;
  readonly policy: Policy;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

/** A person. */
export interface User {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  /** Lower case; unique within the organization. */
  readonly email: string | undefined;
  /** The id at whoever provisions users (SCIM `externalId`). */
  readonly externalId: string | undefined;
  /** Cannot sign in, and his keys are refused. */
  readonly disabled: boolean;
  /** Set when the user was deleted: the id still explains old entries, and what he made keeps his limits. */
  readonly deletedAt: number | undefined;
  readonly policy: Policy;
  /** Users whose own policy bounds this one, because they made it. */
  readonly limitedBy: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

/** A program. It has keys as a user has, and cannot sign in. In scopes it counts as a `user`. */
export interface ServiceAccount {
  readonly id: string;
  readonly organizationId: string;
  readonly teamId: string | undefined;
  readonly projectId: string | undefined;
  readonly name: string;
  readonly disabled: boolean;
  readonly policy: Policy;
  readonly limitedBy: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

/** A user holds a role, over a team or over the whole organization. */
export interface Membership {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  /** Absent: the whole organization. */
  readonly teamId: string | undefined;
  /** A built-in role's name or a custom role's id. */
  readonly role: string;
  /** What made it: `manual`, or the mapping of a sign-in provider or SCIM, which then may take it away again. */
  readonly source: string;
  readonly createdAt: number;
}

/** How a user proves who he is: one row per issuer. Sealed fields are opened with `SecretBox`. */
export interface Identity {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  /** `local`, or the issuer of a sign-in provider. */
  readonly issuer: string;
  /** The user's name at that issuer; a local account's e-mail address. */
  readonly subject: string;
  readonly passwordHash: string | undefined;
  /** Sealed. */
  readonly totpSecret: string | undefined;
  readonly disabled: boolean;
  readonly lastUsedAt: number | undefined;
  readonly createdAt: number;
}

/** Every kind of thing an organization holds, by its name in ids and messages. */
export interface Places {
  readonly organization: Organization;
  readonly team: Team;
  readonly project: Project;
  readonly user: User;
  readonly service_account: ServiceAccount;
  readonly membership: Membership;
  readonly role: Role;
  readonly identity: Identity;
}

export type PlaceKind = keyof Places;
