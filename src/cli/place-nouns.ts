import type { EndpointName } from '../control/contract.ts';
import { badUsage } from './failure.ts';
import { parseCount, parseList } from './parse.ts';

/** An option of a noun: its flag, what help says, and how it goes into the input. */
export interface Field {
  readonly flag: string;
  readonly help: string;
  /** Puts the option's text into the input. Throws `bad_usage`. */
  readonly put: (input: Record<string, unknown>, text: string, flag: string) => void;
  /** Only when something is made. */
  readonly onlyCreate?: boolean;
}

/** One noun of the admin API as five verbs. */
export interface Noun {
  readonly name: string;
  readonly one: string;
  readonly summary: string;
  readonly endpoints: {
    readonly create: EndpointName;
    readonly list: EndpointName;
    readonly get: EndpointName;
    readonly update: EndpointName;
    readonly remove: EndpointName;
  };
  /** Made with a name as argument; memberships have none. */
  readonly named: boolean;
  readonly fields: readonly Field[];
  readonly columns: readonly string[];
  readonly example: string;
}

const text =
  (name: string): Field['put'] =>
  (input, value) => {
    input[name] = value === '' ? null : value;
  };
const list =
  (name: string): Field['put'] =>
  (input, value) => {
    input[name] = parseList(value);
  };

/** Adds to the policy, which the API takes as a whole. */
function policy(name: string, read: (value: string, flag: string) => unknown): Field['put'] {
  return (input, value, flag) => {
    const before = (input['policy'] ?? {}) as object;
    input['policy'] = { ...before, [name]: read(value, flag) };
  };
}

function wholePolicy(input: Record<string, unknown>, value: string, flag: string): void {
  try {
    input['policy'] = { ...(JSON.parse(value) as object), ...(input['policy'] as object | undefined) };
  } catch {
    throw badUsage(`${flag} takes a JSON object, for example '{"regions":["eu"]}'.`);
  }
}

function yesOrNo(name: string): Field['put'] {
  return (input, value, flag) => {
    if (value !== 'yes' && value !== 'no') throw badUsage(`${flag} takes yes or no.`);
    input[name] = value === 'yes';
  };
}

const POLICY: readonly Field[] = [
  { flag: '--models <list>', help: 'only these models or patterns', put: policy('models', parseList) },
  { flag: '--providers <list>', help: 'only these providers', put: policy('providers', parseList) },
  { flag: '--regions <list>', help: 'only these regions', put: policy('regions', parseList) },
  {
    flag: '--operations <list>',
    help: 'only these operations: chat, …',
    put: policy('operations', parseList),
  },
  { flag: '--cidrs <list>', help: 'only from these addresses and blocks', put: policy('cidrs', parseList) },
  {
    flag: '--max-output-tokens <n>',
    help: 'the longest answer a request may ask for',
    put: policy('max_output_tokens', (value, flag) => parseCount(value, flag, { min: 1, max: 1e9 })),
  },
  { flag: '--policy <json>', help: 'the whole policy; replaces what was there', put: wholePolicy },
];

const ORGANIZATION: Field = {
  flag: '--organization <id>',
  help: 'organization it belongs to (default: the default one)',
  put: text('organization_id'),
  onlyCreate: true,
};
const BLOCKED: Field = { flag: '--blocked <yes|no>', help: 'refuse its keys', put: yesOrNo('blocked') };
const DISABLED: Field = { flag: '--disabled <yes|no>', help: 'refuse its keys', put: yesOrNo('disabled') };
/** Everything with a name can be given another. */
export const RENAME: Field = { flag: '--name <text>', help: 'another name', put: text('name') };
const TEAM: Field = { flag: '--team <id>', help: 'team', put: text('team_id'), onlyCreate: true };

