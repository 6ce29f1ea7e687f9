import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTRACT } from '../../src/control/contract.ts';
import type { Endpoint } from '../../src/control/endpoint.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

/** A router and experiments, prices, and a cache: one of everything that is listed. */
const YAML = (url: string) => `version: 1
providers:
  sim: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
access: { mode: keys }
cache: { exact: { enabled: true, only_deterministic: false } }
models:
  a: { deployments: [{ provider: sim, model: gpt }] }
  b: { deployments: [{ provider: sim, model: claude }] }
  "wide/*": { deployments: [{ provider: sim, model: "*" }] }
routers:
  one: { mode: on, baseline: a, tiers: { easy: b, hard: a }, experiments: [{ name: x, arms: [{ model: a, percent: 50 }, { model: b, percent: 50 }] }, { name: y, arms: [{ model: a, percent: 50 }, { model: b, percent: 50 }] }] }
  two: { mode: observe, baseline: a, tiers: { easy: b, hard: a } }
  three: { mode: off, baseline: a, tiers: { easy: b, hard: a } }
`;

let upstream: TestUpstream;
let gateway: TestGateway;
let root: ApiUser;
const LISTS = (Object.entries(CONTRACT) as [string, Endpoint][]).filter(
  ([, { output, method }]) =>
    method === 'GET' && 'shape' in output && 'next_cursor' in (output.shape as object),
);
const pathOf = (path: string) => path.replace(':name', 'one');

async function chat(key: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Say hello.' }], ...body }),
  });
  await answer.text();
  return answer;
}

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('fine'));
  gateway = await startGateway({ yaml: YAML(upstream.url) });
  root = admin(gateway);
});
afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
});

describe('lists', () => {
  beforeAll(async () => {
    for (const name of ['p', 'q', 'r']) {
      await made(root, '/api/organizations', { name });
      const team = await made(root, '/api/teams', { name });
      await made(root, '/api/projects', { name, team_id: team.id });
      const user = await made(root, '/api/users', { name, email: `${name}@example.com` });
      await made(root, '/api/service-accounts', { name });
      await made(root, '/api/memberships', { user_id: user.id, team_id: team.id, role: 'viewer' });
      await made(root, '/api/roles', { name, permissions: ['status:read'] });
      await made(root, '/api/budgets', { scope: 'tag', scope_id: `t=${name}`, limit_usd: 5 });
      await made(root, '/api/limits', { scope: 'tag', scope_id: `t=${name}`, limits: { rpm: 1000 } });
      await made(root, '/api/credentials', { name, value: `sk-${name}-0123456789` });
      await made(root, '/api/scim-tokens', { name });
      const key = await made(root, '/api/keys', { name });
      await root.call('PUT', `/api/prices/overrides/${name}`, {
        input_usd_per_mtok: 1,
        output_usd_per_mtok: 2,
      });
      await root.call('PUT', '/api/config', { config: { log: { retention_days: 10 + name.charCodeAt(0) } } });
      await made(root, '/api/approvals', { kind: 'model_access', key_id: key.id, model: name }).catch(
        () => undefined,
      );
      await chat(key.key, { model: 'a', temperature: 0, seed: name.charCodeAt(0) });
    }
  });

  test.each(LISTS)('%s: pages hold every row once, in one order', async (_name, { path }) => {
    const whole = await root.call('GET', `${pathOf(path)}?limit=500`);
    expect(whole.status).toBe(200);
    expect(whole.body.next_cursor).toBeNull();
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { status, body } = await root.call('GET', `${pathOf(path)}?limit=1${more}`);
      expect(status).toBe(200);
      expect(body.data.length).toBe(whole.body.data.length === 0 ? 0 : 1);
      seen.push(...body.data);
      cursor = body.next_cursor;
      // The catalog is long, and two pages tell.
    } while (cursor !== null && seen.length < 40);
    const idOf = (row: unknown) => JSON.stringify((row as { id?: string; name?: string }).id ?? row);
    expect(seen.map(idOf)).toEqual(whole.body.data.slice(0, 40).map(idOf));
  });

  test.each(LISTS)('%s: a cursor and a limit that are none are named', async (_name, { path }) => {
    const other = Buffer.from('x').toString('base64url');
    for (const cursor of ['nonsense', '', '%00', '-1~x', 'after~%21', `${other}~`, 'x'.repeat(400)]) {
      const { status, body } = await root.call('GET', `${pathOf(path)}?cursor=${cursor}`);
      expect({ cursor, status, param: body.error?.details?.param }).toEqual({
        cursor,
        status: 400,
        param: 'cursor',
      });
    }
    for (const limit of ['0', '-1', '501', '1.5', 'x', '1e9']) {
      const { status, body } = await root.call('GET', `${pathOf(path)}?limit=${limit}`);
      expect({ limit, status, param: body.error?.details?.param }).toEqual({
        limit,
        status: 400,
        param: 'limit',
      });
    }
  });

  test('what is made and taken away in between neither repeats a row nor hides one', async () => {
    const first = await root.call('GET', '/api/routers?limit=2');
    expect(first.body.data.map(({ name }: { name: string }) => name)).toEqual(['one', 'three']);
    const second = await root.call('GET', `/api/routers?limit=2&cursor=${first.body.next_cursor}`);
    expect(second.body).toMatchObject({ data: [{ name: 'two' }], next_cursor: null });
    const prices = await root.call('GET', '/api/prices?limit=1');
    await root.call('DELETE', `/api/prices/overrides/${prices.body.data[0].model}`);
    const rest = await root.call('GET', `/api/prices?cursor=${prices.body.next_cursor}`);
    expect(rest.body.data.map(({ model }: { model: string }) => model)).toEqual(['q', 'r']);
  });
});

