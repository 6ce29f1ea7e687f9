import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';
import { sluice } from './sluice-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-roundtrip-'));
const SECRETS = ['sk-sealed-secret-of-the-test', 'client-secret-of-the-idp'];
let full: TestGateway;
let empty: TestGateway;

const run = (at: TestGateway, argv: string[], environment: Record<string, string> = {}) =>
  sluice([...argv, '--url', at.url], {
    folder,
    environment: { SLUICE_ADMIN_KEY: at.adminKey, ...environment },
  });
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** One of everything that can be made through the API, with the odd fields set. */
async function fill(): Promise<void> {
  const root = admin(full);
  const organization = await made(root, '/api/organizations', {
    name: 'acme',
    policy: { models: ['gpt-*', 'sim/*'] },
  });
  const around = { organization_id: organization.id };
  await made(root, '/api/roles', {
    ...around,
    name: 'clerk',
    permissions: ['keys:read', 'keys:write', 'usage:read'],
  });
  const team = await made(root, '/api/teams', {
    ...around,
    name: 'search',
    policy: { max_output_tokens: 500, tools: [] },
    metadata: { cost: '7' },
  });
  const project = await made(root, '/api/projects', {
    name: 'index',
    team_id: team.id,
    policy: { required_tags: ['feature'] },
  });
  const user = await made(root, '/api/users', {
    ...around,
    name: 'Ada',
    email: 'ada@example.com',
    external_id: 'x-1',
  });
  const roles = (await root.call('GET', '/api/roles?limit=500')).body.data as { id: string; name: string }[];
  const clerk = roles.find(({ name }) => name === 'clerk')?.id;
  await made(root, '/api/memberships', { user_id: user.id, role: clerk, team_id: team.id });
  await made(root, '/api/memberships', { user_id: user.id, role: 'viewer' });
  const account = await made(root, '/api/service-accounts', { ...around, name: 'nightly', team_id: team.id });
  const key = await made(root, '/api/keys', {
    ...around,
    name: 'app',
    team_id: team.id,
    project_id: project.id,
    models: ['gpt-4o'],
    operations: ['chat'],
    cidrs: ['10.0.0.0/8'],
    limits: { rpm: 60, tpd: 5 },
    budget: { limit_usd: '2.5', window: 'day', action: 'downgrade', downgrade_to: 'sim/gpt' },
    metadata: { a: 'b' },
    rotate_every_s: 86_400,
    rotate_overlap_s: 60,
    on_client_abort: 'drain',
    expires_at: '2099-01-01T00:00:00.000Z',
  });
  const stopped = await made(root, '/api/keys', {
    ...around,
    name: 'stopped',
    service_account_id: account.id,
    models: [],
  });
  await made(root, `/api/keys/${stopped.id}/block`, {});
  for (const [scope, id] of [
    ['organization', organization.id],
    ['team', team.id],
    ['project', project.id],
    ['user', user.id],
    ['key', key.id],
    ['tag', 'feature=x'],
    ['model', '*'],
    ['end_user', '*'],
    ['session', '*'],
  ]) {
    await made(root, '/api/budgets', {
      ...around,
      scope,
      scope_id: id,
      limit_usd: '12.345678901',
      window: 'week',
      rolling: true,
      thresholds: [50, 90],
      action: 'warn',
    });
    await made(root, '/api/limits', {
      ...around,
      scope,
      scope_id: id,
      limits: { rpm: 5, concurrency: 2 },
      on_limit: 'queue',
      max_wait_ms: 500,
    });
  }
  await made(root, '/api/budgets', {
    scope: 'model',
    scope_id: 'sim/*',
    limit_usd: 1,
    window: 'total',
    hard: true,
  });
  await made(root, '/api/limits', { scope: 'tag', scope_id: 'env=prod', limits: { tph: 10 } });
  await root.call('PUT', '/api/prices/overrides/sim%2Fgpt', {
    input_usd_per_mtok: '0.000001',
    output_usd_per_mtok: 3,
    cache_read_usd_per_mtok: 1,
  });
  await made(root, '/api/credentials', { name: 'sealed.one', description: 'of the team', value: SECRETS[0] });
  await made(root, '/api/credentials', { name: 'kept', reference: 'file:/run/secrets/openai' });
  const config = {
    log: { retention_days: 9 },
    providers: {
      vllm: {
        type: 'openai-compatible',
        base_url: 'https://llm.example.com/v1',
        api_key: 'credential:sealed.one',
      },
    },
    models: {
      house: { deployments: [{ provider: 'vllm', model: 'big' }] },
      guest: { deployments: [{ provider: 'vllm', model: 'small' }] },
    },
    routers: {
      auto: {
        mode: 'on',
        baseline: 'house',
        tiers: { easy: 'house', hard: 'house' },
        rules: [{ when: 'tags.feature == "x"', use: 'house' }],
        experiments: [
          {
            name: 'e',
            arms: [
              { model: 'house', percent: 50 },
              { model: 'guest', percent: 50 },
            ],
          },
        ],
      },
    },
  };
  const { status, body } = await root.call('PUT', '/api/config', { config });
  if (status !== 200) throw new Error(JSON.stringify(body));
}

