import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sluice } from './sluice-process.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function check(text: string) {
  const file = join(folder, 'sluice.yaml');
  writeFileSync(file, text, { mode: 0o600 });
  const { code, stdout } = await sluice(['check', file, '--json'], { folder });
  return { code, paths: (JSON.parse(stdout).problems as { path: string }[]).map(({ path }) => path) };
}

it('check tells what does not fit the schema and what does not fit together in one go', async () => {
  const { code, paths } = await check(`
version: 1
server: { port: abc, trusted_proxies: [nowhere] }
providers:
  one: { type: openai-compatible, base_url: "http://127.0.0.1:1/v1", api_key: k, retires: 2 }
models:
  m: { deployments: ["three/m"], strategy: guess }
  n: { deployments: ["one/n"], fallbacks: [zzz], bogus: 1 }
routers:
  r: { mode: sometimes, baseline: nope, tiers: { easy: aaa, hard: n } }
budgets:
  - { name: a, scope: team, scope_id: x, limit_usd: 1, hard: perhaps, action: downgrade, downgrade_to: gone }
  - { name: a, scope: team, scope_id: x, limit_usd: 1, time_zone: Mars/Base }
keys:
  - { name: k, key: short, expires_at: never }
rate_limits:
  - { name: q, scope: tag, scope_id: nocolon, rpm: many }
`);
  expect(code).toBe(1);
  expect(paths).toEqual([
    'server.port',
    'server.trusted_proxies[0]',
    'providers.one.retires',
    'models.m.deployments[0].provider',
    'models.m.strategy',
    'models.n.fallbacks[0]',
    'models.n.bogus',
    'routers.r.mode',
    'routers.r.baseline',
    'routers.r.tiers.easy',
    'budgets[0].hard',
    'budgets[0].downgrade_to',
    'budgets[1].name',
    'budgets[1].time_zone',
    'keys[0].key',
    'keys[0].expires_at',
    'rate_limits[0].scope_id',
    'rate_limits[0].rpm',
  ]);
});

it('and nothing that only follows from what is broken', async () => {
  const { paths } = await check(`
version: 1
providers:
  one: { type: [], api_key: k }
models:
  m: { deployments: ["one/m"], fallbacks: [n] }
  n: { deployments: 5 }
budgets:
  - { name: a, scope: team, scope_id: x, limit_usd: 1, action: downgrade, downgrade_to: 5 }
`);
  expect(paths).toEqual(['providers.one.type', 'models.n.deployments', 'budgets[0].downgrade_to']);
});
