import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

const PRICE = '{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }';
const USAGE = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
const COST_NANO = 9 * 1000 + 12 * 2000;
const TINY = '0.000000001';

let upstream: TestUpstream;
let gateway: TestGateway;
const answer = chatAnswer('Hello there', USAGE);

const yaml = (more = '') => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: ${PRICE} }
  cheap: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2 } }
models:
  m: { deployments: ["one/m"] }
  small: { deployments: ["cheap/small"] }
routers:
  auto: { mode: observe, baseline: m, tiers: { easy: small, medium: m, hard: m } }
${more}`;

beforeAll(async () => {
  upstream = await startUpstream(answer);
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.seen.length = 0;
  upstream.behave(answer);
  gateway = await startGateway({ yaml: yaml() });
});
afterEach(() => gateway.close());

async function restart(more = ''): Promise<void> {
  await gateway.close(true);
  gateway = await startGateway({ yaml: yaml(more), dataDir: gateway.dataDir });
}

interface Call {
  readonly key: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

async function call({ key, body = {}, headers = {} }: Call) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({
      model: 'm',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'hi' }],
      ...body,
    }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const nano = (usd: string): number => Math.round(Number(usd) * 1e9);
const newKey = (more: object = {}) => gateway.client.call('createKey', { name: 'k', ...more });
const auditOf = async (action: string) =>
  (await gateway.client.call('listAudit', { action })).data.map(
    ({ details }) => details as Record<string, unknown>,
  );

/** Fields whose refusals are written down, which nobody waits for. */
const fieldsOf = async (action: string) => (await auditOf(action)).map(({ field }) => field);

describe('a budget begins with what its window holds', () => {
  it.each([
    ['rolling hour of a key', { scope: 'key', window: 'hour', rolling: true }],
    ['rolling month of a key', { scope: 'key', window: 'month', rolling: true }],
    ['session', { scope: 'session', scope_id: 's1', window: 'day' }],
    ['rolling session', { scope: 'session', scope_id: 's1', window: 'day', rolling: true }],
    ['tag', { scope: 'tag', scope_id: 'feature=x', window: 'week', rolling: true }],
    ['end user', { scope: 'end_user', scope_id: 'ann', window: 'hour', rolling: true }],
    ['model', { scope: 'model', scope_id: 'm', window: 'day', rolling: true }],
    ['team', { scope: 'team', window: 'day', rolling: true }],
    ['team by the calendar', { scope: 'team', window: 'day' }],
    ['user', { scope: 'user', window: 'day', rolling: true }],
    ['organization', { scope: 'organization', scope_id: 'org_default', window: 'total' }],
  ] as const)('%s', async (_, given) => {
    const team = await gateway.client.call('createTeam', { name: 't' });
    const user = await gateway.client.call('createUser', { name: 'u', role: 'member', team_id: team.id });
    const { key, id } = await newKey({ team_id: team.id, user_id: user.id });
    const headers = { 'x-sluice-session': 's1', 'x-sluice-tags': 'feature=x', 'x-sluice-user': 'ann' };
    for (let n = 0; n < 3; n++) expect((await call({ key, headers })).status).toBe(200);
    const ids: Record<string, string> = { key: id, team: team.id, user: user.id };
    const scope_id = 'scope_id' in given ? given.scope_id : (ids[given.scope] ?? '');
    const budget = await gateway.client.call('createBudget', { limit_usd: 1, ...given, scope_id });
    expect(nano(budget.settled_usd)).toBe(3 * COST_NANO);
    await call({ key, headers });
    await restart();
    const after = await gateway.client.call('getBudget', { id: budget.id });
    expect(nano(after.settled_usd)).toBe(4 * COST_NANO);
  });

  it('every member of `*` for itself', async () => {
    const { key } = await newKey();
    for (let n = 0; n < 3; n++) await call({ key, headers: { 'x-sluice-user': 'ann' } });
    await gateway.client.call('createBudget', {
      scope: 'end_user',
      scope_id: '*',
      limit_usd: '0.0001',
      window: 'day',
    });
    const ann = await call({ key, headers: { 'x-sluice-user': 'ann' } });
    expect(ann.headers.get('x-sluice-error')).toBe('budget_exceeded');
    expect(ann.headers.get('x-sluice-budget')).toContain(`settled_usd=${(3 * COST_NANO) / 1e9}`);
    expect((await call({ key, headers: { 'x-sluice-user': 'bob' } })).status).toBe(200);
  });

  it('and counts on from there when its window is changed', async () => {
    const { key, id } = await newKey();
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: id,
      limit_usd: 1,
      window: 'day',
    });
    for (let n = 0; n < 2; n++) await call({ key });
    for (const change of [
      { rolling: true },
      { window: 'hour' },
      { rolling: false },
      { window: 'total' },
    ] as const) {
      const changed = await gateway.client.call('updateBudget', { id: budget.id, ...change });
      expect([change, nano(changed.settled_usd)]).toEqual([change, 2 * COST_NANO]);
    }
    await restart();
    const after = await gateway.client.call('getBudget', { id: budget.id });
    expect(nano(after.settled_usd)).toBe(2 * COST_NANO);
  });

  it('raises of budgets that the file declares outlive a restart', async () => {
    const declared = `budgets:\n  - { name: all, scope: model, scope_id: m, limit_usd: ${TINY} }\n`;
    await restart(declared);
    const { key } = await newKey();
    expect((await call({ key })).status).toBe(429);
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    await gateway.client.call('raiseBudget', { id: 'budget_file_all', amount_usd: 1, expires_at });
    await restart(declared);
    expect((await call({ key })).status).toBe(200);
  });
});

describe('what makes no sense, or is somebody else’s, is refused and written down', () => {
  const bad = [
    { limit_usd: -1 },
    { limit_usd: '-0.5' },
    { limit_usd: 1e300 },
    { limit_usd: '99999999999' },
    { limit_usd: 'NaN' },
    { limit_usd: 'Infinity' },
    { limit_usd: null },
    { limit_usd: [1] },
    { limit_usd: '1.0000000001' },
    { limit_usd: 1, id: 'budget_mine' },
    { limit_usd: 1, locked: false },
    { limit_usd: 1, source: 'file' },
    { limit_usd: 1, organization_id: 'org_nobody' },
    { limit_usd: 1, organization_id: '' },
    { limit_usd: 1, thresholds: [Number.MAX_VALUE] },
    { limit_usd: 1, scope_id: 'x'.repeat(300) },
    { limit_usd: 1, action: 'downgrade', downgrade_to: '' },
  ];

  it('budgets', async () => {
    const { id } = await newKey();
    const root = admin(gateway);
    for (const fields of bad) {
      const given = { scope: 'key', scope_id: id, ...fields };
      const refusal = await root.call('POST', '/api/budgets', given);
      expect([fields, refusal.status]).toEqual([fields, 400]);
      expect(refusal.body.error.code).toBe('bad_request');
    }
    // Numbers JSON cannot say.
    const raw = await fetch(`${gateway.url}/api/budgets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: `{"scope":"key","scope_id":"${id}","limit_usd":1e999}`,
    });
    expect(raw.status).toBe(400);
    const fields = ['limit_usd', 'id', 'locked', 'source', 'organization_id', 'scope_id', 'downgrade_to'];
    await expect.poll(() => fieldsOf('budgets.create.refused')).toEqual(expect.arrayContaining(fields));
    expect((await gateway.client.call('listBudgets', {})).data).toEqual([]);
  });

  it('limits and policies', async () => {
    const { id } = await newKey();
    const root = admin(gateway);
    const team = await made(root, '/api/teams', { name: 't' });
    for (const limits of [
      { rpm: 0 },
      { rpm: -1 },
      { rpm: 1.5 },
      { rpm: 1e300 },
      { tpm: '5' },
      { rps: 1 },
      {},
    ]) {
      const given = { scope: 'key', scope_id: id, limits };
      const refusal = await root.call('POST', '/api/limits', given);
      expect([limits, refusal.status]).toEqual([limits, 400]);
      if (Object.keys(limits).length === 0) continue;
      const policy = await root.call('PATCH', `/api/teams/${team.id}`, { policy: { limits } });
      expect([limits, policy.status]).toEqual([limits, 400]);
    }
    for (const policy of [
      { max_output_tokens: -5 },
      { max_output_tokens: 1e300 },
      { parameters: { temperature: { min: 'x' } } },
      { cidrs: ['10.0.0.0/99'] },
      { limits: { rpm: 1, on_limit: 'explode' } },
      { limits: { rpm: 1, max_wait_ms: 1e9 } },
      { unknown: true },
    ]) {
      const refusal = await root.call('PATCH', `/api/teams/${team.id}`, { policy });
      expect([policy, refusal.status]).toEqual([policy, 400]);
    }
    await expect
      .poll(async () => new Set(await fieldsOf('limits.create.refused')))
      .toEqual(new Set(['limits', 'limits.rpm', 'limits.tpm', 'limits.rps']));
    await expect.poll(() => fieldsOf('teams.update.refused')).toContain('policy.parameters.temperature.min');
  });

  it('another organization’s', async () => {
    const root = admin(gateway);
    const other = await made(root, '/api/organizations', { name: 'other' });
    const { id } = await newKey();
    const foreign = await made(root, '/api/keys', { name: 'f', organization_id: other.id });
    for (const path of ['/api/budgets', '/api/limits']) {
      const rest = path === '/api/budgets' ? { limit_usd: 1 } : { limits: { rpm: 1 } };
      const crossed = { scope: 'key', scope_id: id, organization_id: other.id, ...rest };
      const refusal = await root.call('POST', path, crossed);
      expect([path, refusal.status]).toEqual([path, 400]);
      expect(refusal.body.error.message).toContain('belongs to another organization');
      const right = await root.call('POST', path, { ...crossed, organization_id: 'org_default' });
      expect(right.body).toMatchObject({ organization_id: 'org_default' });
    }
    const user = await made(root, '/api/users', { name: 'o', organization_id: other.id, role: 'owner' });
    const owner = await signIn(gateway, root, user.id);
    const [mine] = (await gateway.client.call('listBudgets', {})).data;
    for (const [method, path, body] of [
      ['POST', '/api/budgets', { scope: 'key', scope_id: id, limit_usd: 1 }],
      ['POST', '/api/budgets', { scope: 'organization', scope_id: 'org_default', limit_usd: 1 }],
      [
        'POST',
        '/api/budgets',
        { scope: 'tag', scope_id: 'a=b', organization_id: 'org_default', limit_usd: 1 },
      ],
      ['POST', '/api/limits', { scope: 'key', scope_id: id, limits: { rpm: 1 } }],
      ['PATCH', `/api/budgets/${mine?.id}`, { limit_usd: 5 }],
      ['DELETE', `/api/budgets/${mine?.id}`, undefined],
      ['POST', `/api/budgets/${mine?.id}/raises`, { amount_usd: 1, expires_at: '2099-01-01T00:00:00Z' }],
    ] as const) {
      const refusal = await owner.call(method, path, body);
      expect([path, [400, 404].includes(refusal.status)]).toEqual([path, true]);
    }
    const own = await owner.call('POST', '/api/budgets', { scope: 'tag', scope_id: 'a=b', limit_usd: TINY });
    expect(own.body.organization_id).toBe(other.id);
    // It binds its own organization only, and begins with what that has spent.
    const tagged = { 'x-sluice-tags': 'a=b' };
    const { key } = await newKey({ name: 'k2' });
    expect((await call({ key, headers: tagged })).status).toBe(200);
    expect((await call({ key: foreign.key, headers: tagged })).status).toBe(429);
    const day = { scope: 'tag', scope_id: 'a=b', limit_usd: 1, window: 'day' };
    expect((await owner.call('POST', '/api/budgets', day)).body.settled_usd).toBe('0');
  });
});

