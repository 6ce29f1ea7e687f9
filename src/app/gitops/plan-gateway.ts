import { changesOf, normal } from './compare.ts';
import type { State } from './document.ts';
import type { Gathered } from './gather.ts';
import type { Step } from './steps.ts';

interface Planned {
  readonly steps: Step[];
  readonly removals: Step[];
  readonly unmanaged: string[];
}

function planPrices(
  planned: Planned,
  gathered: Gathered,
  { state, prune }: { state: State; prune: boolean },
): void {
  if (state.prices === undefined) return;
  const present = new Map((gathered.prices ?? []).map(({ updated_at: _, ...price }) => [price.model, price]));
  for (const price of state.prices) {
    const before = present.get(price.model);
    present.delete(price.model);
    // Rates the file leaves out are completed by the gateway.
    const told = Object.fromEntries(
      Object.entries(before ?? {}).filter(([field]) => Object.hasOwn(price, field)),
    );
    const changes = changesOf(normal(price), normal(told));
    if (before !== undefined && changes.length === 0) continue;
    planned.steps.push({
      action: before === undefined ? 'create' : 'update',
      kind: 'price',
      name: price.model,
      changes: before === undefined ? [] : changes,
      run: async (call) => void (await call('setPrice', price)),
    });
  }
  for (const model of present.keys()) {
    if (!prune) planned.unmanaged.push(`price ${model}`);
    else {
      planned.removals.push({
        action: 'delete',
        kind: 'price',
        name: model,
        changes: [],
        run: async (call) => void (await call('deletePrice', { model })),
      });
    }
  }
}

/** The environment that new credentials take their secrets from. */
export type Environment = Readonly<Record<string, string | undefined>>;

type Wanted = NonNullable<State['credentials']>[number];

/** What a credential is made with. Throws a sentence when the variable of its secret is not set. */
function inputOf({ value, ...rest }: Wanted, environment: Environment) {
  const variable = value?.slice(2, -1);
  const secret = variable === undefined ? undefined : environment[variable];
  if (variable !== undefined && (secret === undefined || secret === '')) {
    throw new Error(`set ${variable} to the secret of the credential "${rest.name}" and apply again`);
  }
  return { ...rest, ...(secret === undefined ? {} : { value: secret }) };
}

function planCredentials(
  planned: Planned,
  gathered: Gathered,
  { state, prune, environment }: { state: State; prune: boolean; environment: Environment },
): void {
  if (state.credentials === undefined) return;
  const present = new Map((gathered.credentials ?? []).map((row) => [row.name, row]));
  for (const wanted of state.credentials) {
    const before = present.get(wanted.name);
    present.delete(wanted.name);
    const { name } = wanted;
    if (before === undefined) {
      planned.steps.push({
        action: 'create',
        kind: 'credential',
        name,
        changes: [],
        run: async (call) => void (await call('createCredential', inputOf(wanted, environment))),
      });
      continue;
    }
    // Whether a sealed secret is another one cannot be told: only a reference and the description are compared.
    const changes = changesOf(
      { description: wanted.description, reference: wanted.reference ?? null },
      { description: before.description, reference: before.reference },
    );
    if (changes.length === 0) continue;
    planned.steps.push({
      action: 'update',
      kind: 'credential',
      name,
      changes,
      run: async (call) => {
        const { name: _, ...change } = inputOf(wanted, environment);
        await call('updateCredential', { id: before.id, ...change });
        return undefined;
      },
    });
  }
  for (const { id, name } of present.values()) {
    if (!prune) planned.unmanaged.push(`credential ${name}`);
    else {
      planned.removals.push({
        action: 'delete',
        kind: 'credential',
        name,
        changes: [],
        run: async (call) => void (await call('deleteCredential', { id })),
      });
    }
  }
}

/** What belongs to no organization: credentials, price overrides and admin overrides of the configuration. */
export function planGateway(
  gathered: Gathered,
  state: State,
  { prune, environment }: { readonly prune: boolean; readonly environment: Environment },
): Planned {
  const planned: Planned = { steps: [], removals: [], unmanaged: [] };
  // Before the configuration, which may name them.
  planCredentials(planned, gathered, { state, prune, environment });
  planPrices(planned, gathered, { state, prune });
  const { config } = state;
  const changes = config === undefined ? [] : changesOf(config, gathered.overrides ?? {});
  if (config !== undefined && changes.length > 0) {
    planned.steps.push({
      action: 'update',
      kind: 'config',
      name: 'admin overrides',
      changes,
      run: async (call) => void (await call('putConfig', { config, comment: 'sluice apply' })),
    });
  }
  return planned;
}
