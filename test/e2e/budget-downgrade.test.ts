import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { sluice } from './sluice-process.ts';

let upstream: TestUpstream;
let gateway: TestGateway;
let folder: string;
const answer = chatAnswer('Hello there', { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 });

const yaml = (models: string, more = '') => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models:
  m: { deployments: ["one/m"] }
${models}
${more}`;
const SMALL = '  small: { deployments: ["one/small"] }';
const ROUTER = 'routers:\n  auto: { mode: observe, baseline: m, tiers: { easy: small, medium: m, hard: m } }';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-downgrade-'));
  upstream = await startUpstream(answer);
});
afterAll(async () => {
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  upstream.behave(answer);
  gateway = await startGateway({ yaml: yaml(SMALL) });
});
afterEach(() => gateway.close());

const environment = () => ({ SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey });

async function reload(text: string): Promise<void> {
  const before = (await gateway.client.call('getStatus', {})).config.hash;
  writeFileSync(gateway.configPath ?? '', text);
  gateway.gateway.reload();
  await expect
    .poll(async () => (await gateway.client.call('getStatus', {})).config.hash, { timeout: 10_000 })
    .not.toBe(before);
}

async function call(key: string) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
  });
  const body = (await response.json()) as { error?: { code: string; message: string } };
  return { status: response.status, body };
}

const budgetOf = (id: string, more: object) =>
  ({ scope: 'key', scope_id: id, limit_usd: '1', window: 'day', ...more }) as never;

describe('the cheaper model of a budget', () => {
  it.each(['no-such-model', 'other/small', 'easy', 'sma*', 'small/', 'm:nonsense'])(
    'is refused when it is saved as `%s`, naming the field',
    async (downgrade_to) => {
      const key = await gateway.client.call('createKey', { name: 'k' });
      const wish = { action: 'downgrade', downgrade_to };
      await expect(gateway.client.call('createBudget', budgetOf(key.id, wish))).rejects.toMatchObject({
        status: 400,
        param: 'downgrade_to',
        message: expect.stringContaining('`downgrade_to` '),
      });
      const budget = { limit_usd: '1', ...wish } as never;
      const refusal = { status: 400, param: 'budget.downgrade_to' };
      await expect(gateway.client.call('createKey', { name: 'k2', budget })).rejects.toMatchObject(refusal);
      await expect(gateway.client.call('updateKey', { id: key.id, budget })).rejects.toMatchObject(refusal);
      const good = await gateway.client.call('createBudget', budgetOf(key.id, {}));
      await expect(
        gateway.client.call('updateBudget', { id: good.id, ...wish } as never),
      ).rejects.toMatchObject({ status: 400, param: 'downgrade_to' });
      expect((await gateway.client.call('listBudgets', {})).data).toHaveLength(1);
    },
  );

  it('is refused by the command line with the same sentence', async () => {
    const argv = [
      'budget',
      'set',
      'tag:a=b',
      '--limit',
      '1',
      '--action',
      'downgrade',
      '--downgrade-to',
      'smal',
    ];
    const { code, stderr } = await sluice(argv, { folder, environment: environment() });
    expect(code).not.toBe(0);
    expect(stderr).toContain('`downgrade_to` names "smal", which is no known model. Did you mean "small"?');
  });

  it('may be a model, a model of a provider, and a tier where a router has one; never a router', async () => {
    const key = await gateway.client.call('createKey', { name: 'k' });
    const set = (downgrade_to: string) =>
      gateway.client.call('createBudget', budgetOf(key.id, { action: 'downgrade', downgrade_to }));
    for (const name of ['small', 'one/anything']) expect((await set(name)).problem).toBeNull();
    await expect(set('easy')).rejects.toMatchObject({ message: expect.stringContaining('tier') });
    await reload(yaml(SMALL, ROUTER));
    for (const name of ['easy', 'needs_info']) expect((await set(name)).downgrade_to).toBe(name);
    await expect(set('auto')).rejects.toMatchObject({ message: expect.stringContaining('names a router') });
  });

  it('that a reload takes away makes the budget block, and everything says so', async () => {
    const { id, key } = await gateway.client.call('createKey', { name: 'k' });
    const wish = { action: 'downgrade', downgrade_to: 'small', limit_usd: '0.000000001' };
    const budget = await gateway.client.call('createBudget', budgetOf(id, { ...wish, name: 'lunch' }));
    const ofKey = await gateway.client.call('createKey', { name: 'own', budget: wish } as never);
    expect(await call(key)).toMatchObject({ status: 200 });
    expect(upstream.seen.at(-1)?.body).toMatchObject({ model: 'small' });

    await reload(yaml('  other: { deployments: ["one/other"] }'));
    const calls = upstream.seen.length;
    for (const secret of [key, ofKey.key]) {
      const { status, body } = await call(secret);
      expect(status).toBe(429);
      expect(body.error).toMatchObject({
        message: expect.stringContaining('`small` is not served any more'),
      });
    }
    expect(upstream.seen).toHaveLength(calls);
    const { problem } = await gateway.client.call('getBudget', { id: budget.id });
    expect(problem).toContain('it blocks when it is used up: `small` names "small"');
    const { warnings } = await gateway.client.call('getStatus', {});
    expect(warnings.map(({ about }) => about)).toEqual([
      `budget lunch (${budget.id})`,
      `budget of the key own (${ofKey.id})`,
    ]);
    const shown = await sluice(['status'], { folder, environment: environment() });
    expect(shown.stdout).toContain('budget lunch');
    // Its other fields can be changed all the same, and naming another model mends it.
    await gateway.client.call('updateBudget', { id: budget.id, limit_usd: '2' });
    const mended = await gateway.client.call('updateBudget', { id: budget.id, downgrade_to: 'other' });
    expect(mended).toMatchObject({ base_limit_usd: '2', problem: null });
    await gateway.client.call('updateKey', { id: ofKey.id, budget: null });
    expect((await gateway.client.call('getStatus', {})).warnings).toEqual([]);
  });

  it('is checked in the file, too', async () => {
    const file = join(folder, 'sluice.yaml');
    const budgets = (to: string) =>
      `budgets: [{ name: a, scope: team, scope_id: x, limit_usd: 1, action: downgrade, downgrade_to: ${to} }]`;
    writeFileSync(file, yaml(SMALL, budgets('smal')), { mode: 0o600 });
    const bad = await sluice(['check', file, '--json'], { folder });
    expect(JSON.parse(bad.stdout).problems).toMatchObject([
      { path: 'budgets[0].downgrade_to', remedy: 'Did you mean "small"?' },
    ]);
    writeFileSync(file, yaml(SMALL, budgets('easy')), { mode: 0o600 });
    expect((await sluice(['check', file], { folder })).stdout).toContain('budgets[0].downgrade_to');
    for (const text of [yaml(SMALL, budgets('small')), yaml(SMALL, `${ROUTER}\n${budgets('easy')}`)]) {
      writeFileSync(file, text, { mode: 0o600 });
      expect(await sluice(['check', file], { folder })).toMatchObject({ code: 0 });
    }
  });
});
