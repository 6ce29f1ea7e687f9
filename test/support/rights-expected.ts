import type { EndpointName } from '../../src/control/contract.ts';

/** What the matrix knows of a tenant's things, by kind. */
export interface Things {
  readonly organization: string;
  readonly team: string;
  readonly project: string;
  readonly user: string;
  readonly service_account: string;
  readonly membership: string;
  readonly role: string;
  readonly key: string;
  readonly exchange: string;
  readonly budget: string;
  readonly limit: string;
  readonly approval: string;
}

/** Roles of the matrix: built-in ones over the organization, and two over one of its teams. */
export const ROLES = [
  'owner',
  'admin',
  'member',
  'viewer',
  'billing',
  'auditor',
  'teamAdmin',
  'teamMember',
  'nothing',
] as const;
export type MatrixRole = (typeof ROLES)[number];

/** Who may call an endpoint for a thing of team `team` that is not his own, and with what. */
export interface Expected {
  readonly may: readonly MatrixRole[];
  /** The gateway of the matrix has no such thing: who may ask is told so (404). */
  readonly absent?: boolean;
  /** A call that would do something to the things; ids of another tenant make it a theft. */
  readonly input: (things: Things, unique: string) => Readonly<Record<string, unknown>>;
}

const ALL: readonly MatrixRole[] = [
  'owner',
  'admin',
  'member',
  'viewer',
  'billing',
  'auditor',
  'teamAdmin',
  'teamMember',
];
const OWNER: readonly MatrixRole[] = ['owner'];
const MANAGERS: readonly MatrixRole[] = ['owner', 'admin'];
const TEAM_MANAGERS: readonly MatrixRole[] = ['owner', 'admin', 'teamAdmin'];
const READERS: readonly MatrixRole[] = ['owner', 'admin', 'viewer', 'billing', 'auditor', 'teamAdmin'];
const AUDITORS: readonly MatrixRole[] = ['owner', 'admin', 'auditor'];
const LOG_READERS: readonly MatrixRole[] = ['owner', 'admin', 'viewer', 'auditor', 'teamAdmin'];
/** What binds a team is changed from above it, so its own admins are not among them. */
const SPENDERS: readonly MatrixRole[] = ['owner', 'admin', 'billing'];
/** Those who make keys of their own ask for more than they have; the others have it. */
const ASKERS: readonly MatrixRole[] = ['owner', 'admin', 'member', 'teamAdmin', 'teamMember'];
/** The admin key, and nobody of a tenant that does not run the gateway. */
const NOBODY: readonly MatrixRole[] = [];

const nothing = () => ({});
const id = (kind: keyof Things) => (things: Things) => ({ id: things[kind] });
const router = () => ({ name: 'auto' });

