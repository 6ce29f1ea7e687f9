import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ControlClient, createControlClient } from '../../src/control/client.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { type RunningSluice, spawnSluice } from './sluice-process.ts';

// Two real processes on one data directory: what one changes or spends, the other knows.

const ADMIN_KEY = 'sk-admin-for-the-process-tests';
const COST_NANO = 9 * 1000 + 12 * 2000;
const HEARD_MS = 2000;

interface Process {
  readonly running: RunningSluice;
  readonly url: string;
  readonly client: ControlClient;
}

let upstream: TestUpstream;
let folder: string;
let config: string;
let one: Process;
let two: Process;
/** How long the provider takes. */
let delayMs = 5;

const yaml = (more = '') => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
${more}`;

async function start(): Promise<Process> {
  const argv = ['start', '--json', '--port', '0', '--config', config, '--data-dir', join(folder, 'data')];
  const running = spawnSluice(argv, { folder, environment: { SLUICE_ADMIN_KEY: ADMIN_KEY } });
  const { url } = JSON.parse(await running.line((line) => line.includes('"url"'))) as { url: string };
  return { running, url, client: createControlClient({ baseUrl: url, adminKey: ADMIN_KEY }) };
}

beforeAll(async () => {
  upstream = await startUpstream(async (seen, response) => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await chatAnswer('Hello', { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 })(seen, response);
  });
  folder = mkdtempSync(join(tmpdir(), 'sluice-processes-'));
  config = join(folder, 'sluice.yaml');
  writeFileSync(config, yaml(), { mode: 0o600 });
  // At the same time, on a directory that is not there yet.
  [one, two] = await Promise.all([start(), start()]);
});

afterAll(async () => {
  for (const { running } of [one, two]) {
    running.child.kill('SIGTERM');
    await running.ended;
  }
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

function call(to: Process, key: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${to.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
  });
}

async function outcome(to: Process, key: string, headers?: Record<string, string>): Promise<string> {
  const answer = await call(to, key, headers);
  await answer.arrayBuffer();
  return answer.headers.get('x-sluice-error') ?? String(answer.status);
}

/** Milliseconds until it is so; fails after two seconds. */
async function soon(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const begun = Date.now();
  while (!(await isSo())) {
    if (Date.now() - begun > HEARD_MS) throw new Error(`not within ${HEARD_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const nano = (usd: string): number => Math.round(Number(usd) * 1e9);
const TINY = '0.000000001';

async function newKey(more: object = {}): Promise<{ key: string; id: string }> {
  const made = await one.client.call('createKey', { name: 'k', ...more });
  await soon('the other process knows the key', async () => (await outcome(two, made.key)) !== 'invalid_key');
  return made;
}

describe('what one process changes holds in the other within two seconds', () => {
  it('budgets: made, changed, raised and deleted', async () => {
    const { key, id } = await newKey();
    const budget = await one.client.call('createBudget', { scope: 'key', scope_id: id, limit_usd: TINY });
    await soon('made', async () => (await outcome(two, key)) === 'budget_exceeded');
    await one.client.call('updateBudget', { id: budget.id, limit_usd: 1 });
    await soon('changed', async () => (await outcome(two, key)) === '200');
    await one.client.call('updateBudget', { id: budget.id, limit_usd: TINY });
    await soon('changed back', async () => (await outcome(two, key)) === 'budget_exceeded');
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    await one.client.call('raiseBudget', { id: budget.id, amount_usd: 1, expires_at });
    await soon('raised', async () => (await outcome(two, key)) === '200');
    await one.client.call('updateBudget', { id: budget.id, limit_usd: TINY, window: 'total' });
    await two.client.call('deleteBudget', { id: budget.id });
    await soon('deleted', () =>
      one.client.call('getBudget', { id: budget.id }).then(
        () => false,
        ({ status }: { status: number }) => status === 404,
      ),
    );
    expect(await outcome(one, key)).toBe('200');
  });

  it('rate limits, policies and the budget of a key', async () => {
    const team = await one.client.call('createTeam', { name: 'shared' });
    const { key, id } = await newKey({ team_id: team.id });
    const limit = await one.client.call('createLimit', { scope: 'key', scope_id: id, limits: { rpm: 1 } });
    await soon('limit made', async () => (await outcome(two, key)) === 'rate_limited');
    await one.client.call('updateLimit', { id: limit.id, limits: { rpm: 1000 } });
    await soon('limit changed', async () => (await outcome(two, key)) === '200');
    await one.client.call('updateLimit', { id: limit.id, limits: { rpm: 1 } });
    await soon('limit narrowed', async () => (await outcome(two, key)) === 'rate_limited');
    await one.client.call('deleteLimit', { id: limit.id });
    await soon('limit deleted', async () => (await outcome(two, key)) === '200');
    await one.client.call('updateTeam', { id: team.id, policy: { max_output_tokens: 5 } });
    await soon('policy made', async () => (await outcome(two, key)) === 'forbidden');
    await one.client.call('updateTeam', { id: team.id, policy: { limits: { rpm: 1 } } });
    await soon('policy changed', async () => (await outcome(two, key)) === 'rate_limited');
    await one.client.call('updateTeam', { id: team.id, policy: {} });
    await soon('policy deleted', async () => (await outcome(two, key)) === '200');
    await one.client.call('updateKey', { id, budget: { limit_usd: TINY } });
    await soon('key’s budget', async () => (await outcome(two, key)) === 'budget_exceeded');
    await one.client.call('updateKey', { id, budget: null });
    await soon('key’s budget gone', async () => (await outcome(two, key)) === '200');
  });

  it('the file, which both read', async () => {
    const { key } = await newKey();
    const headers = { 'x-sluice-tags': 'from=file' };
    expect(await outcome(two, key, headers)).toBe('200');
    const budgets = `budgets:\n  - { name: file, scope: tag, scope_id: from=file, limit_usd: ${TINY} }\n`;
    writeFileSync(config, yaml(budgets), { mode: 0o600 });
    for (const process of [one, two])
      await soon('declared', async () => (await outcome(process, key, headers)) === 'budget_exceeded');
    // A raise of what the file declares is known everywhere.
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    await one.client.call('raiseBudget', { id: 'budget_file_file', amount_usd: 1, expires_at });
    await soon('raised', async () => (await outcome(two, key, headers)) === '200');
    writeFileSync(config, yaml(), { mode: 0o600 });
    for (const process of [one, two])
      await soon('taken back', async () => {
        const page = await process.client.call('listBudgets', { scope: 'tag' });
        return page.data.length === 0;
      });
  });
});

describe('what one process spends counts in the other', () => {
  async function settledAt(process: Process, id: string): Promise<number> {
    return nano((await process.client.call('getBudget', { id })).settled_usd);
  }

  it.each([{ window: 'total' }, { window: 'day' }, { window: 'hour', rolling: true }] as const)(
    'bursts of 200 at both never pass a budget of %o, and both say what was spent',
    async (given) => {
      const { key, id } = await newKey();
      const limit = 40 * COST_NANO;
      const budget = await one.client.call('createBudget', {
        scope: 'key',
        scope_id: id,
        limit_usd: (limit / 1e9).toFixed(9),
        ...given,
      });
      await soon('heard', async () => {
        const seen = await two.client.call('getBudget', { id: budget.id }).catch(() => undefined);
        return seen !== undefined;
      });
      const before = await settledAt(one, budget.id);
      upstream.seen.length = 0;
      let answered = 0;
      for (let round = 0; round < 20; round++) {
        const burst = await Promise.all(
          Array.from({ length: round < 2 ? 200 : 40 }, (_, n) => outcome(n % 2 === 0 ? one : two, key)),
        );
        answered += burst.filter((status) => status === '200').length;
        expect(burst.filter((status) => status !== '200' && status !== 'budget_exceeded')).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 700));
        if (burst.every((status) => status !== '200')) break;
      }
      expect(answered).toBe(upstream.seen.length);
      expect(before + answered * COST_NANO).toBeLessThanOrEqual(limit);
      // What is left is less than the worst case of one request.
      const last = await two.client.call('getBudget', { id: budget.id });
      const refusal = await call(two, key);
      const [, needed = '0'] = /needed_usd=([\d.]+)/.exec(refusal.headers.get('x-sluice-budget') ?? '') ?? [];
      await refusal.arrayBuffer();
      expect(nano(last.remaining_usd)).toBeLessThan(nano(needed));
      for (const process of [one, two]) {
        await soon('both know', async () => {
          const seen = await process.client.call('getBudget', { id: budget.id });
          return nano(seen.settled_usd) === before + answered * COST_NANO && seen.held_usd === '0';
        });
      }
    },
  );

  it('what a killed process held is charged once, and no longer held', async () => {
    const { key, id } = await newKey();
    const budget = await one.client.call('createBudget', { scope: 'key', scope_id: id, limit_usd: 1 });
    await soon('heard', async () =>
      two.client.call('getBudget', { id: budget.id }).then(
        () => true,
        () => false,
      ),
    );
    delayMs = 60_000;
    const lost = Array.from({ length: 5 }, () => outcome(two, key).catch(() => 'gone'));
    await soon('held is known', async () => {
      const seen = await one.client.call('getBudget', { id: budget.id });
      return nano(seen.held_usd) > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 600));
    const { held_usd } = await one.client.call('getBudget', { id: budget.id });
    const before = await settledAt(one, budget.id);
    delayMs = 5;
    two.running.child.kill('SIGKILL');
    expect(await Promise.all(lost)).toEqual(['gone', 'gone', 'gone', 'gone', 'gone']);
    const deadline = Date.now() + 10_000;
    let state = await one.client.call('getBudget', { id: budget.id });
    while (state.held_usd !== '0' && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      state = await one.client.call('getBudget', { id: budget.id });
    }
    expect(state.held_usd).toBe('0');
    expect(nano(state.settled_usd)).toBe(before + nano(held_usd));
    two = await start();
    expect(await settledAt(two, budget.id)).toBe(before + nano(held_usd));
    expect(await outcome(two, key)).toBe('200');
    await soon(
      'one knows',
      async () => (await settledAt(one, budget.id)) === before + nano(held_usd) + COST_NANO,
    );
  });
});