describe('limits of keys and places', () => {
  it.each(['key', 'team', 'organization'] as const)('of a %s let wait where they say so', async (kind) => {
    const limits = {
      rpm: 1000,
      concurrency: 1,
      on_limit: 'queue',
      max_wait_ms: 5000,
      max_waiting: 2,
    } as const;
    const team = await gateway.client.call('createTeam', {
      name: 't',
      ...(kind === 'team' ? { policy: { limits } } : {}),
    });
    if (kind === 'organization')
      await gateway.client.call('updateOrganization', { id: 'org_default', policy: { limits } });
    const { key, id } = await newKey({ team_id: team.id, ...(kind === 'key' ? { limits } : {}) });
    const full = Promise.withResolvers<void>();
    upstream.behave(async (seen, response) => {
      await full.promise;
      await answer(seen, response);
    });
    // One runs, two wait, the fourth finds the line full; then they may go on.
    const asked = Array.from({ length: 4 }, () => call({ key }));
    expect((await Promise.race(asked)).status).toBe(429);
    full.resolve();
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 200, 200, 429]);
    if (kind === 'key') {
      expect((await gateway.client.call('getKey', { id })).limits).toEqual(limits);
      await gateway.client.call('updateKey', { id, limits: { concurrency: 1 } });
      const again = Promise.withResolvers<void>();
      upstream.behave(async (seen, response) => {
        await again.promise;
        await answer(seen, response);
      });
      const two = [call({ key }), call({ key })];
      expect((await Promise.race(two)).status).toBe(429);
      again.resolve();
      expect((await Promise.all(two)).map(({ status }) => status).sort()).toEqual([200, 429]);
    }
  });
});