/** One line per endpoint of the contract; the matrix fails for an endpoint that has none. */
export const EXPECTED: Readonly<Record<string, Expected>> = {
  getStatus: { may: ALL, input: nothing },
  getMe: { may: [...ALL, 'nothing'], input: nothing },
  closeSession: { may: [...ALL, 'nothing'], input: nothing },
  createSignInLink: { may: MANAGERS, input: (things) => ({ user_id: things.user }) },

  getAccount: { may: [...ALL, 'nothing'], input: nothing },
  createInvitation: { may: MANAGERS, input: (things) => ({ user_id: things.user }) },
  listInvitations: { may: MANAGERS, input: nothing },
  revokeInvitation: {
    may: MANAGERS,
    absent: true,
    input: () => ({ id: 'invitation_none' }),
  },
  resetSecondFactor: { may: MANAGERS, input: id('user') },
  // Who has no password here is told so (409); who is not signed in is refused before.
  changePassword: {
    may: [...ALL, 'nothing'],
    input: () => ({ current_password: 'not the password', new_password: 'another long password' }),
  },
  enrollSecondFactor: { may: [...ALL, 'nothing'], input: () => ({ current_password: 'not the password' }) },
  confirmSecondFactor: { may: [...ALL, 'nothing'], input: () => ({ code: '000000' }) },
  removeSecondFactor: {
    may: [...ALL, 'nothing'],
    input: () => ({ current_password: 'not the password', code: '000000' }),
  },
  listOwnSessions: { may: [...ALL, 'nothing'], input: nothing },
  closeOwnSession: { may: [...ALL, 'nothing'], absent: true, input: () => ({ id: 'none' }) },
  closeOtherSessions: { may: [...ALL, 'nothing'], input: nothing },
  closeUserSessions: { may: MANAGERS, input: id('user') },
  createScimToken: {
    may: OWNER,
    input: (things, name) => ({ organization_id: things.organization, name }),
  },
  listScimTokens: { may: OWNER, input: nothing },
  revokeScimToken: { may: OWNER, absent: true, input: () => ({ id: 'scim_none' }) },

  createOrganization: { may: NOBODY, input: (_, name) => ({ name }) },
  listOrganizations: { may: ALL, input: nothing },
  getOrganization: { may: ALL, input: id('organization') },
  updateOrganization: {
    may: OWNER,
    input: (things, name) => ({ id: things.organization, name: `SECRET ${name}` }),
  },
  deleteOrganization: { may: NOBODY, input: id('organization') },

  createTeam: { may: MANAGERS, input: (things, name) => ({ organization_id: things.organization, name }) },
  listTeams: { may: ALL, input: nothing },
  getTeam: { may: ALL, input: id('team') },
  updateTeam: { may: TEAM_MANAGERS, input: (things) => ({ id: things.team, metadata: {} }) },
  deleteTeam: { may: MANAGERS, input: id('team') },

  createProject: { may: TEAM_MANAGERS, input: (things, name) => ({ team_id: things.team, name }) },
  listProjects: { may: ALL, input: nothing },
  getProject: { may: ALL, input: id('project') },
  updateProject: { may: TEAM_MANAGERS, input: (things) => ({ id: things.project, metadata: {} }) },
  deleteProject: { may: TEAM_MANAGERS, input: id('project') },

  createUser: { may: MANAGERS, input: (things, name) => ({ organization_id: things.organization, name }) },
  listUsers: { may: READERS, input: nothing },
  getUser: { may: READERS, input: id('user') },
  updateUser: { may: MANAGERS, input: (things) => ({ id: things.user, metadata: {} }) },
  deleteUser: { may: MANAGERS, input: id('user') },

  createServiceAccount: { may: TEAM_MANAGERS, input: (things, name) => ({ team_id: things.team, name }) },
  listServiceAccounts: { may: READERS, input: nothing },
  getServiceAccount: { may: READERS, input: id('service_account') },
  updateServiceAccount: {
    may: TEAM_MANAGERS,
    input: (things) => ({ id: things.service_account, metadata: {} }),
  },
  deleteServiceAccount: { may: TEAM_MANAGERS, input: id('service_account') },

  createMembership: {
    may: MANAGERS,
    input: (things) => ({ user_id: things.user, role: 'viewer' }),
  },
  listMemberships: { may: READERS, input: nothing },
  getMembership: { may: READERS, input: id('membership') },
  updateMembership: { may: TEAM_MANAGERS, input: (things) => ({ id: things.membership, role: 'viewer' }) },
  deleteMembership: { may: TEAM_MANAGERS, input: id('membership') },

  createRole: {
    may: OWNER,
    input: (things, name) => ({ organization_id: things.organization, name, permissions: [] }),
  },
  listRoles: { may: READERS, input: nothing },
  getRole: { may: ['owner', 'admin', 'viewer', 'billing', 'auditor'], input: id('role') },
  updateRole: { may: OWNER, input: (things) => ({ id: things.role, permissions: [] }) },
  deleteRole: { may: OWNER, input: id('role') },

  createKey: {
    may: [...TEAM_MANAGERS, 'teamMember'],
    input: (things, name) => ({ team_id: things.team, name }),
  },
  listKeys: { may: ALL, input: nothing },
  getKey: { may: READERS, input: id('key') },
  updateKey: { may: TEAM_MANAGERS, input: (things) => ({ id: things.key, metadata: {} }) },
  revokeKey: { may: TEAM_MANAGERS, input: id('key') },
  rotateKey: { may: TEAM_MANAGERS, input: id('key') },
  claimKey: { may: TEAM_MANAGERS, input: id('key') },
  blockKey: { may: TEAM_MANAGERS, input: id('key') },
  unblockKey: { may: TEAM_MANAGERS, input: id('key') },

  listExchanges: { may: ALL, input: nothing },
  watchExchanges: { may: ALL, input: nothing },
  getExchange: { may: LOG_READERS, input: id('exchange') },
  getUsage: { may: ALL, input: nothing },
  exportUsage: { may: ALL, input: () => ({ format: 'csv' }) },
  getChargeback: { may: ALL, input: () => ({ month: '2026-01' }) },

  listModels: { may: ALL, input: nothing },
  listPrices: { may: ALL, input: nothing },
  setPrice: {
    may: NOBODY,
    input: () => ({ model: 'm', input_usd_per_mtok: 1, output_usd_per_mtok: 1 }),
  },
  getConfig: { may: NOBODY, input: nothing },
  deletePrice: { may: NOBODY, absent: true, input: () => ({ model: 'm' }) },
  putConfig: { may: NOBODY, input: () => ({ config: {} }) },
  getConfigOverrides: { may: NOBODY, input: nothing },
  listConfigHistory: { may: NOBODY, input: nothing },
  rollbackConfig: { may: NOBODY, input: () => ({ version: 0 }) },
  getCacheStats: { may: NOBODY, input: nothing },
  listCacheEntries: { may: NOBODY, input: nothing },
  clearCache: { may: NOBODY, input: nothing },
  validateConfig: { may: NOBODY, input: () => ({ yaml: 'version: 1' }) },
  listAudit: { may: AUDITORS, input: nothing },
  verifyAudit: { may: AUDITORS, input: nothing },
  exportAudit: { may: AUDITORS, input: nothing },

  createCredential: {
    may: NOBODY,
    input: (_, name) => ({ name: name.toLowerCase(), value: 'a-secret-value' }),
  },
  listCredentials: { may: NOBODY, input: nothing },
  getCredential: { may: NOBODY, input: () => ({ id: 'cred_none' }) },
  updateCredential: { may: NOBODY, input: () => ({ id: 'cred_none', description: 'x' }) },
  deleteCredential: { may: NOBODY, input: () => ({ id: 'cred_none' }) },
  getSecrets: { may: NOBODY, input: nothing },
  rotateMasterKey: { may: NOBODY, input: nothing },

  createBudget: {
    may: SPENDERS,
    input: (things) => ({ scope: 'team', scope_id: things.team, limit_usd: 1000, window: 'month' }),
  },
  listBudgets: { may: ALL, input: nothing },
  getBudget: { may: ALL, input: id('budget') },
  updateBudget: { may: SPENDERS, input: (things) => ({ id: things.budget, limit_usd: 999 }) },
  deleteBudget: { may: SPENDERS, input: id('budget') },
  createLimit: {
    may: MANAGERS,
    input: (things) => ({ scope: 'team', scope_id: things.team, limits: { rpm: 1000 } }),
  },
  listLimits: { may: ALL, input: nothing },
  getLimit: { may: ALL, input: id('limit') },
  updateLimit: { may: MANAGERS, input: (things) => ({ id: things.limit, limits: { rpm: 999 } }) },
  deleteLimit: { may: MANAGERS, input: id('limit') },
  // Who holds the budget raises it; everybody who sees it may ask for a raise.
  raiseBudget: {
    may: ALL,
    input: (things) => ({ id: things.budget, amount_usd: 1, expires_at: '2099-01-01T00:00:00Z' }),
  },

  listApprovals: { may: READERS, input: nothing },
  getApproval: { may: READERS, input: id('approval') },
  requestApproval: {
    may: ASKERS,
    input: (things) => ({ kind: 'model_access', key_id: things.key, models: ['sim/gpt'], reason: 'needed' }),
  },
  approve: { may: TEAM_MANAGERS, input: id('approval') },
  reject: { may: TEAM_MANAGERS, input: id('approval') },
  createApprovalLink: { may: TEAM_MANAGERS, input: id('approval') },

  listRouters: { may: NOBODY, input: nothing },
  explainRoute: { may: NOBODY, input: router },
  replayRoute: {
    may: LOG_READERS,
    absent: true,
    input: (things) => ({ ...router(), exchange_id: things.exchange }),
  },
  testRoute: { may: LOG_READERS, absent: true, input: router },
  listExperiments: { may: LOG_READERS, absent: true, input: router },
  reportRouter: { may: LOG_READERS, absent: true, input: router },
  rollBackRouter: { may: NOBODY, input: router },
  giveFeedback: {
    may: TEAM_MANAGERS,
    input: (things) => ({ request_id: things.exchange, rating: 'up' }),
  },
};

/** Endpoints anybody may call; each proves the caller by what it is given, and has tests of its own. */
export const PUBLIC: ReadonlySet<EndpointName> = new Set<EndpointName>([
  'openSession',
  'listSignInMethods',
  'signInLocal',
  'signInSecondFactor',
  'acceptInvitation',
  'decideByLink',
]);
