import { changesOf, normal, updateOf } from './compare.ts';
import { budgetState, isDeclared, keyState, limitState, Names, placeState, userState } from './describe.ts';
import type { OrganizationState, State } from './document.ts';
import type { Gathered } from './gather.ts';
import { KINDS, type KindName } from './kinds.ts';
import { type Environment, planGateway } from './plan-gateway.ts';
import { Ids } from './references.ts';
import { createStep, removeStep, type Step, updateStep } from './steps.ts';

type Tree = Readonly<Record<string, unknown>>;

/** What would be done, or why it cannot be. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly problems: readonly string[];
  /** Things that are there and stand in no file; `--prune` takes them away. */
  readonly unmanaged: readonly string[];
}

/** A thing that is there. */
interface Present {
  readonly id: string;
  readonly state: Tree;
}

/** One kind of thing at one place: what files want and what is there. */
interface Comparison {
  readonly kind: KindName;
  readonly wanted: readonly Tree[];
  readonly present: readonly Present[];
  readonly keyOf: (state: Tree) => string;
  /** Where it is made: fields added to what a creation sends. */
  readonly place: () => Tree;
  readonly organization: string;
  readonly prune: boolean;
}

const nameOf = (state: Tree) => String(state['name']);
const spendingKey = (state: Tree) => `${state['scope']} ${state['scope_id']} / ${state['name']}`;
const userKey = (state: Tree) => String(state['email'] ?? state['name']).toLowerCase();

/** Bounds of waiting say nothing where nothing waits. */
function queueless(limit: Tree): Tree {
  if (limit['on_limit'] === 'queue') return limit;
  const { max_wait_ms: _, max_waiting: __, ...rest } = limit;
  return rest;
}

/** Compares files with the gateway. Nothing is changed. */
export class Planner {
  readonly #gathered: Gathered;
  readonly #names: Names;
  readonly #ids: Ids;
  readonly #prune: boolean;
  readonly #environment: Environment;
  readonly #steps: Step[] = [];
  readonly #removals: Step[] = [];
  readonly #problems: string[] = [];
  readonly #unmanaged: string[] = [];

  constructor(gathered: Gathered, prune: boolean, environment: Environment = {}) {
    this.#gathered = gathered;
    this.#names = new Names(gathered);
    this.#ids = new Ids(gathered);
    this.#prune = prune;
    this.#environment = environment;
  }

  plan(state: State): Plan {
    const wanted = state.organizations ?? [];
    if (state.organizations !== undefined) this.#organizations(wanted);
    this.#spending('', state);
    const rest = planGateway(this.#gathered, state, {
      prune: this.#prune,
      environment: this.#environment,
    });
    this.#steps.push(...rest.steps);
    this.#removals.push(...rest.removals);
    this.#unmanaged.push(...rest.unmanaged);
    return {
      // What is taken away goes last and backwards: nothing is removed while something stands on it.
      steps: [...this.#steps, ...this.#removals.reverse()],
      problems: this.#problems,
      unmanaged: this.#unmanaged,
    };
  }

