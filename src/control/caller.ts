import { SluiceError } from '../core/errors/error.ts';
import { PERMISSIONS } from '../core/policy/permission.ts';
import type { Tenant } from '../ports/place-store.ts';
import type { EndpointName, OutputOf, ParsedInputOf } from './contract.ts';
import type { Permission } from './endpoint.ts';

/** What a caller may do in one part of his organization. */
export interface Reach {
  /** Absent: the whole organization. */
  readonly teamId: string | undefined;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who calls the admin API. */
export interface Caller {
  /** `admin-key`, `user:…` or `system`; stands in the audit log. */
  readonly actor: string;
  readonly address: string;
  /** Everything held anywhere: whether a call is worth looking at. Where it holds is in `reach`; see `rights.ts`. */
  readonly permissions: ReadonlySet<Permission>;
  /** Whose rows the caller may touch. Comes from the credential, never from the request. */
  readonly tenant: Tenant;
  /** Absent for the admin key and the gateway itself. */
  readonly userId: string | undefined;
  readonly reach: readonly Reach[];
  /** The session's id when one spoke. */
  readonly sessionId: string | undefined;
}

/** The code behind one endpoint. */
export type Handler<Name extends EndpointName> = (
  input: ParsedInputOf<Name>,
  caller: Caller,
) => Promise<OutputOf<Name>>;

/** Endpoints that open a session: the http layer carries them out, because they also set its cookie. */
export type SessionOpener = 'signInLocal' | 'signInSecondFactor' | 'acceptInvitation';

/** Endpoints whose answers are streams: one is served by the event bus, the others row by row. */
type Streamed = 'watchExchanges' | 'exportAudit' | 'exportUsage';

/** One handler per endpoint; a missing one does not compile. */
export type Handlers = {
  readonly [Name in Exclude<EndpointName, Streamed | SessionOpener>]: Handler<Name>;
} & {
  /** The table's text bit by bit; what is wrong with the question is thrown before the first. */
  readonly exportUsage: (
    input: ParsedInputOf<'exportUsage'>,
    caller: Caller,
  ) => Promise<AsyncIterable<string>>;
};

/** Everything the admin key may do. */
export const ALL_PERMISSIONS: ReadonlySet<Permission> = new Set<Permission>(PERMISSIONS);

/** The admin key, its sessions and the gateway itself: everything, in every organization. */
export function operator(actor: string, address: string, sessionId?: string): Caller {
  return {
    actor,
    address,
    permissions: ALL_PERMISSIONS,
    tenant: 'every',
    userId: undefined,
    reach: [{ teamId: undefined, permissions: ALL_PERMISSIONS }],
    sessionId,
  };
}

/** Somebody who has not signed in. */
export function stranger(actor: string, address: string): Caller {
  return {
    actor,
    address,
    permissions: new Set(),
    // No organization has this id.
    tenant: { organizationId: '' },
    userId: undefined,
    reach: [],
    sessionId: undefined,
  };
}

export function notFound(what: string): SluiceError {
  return new SluiceError('not_found', `There is no ${what} with this id.`, { param: 'id' });
}

/** RFC 3339, UTC. */
export function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