/** The nouns in the order of the help page. */
export const NOUNS: readonly Noun[] = [
  {
    name: 'organizations',
    one: 'organization',
    summary: 'Make, list, change and delete organizations',
    endpoints: {
      create: 'createOrganization',
      list: 'listOrganizations',
      get: 'getOrganization',
      update: 'updateOrganization',
      remove: 'deleteOrganization',
    },
    named: true,
    fields: [...POLICY, BLOCKED],
    columns: ['id', 'name', 'blocked', 'created_at'],
    example: 'sluice organizations create acme --regions eu',
  },
  {
    name: 'teams',
    one: 'team',
    summary: 'Make, list, change and delete teams',
    endpoints: {
      create: 'createTeam',
      list: 'listTeams',
      get: 'getTeam',
      update: 'updateTeam',
      remove: 'deleteTeam',
    },
    named: true,
    fields: [...POLICY, BLOCKED, ORGANIZATION],
    columns: ['id', 'name', 'organization_id', 'blocked'],
    example: "sluice teams create search --models 'gpt-4o*'",
  },
  {
    name: 'projects',
    one: 'project',
    summary: 'Make, list, change and delete projects of a team',
    endpoints: {
      create: 'createProject',
      list: 'listProjects',
      get: 'getProject',
      update: 'updateProject',
      remove: 'deleteProject',
    },
    named: true,
    fields: [...POLICY, BLOCKED, TEAM],
    columns: ['id', 'name', 'team_id', 'blocked'],
    example: 'sluice projects create index --team TEAM_ID',
  },
  {
    name: 'users',
    one: 'user',
    summary: 'Make, list, change and delete users',
    endpoints: {
      create: 'createUser',
      list: 'listUsers',
      get: 'getUser',
      update: 'updateUser',
      remove: 'deleteUser',
    },
    named: true,
    fields: [
      { flag: '--email <address>', help: 'e-mail address', put: text('email') },
      { flag: '--role <role>', help: 'first role', put: text('role'), onlyCreate: true },
      TEAM,
      ...POLICY,
      DISABLED,
      ORGANIZATION,
    ],
    columns: ['id', 'name', 'email', 'disabled'],
    example: 'sluice users create Ada --email ada@example.com --role member --team TEAM_ID',
  },
  {
    name: 'service-accounts',
    one: 'service account',
    summary: 'Make, list, change and delete service accounts',
    endpoints: {
      create: 'createServiceAccount',
      list: 'listServiceAccounts',
      get: 'getServiceAccount',
      update: 'updateServiceAccount',
      remove: 'deleteServiceAccount',
    },
    named: true,
    fields: [
      TEAM,
      { flag: '--project <id>', help: 'project', put: text('project_id'), onlyCreate: true },
      ...POLICY,
      DISABLED,
      ORGANIZATION,
    ],
    columns: ['id', 'name', 'team_id', 'disabled'],
    example: 'sluice service-accounts create nightly-batch --team TEAM_ID',
  },
  {
    name: 'roles',
    one: 'role',
    summary: 'Make, list, change and delete roles of your own',
    endpoints: {
      create: 'createRole',
      list: 'listRoles',
      get: 'getRole',
      update: 'updateRole',
      remove: 'deleteRole',
    },
    named: true,
    fields: [
      { flag: '--permissions <list>', help: 'such as keys:read,usage:read', put: list('permissions') },
      ORGANIZATION,
    ],
    columns: ['id', 'name', 'built_in', 'permissions'],
    example: 'sluice roles create key-clerk --permissions keys:read,keys:write',
  },
  {
    name: 'memberships',
    one: 'membership',
    summary: 'Give users roles over teams or the organization, and take them away',
    endpoints: {
      create: 'createMembership',
      list: 'listMemberships',
      get: 'getMembership',
      update: 'updateMembership',
      remove: 'deleteMembership',
    },
    named: false,
    fields: [
      { flag: '--user <id>', help: 'who', put: text('user_id'), onlyCreate: true },
      TEAM,
      { flag: '--role <role>', help: 'a built-in role, or the id of one of your own', put: text('role') },
    ],
    columns: ['id', 'user_id', 'team_id', 'role'],
    example: 'sluice memberships create --user USER_ID --team TEAM_ID --role admin',
  },
];
