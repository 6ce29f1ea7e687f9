import type { EndpointName } from '../../control/contract.ts';

/** How one kind of thing is made, changed and taken away through the API. */
export interface Kind {
  /** Singular, for people. */
  readonly noun: string;
  readonly create: EndpointName;
  readonly update: EndpointName;
  readonly remove: EndpointName;
  /** Fields that cannot be changed once the thing is there. */
  readonly fixed: readonly string[];
  /** Fields that name other things, with the field of the API that takes their id. */
  readonly references: Readonly<Record<string, readonly [noun: string, field: string]>>;
}

const PLACE_REFERENCES = {
  team: ['team', 'team_id'],
  project: ['project', 'project_id'],
} as const;

/** Every kind, in the order in which they are made. */
export const KINDS = {
  organization: {
    noun: 'organization',
    create: 'createOrganization',
    update: 'updateOrganization',
    remove: 'deleteOrganization',
    fixed: [],
    references: {},
  },
  role: {
    noun: 'role',
    create: 'createRole',
    update: 'updateRole',
    remove: 'deleteRole',
    fixed: [],
    references: {},
  },
  team: {
    noun: 'team',
    create: 'createTeam',
    update: 'updateTeam',
    remove: 'deleteTeam',
    fixed: [],
    references: {},
  },
  project: {
    noun: 'project',
    create: 'createProject',
    update: 'updateProject',
    remove: 'deleteProject',
    fixed: [],
    references: { team: ['team', 'team_id'] },
  },
  user: {
    noun: 'user',
    create: 'createUser',
    update: 'updateUser',
    remove: 'deleteUser',
    fixed: [],
    references: {},
  },
  service_account: {
    noun: 'service_account',
    create: 'createServiceAccount',
    update: 'updateServiceAccount',
    remove: 'deleteServiceAccount',
    fixed: ['team', 'project'],
    references: PLACE_REFERENCES,
  },
  key: {
    noun: 'key',
    create: 'createKey',
    update: 'updateKey',
    remove: 'revokeKey',
    fixed: [],
    references: {
      ...PLACE_REFERENCES,
      user: ['user', 'user_id'],
      service_account: ['service_account', 'service_account_id'],
    },
  },
  budget: {
    noun: 'budget',
    create: 'createBudget',
    update: 'updateBudget',
    remove: 'deleteBudget',
    fixed: ['scope', 'scope_id'],
    references: {},
  },
  limit: {
    noun: 'limit',
    create: 'createLimit',
    update: 'updateLimit',
    remove: 'deleteLimit',
    fixed: ['scope', 'scope_id'],
    references: {},
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

/** Scopes of budgets and limits whose id is a thing of the state. */
export const SCOPE_NOUNS: ReadonlySet<string> = new Set(['organization', 'team', 'project', 'user', 'key']);
