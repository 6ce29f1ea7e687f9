import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

interface Entry {
  readonly sequence: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  // biome-ignore lint/suspicious/noExplicitAny: facts of any shape
  readonly details: any;
  readonly hash: string;
}

async function entries(by: ApiUser, query = ''): Promise<Entry[]> {
  return (await by.call('GET', `/api/audit?limit=500${query}`)).body.data;
}

describe('what is written down', () => {
  let gateway: TestGateway;
  let upstream: TestUpstream;
  let root: ApiUser;
  beforeAll(async () => {
    upstream = await startUpstream(chatAnswer('Hello'));
    gateway = await startGateway({
      yaml: `
version: 1
access: { mode: keys }
providers:
  home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 1 } }
`,
    });
    root = admin(gateway);
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  test('every write: asked and done, who, from where, before and after', async () => {
    const team = await made(root, '/api/teams', { name: 'research' });
    const budget = await made(root, '/api/budgets', { scope: 'team', scope_id: team.id, limit_usd: 5 });
    await root.call('PATCH', `/api/budgets/${budget.id}`, { limit_usd: 7.5 });
    await root.call('DELETE', `/api/budgets/${budget.id}`);
    const log = await entries(root, `&target=${budget.id}`);
    expect(log.map(({ action }) => action)).toEqual([
      'budgets.delete',
      'budgets.delete.asked',
      'budgets.update',
      'budgets.update.asked',
      'budgets.create',
    ]);
    expect(log[2]).toMatchObject({
      actor: 'admin-key',
      details: { before: { limit_usd: '5' }, after: { limit_usd: '7.5' }, from: '127.0.0.1' },
    });
    expect(log[3]?.details).toMatchObject({ before: { limit_usd: '5' }, input: { limit_usd: 7.5 } });
    expect(log[0]?.details).toMatchObject({ before: { limit_usd: '7.5' }, after: null });
    expect(log[4]?.details).toMatchObject({ after: { id: budget.id, limit_usd: '5' } });
  });

  test('secrets are masked: keys, links, credentials', async () => {
    const key = await made(root, '/api/keys', { name: 'mine' });
    const link = await made(root, '/api/sign-in-links', {});
    const rotated = (await root.call('POST', `/api/keys/${key.id}/rotate`, {})).body;
    await made(root, '/api/credentials', { name: 'openai', value: 'sk-canary-credential-000001' });
    const text = JSON.stringify(await entries(root));
    for (const secret of [key.key, rotated.key, String(link.url).split('#')[1], 'sk-canary-credential']) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('credentials.create');
  });

  test('refusals: wrong admin keys and wrong budgets are summed up, other tenants’ ids are marked', async () => {
    for (let index = 0; index < 20; index += 1) {
      await apiUser(gateway.url, 'sk-admin-wrong').call('GET', '/api/keys');
    }
    const place = { organization_id: (await made(root, '/api/organizations', { name: 'ours' })).id };
    const foreign = await made(root, '/api/organizations', { name: 'theirs' });
    const theirs = await made(root, '/api/keys', { name: 'x', organization_id: foreign.id });
    const owner = await made(root, '/api/users', { ...place, name: 'owner', role: 'owner' });
    const session = await signIn(gateway, root, owner.id);
    expect((await session.call('GET', `/api/keys/${theirs.id}`)).status).toBe(404);
    expect((await session.call('DELETE', `/api/keys/${theirs.id}`)).status).toBe(404);
    expect((await session.call('GET', '/api/config')).status).toBe(403);
    const poor = await made(root, '/api/keys', { name: 'poor', budget: { limit_usd: 0 } });
    for (let index = 0; index < 5; index += 1) {
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${poor.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'home/m', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
      });
      expect(answer.status).toBe(429);
    }
    await expect.poll(async () => (await entries(root, '&action=budgets.refused')).length).toBe(1);
    expect((await entries(root, '&action=budgets.refused'))[0]).toMatchObject({
      target: poor.id,
      actor: `key:${poor.id}`,
      details: { error: 'budget_exceeded' },
    });
    const wrong = () => entries(root, '&action=access.*');
    await expect.poll(wrong).toHaveLength(1);
    expect((await wrong())[0]).toMatchObject({
      action: 'access.wrong_admin_key',
      details: { from: '127.0.0.1' },
    });
    const crossing = async () =>
      (await entries(session)).filter(({ details }) => details.cross_tenant === true);
    await expect
      .poll(async () => (await crossing()).map(({ action }) => action).sort())
      .toEqual(['getKey.refused', 'keys.revoke.refused']);
    expect(JSON.stringify(await entries(session))).not.toContain(foreign.id);
    await expect.poll(() => entries(session, '&action=getConfig.refused')).toHaveLength(1);
  });

  test('export: JSON lines, oldest first, by organization', async () => {
    const answer = await fetch(`${gateway.url}/api/audit/export`, {
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
    const rows = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => index + 1));
    expect(rows[1].previous_hash).toBe(rows[0].hash);
    const organization = rows.find(({ organization_id: id }) => id !== 'org_default').organization_id;
    const found: string[] = [];
    for await (const row of gateway.client.lines('exportAudit', { organization_id: organization })) {
      found.push(row.organization_id);
    }
    expect(new Set(found)).toEqual(new Set([organization]));
    const last = rows.at(-1);
    const verdict = await root.call('GET', `/api/audit/verify?head=${last.sequence}:${last.hash}`);
    expect(verdict.body).toMatchObject({ valid: true, problem: null });
  });
});

test('a write whose entry cannot be stored does not happen', async () => {
  const gateway = await startGateway();
  const root = admin(gateway);
  await made(root, '/api/teams', { name: 'before' });
  const raw = new DatabaseSync(join(gateway.dataDir, 'sluice.db'));
  raw.exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  for (const [method, path, body] of [
    ['POST', '/api/teams', { name: 'after' }],
    ['POST', '/api/keys', { name: 'after' }],
    ['PUT', '/api/prices/overrides/m', { input_usd_per_mtok: 1, output_usd_per_mtok: 1 }],
    ['POST', '/api/secrets/rotate', {}],
  ] as const) {
    const { status, body: answer } = await root.call(method, path, body);
    expect([status, answer.error.code]).toEqual([503, 'ledger_unavailable']);
  }
  const link = (await gateway.gateway.signInLink()).split('#')[1];
  const session = await fetch(`${gateway.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: link }),
  });
  expect([session.status, session.headers.get('set-cookie')]).toEqual([503, null]);
  raw.exec('DROP TRIGGER full');
  raw.close();
  const names = (await root.call('GET', '/api/teams')).body.data.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['before']);
  expect((await root.call('GET', '/api/keys')).body.data).toEqual([]);
  await made(root, '/api/teams', { name: 'again' });
  expect((await root.call('GET', '/api/audit/verify')).body.valid).toBe(true);
  await gateway.close();
});

describe('sinks', () => {
  let gateway: TestGateway | undefined;
  const open: { close(): void }[] = [];
  afterEach(async () => {
    await gateway?.close();
    for (const one of open.splice(0)) one.close();
  });

  /** A syslog server that counts octets (RFC 6587). */
  async function syslogServer(port = 0): Promise<{ server: Server; port: number; messages: string[] }> {
    const messages: string[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      let rest = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk]);
        for (;;) {
          const blank = rest.indexOf(' ');
          const length = Number(rest.subarray(0, blank).toString());
          if (blank < 0 || rest.length < blank + 1 + length) return;
          messages.push(rest.subarray(blank + 1, blank + 1 + length).toString());
          rest = rest.subarray(blank + 1 + length);
        }
      });
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    open.push({
      close() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    return { server, port: (server.address() as AddressInfo).port, messages };
  }

  test('syslog gets every entry in order, as JSON or CEF, and goes on after a restart', async () => {
    const plain = await syslogServer();
    const cef = await syslogServer();
    const yaml = `
version: 1
audit:
  sinks:
    - { type: syslog, name: plain, host: 127.0.0.1, port: ${plain.port} }
    - { type: syslog, name: cef, host: 127.0.0.1, port: ${cef.port}, format: cef }
`;
    gateway = await startGateway({ yaml });
    const root = admin(gateway);
    await made(root, '/api/teams', { name: 'a|b=c' });
    const all = async () => (await entries(root)).length;
    await expect.poll(() => plain.messages.length).toBe(await all());
    await expect.poll(() => cef.messages.length).toBe(await all());
    expect(plain.messages[0]).toMatch(
      /^<109>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ sluice \d+ teams\.create\.asked \[audit@32473 sequence="1" actor="admin-key" target="a\|b=c" hash="[\w-]{43}"\] \{/,
    );
    expect(cef.messages[1]).toContain('CEF:0|Sluice|Sluice|');
    expect(cef.messages[1]).toContain('|teams.create|teams.create|3|rt=');
    expect(cef.messages[1]).toContain('src=127.0.0.1 act=teams.create');
    expect(cef.messages[0]).toContain('duid=a|b\\=c');
    await gateway.close(true);
    gateway = await startGateway({ yaml, dataDir: gateway.dataDir });
    await made(admin(gateway), '/api/teams', { name: 'later' });
    const last = (await entries(admin(gateway))).length;
    await expect.poll(() => plain.messages.length).toBe(last);
    const sequences = plain.messages.map((text) => Number(/sequence="(\d+)"/.exec(text)?.[1]));
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  });

  test('a collector that fails gets everything later, signed; nobody waits for it, and the log stays quiet', async () => {
    let down = true;
    const taken: string[] = [];
    let signatures = 0;
    const collector = await startUpstream((seen, response) => {
      response.writeHead(down ? 500 : 204).end();
      if (down) return;
      const [, seconds, mac] =
        /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(seen.headers['x-sluice-signature'])) ?? [];
      const own = createHmac('sha256', 'sink-secret').update(`${seconds}.${seen.text}`).digest('hex');
      if (own === mac && seen.headers['x-collector'] === 'token') signatures += 1;
      taken.push(...seen.text.trimEnd().split('\n'));
    });
    // The test's upstream parses bodies as JSON; lines are none unless there is only one.
    open.push({ close: () => void collector.close() });
    gateway = await startGateway({
      yaml: `
version: 1
audit:
  sinks:
    - { type: https, name: siem, url: "${collector.url}/in?x=1", secret: sink-secret, batch_size: 1, headers: { X-Collector: token } }
`,
    });
    const root = admin(gateway);
    const started = performance.now();
    for (let index = 0; index < 10; index += 1) await made(root, '/api/teams', { name: `team ${index}` });
    expect(performance.now() - started).toBeLessThan(5000);
    await expect.poll(() => collector.seen.length).toBeGreaterThan(0);
    down = false;
    const all = (await entries(root)).length;
    await expect.poll(() => taken.length, { timeout: 10_000 }).toBe(all);
    expect(taken.map((line) => JSON.parse(line).sequence)).toEqual(taken.map((_, index) => index + 1));
    expect(signatures).toBe(all);
    const told = gateway.logged.filter((line) => line.includes('audit.sink_failed'));
    expect(told).toHaveLength(1);
    expect(gateway.logged.join()).not.toContain('sink-secret');
  });

  test('a sink on a private network is refused unless it is opened', async () => {
    const yaml = `
version: 1
audit:
  sinks: [{ type: syslog, name: inside, host: 10.0.0.1, transport: tcp, timeout_ms: 1000 }]
`;
    gateway = await startGateway({ yaml });
    await made(admin(gateway), '/api/teams', { name: 'x' });
    await expect
      .poll(() => gateway?.logged.find((line) => line.includes('audit.sink_failed')))
      .toContain('private address refused');
  });
});