beforeAll(async () => {
  full = await startGateway({ environment: { SLUICE_ADMIN_KEY: 'admin-key-of-the-full-one' } });
  empty = await startGateway({ environment: { SLUICE_ADMIN_KEY: 'admin-key-of-the-empty-one' } });
  await fill();
});
afterAll(async () => {
  await full?.close();
  await empty?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('what one gateway keeps', () => {
  test('is exported without a secret, the same text twice', async () => {
    for (const name of ['a.yaml', 'b.yaml', 'b.yaml'])
      expect(await run(full, ['export', name])).toMatchObject({ code: 0 });
    expect(read('a.yaml')).toBe(read('b.yaml'));
    for (const secret of [...SECRETS, 'sk-sluice-', full.adminKey])
      expect(read('a.yaml')).not.toContain(secret);
    expect(read('a.yaml')).toContain('value: ${SLUICE_CREDENTIAL_SEALED_ONE}');
    const dry = await run(full, ['apply', 'a.yaml', '--dry-run', '--json']);
    expect(JSON.parse(dry.stdout)).toMatchObject({ dry_run: true, steps: [], unmanaged: [] });
  });

  test('a dry run on an empty one shows every step, and does none', async () => {
    const dry = await run(empty, ['apply', 'a.yaml', '--dry-run', '--json']);
    const { steps } = JSON.parse(dry.stdout) as { steps: { action: string; kind: string }[] };
    const kinds = new Set(steps.map(({ action, kind }) => `${action} ${kind}`));
    for (const kind of [
      'organization',
      'role',
      'team',
      'project',
      'user',
      'membership',
      'service_account',
      'key',
      'budget',
      'limit',
      'price',
      'credential',
    ])
      expect(kinds).toContain(`create ${kind}`);
    expect(kinds).toContain('update config');
    expect((await empty.client.call('listTeams', {})).data).toEqual([]);
  });

  test('a secret that is nowhere is asked for by its variable; the rest can be applied again', async () => {
    const first = await run(empty, ['apply', 'a.yaml', '--json']);
    expect(first.code).toBe(1);
    const { failure, keys } = JSON.parse(first.stdout);
    expect(failure).toContain('set SLUICE_CREDENTIAL_SEALED_ONE');
    expect(keys.map(({ name }: { name: string }) => name)).toEqual(['app', 'stopped']);
  });

  test('is applied to the empty one, and its export is the same', async () => {
    const applied = await run(empty, ['apply', 'a.yaml', '--json'], {
      SLUICE_CREDENTIAL_SEALED_ONE: SECRETS[0] ?? '',
    });
    const { failure } = JSON.parse(applied.stdout);
    expect({ code: applied.code, failure }).toEqual({ code: 0, failure: null });
    expect(await run(empty, ['export', 'c.yaml'])).toMatchObject({ code: 0 });
    expect(read('c.yaml')).toBe(read('a.yaml'));
    const again = await run(empty, ['apply', 'a.yaml', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ steps: [], unmanaged: [], failure: null });
  });

  test('what differs is shown field by field, and a secret in a file is refused', async () => {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      join(folder, 'd.yaml'),
      read('a.yaml')
        .replace('description: of the team', 'description: of nobody')
        .replace('rpm: 60', 'rpm: 61'),
    );
    const { stdout } = await run(full, ['apply', 'd.yaml', '--dry-run']);
    expect(stdout).toContain('~ credential sealed.one');
    expect(stdout).toContain('description: "of the team" → "of nobody"');
    expect(stdout).toMatch(/~ key app\n {4}limits: .*60.* → .*61/);
    writeFileSync(join(folder, 'e.yaml'), 'credentials: [{ name: x, value: sk-in-the-clear }]');
    const refused = await run(full, ['apply', 'e.yaml', '--json']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout).error.details.problems[0].problem).toContain(
      'secrets do not stand in files',
    );
  });
});
