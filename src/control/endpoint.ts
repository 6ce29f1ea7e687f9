import type { z } from 'zod';

/** What a caller must hold to use an endpoint. `public` needs no sign-in. */
export type Permission =
  | 'public'
  | 'status:read'
  | 'keys:read'
  | 'keys:write'
  | 'exchanges:read'
  | 'usage:read'
  | 'models:read'
  | 'prices:write'
  | 'config:read'
  | 'config:write'
  | 'audit:read'
  | 'session:write';

/**
 * One call of the admin API, as data. From it come the route, the permission check, the audit entry, OpenAPI, the typed
 * client, the portal's calls and the CLI's. `input` holds path parameters together with the query (GET, DELETE) or the
 * JSON body (other methods).
 */
export interface Endpoint<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `:name` marks a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly input: Input;
  readonly output: Output;
  /** Name of the audit entry a success writes; reads have none. */
  readonly audit?: string;
  /** `stream`: server-sent events whose data has the shape of `output`. Default `json`. */
  readonly answer?: 'json' | 'stream';
}

/** Types an endpoint; a missing permission does not compile. */
export function endpoint<Input extends z.ZodObject, Output extends z.ZodType>(
  definition: Endpoint<Input, Output>,
): Endpoint<Input, Output> {
  return definition;
}