  #organizations(wanted: readonly OrganizationState[]): void {
    const present = this.#gathered.organizations.map((row) => ({ id: row.id, state: placeState(row) }));
    const found = this.#compare({
      kind: 'organization',
      wanted: wanted.map(({ name, id, blocked, policy, metadata }) => ({
        name,
        id,
        blocked,
        policy,
        metadata,
      })),
      present,
      keyOf: nameOf,
      place: () => ({}),
      organization: '',
      prune: this.#prune,
    });
    for (const [index, organization] of wanted.entries()) this.#inside(organization, found[index] ?? '');
    const kept = new Set(found);
    for (const { id, name } of this.#gathered.organizations) {
      if (!kept.has(id) && this.#prune)
        this.#inside(
          { name, roles: [], teams: [], users: [], service_accounts: [], keys: [], budgets: [], limits: [] },
          id,
        );
    }
  }

  /** Everything in one organization. `id` is empty for one that is to be made. */
  #inside(wanted: OrganizationState, id: string): void {
    const { roles, teams, users, service_accounts: accounts, keys } = wanted;
    const gathered = this.#gathered;
    const names = this.#names;
    const mine = <Row extends { readonly organization_id: string | null }>(rows: readonly Row[]) =>
      rows.filter(({ organization_id }) => id !== '' && organization_id === id);
    const base = {
      organization: wanted.name,
      keyOf: nameOf,
      prune: this.#prune,
      place: () => ({ organization_id: id === '' ? this.#ids.find('organization', '', wanted.name) : id }),
    };
    if (roles !== undefined) {
      const present = mine(gathered.roles).map((row) => ({
        id: row.id,
        state: { name: row.name, permissions: row.permissions },
      }));
      this.#compare({ ...base, kind: 'role', wanted: roles, present });
    }
    if (teams !== undefined)
      this.#teams(
        teams,
        base,
        mine(gathered.teams).filter((team) => !isDeclared(team)),
      );
    if (users !== undefined) this.#users(users, base, mine(gathered.users));
    if (accounts !== undefined) {
      const present = mine(gathered.serviceAccounts).map((row) => ({
        id: row.id,
        state: {
          ...placeState(row),
          disabled: row.disabled,
          team: row.team_id === null ? null : names.of(row.team_id),
          project: row.project_id === null ? null : names.of(row.project_id),
        },
      }));
      this.#compare({ ...base, kind: 'service_account', wanted: accounts, present });
    }
    if (keys !== undefined) {
      const present = mine(gathered.keys).map((row) => ({
        id: row.id,
        state: keyState(row, gathered, names),
      }));
      this.#compare({ ...base, kind: 'key', wanted: keys, present });
    }
    this.#spending(id, wanted, base);
  }

  #teams(
    wanted: NonNullable<OrganizationState['teams']>,
    base: Omit<Comparison, 'kind' | 'wanted' | 'present'>,
    rows: readonly Gathered['teams'][number][],
  ): void {
    const present = rows.map((row) => ({ id: row.id, state: placeState(row) }));
    const found = this.#compare({
      ...base,
      kind: 'team',
      wanted: wanted.map(({ projects: _, ...team }) => team),
      present,
    });
    const gone = rows
      .filter(({ id }) => this.#prune && !found.includes(id))
      .map(({ id, name }) => ({ id, name, projects: [] }));
    const all = [...wanted.map((team, index) => ({ ...team, id: found[index] ?? '' })), ...gone];
    for (const { id, name, projects } of all) {
      if (projects === undefined) continue;
      this.#compare({
        ...base,
        kind: 'project',
        wanted: projects.map((project) => ({ ...project, team: name })),
        present: this.#gathered.projects
          .filter(({ team_id }) => team_id === id)
          .map((row) => ({ id: row.id, state: { ...placeState(row), team: name } })),
        keyOf: (state) => `${state['team']}/${state['name']}`,
        place: () => ({}),
      });
    }
  }

  #users(
    wanted: NonNullable<OrganizationState['users']>,
    base: Omit<Comparison, 'kind' | 'wanted' | 'present'>,
    rows: readonly Gathered['users'][number][],
  ): void {
    const plain = (state: Tree) =>
      Object.fromEntries(Object.entries(state).filter(([field]) => field !== 'memberships'));
    const present = rows.map((row) => ({
      id: row.id,
      state: plain(userState(row, this.#gathered, this.#names)),
    }));
    const found = this.#compare({
      ...base,
      kind: 'user',
      wanted: wanted.map(plain),
      present,
      keyOf: userKey,
    });
    for (const [index, user] of wanted.entries()) {
      if (user.memberships !== undefined)
        this.#memberships({ ...user, memberships: user.memberships }, found[index] ?? '', base.organization);
    }
  }

  #memberships(
    user: {
      readonly name: string;
      readonly email?: string | null | undefined;
      readonly memberships: readonly { role: string; team?: string | undefined }[];
    },
    id: string,
    organization: string,
  ): void {
    const shown = user.email ?? user.name;
    const text = ({ role, team }: { role: string; team?: string | undefined }) =>
      `${role}${team === undefined ? '' : ` in ${team}`}`;
    const held = this.#gathered.memberships
      .filter(({ user_id, source }) => user_id === id && source === 'manual')
      .map((row) => ({
        id: row.id,
        role: this.#names.of(row.role),
        ...(row.team_id === null ? {} : { team: this.#names.of(row.team_id) }),
      }));
    const before = new Set(held.map(text));
    const after = new Set(user.memberships.map(text));
    for (const membership of user.memberships.filter((one) => !before.has(text(one)))) {
      const refer = () => ({
        user_id: id === '' ? this.#ids.find('user', organization, userKey(user as unknown as Tree)) : id,
        role: this.#ids.role(organization, membership.role),
        ...(membership.team === undefined
          ? {}
          : { team_id: this.#ids.find('team', organization, membership.team) }),
      });
      if (membership.team !== undefined)
        this.#known('team', organization, { name: membership.team, at: `membership of ${shown}` });
      this.#steps.push({
        action: 'create',
        kind: 'membership',
        name: `${shown}: ${text(membership)}`,
        changes: [],
        run: async (call) => void (await call('createMembership', refer())),
      });
    }
    for (const membership of held.filter((one) => !after.has(text(one)))) {
      this.#steps.push({
        action: 'delete',
        kind: 'membership',
        name: `${shown}: ${text(membership)}`,
        changes: [],
        run: async (call) => void (await call('deleteMembership', { id: membership.id })),
      });
    }
  }

  #spending(
    organizationId: string,
    wanted: {
      readonly name?: string;
      readonly budgets?: readonly Tree[] | undefined;
      readonly limits?: readonly Tree[] | undefined;
    },
    base?: Omit<Comparison, 'kind' | 'wanted' | 'present'>,
  ): void {
    const gathered = this.#gathered;
    const names = this.#names;
    const isMine = ({ organization_id: own }: { readonly organization_id: string | null }) =>
      base === undefined ? own === null : organizationId !== '' && own === organizationId;
    const around = base ?? { organization: '', prune: this.#prune, place: () => ({}), keyOf: spendingKey };
    const common = { ...around, keyOf: spendingKey };
    if (wanted.budgets !== undefined) {
      const present = gathered.budgets
        .filter(isMine)
        .map((row) => ({ id: row.id, state: budgetState(row, names) }));
      this.#compare({ ...common, kind: 'budget', wanted: wanted.budgets, present });
    }
    if (wanted.limits !== undefined) {
      const present = gathered.limits
        .filter(isMine)
        .map((row) => ({ id: row.id, state: limitState(row, names) }));
      this.#compare({ ...common, kind: 'limit', wanted: wanted.limits.map(queueless), present });
    }
  }

  /** Answers the ids of what is wanted, in its order; empty for what is to be made. */
  #compare(comparison: Comparison): readonly string[] {
    const { kind, wanted, present, keyOf, organization } = comparison;
    const left = new Map(present.map((row) => [row.id, row]));
    const seen = new Set<string>();
    const found = wanted.map((item) => {
      const key = keyOf(item);
      const own = typeof item['id'] === 'string' ? left.get(item['id']) : undefined;
      const match = own ?? [...left.values()].find((row) => keyOf(row.state) === key);
      if (seen.has(key) && own === undefined) {
        this.#problems.push(
          `${kind} "${key}" stands twice in the files; give each its \`id\`, or other names.`,
        );
      }
      seen.add(key);
      if (match !== undefined) left.delete(match.id);
      this.#ids.plan(kind, organization, { name: key, id: match?.id });
      return match;
    });
    for (const [index, item] of wanted.entries()) this.#one(comparison, item, found[index]);
    for (const row of left.values()) this.#extra(comparison, row);
    return found.map((row) => row?.id ?? '');
  }

  #one(comparison: Comparison, item: Tree, present: Present | undefined): void {
    const { kind, organization, keyOf } = comparison;
    const state = normal(item);
    this.#references(kind, organization, { state, at: `${kind} "${keyOf(item)}"` });
    const around = { kind, organization, name: keyOf(item), ids: this.#ids };
    if (present === undefined) {
      this.#steps.push(createStep({ ...around, state, place: comparison.place }));
      return;
    }
    const changes = changesOf(state, normal(present.state));
    if (changes.length === 0) return;
    const fixed = changes.find(({ field }) => (KINDS[kind].fixed as readonly string[]).includes(field));
    if (fixed !== undefined) {
      this.#problems.push(
        `${kind} "${around.name}" cannot change its ${fixed.field}; give it another name, and prune the old one.`,
      );
      return;
    }
    this.#steps.push(updateStep({ ...around, id: present.id, changes, input: updateOf(changes) }));
  }

  #extra({ kind, keyOf, prune }: Comparison, { id, state }: Present): void {
    // The organization that runs the gateway stays.
    if (id === 'org_default') return;
    const name = keyOf(state);
    if (prune) this.#removals.push(removeStep(kind, id, name));
    else this.#unmanaged.push(`${kind} ${name}`);
  }

  #references(kind: KindName, organization: string, { state, at }: { state: Tree; at: string }): void {
    for (const [field, [noun]] of Object.entries(KINDS[kind].references)) {
      const name = state[field];
      if (typeof name === 'string') this.#known(noun, organization, { name, at });
    }
  }

  #known(
    noun: string,
    organization: string,
    { name, at }: { readonly name: string; readonly at: string },
  ): void {
    if (this.#ids.knows(noun, organization, name)) return;
    this.#problems.push(
      `${at} names the ${noun.replace('_', ' ')} "${name}", which is neither in the files nor on the gateway.`,
    );
  }
}
