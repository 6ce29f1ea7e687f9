import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { sluice } from './sluice-process.ts';

let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  gateway = await startGateway();
});

afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...argv: string[]) {
  const environment = { SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey };
  const { code, stdout, stderr } = await sluice(argv, { folder, environment });
  return { code, stdout, stderr };
}

async function asJson(...argv: string[]) {
  const { code, stdout, stderr } = await run(...argv, '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

async function chat(key: string): Promise<number> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('budgets, limits and policies are set, shown, changed and taken away from the command line', async () => {
  const team = await asJson('teams', 'create', 'search');
  const key = await asJson('keys', 'create', 'nightly', '--team', team.id);
  const budget = await asJson('budget', 'set', `key:${key.id}`, '--limit', '0.000000001', '--window', 'day');
  expect(await chat(key.key)).toBe(429);
  expect((await asJson('budget', 'status', budget.id)).limit_usd).toBe('0.000000001');
  expect((await asJson('budget', 'set', budget.id, '--limit', '1')).limit_usd).toBe('1');
  expect(await chat(key.key)).toBe(200);
  expect((await run('budget', 'status', budget.id)).stdout).toContain('per day');
  expect((await run('budget', 'delete', budget.id)).code).toBe(2);
  await asJson('budget', 'delete', budget.id, '--yes');
  const limit = await asJson('limits', 'set', `key:${key.id}`, '--rpm', '1', '--on-limit', 'refuse');
  expect(limit).toMatchObject({ limits: { rpm: 1 }, on_limit: 'refuse' });
  expect([await chat(key.key), await chat(key.key)]).toEqual([200, 429]);
  const changed = await asJson(
    'limits',
    'set',
    limit.id,
    '--rpm',
    '100',
    '--on-limit',
    'queue',
    '--max-waiting',
    '5',
  );
  expect(changed).toMatchObject({ limits: { rpm: 100 }, on_limit: 'queue', max_waiting: 5 });
  expect(await chat(key.key)).toBe(200);
  expect((await run('limits', 'list')).stdout).toContain('rpm 100');
  expect((await run('limits', 'show', limit.id)).stdout).toContain('wait up to');
  await asJson('limits', 'delete', limit.id, '--yes');
  expect((await asJson('limits', 'list')).data).toEqual([]);
  await asJson('teams', 'update', team.id, '--models', 'none');
  expect(await chat(key.key)).toBe(403);
  await asJson('teams', 'update', team.id, '--policy', '{}');
  expect(await chat(key.key)).toBe(200);
  for (const argv of [
    ['limits', 'set', `key:${key.id}`],
    ['limits', 'set', `key:${key.id}`, '--rpm', '0'],
    ['limits', 'set', `key:${key.id}`, '--rpm', '1', '--on-limit', 'explode'],
    ['budget', 'set', `key:${key.id}`, '--limit', 'NaN'],
  ]) {
    expect([argv, (await run(...argv)).code]).toEqual([argv, 2]);
  }
}, 180_000);

test('teams, projects and users are named by name or e-mail address, too', async () => {
  const team = await asJson('teams', 'create', 'Büro Süd');
  const project = await asJson('projects', 'create', 'index', '--team', team.id);
  const user = await asJson('users', 'create', 'Eva', '--email', 'eva@example.com');
  expect(await asJson('keys', 'create', 'named', '--team', 'Büro Süd', '--project', 'index')).toMatchObject({
    team_id: team.id,
    project_id: project.id,
  });
  const budget = await asJson('budget', 'set', 'team:Büro Süd', '--limit', '5', '--window', 'day');
  expect(budget).toMatchObject({ scope: 'team', scope_id: team.id });
  const limit = await asJson('limits', 'set', 'user:eva@example.com', '--rpm', '5');
  expect(limit).toMatchObject({ scope: 'user', scope_id: user.id });
  const nobody = await run('budget', 'set', 'team:Nobody', '--limit', '5');
  expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('no team')]);
});
