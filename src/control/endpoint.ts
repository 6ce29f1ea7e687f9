import type { z } from 'zod';
import type { Permission } from '../core/policy/permission.ts';

export type { Permission } from '../core/policy/permission.ts';

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
  /** Suffices instead of `permission` for what belongs to the caller himself; the handler tells which that is. */
  readonly own?: Permission;
  /** Fields of the input that need more than the endpoint itself, as data for the check and its tests. */
  readonly fields?: Readonly<Record<string, Permission>>;
  readonly input: Input;
  readonly output: Output;
  /** Name of the audit entry a success writes; reads have none. */
  readonly audit?: string;
  /**
   * `stream`: server-sent events whose data has the shape of `output`; `lines`: JSON lines of it; `csv`: the output is the
   * text of a table. Default `json`.
   */
  readonly answer?: 'json' | 'stream' | 'lines' | 'csv';
}

/** Types an endpoint; a missing permission does not compile. */
export function endpoint<Input extends z.ZodObject, Output extends z.ZodType>(
  definition: Endpoint<Input, Output>,
): Endpoint<Input, Output> {
  return definition;
}
