import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { loadConfiguration } from '../../src/app/configuration.ts';
import { loadCatalog } from '../../src/app/gateway.ts';
import { pastNames } from '../../src/app/past-names.ts';
import { BudgetDirectory } from '../../src/control/budget-directory.ts';
import { KeyDirectory } from '../../src/control/key-directory.ts';
import { PlaceDirectory } from '../../src/control/place-directory.ts';
import { restoreRates } from '../../src/control/rate-restore.ts';
import { BudgetBook } from '../../src/core/policy/budget.ts';
import { RateLimiter } from '../../src/core/policy/rate.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

const CALLS = 7;
const answer = chatAnswer('Hello there', { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 });

let upstream: TestUpstream;
let gateway: TestGateway;

const yaml = () => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models:
  m: { deployments: ["one/m"] }
  alias: { deployments: ["one/m"] }
`;

beforeAll(async () => {
  upstream = await startUpstream(answer);
});
afterAll(() => upstream.close());
beforeEach(async () => {
  gateway = await startGateway({ yaml: yaml() });
});
afterEach(() => gateway.close());

async function call(key: string, user: string) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${key}`,
      'x-sluice-user': user,
      'x-sluice-session': `s-${user}`,
      'x-sluice-tags': `feature=${user}`,
    },
    body: JSON.stringify({ model: 'alias', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
  });
  await response.arrayBuffer();
  return { status: response.status, budget: response.headers.get('x-sluice-budget') };
}

/** What is left to each account after a restart that reads at most so many rows of the log. */
async function restored(maxRows: number | undefined, accounts: readonly string[]) {
  const clock = systemClock;
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const { dataDir, configPath } = gateway;
  const journal = openJournal({ directory: `${dataDir}/journal`, clock });
  const { store, ledger } = await openSqlite({ directory: dataDir, journal, clock, log });
  try {
    const places = new PlaceDirectory(store.places);
    await places.load();
    const book = new BudgetBook();
    const keys = new KeyDirectory({ store, clock, book, places });
    await keys.load();
    const source = { path: configPath, flags: {}, environment: {}, reachable: new Set<string>() };
    const { config } = loadConfiguration(source, loadCatalog(), Date.now());
    if (config === undefined) throw new Error('no configuration');
    const modelNames = pastNames(config);
    const directory = new BudgetDirectory({
      store,
      ledger,
      book,
      clock,
      keys: () => keys.keys(),
      modelNames,
    });
    await directory.load();
    const limiter = new RateLimiter();
    const ports = { store, limiter, clock, keys, rules: directory.rateRules(), modelNames };
    await restoreRates(maxRows === undefined ? ports : { ...ports, maxRows }, directory.allRules());
    return accounts.map((id) => {
      const [rule = ''] = id.split('/', 1);
      const limits = directory.rule(rule)?.limits ?? { rpd: 100, tpd: 10_000 };
      const now = clock.monotonic();
      const asked = { tokens: 0, now, expiresAt: now + 60_000 };
      const { requests, tokens } = limiter.acquire(id, limits, asked);
      return [id, { requests: requests?.remaining, tokens: tokens?.remaining }] as const;
    });
  } finally {
    await ledger.close();
    await store.close();
  }
}

describe('a bound on what is read at start', () => {
  it('loses nothing of what rules on tags, models, end users and sessions have counted', async () => {
    const key = await gateway.client.call('createKey', { name: 'k', limits: { rpd: 100, tpd: 10_000 } });
    const limits = { rpd: 100, tpd: 10_000 };
    const rules = await Promise.all(
      [
        ['tag', 'feature=*'],
        ['tag', 'feature=ann'],
        ['model', 'm'],
        ['model', 'one/m'],
        ['model', 'alias'],
        ['end_user', '*'],
        ['end_user', 'bob'],
        ['session', 's-ann'],
      ].map(([scope, scope_id]) => gateway.client.call('createLimit', { scope, scope_id, limits } as never)),
    );
    for (let n = 0; n < CALLS; n++)
      expect((await call(key.key, n % 3 === 0 ? 'bob' : 'ann')).status).toBe(200);
    // Refused, so never counted.
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key.key}` },
      body: JSON.stringify({ model: 'nobody/x', messages: [] }),
    });
    await gateway.close(true);
    const accounts = [
      `key:${key.id}`,
      ...rules.flatMap(({ id, scope_id }) => (scope_id.endsWith('*') ? [`${id}/ann`, `${id}/bob`] : [id])),
    ];
    const all = await restored(undefined, accounts);
    // One more is asked for to see what is left: of 100 all calls, those of ann, and those of bob.
    const left = new Set(all.map(([, { requests }]) => requests));
    expect(left).toEqual(new Set([99 - CALLS, 99 - 4, 99 - 3]));
    for (const bound of [1, 3]) expect([bound, await restored(bound, accounts)]).toEqual([bound, all]);
    gateway = await startGateway({ yaml: yaml(), dataDir: gateway.dataDir });
  });

  it('does not touch budgets: what each of very many members has spent is read again, all of it', async () => {
    const key = await gateway.client.call('createKey', { name: 'k' });
    await gateway.client.call('createBudget', {
      scope: 'end_user',
      scope_id: '*',
      limit_usd: '0.00009',
      window: 'day',
    });
    const users = Array.from({ length: 60 }, (_, n) => `u${n}`);
    for (const user of users) expect((await call(key.key, user)).status).toBe(200);
    await gateway.close(true);
    gateway = await startGateway({ yaml: yaml(), dataDir: gateway.dataDir });
    for (const user of users) {
      const { status, budget } = await call(key.key, user);
      expect([user, status, budget]).toEqual([user, 429, expect.stringContaining('settled_usd=0.000033;')]);
    }
  });
});
