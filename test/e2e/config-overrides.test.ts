import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin } from '../support/identity.ts';

let gateway: TestGateway;
let root: ApiUser;
const YAML =
  'version: 1\nproviders:\n  openai: { api_key: "sk-file-secret-000001" }\nmodels:\n  m: { deployments: [openai/gpt-4o] }\ncache: { exact: { enabled: true } }\n';

beforeAll(async () => {
  gateway = await startGateway({ yaml: YAML, environment: { PATH_KEY: 'sk-from-environment-01' } });
  root = admin(gateway);
});
afterAll(() => gateway.close());

const put = (config: unknown, rest: object = {}) => root.call('PUT', '/api/config', { config, ...rest });

test('overrides are in force at once, keep their history and are rolled back', async () => {
  const first = await put({ upstream: { retries: { attempts: 3 } } }, { comment: 'more' });
  expect(first).toMatchObject({ status: 200, body: { version: 1, comment: 'more', actor: 'admin-key' } });
  const live = await root.call('GET', '/api/config');
  expect(live.body.config.upstream.retries.attempts).toBe(3);
  expect(live.body.hash).toBe(first.body.hash);
  await put({ upstream: { retries: { attempts: 4 } } });
  const back = await root.call('POST', '/api/config/rollback', { version: 1 });
  expect(back.body).toMatchObject({ version: 3, overrides: { upstream: { retries: { attempts: 3 } } } });
  const history = await root.call('GET', '/api/config/history?limit=2');
  expect(history.body.data.map(({ version }: { version: number }) => version)).toEqual([3, 2]);
  const rest = await root.call('GET', `/api/config/history?limit=2&cursor=${history.body.next_cursor}`);
  expect(rest.body).toMatchObject({ data: [{ version: 1 }], next_cursor: null });
  expect((await root.call('POST', '/api/config/rollback', { version: 99 })).status).toBe(404);
});

test('what cannot be used is refused with path and remedy, and changes nothing', async () => {
  const before = await root.call('GET', '/api/config');
  for (const config of [
    { upstream: { retrys: {} } },
    { models: { x: { deployments: ['nobody/x'] } } },
    { providers: { openai: { api_key: '${NOT_SET_ANYWHERE}' } } },
    { server: { port: 1 } },
    { access: { admin_key: 'another-admin-key-0001' } },
    { providers: { other: { type: 'openai', api_key: '********' } } },
  ]) {
    const { status, body } = await put(config);
    expect({ config, status, code: body.error?.code }).toEqual({ config, status: 400, code: 'bad_request' });
  }
  expect((await root.call('GET', '/api/config')).body).toEqual(before.body);
  expect((await put({}, { if_hash: 'stale' })).status).toBe(409);
});

test('secrets are never told again, and a masked one stays what it is', async () => {
  const secret = 'sk-override-secret-000001';
  await put({ providers: { openai: { api_key: secret }, groq: { api_key: '${PATH_KEY}' } } });
  const shown = await root.call('GET', '/api/config/overrides');
  expect(shown.body.overrides.providers).toEqual({
    openai: { api_key: '********' },
    groq: { api_key: '${PATH_KEY}' },
  });
  // The masked answer sent back changes nothing.
  const again = await put(shown.body.overrides);
  expect(again.status).toBe(200);
  const whole = await root.call('GET', '/api/config');
  const back = await put(whole.body.config);
  expect(back).toMatchObject({ status: 200, body: { hash: again.body.hash } });
  const everywhere = await Promise.all(
    ['/api/config', '/api/config/overrides', '/api/config/history', '/api/audit'].map((path) =>
      root.call('GET', path),
    ),
  );
  expect(JSON.stringify(everywhere)).not.toMatch(/sk-(override|file|from)-/);
});

test('overrides outlive a restart', async () => {
  await put({ log: { content: 'none' } });
  await gateway.close(true);
  gateway = await startGateway({
    yaml: YAML,
    dataDir: gateway.dataDir,
    environment: { PATH_KEY: 'sk-from-environment-01' },
  });
  root = admin(gateway);
  expect((await root.call('GET', '/api/config')).body.config.log.content).toBe('none');
  await root.call('POST', '/api/config/rollback', { version: 0 });
  expect((await root.call('GET', '/api/config')).body.config.log.content).toBe('metadata');
});

test('the cache is counted, listed and cleared', async () => {
  const stats = await root.call('GET', '/api/cache/stats');
  expect(stats.body).toMatchObject({ enabled: true, entries: 0, hits: 0, misses: 0, hit_rate: null });
  expect((await root.call('GET', '/api/cache')).body).toEqual({ data: [], next_cursor: null });
  expect((await root.call('DELETE', '/api/cache?model=m')).body).toEqual({ removed: 0 });
  expect((await root.call('GET', '/api/cache?cursor=x')).status).toBe(400);
});

test('models and prices come in pages', async () => {
  const page = await root.call('GET', '/api/models?limit=2');
  expect(page.body.data).toHaveLength(2);
  const next = await root.call(
    'GET',
    `/api/models?limit=2&cursor=${encodeURIComponent(page.body.next_cursor)}`,
  );
  expect(next.body.data[0].id > page.body.data[1].id).toBe(true);
  await root.call('PUT', '/api/prices/overrides/m', { input_usd_per_mtok: 1, output_usd_per_mtok: 2 });
  expect((await root.call('DELETE', '/api/prices/overrides/m')).status).toBe(200);
  expect((await root.call('DELETE', '/api/prices/overrides/m')).status).toBe(404);
});
