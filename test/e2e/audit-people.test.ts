import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';
import { type IdpAccount, startIdp, type TestIdp } from '../support/oidc-idp.ts';

// What directories and sign-ins write: before and after in the audit log, and nothing that is not written down there.

const PASSWORD = 'four-brave-otters-run';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
let account: IdpAccount = { sub: 'ada', email: 'ada@example.com', name: 'Ada', groups: ['engineers'] };
let idp: TestIdp;
let gateway: TestGateway;
let root: ApiUser;
let directory: ApiUser;
let raw: DatabaseSync;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  const port = await freePort();
  idp = await startIdp({
    redirectUri: `http://127.0.0.1:${port}/auth/oidc/main/callback`,
    account: () => account,
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
      issuer: ${idp.issuer}
      client_id: sluice
      client_secret: a-test-secret
      allow_private_network: true
      link_external_id: sub
      groups: [{ group: engineers, role: member, team_id: search }, { group: bosses, role: admin }]
  scim:
    groups: [{ group: Engineers, role: member, team_id: search }]
`,
  });
  root = admin(gateway);
  const { token } = await made(root, '/api/scim-tokens', { name: 'directory' });
  directory = apiUser(`${gateway.url}/scim/v2`, token);
  raw = new DatabaseSync(join(gateway.dataDir, 'sluice.db'));
});

afterAll(async () => {
  raw?.close();
  await gateway?.close();
  await idp?.close();
});

async function entries(query: string) {
  const { body } = await root.call('GET', `/api/audit?limit=500&${query}`);
  return body.data as { action: string; actor: string; target: string; details: Record<string, never> }[];
}

const actions = async (query: string) => (await entries(query)).map(({ action }) => action);

/** No entry can be stored while this runs. */
async function muted<T>(work: () => Promise<T>): Promise<T> {
  raw.exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  try {
    return await work();
  } finally {
    raw.exec('DROP TRIGGER full');
  }
}

function scimUser(name: string, more: object = {}) {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName: name,
    emails: [{ value: `${name}@example.com`, primary: true }],
    active: true,
    ...more,
  };
}

function deactivate(id: string) {
  const body = { schemas: [PATCH], Operations: [{ op: 'replace', value: { active: false } }] };
  return directory.call('PATCH', `/Users/${id}`, body);
}

function ssoSignIn(browser = new Browser()) {
  return browser
    .visit(`${gateway.url}/auth/oidc/main/start`, {
      until: (url) => url.startsWith(gateway.url) && !url.includes('/auth/'),
    })
    .then(async ({ url }) => ({
      url,
      me: (await browser.call(gateway.url, 'GET', '/api/account')).body,
    }));
}

test('a directory’s writes stand there with what was before and after', async () => {
  const { body } = await directory.call('POST', '/Users', scimUser('grace'));
  await directory.call('PUT', `/Users/${body.id}`, scimUser('grace', { displayName: 'Grace H' }));
  await deactivate(body.id);
  const log = await entries(`target=${body.id}`);
  expect(log.map(({ action }) => action)).toEqual([
    'scim.users.deactivate',
    'scim.users.deactivate.asked',
    'scim.users.update',
    'scim.users.update.asked',
    'scim.users.create',
    'scim.users.create.asked',
  ]);
  expect(log[0]).toMatchObject({
    actor: expect.stringMatching(/^scim:scim_/),
    details: { before: { active: true, name: 'Grace H' }, after: { active: false }, from: '127.0.0.1' },
  });
  expect(log[2]?.details).toMatchObject({ before: { name: 'grace' }, after: { name: 'Grace H' } });
  expect(log[4]?.details).toMatchObject({ before: null, after: { id: body.id, user_name: 'grace' } });
  const group = {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
    displayName: 'Engineers',
    members: [{ value: body.id }],
  };
  const { body: shown } = await directory.call('POST', '/Groups', group);
  const [given] = await entries('action=memberships.create');
  expect(given).toMatchObject({
    actor: expect.stringMatching(/^scim:/),
    details: { before: null, after: { user_id: body.id, team_id: 'search', role: 'member', source: 'scim' } },
  });
  await directory.call('PUT', `/Groups/${shown.id}`, { ...group, members: [] });
  const [changed] = await entries(`target=${shown.id}&action=scim.groups.update`);
  expect(changed?.details).toMatchObject({ before: { members: [body.id] }, after: { members: [] } });
  expect((await entries('action=memberships.delete'))[0]?.details).toMatchObject({
    before: { user_id: body.id, role: 'member' },
    after: null,
  });
  await directory.call('DELETE', `/Users/${body.id}`);
  expect((await entries(`target=${body.id}&action=scim.users.delete`))[0]?.details).toMatchObject({
    before: { user_name: 'grace', active: false },
    after: null,
  });
});

test('a directory’s write that cannot be written down does not happen', async () => {
  const { body } = await directory.call('POST', '/Users', scimUser('alan'));
  const session = await signIn(gateway, root, body.id);
  const failed = await muted(async () => [
    (await directory.call('POST', '/Users', scimUser('nobody'))).status,
    (await directory.call('PUT', `/Users/${body.id}`, scimUser('alan', { displayName: 'Other' }))).status,
    (await deactivate(body.id)).status,
    (await directory.call('DELETE', `/Users/${body.id}`)).status,
    (await directory.call('POST', '/Groups', { displayName: 'Ghosts' })).status,
  ]);
  expect(failed).toEqual([503, 503, 503, 503, 503]);
  const { Resources: users } = (await directory.call('GET', '/Users')).body;
  expect(users).toMatchObject([{ userName: 'alan', active: true }]);
  // The first test's.
  expect((await directory.call('GET', '/Groups')).body.totalResults).toBe(1);
  // Known, and without a role: his session was not ended.
  expect((await session.call('GET', '/api/account')).status).toBe(403);
});

test('who signs in for the first time, what roles he gets and loses, and whom he is linked to', async () => {
  const { me } = await ssoSignIn();
  expect((await entries(`target=${me.user_id}&action=users.create`))[0]).toMatchObject({
    actor: 'sign-in:main',
    details: { before: null, after: { name: 'Ada', subject: 'ada' }, from: '127.0.0.1' },
  });
  expect(await actions(`target=${me.user_id}`)).toContain('session.open');
  account = { ...account, groups: ['bosses'] };
  await ssoSignIn();
  const ofAda = (await entries('action=memberships.*')).filter(({ actor }) => actor === 'sign-in:main');
  expect(ofAda.filter(({ action }) => !action.endsWith('.asked')).map(({ action }) => action)).toEqual([
    'memberships.create',
    'memberships.delete',
    'memberships.create',
  ]);
  expect(ofAda[0]?.details).toMatchObject({ after: { role: 'admin', team_id: null } });
  // Provisioned first, then signing in for the first time.
  const { body } = await directory.call('POST', '/Users', scimUser('linked', { externalId: 'ext-7' }));
  account = { sub: 'ext-7', email: 'linked@example.com', groups: ['engineers'] };
  expect((await ssoSignIn()).me.user_id).toBe(body.id);
  expect((await entries(`target=${body.id}&action=users.link`))[0]).toMatchObject({
    actor: 'sign-in:main',
    details: { before: null, after: { issuer: idp.issuer, subject: 'ext-7', external_id: 'ext-7' } },
  });
});

test('a sign-in that cannot be written down opens nothing, makes nobody and sets no password', async () => {
  const user = await made(root, '/api/users', { name: 'Bob', email: 'bob@example.com', role: 'member' });
  const { url } = await made(root, '/api/invitations', { user_id: user.id });
  const token = String(url).split('#invite=')[1];
  const at = (path: string, body: unknown) => new Browser().call(gateway.url, 'POST', path, body);
  const accept = () => at('/api/sign-in/invitation', { token, password: PASSWORD });
  const word = () => at('/api/sign-in/local', { email: 'bob@example.com', password: PASSWORD });
  const refused = await muted(accept);
  expect([refused.status, refused.headers.get('set-cookie')]).toEqual([503, null]);
  expect((await word()).status).toBe(401);
  expect((await accept()).status).toBe(200);
  expect(await actions(`target=${user.id}`)).toEqual(
    expect.arrayContaining(['invitation.accept.asked', 'invitation.accept']),
  );
  const sessions = () =>
    raw.prepare("SELECT count(*) AS n FROM settings WHERE name LIKE 'session/%'").get()?.['n'];
  const before = sessions();
  const closed = await muted(word);
  expect([closed.status, closed.headers.get('set-cookie')]).toEqual([503, null]);
  expect(sessions()).toBe(before);
  account = { sub: 'new', email: 'new@example.com', name: 'Newcomer', groups: ['engineers'] };
  const end = await muted(() => ssoSignIn());
  expect(end.url).toContain('problem=ledger_unavailable');
  const { data } = (await root.call('GET', '/api/users?limit=500')).body;
  expect(data.map(({ name }: { name: string }) => name)).not.toContain('Newcomer');
  expect((await ssoSignIn()).me.name).toBe('Newcomer');
});

test('a stranger who fails a thousand times leaves a handful of entries, and the chain is whole', async () => {
  const before = (await entries('action=session.open.refused')).length;
  for (let index = 0; index < 1000; index += 1) {
    await fetch(`${gateway.url}/auth/oidc/main/callback?state=${index}&code=x`, { redirect: 'manual' });
  }
  expect((await entries('action=session.open.refused')).length - before).toBeLessThan(5);
  expect((await root.call('GET', '/api/audit/verify')).body.valid).toBe(true);
});
