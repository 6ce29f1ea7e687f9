import { SluiceError } from '../core/errors/error.ts';
import type { EndpointName, OutputOf, ParsedInputOf } from './contract.ts';
import type { Permission } from './endpoint.ts';

/** Who calls the admin API. */
export interface Caller {
  /** `admin-key`, `session:…` or `system`; stands in the audit log. */
  readonly actor: string;
  readonly address: string;
  readonly permissions: ReadonlySet<Permission>;
  /** The session's id when a cookie spoke. */
  readonly sessionId: string | undefined;
}

/** The code behind one endpoint. */
export type Handler<Name extends EndpointName> = (
  input: ParsedInputOf<Name>,
  caller: Caller,
) => Promise<OutputOf<Name>>;

/** One handler per endpoint; a missing one does not compile. `watchExchanges` is served by the event bus instead. */
export type Handlers = { readonly [Name in Exclude<EndpointName, 'watchExchanges'>]: Handler<Name> };

/** Everything the admin key may do. */
export const ALL_PERMISSIONS: ReadonlySet<Permission> = new Set<Permission>([
  'public',
  'status:read',
  'keys:read',
  'keys:write',
  'exchanges:read',
  'usage:read',
  'models:read',
  'prices:write',
  'config:read',
  'config:write',
  'audit:read',
  'session:write',
]);

export function notFound(what: string): SluiceError {
  return new SluiceError('not_found', `There is no ${what} with this id.`, { param: 'id' });
}

/** RFC 3339, UTC. */
export function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
