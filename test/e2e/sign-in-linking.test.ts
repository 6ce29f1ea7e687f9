import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createNet,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';
import { type IdpAccount, startIdp, type TestIdp } from '../support/oidc-idp.ts';

// Who a person is across SCIM, OpenID Connect and tokens; and what goes on while a provider is down (F27).

const CHILD = fileURLToPath(new URL('./identity-child.ts', import.meta.url));
const run = promisify(execFile);
let account: IdpAccount = { sub: 'nobody' };
let idp: TestIdp;
let gateway: TestGateway;
let root: ApiUser;
let directory: ApiUser;
let keys: Server;
let issuer: string;
let signer: CryptoKey;
/** In front of the provider; what F27 calls a TCP proxy. */
let line: NetServer;
let lineIs: 'up' | 'down' | 'silent' = 'up';
const sockets = new Set<Socket>();

async function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createNet();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  signer = privateKey;
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  keys = createServer((_request, response) => void response.end(JSON.stringify({ keys: [jwk] })));
  const keysPort = await listen(keys);
  const port = await freePort();
  idp = await startIdp({
    redirectUri: `http://127.0.0.1:${port}/auth/oidc/main/callback`,
    account: () => account,
  });
  issuer = idp.issuer;
  const target = Number(new URL(idp.issuer).port);
  line = createNet((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (lineIs === 'down') return void socket.destroy();
    if (lineIs === 'silent') return;
    const onward = connect(target, '127.0.0.1');
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  gateway = await startGateway({
    port,
    yaml: `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
access: { mode: keys }
teams: [{ id: search, name: Search }]
sign_in:
  oidc:
    - name: main
      title: Example SSO
      issuer: ${issuer}
      client_id: sluice
      client_secret: a-test-secret
      allow_private_network: true
      link_external_id: sub
      just_in_time: false
      default_role: viewer
      require_claims: { email_verified: true }
  tokens:
    - { name: linked, issuer: '${issuer}', jwks_url: 'http://127.0.0.1:${keysPort}/', audience: linked, allow_private_network: true, cache_s: 1, user: linked, rules: [{ team_id: search }] }
    - { name: required, issuer: '${issuer}', jwks_url: 'http://127.0.0.1:${keysPort}/', audience: required, allow_private_network: true, cache_s: 1, user: required, rules: [{ team_id: search }] }
`,
  });
  root = admin(gateway);
  const { token } = await made(root, '/api/scim-tokens', { name: 'directory' });
  directory = apiUser(`${gateway.url}/scim/v2`, token);
});

afterAll(async () => {
  await gateway?.close();
  await idp?.close();
  for (const socket of sockets) socket.destroy();
  line?.close();
  keys?.closeAllConnections();
  keys?.close();
});

async function provision(name: string, externalId: string): Promise<string> {
  const { body } = await directory.call('POST', '/Users', {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName: name,
    externalId,
    active: true,
    emails: [{ value: `${name}@example.com`, primary: true }],
  });
  return body.id;
}

async function sso(who: IdpAccount, browser = new Browser()) {
  account = who;
  const end = await browser.visit(`${gateway.url}/auth/oidc/main/start`, {
    until: (url) => url.startsWith(gateway.url) && !url.includes('/auth/'),
  });
  const { status, body } = await browser.call(gateway.url, 'GET', '/api/account');
  return { browser, problem: new URL(end.url).searchParams.get('problem'), status, me: body };
}

function token(sub: string, audience: string): Promise<string> {
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(signer);
}

async function ask(bearer: string): Promise<[status: number, code: string | null]> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return [answer.status, answer.headers.get('x-sluice-error')];
}

