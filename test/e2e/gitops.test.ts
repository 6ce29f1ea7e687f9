import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Call,
  describeState,
  gather,
  joinStates,
  Planner,
  readState,
} from '../../src/app/gitops/index.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
const call: Call = (name, input) => gateway.client.call(name, input);

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

async function run(tree: unknown, prune = false) {
  const { state, problems } = readState(tree, 'state.yaml');
  expect(problems).toEqual([]);
  const plan = new Planner(await gather(call), prune).plan(joinStates(state === undefined ? [] : [state]));
  expect(plan.problems).toEqual([]);
  const secrets: string[] = [];
  for (const step of plan.steps) {
    const made = await step.run(call);
    if (made?.secret !== undefined) secrets.push(made.secret);
  }
  return {
    steps: plan.steps.map(({ action, kind, name }) => `${action} ${kind} ${name}`),
    secrets,
    unmanaged: plan.unmanaged,
  };
}

const STATE = {
  version: 1,
  organizations: [
    {
      name: 'acme',
      roles: [{ name: 'clerk', permissions: ['keys:write', 'keys:read'] }],
      teams: [
        {
          name: 'search',
          policy: { models: ['sim/gpt'] },
          projects: [{ name: 'index', metadata: { a: 'b' } }],
        },
        { name: 'empty' },
      ],
      users: [
        {
          name: 'Ada',
          email: 'Ada@example.com',
          memberships: [{ role: 'member', team: 'search' }, { role: 'clerk' }],
        },
      ],
      service_accounts: [{ name: 'nightly', team: 'search' }],
      keys: [
        {
          name: 'app',
          team: 'search',
          project: 'search/index',
          limits: { rpm: 60 },
          budget: { limit_usd: 5, window: 'day' },
        },
        { name: 'stopped', team: 'search', user: 'ada@example.com', models: [], blocked: true },
      ],
      budgets: [{ name: 'team', scope: 'team', scope_id: 'search', limit_usd: '10.50', window: 'month' }],
      limits: [{ name: 'team', scope: 'team', scope_id: 'search', limits: { rpm: 100 } }],
    },
  ],
  prices: [{ model: 'sim/gpt', input_usd_per_mtok: 1, output_usd_per_mtok: '2.5' }],
  config: { log: { content: 'none' } },
};

test('files are applied once; applied again they change nothing', async () => {
  const first = await run(STATE);
  expect(first.steps).toContain('create organization acme');
  expect(first.steps).toContain('create project search/index');
  expect(first.steps).toContain('update config admin overrides');
  expect(first.secrets).toHaveLength(2);
  expect((await run(STATE)).steps).toEqual([]);
});

test('an export is the same text twice, holds no secret, and applying it changes nothing', async () => {
  const state = describeState(await gather(call));
  expect(JSON.stringify(state)).toBe(JSON.stringify(describeState(await gather(call))));
  expect(JSON.stringify(state)).not.toMatch(/sk-sluice-|hint|hash/);
  const acme = state.organizations?.find(({ name }) => name === 'acme');
  expect(acme?.keys).toEqual([
    {
      name: 'app',
      team: 'search',
      project: 'search/index',
      limits: { rpm: 60 },
      budget: { limit_usd: '5', window: 'day' },
    },
    { name: 'stopped', team: 'search', user: 'ada@example.com', models: [], blocked: true },
  ]);
  expect((await run(JSON.parse(JSON.stringify(state)))).steps).toEqual([]);
});

test('what differs is changed, what left the files stays unless it is pruned', async () => {
  const [acme] = STATE.organizations;
  const next = {
    ...STATE,
    organizations: [
      {
        ...acme,
        teams: [{ name: 'search', blocked: true, projects: [{ name: 'index' }] }],
        keys: [{ name: 'app', team: 'search', limits: { rpm: 61 } }],
        budgets: [],
      },
    ],
    config: {},
  };
  const kept = await run(next);
  expect(kept.steps).toEqual([
    'update team search',
    'update project search/index',
    'update key app',
    'update config admin overrides',
  ]);
  expect(kept.unmanaged).toEqual(
    expect.arrayContaining(['team empty', 'key stopped', 'budget team search / team']),
  );
  const pruned = await run(next, true);
  expect(pruned.steps).toEqual(expect.arrayContaining(['delete key stopped', 'delete team empty']));
  expect((await run(next, true)).steps).toEqual([]);
});

test('unknown fields are refused with their path and a remedy, secrets too', () => {
  const { problems } = readState(
    { organizations: [{ name: 'a', temas: [], keys: [{ name: 'k', key: 'sk-sluice-x' }] }] },
    'f.yaml',
  );
  expect(problems.map(({ path, remedy }) => [path, remedy])).toEqual([
    ['organizations[0].keys[0].key', expect.stringContaining('Secrets do not stand in files')],
    ['organizations[0].temas', 'Did you mean teams?'],
  ]);
});

test('a name that is nowhere, and one that stands twice, are refused before anything is done', async () => {
  const { state } = readState(
    { organizations: [{ name: 'b', keys: [{ name: 'k', team: 'nowhere' }, { name: 'k' }] }] },
    'f.yaml',
  );
  const plan = new Planner(await gather(call), false).plan(joinStates(state === undefined ? [] : [state]));
  expect(plan.problems).toEqual([
    expect.stringContaining('"k" stands twice'),
    expect.stringContaining('names the team "nowhere"'),
  ]);
});
