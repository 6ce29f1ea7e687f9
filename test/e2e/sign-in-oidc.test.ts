import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin } from '../support/identity.ts';
import { type IdpAccount, startIdp, type TestIdp } from '../support/oidc-idp.ts';

let account: IdpAccount = { sub: 'ada', email: 'ada@example.com', name: 'Ada', groups: ['engineers'] };
let other: IdpAccount = { sub: 'mallory', email: 'ada@example.com', name: 'Mallory' };
let first: TestIdp;
let second: TestIdp;
let gateway: TestGateway;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function yaml(port: number): string {
  return `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
teams:
  - { id: search, name: Search }
sign_in:
  oidc:
    - name: main
      issuer: ${first.issuer}
      client_id: sluice
      client_secret: a-test-secret
      allow_private_network: true
      default_role: viewer
      groups:
        - { group: engineers, role: member, team_id: search }
        - { group: bosses, role: owner }
    - name: second
      issuer: ${second.issuer}
      client_id: sluice
      client_secret: a-test-secret
      allow_private_network: true
      default_role: member
    - name: guarded
      issuer: http://127.0.0.1:9
      client_id: sluice
`;
}

async function withPort(): Promise<void> {
  const port = await freePort();
  const uri = (name: string) => `http://127.0.0.1:${port}/auth/oidc/${name}/callback`;
  first = await startIdp({ redirectUri: uri('main'), account: () => account });
  second = await startIdp({ redirectUri: uri('second'), account: () => other });
  gateway = await startGateway({ yaml: yaml(port), port });
}

beforeAll(withPort, 60_000);

afterAll(async () => {
  await gateway?.close();
  await first?.close();
  await second?.close();
});

async function signIn(name = 'main', browser = new Browser()) {
  const end = await browser.visit(`${gateway.url}/auth/oidc/${name}/start?return_to=/keys`, {
    until: (url) => url.startsWith(gateway.url) && !url.includes('/auth/'),
  });
  const me = await browser.call(gateway.url, 'GET', '/api/account');
  return { browser, end, me: me.body, status: me.status };
}

describe('OpenID Connect', () => {
  test('a newcomer becomes a user with the roles of his groups, and is known again', async () => {
    const { end, me, browser } = await signIn();
    expect(end.url).toBe(`${gateway.url}/keys`);
    expect(me).toMatchObject({ name: 'Ada', email: 'ada@example.com', has_password: false });
    expect(me.identities).toMatchObject([{ issuer: first.issuer, subject: 'ada' }]);
    const shown = await admin(gateway).call('GET', `/api/users/${me.user_id}`);
    expect(shown.body.memberships).toMatchObject([{ team_id: 'search', role: 'member' }]);
    expect((await signIn()).me.user_id).toBe(me.user_id);
    // Roles follow the groups: the old session gets a new id, and the old one ends.
    const before = browser.cookies(gateway.url);
    account = { ...account, groups: ['bosses'] };
    await signIn();
    const again = await browser.call(gateway.url, 'GET', '/api/account');
    expect(again.status).toBe(200);
    expect(browser.cookies(gateway.url)).not.toBe(before);
    const now = await admin(gateway).call('GET', `/api/users/${me.user_id}`);
    expect(now.body.memberships).toMatchObject([{ team_id: null, role: 'owner' }]);
    account = { ...account, groups: [] };
    await signIn();
    const last = await admin(gateway).call('GET', `/api/users/${me.user_id}`);
    expect(last.body.memberships).toMatchObject([{ team_id: null, role: 'viewer' }]);
  });

  test('the same e-mail address at a second provider is another person', async () => {
    const ada = (await signIn()).me;
    const mallory = (await signIn('second')).me;
    expect(mallory.user_id).not.toBe(ada.user_id);
    expect(mallory.email).toBeNull();
    // The same subject at another issuer is another person, too.
    other = { sub: 'ada', name: 'Also Ada' };
    expect((await signIn('second')).me.user_id).not.toBe(ada.user_id);
  });

  test('an answer only works in the browser that began, once, and at its own provider', async () => {
    const begun = new Browser();
    const stop = await begun.visit(`${gateway.url}/auth/oidc/main/start`, {
      until: (url) => url.includes('code='),
    });
    const stolen = new Browser();
    const theirs = await stolen.visit(stop.url, { until: (url) => url.includes('problem=') });
    expect(theirs.url).toContain('problem=invalid_key');
    expect((await stolen.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
    const mixed = await begun.visit(stop.url.replace('/main/', '/second/'), {
      until: (url) => url.includes('problem='),
    });
    expect(mixed.url).toContain('problem=invalid_key');
    const end = await begun.visit(stop.url, { until: (url) => !url.includes('/auth/') });
    expect(end.url).toBe(`${gateway.url}/`);
    const replayed = await begun.visit(stop.url, { until: (url) => url.includes('problem=') });
    expect(replayed.url).toContain('problem=invalid_key');
  });

  test.each(['state=x&code=y', 'code=y', 'state=&code=', 'error=access_denied&state=nope'])(
    'a callback nobody asked for opens nothing: %s',
    async (query) => {
      const browser = new Browser();
      const end = await browser.visit(`${gateway.url}/auth/oidc/main/callback?${query}`, {
        until: (url) => url.includes('problem='),
      });
      expect(end.url).toContain('problem=');
      expect(browser.cookies(gateway.url)).not.toContain('sluice_session');
    },
  );

  test('the egress guard holds for providers, and a provider that is down is no wrong credential', async () => {
    const end = await new Browser().visit(`${gateway.url}/auth/oidc/guarded/start`, {
      until: (url) => url.includes('problem='),
    });
    expect(end.url).toContain('problem=upstream_unreachable');
  });

  test('a session id that was planted dies at sign-in, and a foreign return address is not followed', async () => {
    const victim = new Browser();
    const { browser: attacker } = await signIn();
    const planted = /sluice_session=([^;]+)/.exec(attacker.cookies(gateway.url))?.[1] ?? '';
    victim.set(gateway.url, 'sluice_session', planted);
    const end = await victim.visit(`${gateway.url}/auth/oidc/main/start?return_to=//evil.example/`, {
      until: (url) => !url.includes('/auth/') && url.startsWith(gateway.url),
    });
    expect(end.url).toBe(`${gateway.url}/`);
    expect(victim.cookies(gateway.url)).not.toContain(planted);
    expect((await attacker.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
  });
});