test('every route of the document is there: none answers that there is no such endpoint', async () => {
  const document = (await (await fetch(`${gateway.url}/api/openapi.json`)).json()) as { paths: object };
  const routes = Object.entries(document.paths as Record<string, Record<string, unknown>>).flatMap(
    ([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
  );
  expect(routes.length).toBeGreaterThan(100);
  for (const [method, path] of routes) {
    const url = gateway.url + path.replaceAll(/\{[a-z_]+\}/g, 'none');
    // Without a credential nothing is done: what is public is read, or wants a body.
    const answer = await fetch(url, { method });
    const text = await answer.text();
    expect([200, 400, 401, 403, 404], `${method} ${path}`).toContain(answer.status);
    expect(text, `${method} ${path}`).not.toContain('route_not_found');
  }
});

describe('writes that may be sent twice', () => {
  const CREATES: readonly (readonly [string, Record<string, unknown>])[] = [
    ['/api/organizations', { name: 'twice' }],
    ['/api/teams', { name: 'twice' }],
    ['/api/users', { name: 'twice', email: 'twice@example.com' }],
    ['/api/service-accounts', { name: 'twice' }],
    ['/api/roles', { name: 'twice', permissions: ['status:read'] }],
    ['/api/keys', { name: 'twice' }],
    ['/api/budgets', { scope: 'tag', scope_id: 'twice=1', limit_usd: 1 }],
    ['/api/limits', { scope: 'tag', scope_id: 'twice=1', limits: { rpm: 5 } }],
    ['/api/credentials', { name: 'twice', value: 'sk-twice-0123456789' }],
    ['/api/scim-tokens', { name: 'twice' }],
  ];

  test.each(CREATES)(
    '%s is carried out once; another body with the same key is refused',
    async (path, body) => {
      const headers = { 'idempotency-key': `k ${path}` };
      const first = await root.call('POST', path, body, headers);
      expect(first.status).toBe(200);
      expect(await root.call('POST', path, body, headers)).toEqual(first);
      const field = 'name' in body ? 'name' : 'scope_id';
      const other = await root.call('POST', path, { ...body, [field]: 'other' }, headers);
      expect([other.status, other.body.error.code, other.body.error.details.param]).toEqual([
        409,
        'conflict',
        'Idempotency-Key',
      ]);
      // The same key with another call is another request, too.
      const elsewhere = path === '/api/teams' ? '/api/service-accounts' : '/api/teams';
      expect((await root.call('POST', elsewhere, { name: 'x' }, headers)).status).toBe(409);
      for (const wrong of ['', 'x'.repeat(256)]) {
        expect((await root.call('POST', path, body, { 'idempotency-key': wrong })).status).toBe(400);
      }
    },
  );

  test('what failed may be tried again with its key', async () => {
    const headers = { 'idempotency-key': 'again' };
    const body = { name: 'p', team_id: 'team_nowhere' };
    expect((await root.call('POST', '/api/projects', body, headers)).status).toBe(404);
    expect((await root.call('POST', '/api/projects', body, headers)).status).toBe(404);
    const team = await made(root, '/api/teams', { name: 'for again' });
    expect((await root.call('POST', '/api/projects', { ...body, team_id: team.id }, headers)).status).toBe(
      200,
    );
  });

  test('a restart forgets nothing, and the secret is the same one', async () => {
    const first = await startGateway();
    const headers = { 'idempotency-key': 'over a restart' };
    const made1 = await admin(first).call('POST', '/api/keys', { name: 'once' }, headers);
    expect(made1.status).toBe(200);
    await first.close(true);
    const again = await startGateway({ dataDir: first.dataDir });
    try {
      expect(await admin(again).call('POST', '/api/keys', { name: 'once' }, headers)).toEqual(made1);
      expect((await admin(again).call('POST', '/api/keys', { name: 'else' }, headers)).status).toBe(409);
      expect((await admin(again).call('GET', '/api/keys')).body.data).toHaveLength(1);
    } finally {
      await again.close();
    }
  });
});

test('the cache with entries: statistics, filters, and what a filter takes away', async () => {
  const team = await made(root, '/api/teams', { name: 'caching' });
  const keys = [
    await made(root, '/api/keys', { name: 'c1', team_id: team.id }),
    await made(root, '/api/keys', { name: 'c2' }),
  ];
  await root.call('DELETE', '/api/cache');
  const before = (await root.call('GET', '/api/cache/stats')).body;
  for (const [at, { key }] of keys.entries()) {
    for (const model of ['a', 'b']) {
      const body = { model, temperature: 0, seed: 70 + at };
      expect((await chat(key, body)).headers.get('x-sluice-cache')).toBe('miss');
      expect((await chat(key, body)).headers.get('x-sluice-cache')).toBe('hit');
    }
  }
  const stats = (await root.call('GET', '/api/cache/stats')).body;
  expect(stats).toMatchObject({
    enabled: true,
    entries: 4,
    hits: before.hits + 4,
    misses: before.misses + 4,
  });
  expect(stats.bytes).toBeGreaterThan(400);
  const list = async (query: string) => (await root.call('GET', `/api/cache?${query}`)).body.data;
  expect(await list('')).toHaveLength(4);
  expect(await list('model=a')).toHaveLength(2);
  expect(await list(`key_id=${keys[1].id}`)).toHaveLength(2);
  expect(await list(`team_id=${team.id}&model=b`)).toMatchObject([
    { model: 'b', key_id: keys[0].id, hits: 1 },
  ]);
  expect(await list('model=nothing')).toEqual([]);
  expect(JSON.stringify(await list(''))).not.toContain('Say hello');
  const [one] = await list('');
  const clear = async (query: string) => (await root.call('DELETE', `/api/cache?${query}`)).body;
  expect(await clear(`id=${one.id}`)).toEqual({ removed: 1 });
  expect(await clear(`key_id=${keys[0].id}&model=a`)).toEqual({ removed: 1 });
  expect(await clear('model=nothing')).toEqual({ removed: 0 });
  expect(await clear(`key_id=${keys[0].id}`)).toEqual({ removed: 1 });
  // What was taken away is asked for again.
  expect(
    (await chat(keys[0].key, { model: 'a', temperature: 0, seed: 70 })).headers.get('x-sluice-cache'),
  ).toBe('miss');
  expect((await root.call('DELETE', '/api/cache?nonsense=1')).status).toBe(400);
  expect((await clear('')).removed).toBe(2);
  expect((await root.call('GET', '/api/cache/stats')).body.entries).toBe(0);
});

test('a suffix says how a model is wanted on every kind of name, and never reaches the upstream', async () => {
  const { key } = await made(root, '/api/keys', { name: 'suffix' });
  for (const name of ['a', 'sim/anything', 'wide/x', 'one'])
    for (const suffix of ['cost', 'fast', 'quality']) {
      upstream.seen.length = 0;
      const answer = await chat(key, { model: `${name}:${suffix}`, seed: Math.floor(Math.random() * 1e6) });
      expect({ name, suffix, status: answer.status }).toEqual({ name, suffix, status: 200 });
      expect(answer.headers.get('x-sluice-model')).toBe(`${name}:${suffix}`);
      expect(upstream.seen.map(({ body }) => body['model'])).not.toContainEqual(
        expect.stringMatching(/:(cost|fast|quality)$/),
      );
    }
  // What is no suffix of ours belongs to the name.
  upstream.seen.length = 0;
  await chat(key, { model: 'sim/llama3:8b' });
  expect(upstream.seen[0]?.body['model']).toBe('llama3:8b');
});

test('a price is a plain amount: nothing else is read as free, or as another', async () => {
  const put = (rate: unknown) =>
    root.call('PUT', '/api/prices/overrides/odd', { input_usd_per_mtok: rate, output_usd_per_mtok: 1 });
  for (const rate of [
    '-3',
    -3,
    'abc',
    '',
    ' ',
    '0x10',
    '1e-30',
    1e-30,
    '1e400',
    'NaN',
    '99999999',
    1e9,
    '1.1234567',
    null,
    [1],
  ]) {
    const { status, body } = await put(rate);
    expect({ rate, status, param: body.error?.details?.param }).toEqual({
      rate,
      status: 400,
      param: 'input_usd_per_mtok',
    });
  }
  for (const [rate, kept] of [
    ['0.000001', '0.000001'],
    [0.25, '0.25'],
    ['2.50', '2.5'],
    [0, '0'],
    [0.0000015, '0.0000015'],
  ] as const) {
    const { status } = await put(rate);
    expect(status).toBe(rate === 0.0000015 ? 400 : 200);
    const { data } = (await root.call('GET', '/api/prices?limit=500')).body;
    if (status === 200)
      expect(data.find(({ model }: { model: string }) => model === 'odd').input_usd_per_mtok).toBe(kept);
  }
  await root.call('DELETE', '/api/prices/overrides/odd');
});

test('usage by every name at once', async () => {
  const names = 'model,provider,key,team,user,tag:feature';
  const { status, body } = await root.call('GET', `/api/usage?group_by=${names}&interval=hour`);
  expect(status).toBe(200);
  expect(Object.keys(body.data[0].group).sort()).toEqual(names.split(',').sort());
});

describe('who sees what', () => {
  let mine: ApiUser;
  const teams: Record<string, { team: string; key: string; project: string; user: string }> = {};
  const exchanges: Record<string, string> = {};

  beforeAll(async () => {
    for (const name of ['red', 'blue']) {
      const team = await made(root, '/api/teams', { name });
      const project = await made(root, '/api/projects', { name: `${name} project`, team_id: team.id });
      const user = await made(root, '/api/users', { name: `${name} user` });
      await made(root, '/api/memberships', { user_id: user.id, team_id: team.id, role: 'viewer' });
      const key = await made(root, '/api/keys', {
        name: `${name} key`,
        team_id: team.id,
        project_id: project.id,
      });
      const answer = await chat(
        key.key,
        { model: 'a' },
        {
          'x-sluice-tags': `feature=${name}`,
          'x-request-id': `client-${name}`,
          'x-sluice-session': `session-${name}`,
        },
      );
      exchanges[name] = answer.headers.get('x-sluice-request-id') ?? '';
      teams[name] = { team: team.id, key: key.id, project: project.id, user: user.id };
    }
    mine = await signIn(gateway, root, teams['red']?.user ?? '');
  });

  /** Everything that tells of team blue. */
  const blue = () => [exchanges['blue'], 'blue', ...Object.values(teams['blue'] ?? {})].map(String);

  test('no filter, grouping, page or export shows another team’s spend or log', async () => {
    await expect
      .poll(
        async () => (await root.call('GET', '/api/exchanges?client_request_id=client-blue')).body.data.length,
      )
      .toBe(1);
    const { team, key, project } = teams['blue'] ?? { team: '', key: '', project: '' };
    const log = [
      '',
      `team_id=${team}`,
      `key_id=${key}`,
      'client_request_id=client-blue',
      'tag=feature=blue',
      'tag=feature',
      'model=a',
      'provider=sim',
      'status=200',
      'limit=1',
      'organization_id=org_default',
    ];
    const groups = [
      'model',
      'provider',
      'key',
      'user',
      'team',
      'project',
      'organization',
      'session',
      'tag:feature',
      'model,key,team,project,user,provider,tag:feature',
    ];
    const paths = [
      ...log.map((query) => `/api/exchanges?${query}`),
      ...groups.flatMap((names) => [
        `/api/usage?group_by=${names}`,
        `/api/usage?group_by=${names}&interval=hour&organization_id=org_default`,
      ]),
      '/api/keys',
      `/api/keys?team_id=${team}`,
      `/api/keys?project_id=${project}`,
      '/api/teams',
      '/api/projects',
      `/api/projects?team_id=${team}`,
      '/api/budgets',
      `/api/budgets?scope=team&scope_id=${team}`,
      '/api/cache',
      `/api/cache?team_id=${team}`,
    ];
    for (const path of paths) {
      const { status, body } = await mine.call('GET', path);
      const text = JSON.stringify(body);
      for (const word of blue())
        expect({ path, status, leaks: status === 200 && text.includes(word) }).toEqual({
          path,
          status,
          leaks: false,
        });
    }
    for (const path of [
      `/api/exchanges/${exchanges['blue']}`,
      `/api/keys/${key}`,
      `/api/teams/${team}`,
      `/api/projects/${project}`,
    ]) {
      const { status } = await mine.call('GET', path);
      // What is another's and what is nowhere are answered alike.
      const nowhere = await mine.call('GET', path.replace(/_[^_/]+$/, '_nowhere'));
      expect([403, 404], path).toContain(status);
      expect({ path, status }).toEqual({ path, status: nowhere.status });
    }
  });

  test('tables for download do not either', async () => {
    for (const path of [
      '/api/usage/export?group_by=key,team,tag:feature',
      '/api/usage/export?format=focus',
      `/api/reports/chargeback?month=${new Date().toISOString().slice(0, 7)}`,
    ]) {
      const answer = await fetch(gateway.url + path, { headers: { authorization: `Bearer ${mine.token}` } });
      const text = await answer.text();
      for (const word of blue())
        expect({ path, leaks: answer.ok && text.includes(word) }).toEqual({ path, leaks: false });
    }
  });

  test('what is his he sees, and the sums are of that alone', async () => {
    const { body } = await mine.call('GET', '/api/exchanges');
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual([exchanges['red']]);
    const usage = await mine.call('GET', '/api/usage?group_by=team');
    expect(usage.body.data).toMatchObject([{ group: { team: teams['red']?.team }, requests: 1 }]);
    expect((await mine.call('GET', '/api/usage')).body.data).toMatchObject([{ requests: 1 }]);
  });
});