describe('what was let through before a restart still counts', () => {
  it.each([
    ['requests per hour of a key', { limits: { rph: 3 } }, undefined, undefined],
    ['requests per day of a key', { limits: { rpd: 3 } }, undefined, undefined],
    ['requests per minute of a key', { limits: { rpm: 3 } }, undefined, undefined],
    ['tokens per day of a key', { limits: { tpd: 110 } }, undefined, undefined],
    ['tokens per hour of a team', {}, { tph: 110 }, undefined],
    [
      'requests per day of an end user',
      {},
      undefined,
      { scope: 'end_user', scope_id: '*', limits: { rpd: 3 } },
    ],
    ['requests per hour of a tag', {}, undefined, { scope: 'tag', scope_id: 'a=b', limits: { rph: 3 } }],
    ['requests per day of a model', {}, undefined, { scope: 'model', scope_id: 'one/m', limits: { rpd: 3 } }],
  ] as const)('%s', async (_, fields, ofTeam, rule) => {
    const team = await gateway.client.call('createTeam', {
      name: 't',
      ...(ofTeam === undefined ? {} : { policy: { limits: ofTeam } }),
    });
    const { key } = await newKey({ ...fields, team_id: team.id });
    if (rule !== undefined) await gateway.client.call('createLimit', rule);
    const headers = { 'x-sluice-user': 'ann', 'x-sluice-tags': 'a=b' };
    const served: number[] = [];
    for (let n = 0; n < 2; n++) served.push((await call({ key, headers })).status);
    // Refused by policy: it never counted.
    expect((await call({ key, headers, body: { model: 'nobody' } })).status).toBe(404);
    await restart();
    for (let n = 0; n < 2; n++) served.push((await call({ key, headers })).status);
    expect(served).toEqual([200, 200, 200, 429]);
    const refused = await call({ key, headers });
    expect(refused.headers.get('x-sluice-error')).toBe('rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

it('a budget downgrades to a tier of a router', async () => {
  const { key, id } = await newKey();
  await gateway.client.call('createBudget', {
    scope: 'key',
    scope_id: id,
    limit_usd: TINY,
    action: 'downgrade',
    downgrade_to: 'easy',
  });
  for (const model of ['m', 'auto']) {
    const served = await call({ key, body: { model } });
    expect(served.headers.get('x-sluice-upstream-model')).toBe('small');
    expect(served.headers.get('x-sluice-downgraded')).toContain('%20-%3E%20small');
  }
  await restart(
    'budgets:\n  - { name: t, scope: model, scope_id: m, limit_usd: 1, action: downgrade, downgrade_to: easy }\n',
  );
});

it('the first refusal by each budget and key is written down with its figures, the rest as a number', async () => {
  const keys = await Promise.all(Array.from({ length: 3 }, (_, n) => newKey({ name: `k${n}` })));
  const budget = await gateway.client.call('createBudget', {
    scope: 'key',
    scope_id: '*',
    limit_usd: '0.0001',
    window: 'day',
  });
  await call({ key: keys[0]?.key ?? '' });
  for (const { key } of keys) {
    for (let n = 0; n < 12; n++) await call({ key });
  }
  await restart();
  const entries = await auditOf('budgets.refused');
  for (const { id } of keys) {
    const of = entries.filter(({ exchange, more }) => exchange !== undefined && more === undefined);
    const first = of.find(
      (entry) => entry['budget'] === budget.id && JSON.stringify(entry).includes(id) === false,
    );
    expect(first).toBeDefined();
  }
  const firsts = entries.filter(({ more }) => more === undefined);
  expect(firsts).toHaveLength(3);
  for (const entry of firsts) {
    expect(entry).toMatchObject({
      budget: budget.id,
      scope: 'key',
      scope_id: '*',
      limit_usd: '0.0001',
      window: 'day',
    });
    expect(nano(String(entry['settled_usd']))).toBeGreaterThan(0);
    expect(entry['needed_usd']).toBeDefined();
    expect(entry['frees_at']).toBeDefined();
  }
  const sums = entries.filter(({ more }) => more !== undefined);
  expect(sums).toHaveLength(3);
});
