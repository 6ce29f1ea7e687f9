import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Caller, operator } from '../../src/control/caller.ts';
import { SluiceError } from '../../src/core/errors/error.ts';
import { allowsModel, narrow, UNRESTRICTED } from '../../src/core/policy/policy.ts';
import { KeyCompiler } from '../../src/core/policy/policy-snapshot.ts';
import { BUILT_IN_ROLES } from '../../src/core/policy/role.ts';
import { startControl, type TestControl } from '../support/control.ts';

// No chain of calls raises rights: whatever somebody makes, and whatever that makes in turn, holds no permission and
// reaches no model that he did not.

const MODELS = ['a', 'b', 'c'];
const ROOT = operator('test', '');

let control: TestControl;
let count = 0;

beforeAll(async () => {
  control = await startControl();
});

afterAll(() => control?.close());

function unique(): string {
  count += 1;
  return `n${count}`;
}

interface World {
  readonly organizationId: string;
  readonly teams: readonly string[];
  /** Everybody there is; the first is who begins. */
  readonly users: string[];
  readonly keys: string[];
  readonly memberships: string[];
  readonly roles: string[];
}

/** What a step draws on: which caller of those the beginner controls, and three numbers to choose with. */
const steps = fc.array(
  fc.record({
    kind: fc.nat(13),
    by: fc.nat(9),
    on: fc.nat(9),
    pick: fc.nat(9),
    models: fc.option(fc.subarray([...MODELS, '*']), { nil: undefined }),
  }),
  { minLength: 3, maxLength: 14 },
);

type Step = typeof steps extends fc.Arbitrary<readonly (infer S)[]> ? S : never;

function at<T>(list: readonly T[], index: number): T | undefined {
  return list.length === 0 ? undefined : list[index % list.length];
}

function permissionsOf(caller: Caller | undefined): Set<string> {
  return new Set(
    (caller?.reach ?? []).flatMap(({ teamId, permissions }) =>
      [...permissions].map((name) => `${teamId ?? '*'} ${name}`),
    ),
  );
}

/** Models a user's own keys could reach. */
function modelsOfUser(userId: string): string[] {
  const { users } = control.places;
  const seen = new Set<string>();
  const bound = (id: string): string[] => {
    const user = users.get(id);
    if (user === undefined || seen.has(id)) return [];
    seen.add(id);
    return [id, ...user.limitedBy.flatMap(bound)];
  };
  const policy = bound(userId).reduce(
    (outer, id) => narrow(outer, users.get(id)?.policy ?? {}),
    UNRESTRICTED,
  );
  return MODELS.filter((model) => allowsModel(policy, model));
}

function modelsOfKey(id: string): string[] {
  const key = control.directory.get(id);
  if (key === undefined) return [];
  const { policy } = new KeyCompiler(control.places).compile(key);
  return MODELS.filter((model) => allowsModel(policy, model));
}

async function world(
  role: string,
  teamScoped: boolean,
  models: readonly string[] | undefined,
): Promise<World> {
  const { handlers } = control;
  const org = await handlers.createOrganization({ name: unique() }, ROOT);
  const place = { organization_id: org.id };
  const teams = await Promise.all([1, 2].map(() => handlers.createTeam({ ...place, name: unique() }, ROOT)));
  const beginner = await handlers.createUser(
    {
      ...place,
      name: unique(),
      role,
      ...(teamScoped ? { team_id: teams[0]?.id } : {}),
      ...(models === undefined ? {} : { policy: { models: [...models] } }),
    },
    ROOT,
  );
  const owner = await handlers.createUser({ ...place, name: unique(), role: 'owner' }, ROOT);
  const foreign = await handlers.createKey({ ...place, name: unique(), models: ['a'] }, ROOT);
  return {
    organizationId: org.id,
    teams: teams.map(({ id }) => id),
    users: [beginner.id, owner.id],
    keys: [foreign.id],
    memberships: [...beginner.memberships, ...owner.memberships].map(({ id }) => id),
    roles: ['owner', 'admin', 'member', 'viewer'],
  };
}

