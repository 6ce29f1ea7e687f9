import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { sluice } from './sluice-process.ts';

const KEY = `sk-sluice-${'a'.repeat(39)}`;
const WITH_TEAMS = `version: 1
teams:
  - { id: search, name: Search, models: ['sim/gpt'], limits: { rpm: 600 } }
keys:
  - { name: from-file, key: ${KEY}, team_id: search }
`;

let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  gateway = await startGateway({ yaml: WITH_TEAMS });
});

afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...argv: string[]) {
  const environment = { SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey };
  const { code, stdout, stderr } = await sluice([...argv, '--json'], { folder, environment });
  return { code, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
}

async function chat(key: string, model: string): Promise<number> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('teams of the file limit their keys, and are blocked when they leave it', async () => {
  expect([await chat(KEY, 'sim/gpt'), await chat(KEY, 'sim/claude')]).toEqual([200, 403]);
  const { json } = await run('teams', 'show', 'search');
  expect(json).toMatchObject({
    id: 'search',
    policy: { models: ['sim/gpt'], limits: { rpm: 600 } },
    blocked: false,
  });
  writeFileSync(gateway.configPath ?? '', WITH_TEAMS.replace('sim/gpt', 'sim/claude'));
  gateway.gateway.reload();
  await expect.poll(() => chat(KEY, 'sim/claude')).toBe(200);
  writeFileSync(gateway.configPath ?? '', WITH_TEAMS.replace(/teams:\n.*\n/, ''));
  gateway.gateway.reload();
  await expect.poll(() => chat(KEY, 'sim/claude')).toBe(401);
});

test('the command line makes, changes and deletes what an organization holds', {
  timeout: 60_000,
}, async () => {
  const team = await run('teams', 'create', 'CLI team', '--models', 'sim/*', '--max-output-tokens', '100');
  expect(team.json.policy).toEqual({ models: ['sim/*'], max_output_tokens: 100 });
  const user = await run(
    'users',
    'create',
    'Ada',
    '--email',
    'Ada@Example.com',
    '--role',
    'member',
    '--team',
    team.json.id,
  );
  expect(user.json).toMatchObject({
    email: 'ada@example.com',
    memberships: [{ team_id: team.json.id, role: 'member' }],
  });
  const key = await run(
    'keys',
    'create',
    'k',
    '--team',
    team.json.id,
    '--user',
    user.json.id,
    '--cidrs',
    '127.0.0.0/8',
    '--rotate-every',
    '30d',
  );
  expect(key.json).toMatchObject({
    team_id: team.json.id,
    cidrs: ['127.0.0.0/8'],
    rotation: { every_s: 30 * 86_400, overlap_s: 86_400 },
  });
  expect((await run('teams', 'update', 'CLI team', '--blocked', 'yes')).json.blocked).toBe(true);
  const held = await run('teams', 'delete', 'CLI team', '--yes');
  expect([held.code, held.json.error.code]).toEqual([1, 'conflict']);
  expect((await run('users', 'delete', user.json.id, '--yes')).code).toBe(0);
  expect((await run('keys', 'show', key.json.id)).json.status).toBe('revoked');
  expect((await run('teams', 'delete', 'CLI team', '--yes')).json).toEqual({ id: team.json.id, ok: true });
  expect((await run('teams', 'update', 'x')).code).toBe(2);
});
