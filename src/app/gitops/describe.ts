import type { OrganizationState, State } from './document.ts';
import type { Gathered } from './gather.ts';

type Tree = Record<string, unknown>;

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Without what says nothing: files show only what differs from the default. */
function lean(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => !isEmpty(value)));
}

/** In the order of their names, and with the id where a name stands twice. */
function ordered<Row extends { readonly id: string }>(
  rows: readonly Row[],
  nameOf: (row: Row) => string,
): readonly (Row & { readonly ambiguous: { readonly id?: string } })[] {
  const count = new Map<string, number>();
  for (const row of rows) count.set(nameOf(row), (count.get(nameOf(row)) ?? 0) + 1);
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...rows]
    .sort((a, b) => compare(nameOf(a), nameOf(b)) || compare(a.id, b.id))
    .map((row) => ({ ...row, ambiguous: (count.get(nameOf(row)) ?? 0) > 1 ? { id: row.id } : {} }));
}

/** Names of things by id, as files refer to them. An ambiguous name is replaced by the id. */
export class Names {
  readonly #names = new Map<string, string>();

  constructor(gathered: Gathered) {
    const { teams, projects, users, serviceAccounts, roles, keys, organizations } = gathered;
    const teamNames = new Map(teams.map(({ id, name }) => [id, name]));
    this.#add(organizations, ({ name }) => name);
    this.#add(teams, ({ name }) => name);
    this.#add(projects, ({ name, team_id }) => `${teamNames.get(team_id) ?? team_id}/${name}`);
    this.#add(users, ({ name, email }) => email ?? name);
    this.#add(serviceAccounts, ({ name }) => name);
    this.#add(roles, ({ name }) => name);
    this.#add(keys, ({ name }) => name);
  }

  /** The name; the id itself for what is not known here or shares its name. */
  of(id: string): string {
    return this.#names.get(id) ?? id;
  }

  #add<Row extends { readonly id: string; readonly organization_id?: string | null }>(
    rows: readonly Row[],
    nameOf: (row: Row) => string,
  ): void {
    const seen = new Map<string, string[]>();
    for (const row of rows) {
      const place = JSON.stringify([row.organization_id ?? '', nameOf(row)]);
      seen.set(place, [...(seen.get(place) ?? []), row.id]);
    }
    for (const row of rows) {
      const [, ...others] = seen.get(JSON.stringify([row.organization_id ?? '', nameOf(row)])) ?? [];
      if (others.length === 0) this.#names.set(row.id, nameOf(row));
    }
  }
}

const NAMED_SCOPES: ReadonlySet<string> = new Set(['organization', 'team', 'project', 'user', 'key']);

function scopeName(names: Names, scope: string, scopeId: string): string {
  return NAMED_SCOPES.has(scope) ? names.of(scopeId) : scopeId;
}

/** A budget as its file has it; also what the plan compares. */
export function budgetState(row: Gathered['budgets'][number], names: Names): Tree {
  return {
    name: row.name,
    scope: row.scope,
    scope_id: scopeName(names, row.scope, row.scope_id),
    limit_usd: row.base_limit_usd,
    window: row.window,
    ...(row.action === 'block' ? {} : { action: row.action }),
    ...lean({ rolling: row.rolling, hard: row.hard, downgrade_to: row.downgrade_to }),
    ...(row.time_zone === 'UTC' ? {} : { time_zone: row.time_zone }),
    ...(row.thresholds.join() === '80,100' ? {} : { thresholds: row.thresholds }),
  };
}

function queueState({ max_wait_ms, max_waiting }: Gathered['limits'][number]): Tree {
  return {
    on_limit: 'queue',
    ...(max_wait_ms === 10_000 ? {} : { max_wait_ms }),
    ...(max_waiting === 100 ? {} : { max_waiting }),
  };
}

/** A rate limit as its file has it. */
export function limitState(row: Gathered['limits'][number], names: Names): Tree {
  return {
    name: row.name,
    scope: row.scope,
    scope_id: scopeName(names, row.scope, row.scope_id),
    limits: row.limits,
    // Waiting is bounded only where something waits.
    ...(row.on_limit === 'refuse' ? {} : queueState(row)),
  };
}

/** A key as its file has it: no secret, no state. */
export function keyState(row: Gathered['keys'][number], gathered: Gathered, names: Names): Tree {
  const { budget, rotation } = row;
  const refer = (id: string | null) => (id === null ? null : names.of(id));
  return {
    name: row.name,
    ...lean({
      team: refer(row.team_id),
      project: refer(row.project_id),
      user: refer(row.user_id),
      service_account: refer(row.service_account_id),
      policy: row.policy,
      limits: row.limits,
      metadata: row.metadata,
      blocked: row.status === 'blocked',
      expires_at: row.expires_at,
    }),
    // An empty list allows nothing, which is not the same as none.
    ...(row.models === null ? {} : { models: row.models }),
    ...(row.operations === null ? {} : { operations: row.operations }),
    ...(row.cidrs === null ? {} : { cidrs: row.cidrs }),
    ...(row.on_client_abort === 'abort' ? {} : { on_client_abort: row.on_client_abort }),
    ...(rotation === null ? {} : { rotate_every_s: rotation.every_s, rotate_overlap_s: rotation.overlap_s }),
    ...(budget === null
      ? {}
      : {
          budget: {
            limit_usd: budget.limit_usd,
            window: budget.window,
            ...(budget.action === 'block' ? {} : { action: budget.action }),
            ...lean({ downgrade_to: gathered.downgrades.get(row.id) }),
          },
        }),
  };
}