/** One call. Ids of what it makes are added to the world, and to `controlled` when the caller can act as it. */
async function act(step: Step, caller: Caller, all: World, controlled: string[]): Promise<void> {
  const { handlers, rights } = control;
  const user = at(all.users, step.on) ?? '';
  const key = at(all.keys, step.on) ?? '';
  const team_id = at([undefined, ...all.teams], step.pick);
  const role = at([...all.roles, ...BUILT_IN_ROLES], step.pick) ?? 'member';
  const policy = step.models === undefined ? {} : { models: step.models };
  const models = step.models ?? null;
  switch (step.kind) {
    case 0: {
      const made = await handlers.createUser({ name: unique(), role, team_id, policy }, caller);
      all.users.push(made.id);
      all.memberships.push(...made.memberships.map(({ id }) => id));
      return;
    }
    case 1:
      all.keys.push((await handlers.createKey({ name: unique(), team_id, models }, caller)).id);
      return;
    case 2:
      all.keys.push(
        (await handlers.createKey({ name: unique(), team_id, user_id: user, models }, caller)).id,
      );
      return;
    case 3:
      await handlers.updateKey({ id: key, models, team_id: team_id ?? null }, caller);
      return;
    case 4:
      all.memberships.push((await handlers.createMembership({ user_id: user, team_id, role }, caller)).id);
      return;
    case 5:
      await handlers.updateMembership({ id: at(all.memberships, step.on) ?? '', role }, caller);
      return;
    case 6: {
      const permissions = (['keys:write', 'organizations:write', 'roles:write', 'own:write'] as const).slice(
        step.pick % 4,
      );
      all.roles.push(
        (await handlers.createRole({ name: unique(), permissions: [...permissions] }, caller)).id,
      );
      return;
    }
    case 7:
      await handlers.updateRole(
        { id: at(all.roles, step.on) ?? '', permissions: ['organizations:write', 'keys:write'] },
        caller,
      );
      return;
    case 8:
      await handlers.updateUser({ id: user, policy: {} }, caller);
      return;
    case 9:
      await handlers.updateTeam({ id: at(all.teams, step.on) ?? '', policy }, caller);
      return;
    case 10:
      await handlers.updateOrganization({ id: all.organizationId, policy }, caller);
      return;
    case 11: {
      const made = await handlers.createServiceAccount({ name: unique(), team_id, policy }, caller);
      all.keys.push(
        (await handlers.createKey({ name: unique(), service_account_id: made.id, models }, caller)).id,
      );
      return;
    }
    case 12:
      await handlers.updateKey({ id: key, user_id: user, models }, caller);
      return;
    default:
      // A sign-in link makes the caller somebody else.
      if (user !== caller.userId) rights.demandControlOf(caller, user);
      controlled.push(user);
  }
}

test('no chain of calls raises rights', { timeout: 120_000 }, async () => {
  let refused = 0;
  let done = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...BUILT_IN_ROLES),
      fc.boolean(),
      fc.option(fc.subarray(MODELS), { nil: undefined }),
      steps,
      async (role, teamScoped, limited, chain) => {
        const all = await world(role, teamScoped, limited);
        const [beginner = ''] = all.users;
        const held = permissionsOf(control.rights.callerOf(beginner, { address: '', sessionId: undefined }));
        const mayReach = new Set(modelsOfUser(beginner));
        const before = new Set(all.keys);
        const reachedBefore = new Map(all.keys.map((id) => [id, new Set(modelsOfKey(id))]));
        const controlled = [beginner];
        for (const step of chain) {
          const userId = at(controlled, step.by) ?? beginner;
          const caller = control.rights.callerOf(userId, { address: '', sessionId: undefined });
          if (caller === undefined) continue;
          await act(step, caller, all, controlled).then(
            () => {
              done += 1;
            },
            (error: unknown) => {
              if (!(error instanceof SluiceError) || error.status >= 500) throw error;
              refused += 1;
            },
          );
        }
        for (const userId of controlled) {
          const caller = control.rights.callerOf(userId, { address: '', sessionId: undefined });
          for (const right of permissionsOf(caller)) {
            const [place, name] = right.split(' ');
            expect(held.has(right) || held.has(`* ${name}`), `${role} gained ${right} at ${place}`).toBe(
              true,
            );
          }
        }
        for (const id of all.keys) {
          const allowed = before.has(id)
            ? new Set([...mayReach, ...(reachedBefore.get(id) ?? [])])
            : mayReach;
          for (const model of modelsOfKey(id)) expect([...allowed]).toContain(model);
        }
      },
    ),
    { numRuns: 300 },
  );
  // A test in which everything is refused, or nothing, says nothing.
  expect(done).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(50);
});
