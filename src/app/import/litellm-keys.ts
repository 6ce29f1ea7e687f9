import { isMap } from '../config/paths.ts';
import { type Tree, whole } from './draft.ts';
import { windowOf } from './litellm-settings.ts';
import { type Ledger, Part } from './source.ts';

const KEY_REASONS: Readonly<Record<string, string>> = {
  token: 'is a hash: the secret is not in the export, so the key gets a new one.',
  key: 'secrets are not copied; the key gets a new one, which starts with sk-sluice-.',
  key_name: 'is part of the old secret.',
  spend: 'what was spent before does not count here; every budget starts empty.',
  model_spend: 'what was spent before does not count here.',
  model_max_budget: 'give the model a budget of its own under `budgets`.',
  soft_budget: 'see `thresholds` of a budget.',
  aliases: 'model aliases belong to the gateway; see `models`.',
  config: 'a key has no configuration of its own.',
  permissions: 'rights follow from roles.',
  allowed_cache_controls: 'clients send `x-sluice-cache`.',
  allowed_routes: 'see `operations` of a key.',
  budget_reset_at: 'windows follow the calendar, UTC.',
  guardrails: 'guardrails name models and teams; see `guardrails`.',
  created_at: 'is kept for history only.',
  updated_at: 'is kept for history only.',
  created_by: 'is kept for history only.',
  updated_by: 'is kept for history only.',
  organization_id: 'everything is imported into one organization.',
  org_id: 'everything is imported into one organization.',
};

/** Names LiteLLM gives to "every model". */
const ALL_MODELS: ReadonlySet<string> = new Set(['all-team-models', 'all-proxy-models', '*']);

function rowsOf(tree: unknown, key: string): readonly unknown[] {
  const found = isMap(tree) ? tree[key] : undefined;
  return Array.isArray(found) ? found : [];
}

function isKeyRow(row: unknown): boolean {
  return isMap(row) && ['token', 'key_name', 'key_alias'].some((field) => Object.hasOwn(row, field));
}

function isTeamRow(row: unknown): boolean {
  return isMap(row) && (Object.hasOwn(row, 'team_alias') || Object.hasOwn(row, 'members_with_roles'));
}

/** Whether this is what `/key/list`, `/team/list` or both together answer. */
export function isKeyExport(tree: unknown): boolean {
  if (Array.isArray(tree)) return tree.length > 0 && tree.every((row) => isKeyRow(row) || isTeamRow(row));
  return (
    ['keys', 'teams'].some((key) => rowsOf(tree, key).length > 0) && !(isMap(tree) && 'model_list' in tree)
  );
}

interface State {
  readonly ledger: Ledger;
  readonly teams: Map<string, Tree>;
  readonly users: Map<string, Tree>;
  readonly keys: Tree[];
  readonly budgets: Tree[];
  readonly names: Set<string>;
}

function modelsOf(row: Part): readonly string[] | undefined {
  const models = row.texts('models') ?? [];
  const narrow = models.length > 0 && !models.some((model) => ALL_MODELS.has(model));
  return narrow ? models : undefined;
}

