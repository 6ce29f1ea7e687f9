import { ApiError } from '../../control/client.ts';
import type { EndpointName, InputOf, OutputOf } from '../../control/contract.ts';

/** Calls the admin API; what the caller may not do, he may not do through files either. */
export type Call = <Name extends EndpointName>(name: Name, input: InputOf<Name>) => Promise<OutputOf<Name>>;

type RowOf<Name extends EndpointName> = OutputOf<Name> extends { data: (infer Row)[] } ? Row : never;

/** Everything the gateway keeps, as the API shows it. */
export interface Gathered {
  readonly organizations: readonly RowOf<'listOrganizations'>[];
  readonly teams: readonly RowOf<'listTeams'>[];
  readonly projects: readonly RowOf<'listProjects'>[];
  readonly users: readonly RowOf<'listUsers'>[];
  readonly serviceAccounts: readonly RowOf<'listServiceAccounts'>[];
  readonly memberships: readonly RowOf<'listMemberships'>[];
  readonly roles: readonly RowOf<'listRoles'>[];
  readonly keys: readonly RowOf<'listKeys'>[];
  readonly budgets: readonly RowOf<'listBudgets'>[];
  /** Cheaper models of keys' own budgets, by key; the key itself does not show them. */
  readonly downgrades: ReadonlyMap<string, string>;
  readonly limits: readonly RowOf<'listLimits'>[];
  /** Absent where the caller may not read them. */
  readonly prices: readonly RowOf<'listPrices'>[] | undefined;
  readonly credentials: readonly RowOf<'listCredentials'>[] | undefined;
  readonly overrides: Readonly<Record<string, unknown>> | undefined;
}

async function all<Name extends EndpointName>(call: Call, name: Name): Promise<readonly RowOf<Name>[]> {
  const rows: RowOf<Name>[] = [];
  let cursor: string | undefined;
  do {
    const input = { limit: 500, ...(cursor === undefined ? {} : { cursor }) } as InputOf<Name>;
    const page = (await call(name, input)) as { data: RowOf<Name>[]; next_cursor: string | null };
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return rows;
}

/** What belongs to the gateway as a whole is left out for those who do not run it. */
async function allowed<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  });
}

/** Reads everything. What `sluice.yaml` declares is left out: it has its own file. */
export async function gather(call: Call): Promise<Gathered> {
  const teams = await all(call, 'listTeams');
  const budgets = await all(call, 'listBudgets');
  return {
    organizations: await all(call, 'listOrganizations'),
    teams,
    projects: await all(call, 'listProjects'),
    users: await all(call, 'listUsers'),
    serviceAccounts: await all(call, 'listServiceAccounts'),
    memberships: await all(call, 'listMemberships'),
    roles: (await all(call, 'listRoles')).filter((role) => !role.built_in),
    keys: (await all(call, 'listKeys')).filter(
      (key) => !key.id.startsWith('key_file_') && key.status !== 'revoked',
    ),
    budgets: budgets.filter(({ source }) => source === 'api'),
    downgrades: new Map(
      budgets.flatMap(({ source, scope_id, downgrade_to }): [string, string][] =>
        source === 'key' && downgrade_to !== null ? [[scope_id, downgrade_to]] : [],
      ),
    ),
    limits: (await all(call, 'listLimits')).filter(({ source }) => source === 'api'),
    prices: await allowed(all(call, 'listPrices')),
    credentials: await allowed(all(call, 'listCredentials')),
    overrides: (await allowed(call('getConfigOverrides', {})))?.overrides,
  };
}
