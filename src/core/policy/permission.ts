/**
 * Everything the admin API can ask for, as `noun:verb`. `own:*` is the weak form: it covers what belongs to the caller
 * himself (his keys, his exchanges), where the strong form (`keys:write`) covers a whole team or organization.
 */
export const PERMISSIONS = [
  'public',
  'session:write',
  'own:read',
  'own:write',
  'status:read',
  'models:read',
  'keys:read',
  'keys:write',
  'exchanges:read',
  'usage:read',
  'budgets:read',
  'budgets:write',
  'limits:read',
  'limits:write',
  'approvals:read',
  'approvals:request',
  'approvals:write',
  'teams:read',
  'teams:write',
  'projects:read',
  'projects:write',
  'users:read',
  'users:write',
  'service_accounts:read',
  'service_accounts:write',
  'memberships:read',
  'memberships:write',
  'roles:read',
  'roles:write',
  'organizations:read',
  'organizations:write',
  'audit:read',
  'prices:write',
  'config:read',
  'config:write',
  'cache:read',
  'cache:write',
  'credentials:read',
  'credentials:write',
  'organizations:create',
] as const;

/** What a caller must hold to use an endpoint. `public` needs no sign-in. */
export type Permission = (typeof PERMISSIONS)[number];

/**
 * Permissions over the gateway itself rather than over one organization. Only the admin key and the owners and admins of
 * the default organization (whoever runs the gateway) can hold them; no custom role can.
 */
export const GATEWAY_PERMISSIONS: ReadonlySet<Permission> = new Set<Permission>([
  'prices:write',
  'config:read',
  'config:write',
  'cache:read',
  'cache:write',
  'credentials:read',
  'credentials:write',
  'organizations:create',
]);
