import { GATEWAY_PERMISSIONS, PERMISSIONS, type Permission } from './permission.ts';

/** The roles every organization has. The same word means the same rights at organization and at team scope. */
export const BUILT_IN_ROLES = ['owner', 'admin', 'member', 'viewer', 'billing', 'auditor'] as const;

export type BuiltInRole = (typeof BUILT_IN_ROLES)[number];

/** A role an organization made for itself. Times are milliseconds since 1970. */
export interface Role {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly createdAt: number;
}

/** What everybody who is signed in may do: sign out, see which models there are, and see what is his own. */
const SIGNED_IN: readonly Permission[] = [
  'public',
  'session:write',
  'own:read',
  'status:read',
  'models:read',
];

const READS: readonly Permission[] = PERMISSIONS.filter(
  (permission) => permission.endsWith(':read') && !GATEWAY_PERMISSIONS.has(permission),
);

const TENANT: readonly Permission[] = PERMISSIONS.filter(
  (permission) => !GATEWAY_PERMISSIONS.has(permission),
);

const RIGHTS: Readonly<Record<BuiltInRole, ReadonlySet<Permission>>> = {
  owner: new Set(TENANT),
  // What binds the admins themselves stays with the owners.
  admin: new Set(TENANT.filter((name) => name !== 'organizations:write' && name !== 'roles:write')),
  member: new Set([
    ...SIGNED_IN,
    'own:write',
    'approvals:request',
    'teams:read',
    'projects:read',
    'budgets:read',
    'limits:read',
  ]),
  viewer: new Set([...SIGNED_IN, ...READS.filter((name) => name !== 'audit:read')]),
  billing: new Set([
    ...SIGNED_IN,
    ...READS.filter((name) => name !== 'audit:read' && name !== 'exchanges:read'),
    'budgets:write',
  ]),
  auditor: new Set([...SIGNED_IN, ...READS]),
};

/** Organizations are made by the admin key alone: whoever belongs to one could not see the new one. */
const RUNNING = [...GATEWAY_PERMISSIONS].filter((permission) => permission !== 'organizations:create');

/** Roles that also hold the permissions over the gateway when they are held in the default organization. */
const RUNS_GATEWAY: ReadonlySet<string> = new Set<BuiltInRole>(['owner', 'admin']);

/** Whether this is the name of a built-in role. */
export function isBuiltInRole(name: string): name is BuiltInRole {
  return (BUILT_IN_ROLES as readonly string[]).includes(name);
}

/**
 * What a role allows. `role` is a built-in name or the id of one of `custom`; an unknown one allows nothing.
 * @param runsGateway the role is held over the whole of the default organization
 */
export function permissionsOf(
  role: string,
  custom: ReadonlyMap<string, Role>,
  runsGateway: boolean,
): ReadonlySet<Permission> {
  if (!isBuiltInRole(role)) {
    const given = custom.get(role)?.permissions.filter((name) => !GATEWAY_PERMISSIONS.has(name));
    // Whoever can sign in can sign out.
    return new Set(given === undefined ? [] : ['public', 'session:write', ...given]);
  }
  const rights = RIGHTS[role];
  return runsGateway && RUNS_GATEWAY.has(role) ? new Set([...rights, ...RUNNING]) : rights;
}
