import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { totpCode } from '../support/authenticator.ts';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, apiUser, made, signIn as openFor } from '../support/identity.ts';

const PASSWORD = 'four-brave-otters-run';
const EMAIL = 'ada@example.com';
let gateway: TestGateway;
let userId: string;

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'version: 1\n' });
  userId = (await made(admin(gateway), '/api/users', { name: 'Ada', email: EMAIL, role: 'member' })).id;
});

afterAll(() => gateway?.close());

const at = (browser: Browser, path: string, body: unknown) => browser.call(gateway.url, 'POST', path, body);
const me = (browser: Browser) => browser.call(gateway.url, 'GET', '/api/account');
const signIn = (browser: Browser, password = PASSWORD, email = EMAIL) =>
  at(browser, '/api/sign-in/local', { email, password });

async function invitation(): Promise<string> {
  const { url } = await made(admin(gateway), '/api/invitations', { user_id: userId });
  return String(url).split('#invite=')[1] ?? '';
}

let secret = '';
let recovery: readonly string[] = [];

test('an invitation is used once, with a good password', async () => {
  const token = await invitation();
  for (const weak of ['short', 'aaaaaaaaaaaaaaaa', 'password-password', 'ada@example.com']) {
    expect((await at(new Browser(), '/api/sign-in/invitation', { token, password: weak })).status).toBe(400);
  }
  const answers = await Promise.all(
    [1, 2, 3].map(() => at(new Browser(), '/api/sign-in/invitation', { token, password: PASSWORD })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
});

test('invitations that wait are seen and taken back by who may invite, and by nobody else', async () => {
  const root = admin(gateway);
  const team = await made(root, '/api/teams', { name: 'red' });
  const lead = await made(root, '/api/users', { name: 'Lead', role: 'admin', team_id: team.id });
  const other = await made(root, '/api/organizations', { name: 'other' });
  const mine = { name: 'Boss', role: 'owner', organization_id: other.id };
  const boss = await made(root, '/api/users', mine);
  const made1 = await made(root, '/api/invitations', { user_id: userId });
  const listed = async (by: typeof root) => await by.call('GET', '/api/invitations');
  expect((await listed(root)).body.data).toMatchObject([{ id: made1.id, user_id: userId, email: EMAIL }]);
  expect(JSON.stringify((await listed(root)).body)).not.toContain(String(made1.url).split('#invite=')[1]);
  const ofTeam = await openFor(gateway, root, lead.id);
  expect((await listed(ofTeam)).status).toBe(403);
  const stranger = await openFor(gateway, root, boss.id);
  expect((await listed(stranger)).body.data).toEqual([]);
  for (const by of [ofTeam, stranger]) {
    expect([403, 404]).toContain((await by.call('DELETE', `/api/invitations/${made1.id}`)).status);
  }
  expect((await root.call('DELETE', `/api/invitations/${made1.id}`)).status).toBe(200);
  expect((await root.call('DELETE', `/api/invitations/${made1.id}`)).status).toBe(404);
  expect((await listed(root)).body.data).toEqual([]);
  const token = String(made1.url).split('#invite=')[1];
  expect((await at(new Browser(), '/api/sign-in/invitation', { token, password: PASSWORD })).status).toBe(
    401,
  );
});

test('signing in gives a session cookie that scripts cannot read, and a wrong word tells nothing', async () => {
  const browser = new Browser();
  const answer = await signIn(browser, PASSWORD, ' ADA@example.com');
  expect(answer.body.status).toBe('signed_in');
  expect(answer.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict/);
  expect((await me(browser)).body).toMatchObject({
    user_id: userId,
    has_password: true,
    second_factor: false,
  });
  const wrong = await signIn(new Browser(), 'four-brave-otters-ran');
  const unknown = await signIn(new Browser(), PASSWORD, 'nobody@example.com');
  expect([wrong.status, unknown.status]).toEqual([401, 401]);
  expect(wrong.body).toEqual(unknown.body);
  // Nothing a stranger sent that proves anything stands in the audit log.
  const { body } = await admin(gateway).call('GET', '/api/audit?limit=100');
  expect(JSON.stringify(body)).not.toMatch(/otters/);
});

test('a new password ends the other sessions', async () => {
  const [mine, other] = [new Browser(), new Browser()];
  await signIn(mine);
  await signIn(other);
  const next = 'five-brave-otters-swim';
  const wrong = await at(mine, '/api/account/password', { current_password: 'nope', new_password: next });
  expect(wrong.status).toBe(401);
  const changed = await at(mine, '/api/account/password', { current_password: PASSWORD, new_password: next });
  expect(changed.status).toBe(200);
  expect([(await me(mine)).status, (await me(other)).status]).toEqual([200, 401]);
  expect((await signIn(new Browser())).status).toBe(401);
  await at(mine, '/api/account/password', { current_password: next, new_password: PASSWORD });
});

test('all of them, also of more than a page of the storage', async () => {
  const mine = new Browser();
  await signIn(mine);
  const raw = new DatabaseSync(join(gateway.dataDir, 'sluice.db'));
  raw.exec('BEGIN');
  const insert = raw.prepare(
    'INSERT INTO settings (name, value, updated_at, expires_at) VALUES (?, ?, ?, ?)',
  );
  const now = Date.now();
  for (let index = 0; index < 10_500; index += 1) {
    const value = JSON.stringify({ openedAt: now, userId });
    insert.run(`session/${String(index).padStart(20, '0')}`, value, now, now + 3_600_000);
  }
  raw.exec('COMMIT');
  const count = () =>
    raw.prepare("SELECT count(*) AS n FROM settings WHERE name LIKE 'session/%'").get()?.['n'];
  expect((await mine.call(gateway.url, 'GET', '/api/account/sessions')).body.data.length).toBeGreaterThan(
    10_500,
  );
  expect((await at(mine, '/api/account/sessions/close-others', {})).body.closed).toBeGreaterThanOrEqual(
    10_500,
  );
  expect(count()).toBeLessThan(5);
  expect((await me(mine)).status).toBe(200);
  raw.close();
});

test('the second factor: each code once, recovery codes once, and nothing without', async () => {
  const mine = new Browser();
  await signIn(mine);
  const begun = await at(mine, '/api/account/second-factor', { current_password: PASSWORD });
  secret = begun.body.secret;
  expect(begun.body.otpauth_url).toContain('otpauth://totp/');
  // Begun is not on.
  expect((await signIn(new Browser())).body.status).toBe('signed_in');
  const confirmed = await at(mine, '/api/account/second-factor/confirm', {
    code: await totpCode(secret, -1),
  });
  recovery = confirmed.body.recovery_codes;
  expect(new Set(recovery).size).toBe(10);
  const browser = new Browser();
  const asked = await signIn(browser);
  expect(asked.body).toMatchObject({ status: 'second_factor', challenge: expect.any(String) });
  expect((await me(browser)).status).toBe(401);
  const { challenge } = asked.body;
  const bad = await at(browser, '/api/sign-in/second-factor', { challenge, code: '000000' });
  expect(bad.status).toBe(401);
  const now = await totpCode(secret);
  const good = await at(browser, '/api/sign-in/second-factor', { challenge, code: now });
  expect(good.body.status).toBe('signed_in');
  // Neither the challenge nor the code works again.
  expect(
    (await at(browser, '/api/sign-in/second-factor', { challenge, code: await totpCode(secret, 1) })).status,
  ).toBe(401);
  const second = (await signIn(new Browser())).body.challenge;
  expect((await at(browser, '/api/sign-in/second-factor', { challenge: second, code: now })).status).toBe(
    401,
  );
  const saved = recovery[0] ?? '';
  expect((await at(browser, '/api/sign-in/second-factor', { challenge: second, code: saved })).status).toBe(
    200,
  );
  const third = (await signIn(new Browser())).body.challenge;
  expect((await at(browser, '/api/sign-in/second-factor', { challenge: third, code: saved })).status).toBe(
    401,
  );
  expect((await me(browser)).body.recovery_codes_left).toBe(9);
});

test('an invitation renews the password and leaves the second factor in place', async () => {
  const answer = await at(new Browser(), '/api/sign-in/invitation', {
    token: await invitation(),
    password: PASSWORD,
  });
  expect(answer.body.status).toBe('second_factor');
  await admin(gateway).call('POST', `/api/users/${userId}/reset-second-factor`);
  expect((await signIn(new Browser())).body.status).toBe('signed_in');
});

test('a viewer may invite nobody, and a disabled user is out at once', async () => {
  const viewer = await made(admin(gateway), '/api/users', {
    name: 'V',
    email: 'v@example.com',
    role: 'viewer',
  });
  const { url } = await made(admin(gateway), '/api/sign-in-links', { user_id: viewer.id });
  const browser = new Browser();
  await at(browser, '/api/session', { token: String(url).split('#')[1] });
  expect((await at(browser, '/api/invitations', { user_id: userId })).status).toBe(403);
  const mine = new Browser();
  await signIn(mine);
  await admin(gateway).call('PATCH', `/api/users/${userId}`, { disabled: true });
  expect((await me(mine)).status).toBe(401);
  expect((await signIn(new Browser())).status).toBe(401);
  await admin(gateway).call('PATCH', `/api/users/${userId}`, { disabled: false });
});

test('an account bears ten wrong passwords a minute, also at once; the admin key still works', async () => {
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => signIn(new Browser(), 'wrong-wrong-wrong')),
  );
  expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(10);
  expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(20);
  expect((await signIn(new Browser())).status).toBe(429);
  expect((await apiUser(gateway.url, gateway.adminKey).call('GET', '/api/account')).body.user_id).toBeNull();
});
