import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function provider(): Promise<TestUpstream> {
  const upstream = await startUpstream(chatAnswer('Hello'));
  open.push(upstream);
  return upstream;
}

async function gatewayWith(yaml: string, environment = {}): Promise<{ gateway: TestGateway; root: ApiUser }> {
  const gateway = await startGateway({ yaml: `version: 1\n${yaml}`, environment });
  open.push(gateway);
  return { gateway, root: admin(gateway) };
}

function ask(gateway: TestGateway, key?: string, model = 'home/m'): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({ model, max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  });
}

/** Answers every call, whatever its body is, as Vault does for a secret. */
async function storeStub(value: string) {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(JSON.stringify({ data: { data: { value }, metadata: {} } })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const sentKey = (upstream: TestUpstream) => upstream.seen.at(-1)?.headers.authorization;

test('a credential kept in the gateway: used by name, replaced while it runs, never shown', async () => {
  const upstream = await provider();
  const { gateway, root } = await gatewayWith(`
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "credential:main" } }
`);
  const before = (await root.call('GET', '/api/secrets')).body.references;
  expect(before).toMatchObject([{ reference: 'credential:main', state: 'failed' }]);
  // What is not known yet stops the call: neither the reference nor a caller's own key is sent in its place.
  expect([(await ask(gateway)).status, (await ask(gateway, 'sk-own')).status]).toEqual([502, 502]);
  expect(upstream.seen).toEqual([]);
  const one = await made(root, '/api/credentials', { name: 'main', value: 'sk-first-value-000000001' });
  expect(one).toMatchObject({ kind: 'value', hint: '0001', reference: null });
  expect((await ask(gateway)).status).toBe(200);
  expect(sentKey(upstream)).toBe('Bearer sk-first-value-000000001');
  await root.call('PATCH', `/api/credentials/${one.id}`, { value: 'sk-second-value-00000002' });
  await ask(gateway);
  expect(sentKey(upstream)).toBe('Bearer sk-second-value-00000002');
  const file = join(gateway.dataDir, 'mounted');
  writeFileSync(file, 'sk-from-file\n');
  await root.call('PATCH', `/api/credentials/${one.id}`, { reference: `file:${file}` });
  await ask(gateway);
  expect(sentKey(upstream)).toBe('Bearer sk-from-file');
  const texts = await Promise.all(
    ['/api/credentials', `/api/credentials/${one.id}`, '/api/config', '/api/secrets', '/api/audit'].map(
      async (path) => JSON.stringify((await root.call('GET', path)).body),
    ),
  );
  expect(texts.join()).not.toMatch(/sk-first|sk-second|sk-from/);
  expect((await root.call('DELETE', `/api/credentials/${one.id}`)).status).toBe(409);
  for (const [body, param] of [
    [{ name: 'main', value: 'again' }, 'name'],
    [{ name: 'x' }, 'value'],
    [{ name: 'x', value: 'a', reference: 'file:/x' }, 'value'],
    [{ name: 'x', reference: 'credential:main' }, 'reference'],
    [{ name: 'x', reference: 'http://example' }, 'reference'],
    [{ name: 'X Y', value: 'a' }, 'name'],
    [{ name: 'x', value: ' blank ' }, 'value'],
  ] as const) {
    const { status, body: answer } = await root.call('POST', '/api/credentials', body);
    expect([400, 409]).toContain(status);
    expect(answer.error.details.param).toBe(param);
  }
});

test('the ciphertexts of two rows cannot be swapped', async () => {
  const upstream = await provider();
  const { gateway, root } = await gatewayWith(`
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "credential:a" } }
`);
  await made(root, '/api/credentials', { name: 'a', value: 'sk-of-a-0000000000000' });
  const b = await made(root, '/api/credentials', { name: 'b', value: 'sk-of-b-0000000000000' });
  const raw = new DatabaseSync(join(gateway.dataDir, 'sluice.db'));
  raw.exec(
    "UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE name = 'b') WHERE name = 'a'",
  );
  raw.close();
  await root.call('PATCH', `/api/credentials/${b.id}`, { description: 'makes the gateway read them again' });
  const { references } = (await root.call('GET', '/api/secrets')).body;
  expect(references[0]).toMatchObject({
    state: 'stale',
    problem: expect.stringContaining('altered or moved'),
  });
  await ask(gateway);
  // The last good value stays in use.
  expect(sentKey(upstream)).toBe('Bearer sk-of-a-0000000000000');
});

test('the master key is rotated under load: no error, keys and credentials go on, the old key is worth nothing', async () => {
  const upstream = await provider();
  const { gateway, root } = await gatewayWith(`
access: { mode: keys }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "credential:c7" } }
`);
  for (let index = 0; index < 120; index += 1) {
    await made(root, '/api/credentials', { name: `c${index}`, value: `sk-credential-number-${index}-0000` });
  }
  const { key } = await made(root, '/api/keys', { name: 'client' });
  const master = join(gateway.dataDir, 'master.key');
  const [first, id] = [
    readFileSync(master, 'utf8'),
    (await root.call('GET', '/api/secrets')).body.master_key.id,
  ];
  let running = true;
  const statuses = new Map<number, number>();
  const load = Array.from({ length: 4 }, async () => {
    while (running) {
      const { status } = await ask(gateway, key);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  for (let round = 0; round < 3; round += 1) {
    const { status, body } = await root.call('POST', '/api/secrets/rotate', {});
    expect([status, body.rewrapped]).toEqual([200, 123]);
    expect(body.master_key).toMatchObject({ source: 'file', previous_keys: 0 });
  }
  running = false;
  await Promise.all(load);
  expect([...statuses.keys()]).toEqual([200]);
  expect(readFileSync(master, 'utf8')).not.toContain(first.trim());
  expect((await root.call('GET', '/api/secrets')).body.master_key.id).not.toBe(id);
  expect((await root.call('GET', '/api/audit/verify')).body.valid).toBe(true);
  await gateway.close(true);
  open.pop();
  const { configPath: _, dataDir } = gateway;
  const yaml = readFileSync(join(dataDir, 'sluice.yaml'), 'utf8');
  const again = await startGateway({ yaml, dataDir });
  open.push(again);
  expect((await ask(again, key)).status).toBe(200);
  expect(sentKey(upstream)).toBe('Bearer sk-credential-number-7-0000');
  await again.close(true);
  open.pop();
  writeFileSync(master, first);
  await expect(startGateway({ yaml, dataDir })).rejects.toThrow(/another master key/);
  rmSync(dataDir, { recursive: true });
});

test('while it is rotated, sessions, passwords, directories and new credentials go on as well', async () => {
  const upstream = await provider();
  const { gateway, root } = await gatewayWith(`
access: { mode: keys }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "credential:live" } }
`);
  const live = await made(root, '/api/credentials', { name: 'live', value: 'sk-live-credential-000000' });
  const { key } = await made(root, '/api/keys', { name: 'client' });
  const [email, password] = ['ada@example.com', 'four-brave-otters-run'];
  const { id } = await made(root, '/api/users', { name: 'Ada', email, role: 'member' });
  const { url } = await made(root, '/api/invitations', { user_id: id });
  const scim = (await made(root, '/api/scim-tokens', { name: 'directory' })).token;
  const post = (path: string, body: object) =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await post('/api/sign-in/invitation', { token: String(url).split('#invite=')[1], password });
  // Setting the password ended what was open before.
  const session = await signIn(gateway, root, id);
  let turn = 0;
  const works: Record<string, () => Promise<number>> = {
    call: async () => (await ask(gateway, key)).status,
    session: async () => (await session.call('GET', '/api/account')).status,
    password: async () => (await post('/api/sign-in/local', { email, password })).status,
    directory: async () =>
      (await fetch(`${gateway.url}/scim/v2/Users`, { headers: { authorization: `Bearer ${scim}` } })).status,
    credential: async () => {
      turn += 1;
      const made = { name: `during-${turn}`, value: `sk-made-during-rotation-${turn}` };
      return (await root.call('POST', '/api/credentials', made)).status;
    },
    changed: async () =>
      (
        await root.call('PATCH', `/api/credentials/${live.id}`, {
          value: `sk-live-credential-${turn}-000000`,
        })
      ).status,
  };
  let running = true;
  const seen = new Map<string, number>();
  const loops = Object.entries(works).map(async ([name, work]) => {
    while (running) {
      const status = await work();
      seen.set(`${name} ${status}`, (seen.get(`${name} ${status}`) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  for (let round = 0; round < 3; round += 1) {
    expect((await root.call('POST', '/api/secrets/rotate', {})).status).toBe(200);
  }
  running = false;
  await Promise.all(loops);
  expect([...seen.keys()].sort()).toEqual(
    Object.keys(works)
      .map((name) => `${name} 200`)
      .sort(),
  );
  // Nothing was sealed with a key that is gone: all of it opens after a restart.
  expect((await root.call('GET', '/api/audit/verify')).body.valid).toBe(true);
  const last = `sk-live-credential-${turn}-000000`;
  await root.call('PATCH', `/api/credentials/${live.id}`, { value: last });
  await gateway.close(true);
  open.pop();
  const { dataDir } = gateway;
  const again = await startGateway({ yaml: readFileSync(join(dataDir, 'sluice.yaml'), 'utf8'), dataDir });
  open.push(again);
  expect((await ask(again, key)).status).toBe(200);
  expect(sentKey(upstream)).toBe(`Bearer ${last}`);
  const raw = new DatabaseSync(join(dataDir, 'sluice.db'));
  const kept = raw.prepare('SELECT count(*) AS n FROM credentials').get()?.['n'];
  expect(kept).toBe(turn + 1);
  raw.close();
  expect((await admin(again).call('POST', '/api/secrets/rotate', {})).body).toMatchObject({
    rewrapped: turn + 1 + 3,
  });
});

test('the master key from the environment: the old one beside it, then without it', async () => {
  const [one, two] = ['A'.repeat(43), 'B'.repeat(43).replace(/B$/, 'A')];
  const folder = mkdtempSync(join(tmpdir(), 'sluice-env-key-'));
  const start = async (environment: Record<string, string>) => {
    const gateway = await startGateway({ dataDir: folder, environment });
    open.push({ close: () => gateway.close(true) });
    return gateway;
  };
  const stop = async () => open.pop()?.close();
  const before = await start({ SLUICE_MASTER_KEY: one });
  const { key } = await made(admin(before), '/api/keys', { name: 'k' });
  expect((await admin(before).call('POST', '/api/secrets/rotate', {})).status).toBe(409);
  await stop();
  const both = await start({ SLUICE_MASTER_KEY: two, SLUICE_MASTER_KEY_PREVIOUS: one });
  expect((await admin(both).call('POST', '/api/secrets/rotate', {})).body).toMatchObject({ rewrapped: 3 });
  await stop();
  const after = await start({ SLUICE_MASTER_KEY: two });
  expect((await ask(after, key, 'sim/gpt')).status).toBe(200);
  expect(readdirSync(folder)).not.toContain('master.key');
  await stop();
  rmSync(folder, { recursive: true });
});

test('a store that goes down costs nothing: the last good value is kept, and a new one is taken when it is back', async () => {
  const upstream = await provider();
  let secret: string | undefined = 'sk-from-vault-1';
  const vault = await startUpstream((_seen, response) => {
    if (secret === undefined) response.destroy();
    else response.end(JSON.stringify({ data: { data: { api_key: secret }, metadata: {} } }));
  });
  open.push(vault);
  const { gateway, root } = await gatewayWith(`
secrets: { refresh_interval_s: 1, timeout_ms: 500, vault: { address: "${vault.url}", token: hvs.token-of-the-gateway } }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "vault:secret/data/openai#api_key" } }
`);
  expect((await ask(gateway)).status).toBe(200);
  expect(sentKey(upstream)).toBe('Bearer sk-from-vault-1');
  secret = undefined;
  const state = async () => (await root.call('GET', '/api/secrets')).body.references[0].state;
  await expect.poll(state).toBe('stale');
  expect((await ask(gateway)).status).toBe(200);
  expect(sentKey(upstream)).toBe('Bearer sk-from-vault-1');
  secret = 'sk-from-vault-2';
  await expect.poll(state).toBe('ok');
  await ask(gateway);
  expect(sentKey(upstream)).toBe('Bearer sk-from-vault-2');
  expect(gateway.logged.filter((line) => line.includes('secrets.unreadable'))).toHaveLength(1);
});

describe('S4: twelve canaries', () => {
  const canary = (name: string) => `canary-${name}-7f3a9c51d2e8`;
  const NAMES = [
    'api-key',
    'pool-1',
    'pool-2',
    'header',
    'credential',
    'vault-secret',
    'vault-token',
    'file-secret',
    'environment',
    'azure-secret',
    'sink-secret',
    'admin-key',
  ];

  test('are seen by their providers and nowhere else', { timeout: 60_000 }, async () => {
    expect(NAMES).toHaveLength(12);
    const folder = mkdtempSync(join(tmpdir(), 'sluice-canary-'));
    open.push({ close: () => rmSync(folder, { recursive: true, force: true }) });
    writeFileSync(join(folder, 'file-secret'), canary('file-secret'));
    // A provider that says back what it was given, in every way it can be wrong.
    let turn = 0;
    const upstream = await startUpstream((seen, response) => {
      turn += 1;
      const echo = `bad key ${seen.headers.authorization} ${seen.headers['x-extra'] ?? ''}`;
      const status = [200, 400, 401, 403, 404, 429, 500, 503][turn % 8] ?? 200;
      if (status === 200) return chatAnswer('Hello')(seen, response);
      response.writeHead(status, { 'content-type': 'application/json', 'x-echo': echo });
      response.end(JSON.stringify({ error: { message: echo, type: 'invalid_request_error', code: echo } }));
    });
    const vault = await storeStub(canary('vault-secret'));
    open.push(upstream, vault);
    const at = (key: string) => `{ type: openai-compatible, base_url: "${upstream.url}/v1", ${key} }`;
    const { gateway, root } = await gatewayWith(
      `
log: { level: debug, content: full }
access: { mode: keys, admin_key: "${canary('admin-key')}" }
secrets:
  vault: { address: "${vault.url}", token: "${canary('vault-token')}" }
  azure: { tenant_id: t, client_id: c, client_secret: "${canary('azure-secret')}", authority: "${vault.url}", endpoint: "${vault.url}" }
audit:
  sinks: [{ type: https, name: siem, url: "${vault.url}", secret: "${canary('sink-secret')}" }]
providers:
  plain: ${at(`api_key: "${canary('api-key')}"`)}
  pool: ${at(`api_keys: ["${canary('pool-1')}", "${canary('pool-2')}"]`)}
  headed: ${at(`api_key: k, headers: { X-Extra: "${canary('header')}" }`)}
  kept: ${at('api_key: "credential:kept"')}
  vaulted: ${at('api_key: "vault:secret/data/x"')}
  filed: ${at(`api_key: "file:${join(folder, 'file-secret')}"`)}
  azured: ${at('api_key: "azure-kv:main/x"')}
  fromenv: ${at(`api_key: "\${CANARY_KEY}"`)}
`,
      { CANARY_KEY: canary('environment') },
    );
    const owner = { ...root, call: (...args: Parameters<ApiUser['call']>) => adminCall(gateway, args) };
    await made(owner, '/api/credentials', { name: 'kept', value: canary('credential') });
    const { key } = await made(owner, '/api/keys', { name: 'client' });
    const shown: string[] = [];
    for (const name of ['plain', 'pool', 'headed', 'kept', 'vaulted', 'filed', 'azured', 'fromenv']) {
      for (let round = 0; round < 8; round += 1) {
        const answer = await ask(gateway, key, `${name}/m`);
        shown.push(JSON.stringify([...answer.headers]), await answer.text());
      }
    }
    for (const path of [
      'config',
      'secrets',
      'credentials',
      'audit',
      'exchanges',
      'status',
      'models',
      'usage',
    ]) {
      shown.push(JSON.stringify((await owner.call('GET', `/api/${path}`)).body));
    }
    for (const { data } of [(await owner.call('GET', '/api/exchanges')).body]) {
      for (const { id } of data)
        shown.push(JSON.stringify((await owner.call('GET', `/api/exchanges/${id}`)).body));
    }
    shown.push(await (await fetch(`${gateway.url}/metrics`)).text());
    const bad = `version: 1\nprovider: { x: { api_key: "${canary('api-key')}" } }`;
    const validated = await owner.call('POST', '/api/config/validate', { yaml: bad });
    shown.push(JSON.stringify(validated.body), gateway.logged.join('\n'));
    // The net is looked at with something in it: providers' own words do reach somebody.
    expect(shown.filter((text) => text.includes('Hello')).length).toBeGreaterThan(0);
    const sent = upstream.seen.map(({ headers }) => JSON.stringify(headers)).join('\n');
    for (const name of [
      'api-key',
      'pool-1',
      'header',
      'credential',
      'vault-secret',
      'file-secret',
      'environment',
    ]) {
      expect(sent, name).toContain(canary(name));
    }
    await gateway.close(true);
    open.pop();
    const files = readdirSync(gateway.dataDir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(gateway.dataDir, name))
      .filter((path) => statSync(path).isFile() && !path.endsWith('sluice.yaml'));
    expect(files.length).toBeGreaterThan(3);
    const sightings = NAMES.flatMap((name) => [
      ...shown.filter((text) => text.includes(canary(name))).map((text) => `${name}: ${text.slice(0, 300)}`),
      ...files
        .filter((path) => readFileSync(path).includes(canary(name)))
        .map((path) => `${name} in ${path}`),
    ]);
    expect(sightings).toEqual([]);
    rmSync(gateway.dataDir, { recursive: true });
  });

  async function adminCall(gateway: TestGateway, [method, path, body]: Parameters<ApiUser['call']>) {
    const answer = await fetch(gateway.url + path, {
      method,
      headers: {
        authorization: `Bearer ${canary('admin-key')}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came
    return { status: answer.status, body: (await answer.json()) as any };
  }
});