type Placed = {
  readonly name: string;
  readonly blocked?: boolean;
  readonly policy: object;
  readonly metadata: object;
};

/** What every place says of itself. */
export function placeState(row: Placed): Tree {
  const { declared_in: _, ...metadata } = row.metadata as Tree;
  return { name: row.name, ...lean({ blocked: row.blocked, policy: row.policy, metadata }) };
}

/** A user as his file has him, memberships given by hand included. */
export function userState(row: Gathered['users'][number], gathered: Gathered, names: Names): Tree {
  const held = gathered.memberships
    .filter(({ user_id, source }) => user_id === row.id && source === 'manual')
    .map(({ role, team_id }) => ({
      role: names.of(role),
      ...(team_id === null ? {} : { team: names.of(team_id) }),
    }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    name: row.name,
    ...lean({
      email: row.email,
      external_id: row.external_id,
      disabled: row.disabled,
      policy: row.policy,
      metadata: row.metadata,
      memberships: held,
    }),
  };
}

/** Whether `sluice.yaml` declares the team. */
export function isDeclared({ metadata }: { readonly metadata: Readonly<Record<string, string>> }): boolean {
  return metadata['declared_in'] === 'file';
}

function organizationState(row: Gathered['organizations'][number], gathered: Gathered, names: Names): Tree {
  const mine = <Row extends { readonly organization_id: string | null }>(rows: readonly Row[]) =>
    rows.filter(({ organization_id }) => organization_id === row.id);
  const byName = ({ name }: { name: string }) => name;
  return {
    ...placeState(row),
    ...lean({
      roles: ordered(mine(gathered.roles), byName).map((role) => ({
        name: role.name,
        ...role.ambiguous,
        permissions: [...role.permissions].sort(),
      })),
      teams: ordered(
        mine(gathered.teams).filter((team) => !isDeclared(team)),
        byName,
      ).map((team) => ({
        ...placeState(team),
        ...team.ambiguous,
        ...lean({
          projects: ordered(
            gathered.projects.filter(({ team_id }) => team_id === team.id),
            byName,
          ).map((project) => ({
            ...placeState(project),
            ...project.ambiguous,
          })),
        }),
      })),
      users: ordered(mine(gathered.users), ({ email, name }) => email ?? name).map((user) => ({
        ...userState(user, gathered, names),
        ...user.ambiguous,
      })),
      service_accounts: ordered(mine(gathered.serviceAccounts), byName).map((account) => ({
        ...placeState({ ...account, blocked: false }),
        ...account.ambiguous,
        ...lean({
          disabled: account.disabled,
          team: account.team_id === null ? null : names.of(account.team_id),
          project: account.project_id === null ? null : names.of(account.project_id),
        }),
      })),
      keys: ordered(mine(gathered.keys), byName).map((key) => ({
        ...keyState(key, gathered, names),
        ...key.ambiguous,
      })),
      budgets: ordered(mine(gathered.budgets), byName).map((one) => ({
        ...budgetState(one, names),
        ...one.ambiguous,
      })),
      limits: ordered(mine(gathered.limits), byName).map((one) => ({
        ...limitState(one, names),
        ...one.ambiguous,
      })),
    }),
  };
}

/** A credential as its file has it: where it is kept, or the variable a new gateway takes it from; never the secret. */
export function credentialState(row: NonNullable<Gathered['credentials']>[number]): Tree {
  const variable = `SLUICE_CREDENTIAL_${row.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
  return {
    name: row.name,
    ...lean({ description: row.description === '' ? null : row.description }),
    ...(row.reference === null ? { value: `\${${variable}}` } : { reference: row.reference }),
  };
}

/** The whole state in a fixed order, so that two exports of the same state are the same text. */
export function describeState(gathered: Gathered): State {
  const names = new Names(gathered);
  const byName = ({ name }: { name: string }) => name;
  const nobodys = <Row extends { readonly organization_id: string | null }>(rows: readonly Row[]) =>
    rows.filter(({ organization_id }) => organization_id === null);
  return {
    version: 1,
    organizations: ordered(gathered.organizations, byName).map((row) => ({
      ...organizationState(row, gathered, names),
      ...row.ambiguous,
    })) as OrganizationState[],
    ...lean({
      budgets: ordered(nobodys(gathered.budgets), byName).map((row) => budgetState(row, names)),
      limits: ordered(nobodys(gathered.limits), byName).map((row) => limitState(row, names)),
      prices: [...(gathered.prices ?? [])]
        .map(({ updated_at: _, ...price }) => price)
        .sort((a, b) => (a.model < b.model ? -1 : 1)),
      credentials: [...(gathered.credentials ?? [])]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(credentialState),
      config: gathered.overrides,
    }),
  } as State;
}