function limitsOf(row: Part): Tree | undefined {
  const limits = {
    rpm: whole(row.number('rpm_limit'), 1, 1e9),
    tpm: whole(row.number('tpm_limit'), 1, 1e12),
    concurrency: whole(row.number('max_parallel_requests'), 1, 1e6),
  };
  const set = Object.entries(limits).filter(([, value]) => value !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

function amountOf(row: Part, ledger: Ledger): number | undefined {
  const amount = row.number('max_budget');
  if (amount === undefined || (amount >= 0 && amount <= 1e6)) return amount;
  ledger.unmapped(row.at('max_budget'), 'lies outside 0 to 1,000,000 US dollars.');
  return undefined;
}

function metadataOf(row: Part): Tree | undefined {
  const part = row.part('metadata');
  if (part === undefined) return undefined;
  const kept: Tree = {};
  for (const name of part.keys) {
    const value = part.take(name);
    if (['string', 'number', 'boolean'].includes(typeof value))
      kept[name.slice(0, 100)] = String(value).slice(0, 1000);
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function importTeam(row: Part, state: State): void {
  const id = row.text('team_id');
  const name = row.text('team_alias') ?? id;
  if (id === undefined || name === undefined) {
    state.ledger.unmapped(row.path, 'has no `team_id`.');
    return;
  }
  const models = modelsOf(row);
  const limits = limitsOf(row);
  const metadata = metadataOf(row);
  const amount = amountOf(row, state.ledger);
  const window = windowOf(row.text('budget_duration'));
  const blocked = row.flag('blocked');
  const policy = { ...(models === undefined ? {} : { models }), ...(limits === undefined ? {} : { limits }) };
  state.teams.set(id, {
    name: uniqueName(name, state.names),
    ...(blocked === true ? { blocked } : {}),
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  if (amount !== undefined) {
    const team = state.teams.get(id)?.['name'];
    state.budgets.push({
      name: `team ${team}`,
      scope: 'team',
      scope_id: team,
      limit_usd: String(amount),
      window,
    });
  }
  row.rest({
    ...KEY_REASONS,
    members_with_roles: 'give members their roles with `users` and `memberships`.',
  });
  state.ledger.mapped(row.path, `organizations[0].teams: ${name}`);
}

/** Two of the same name are told apart by a number. */
function uniqueName(wanted: string, names: Set<string>): string {
  const base = wanted.trim().slice(0, 180) || 'unnamed';
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base} ${n}`;
  names.add(name);
  return name;
}

function teamName(row: Part, state: State): unknown {
  const id = row.text('team_id');
  if (id === undefined) return undefined;
  if (!state.teams.has(id)) {
    const given = row.text('team_alias') ?? id;
    state.teams.set(id, { name: uniqueName(given, state.names) });
  }
  return state.teams.get(id)?.['name'];
}

/** A user becomes one with the role of a member, so that he can own the key. */
function userName(row: Part, state: State): unknown {
  const id = row.text('user_id');
  if (id === undefined || id === 'default_user_id') return undefined;
  if (!state.users.has(id)) {
    const email = /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(id) ? id.toLowerCase() : undefined;
    state.users.set(id, {
      name: id.slice(0, 200),
      ...(email === undefined ? { external_id: id.slice(0, 200) } : { email }),
    });
  }
  const user = state.users.get(id);
  return user?.['email'] ?? user?.['name'];
}

function importKey(row: Part, state: State): void {
  const name = row.text('key_alias') ?? row.text('key_name') ?? row.text('token')?.slice(0, 12);
  if (name === undefined) {
    state.ledger.unmapped(row.path, 'has no `key_alias`, `key_name` or `token`.');
    return;
  }
  const team = teamName(row, state);
  const user = userName(row, state);
  const models = modelsOf(row);
  const limits = limitsOf(row);
  const metadata = metadataOf(row);
  const amount = amountOf(row, state.ledger);
  const window = windowOf(row.text('budget_duration'));
  const expires = row.text('expires');
  const at = expires === undefined ? Number.NaN : Date.parse(expires);
  const blocked = row.flag('blocked');
  const unique = uniqueName(`${name}`, state.names);
  if (expires !== undefined && Number.isNaN(at))
    state.ledger.unmapped(row.at('expires'), 'is no point in time.');
  state.keys.push({
    name: unique,
    ...(team === undefined ? {} : { team }),
    ...(user === undefined ? {} : { user }),
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
    ...(amount === undefined ? {} : { budget: { limit_usd: String(amount), window } }),
    ...(Number.isNaN(at) ? {} : { expires_at: new Date(at).toISOString() }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(blocked === true ? { blocked } : {}),
  });
  row.rest(KEY_REASONS);
  state.ledger.approximated(
    row.path,
    `organizations[0].keys: ${unique}`,
    'gets a new secret when it is applied.',
  );
}

/** Keys and teams of an export, as a file for `sluice apply`. */
export function importKeys(tree: unknown, ledger: Ledger): Tree {
  const state: State = {
    ledger,
    teams: new Map(),
    users: new Map(),
    keys: [],
    budgets: [],
    names: new Set(),
  };
  const rows = Array.isArray(tree) ? tree : [...rowsOf(tree, 'teams'), ...rowsOf(tree, 'keys')];
  const parts = rows.flatMap((row, index) => {
    if (isMap(row)) return [new Part(row, `rows[${index}]`, ledger)];
    ledger.unmapped(`rows[${index}]`, 'is only an id; export with `return_full_object=true`.');
    return [];
  });
  for (const part of parts) if (isTeamRow(treeOf(rows, part))) importTeam(part, state);
  for (const part of parts) if (!isTeamRow(treeOf(rows, part))) importKey(part, state);
  const organization = {
    name: 'default',
    id: 'org_default',
    ...(state.teams.size === 0 ? {} : { teams: [...state.teams.values()] }),
    ...(state.users.size === 0 ? {} : { users: [...state.users.values()] }),
    ...(state.keys.length === 0 ? {} : { keys: state.keys }),
    ...(state.budgets.length === 0 ? {} : { budgets: state.budgets }),
  };
  return { version: 1, organizations: [organization] };
}

function treeOf(rows: readonly unknown[], part: Part): unknown {
  return rows[Number(/\d+/.exec(part.path)?.[0] ?? -1)];
}
