import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createControlClient } from '../../src/control/client.ts';
import { chatAnswer, startUpstream } from '../support/upstream.ts';
import { spawnSluice } from './sluice-process.ts';

const ADMIN_KEY = 'sk-admin-for-the-budget-kill-test';
const COST_NANO = 9 * 1000 + 12 * 2000;

it('every budget counts what was spent and held when the process is killed', async () => {
  const upstream = await startUpstream(async (seen, response) => {
    await new Promise((resolve) => setTimeout(resolve, 15));
    await chatAnswer('Hello')(seen, response);
  });
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-budgets-'));
  const config = join(folder, 'sluice.yaml');
  writeFileSync(
    config,
    `
version: 1
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
`,
    { mode: 0o600 },
  );
  async function start() {
    const argv = ['start', '--json', '--port', '0', '--config', config, '--data-dir', join(folder, 'data')];
    const running = spawnSluice(argv, { folder, environment: { SLUICE_ADMIN_KEY: ADMIN_KEY } });
    const { url } = JSON.parse(await running.line((line) => line.includes('"url"'))) as { url: string };
    return { running, url, client: createControlClient({ baseUrl: url, adminKey: ADMIN_KEY }) };
  }
  try {
    let gateway = await start();
    const { key, id } = await gateway.client.call('createKey', { name: 'load' });
    const budgets = await Promise.all(
      (
        [
          { scope: 'key', scope_id: id, window: 'total' },
          { scope: 'organization', scope_id: 'org_default', window: 'month', time_zone: 'Europe/Berlin' },
          { scope: 'tag', scope_id: 'feature=x', window: 'day', rolling: true },
          { scope: 'end_user', scope_id: '*', window: 'total' },
        ] as const
      ).map((given) => gateway.client.call('createBudget', { ...given, limit_usd: 1000 })),
    );
    const callUntilDead = async (): Promise<void> => {
      for (;;) {
        try {
          const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              authorization: `Bearer ${key}`,
              'x-sluice-tags': 'feature=x',
              'x-sluice-user': 'ann',
            },
            body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
          });
          await answer.text();
        } catch {
          return;
        }
      }
    };
    for (let round = 0; round < 2; round++) {
      const clients = Array.from({ length: 16 }, () => callUntilDead());
      await new Promise((resolve) => setTimeout(resolve, 700));
      gateway.running.child.kill('SIGKILL');
      await Promise.all(clients);
      await gateway.running.ended;
      gateway = await start();
    }
    const { data } = await gateway.client.call('getUsage', {});
    const ledger = Math.round(Number(data[0]?.cost_usd ?? 0) * 1e9);
    expect(ledger).toBeGreaterThanOrEqual(upstream.seen.length * COST_NANO);
    for (const budget of budgets.slice(0, 3)) {
      const state = await gateway.client.call('getBudget', { id: budget.id });
      expect([state.scope, Math.round(Number(state.settled_usd) * 1e9)]).toEqual([state.scope, ledger]);
      expect(state.held_usd).toBe('0');
    }
    gateway.running.child.kill('SIGTERM');
    await gateway.running.ended;
  } finally {
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