describe('linking', () => {
  test('`link_external_id`: a provisioned user is found by it, once, and never by his address', async () => {
    const ada = await provision('ada', 'ext-ada');
    const bob = await provision('bob', 'ext-bob');
    expect((await sso({ sub: 'ext-ada', email: 'elsewhere@example.com' })).me.user_id).toBe(ada);
    expect((await sso({ sub: 'ext-ada', email: 'ada@example.com' })).me.user_id).toBe(ada);
    // Bob's address in somebody else's account is not Bob, and nobody is made (`just_in_time: false`).
    expect(await sso({ sub: 'mallory', email: 'bob@example.com' })).toMatchObject({
      problem: 'forbidden',
      status: 401,
    });
    expect((await sso({ sub: 'ext-bob', email: 'bob@example.com' })).me.user_id).toBe(bob);
  });

  test('a second subject for a user who is linked already is refused', async () => {
    const user = await provision('carol', 'ext-carol');
    expect((await sso({ sub: 'ext-carol', email: 'carol@example.com' })).me.user_id).toBe(user);
    const body = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'externalId', value: 'ext-other' }],
    };
    expect((await directory.call('PATCH', `/Users/${user}`, body)).status).toBe(200);
    expect((await sso({ sub: 'ext-other', email: 'carol@example.com' })).problem).toBe('forbidden');
    expect((await sso({ sub: 'ext-carol', email: 'carol@example.com' })).me.user_id).toBe(user);
  });

  test('`require_claims`: who lacks one is known there and not let in here', async () => {
    await provision('dora', 'ext-dora');
    // Without an e-mail address the provider says nothing about its being verified.
    expect(await sso({ sub: 'ext-dora' })).toMatchObject({ problem: 'forbidden', status: 401 });
    expect((await sso({ sub: 'ext-dora', email: 'dora@example.com' })).status).toBe(200);
  });

  test('a deactivated user does not sign in, and is not made a second time', async () => {
    const user = await provision('eve', 'ext-eve');
    await directory.call('PATCH', `/Users/${user}`, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', value: { active: false } }],
    });
    expect((await sso({ sub: 'ext-eve', email: 'eve@example.com' })).problem).toBe('forbidden');
  });

  test('tokens: `linked` counts for the user, `required` lets only those in who signed in, and disabling him holds for both', async () => {
    expect(await ask(await token('stranger', 'linked'))).toEqual([200, null]);
    expect(await ask(await token('stranger', 'required'))).toEqual([403, 'forbidden']);
    const user = await provision('finn', 'ext-finn');
    expect(await ask(await token('ext-finn', 'required'))).toEqual([403, 'forbidden']);
    await sso({ sub: 'ext-finn', email: 'finn@example.com' });
    const [linked, required] = [await token('ext-finn', 'linked'), await token('ext-finn', 'required')];
    expect([await ask(linked), await ask(required)]).toEqual([
      [200, null],
      [200, null],
    ]);
    // Spending of the token is the user's.
    await made(root, '/api/budgets', { scope: 'user', scope_id: user, limit_usd: 0 });
    await root.call('PATCH', `/api/users/${user}`, { disabled: true });
    expect([await ask(linked), await ask(required)]).toEqual([
      [401, 'key_blocked'],
      [401, 'key_blocked'],
    ]);
    await root.call('PATCH', `/api/users/${user}`, { disabled: false });
    expect(await ask(required)).toEqual([429, 'budget_exceeded']);
  });
});

describe('another process', () => {
  test('a user it deactivates is out here within two seconds: sessions, keys and tokens', async () => {
    const user = await provision('gina', 'ext-gina');
    const { browser } = await sso({ sub: 'ext-gina', email: 'gina@example.com' });
    await made(root, '/api/memberships', { user_id: user, role: 'member', team_id: 'search' });
    const session = await signIn(gateway, root, user);
    const { key } = await made(session, '/api/keys', { name: 'gina', team_id: 'search' });
    const jwt = await token('ext-gina', 'required');
    const all = async () => [
      (await ask(key))[0],
      (await ask(jwt))[0],
      (await session.call('GET', '/api/account')).status,
      (await browser.call(gateway.url, 'GET', '/api/account')).status,
    ];
    expect(await all()).toEqual([200, 200, 200, 200]);
    const { stdout } = await run(process.execPath, [
      CHILD,
      join(gateway.dataDir, 'sluice.db'),
      'deactivate',
      user,
    ]);
    const since = Number(stdout);
    let statuses = await all();
    while (statuses.some((status) => status === 200) && Date.now() - since < 5000) statuses = await all();
    expect(statuses).toEqual([401, 401, 401, 401]);
    expect(Date.now() - since).toBeLessThan(2000);
  });
});

describe('a provider that is down (F27)', () => {
  test.each(['down', 'silent'] as const)(
    '%s: sessions go on, the page says why, and other ways in work',
    async (how) => {
      const port = await freePort();
      lineIs = 'up';
      if (!line.listening) await listen(line);
      // The provider's own address is behind the line: discovery answers with the true issuer, so it is named here as such.
      const other = await startGateway({
        port,
        yaml: `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
access: { mode: keys }
sign_in:
  oidc:
    - { name: away, issuer: 'http://127.0.0.1:${(line.address() as AddressInfo).port}', client_id: sluice, allow_private_network: true, default_role: viewer }
`,
      });
      lineIs = how;
      for (const socket of sockets) socket.destroy();
      const by = admin(other);
      const { id } = await made(by, '/api/users', { name: 'Ada', email: 'ada@example.com', role: 'owner' });
      const session = await signIn(other, by, id);
      const { url } = await made(by, '/api/invitations', { user_id: id });
      const started = performance.now();
      const ends = await Promise.all(
        Array.from({ length: 5 }, () =>
          new Browser().visit(`${other.url}/auth/oidc/away/start`, {
            until: (to) => to.includes('problem='),
          }),
        ),
      );
      expect(performance.now() - started).toBeLessThan(8000);
      expect(new Set(ends.map(({ url: end }) => new URL(end).searchParams.get('problem')))).toEqual(
        new Set(['upstream_unreachable']),
      );
      // Break-glass, sessions and passwords need nobody else.
      expect((await by.call('GET', '/api/status')).status).toBe(200);
      expect((await session.call('GET', '/api/account')).status).toBe(200);
      const accepted = await new Browser().call(other.url, 'POST', '/api/sign-in/invitation', {
        token: String(url).split('#invite=')[1],
        password: 'four-brave-otters-run',
      });
      expect(accepted.body.status).toBe('signed_in');
      const link = await fetch(`${other.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: other.adminKey }),
      });
      expect(link.status).toBe(200);
      await other.close();
      lineIs = 'up';
    },
  );
});
