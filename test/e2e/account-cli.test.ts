import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { totpCode } from '../support/authenticator.ts';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { apiUser } from '../support/identity.ts';
import { sluice } from './sluice-process.ts';

const FIRST = 'four-brave-otters-run';
const SECOND = 'five-brave-otters-swim';
let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-account-cli-'));
  gateway = await startGateway();
});

afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(argv: readonly string[], key = gateway.adminKey) {
  const environment = { SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: key };
  const { code, stdout, stderr } = await sluice(argv, { folder, environment });
  return { code, stdout, stderr };
}

async function json(argv: readonly string[], key = gateway.adminKey) {
  const { code, stdout, stderr } = await run([...argv, '--json'], key);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

function file(...lines: string[]): string {
  const path = join(folder, 'password.txt');
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

function tokenOf(browser: Browser): string {
  return decodeURIComponent(/sluice_session=([^;]+)/.exec(browser.cookies(gateway.url))?.[1] ?? '');
}

test('a user is invited, signs in, and keeps his own account from the command line', async () => {
  const user = await json(['users', 'create', 'Ada', '--email', 'ada@example.com', '--role', 'member']);
  const { url } = await json(['users', 'invite', 'ADA@example.com']);
  const browser = new Browser();
  const at = (path: string, body: unknown, who = browser) => who.call(gateway.url, 'POST', path, body);
  // One that is taken back opens nothing; the other waits until it is used.
  const second = await json(['users', 'invite', 'ada@example.com']);
  const waiting = await json(['users', 'invitations']);
  expect(waiting.data.map(({ user_id }: { user_id: string }) => user_id)).toEqual([user.id, user.id]);
  expect((await run(['users', 'invitations'])).stdout).toContain('ada@example.com');
  await json(['users', 'withdraw', second.id]);
  const withdrawn = { token: String(second.url).split('#invite=')[1], password: FIRST };
  expect((await at('/api/sign-in/invitation', withdrawn)).status).toBe(401);
  expect((await run(['users', 'withdraw', second.id])).stderr).toContain('There is no invitation');
  const token = String(url).split('#invite=')[1];
  expect((await at('/api/sign-in/invitation', { token, password: FIRST })).status).toBe(200);
  expect((await run(['users', 'invitations'])).stdout).toContain('No invitation waits');
  const mine = tokenOf(browser);
  expect(await json(['account', 'show'], mine)).toMatchObject({ user_id: user.id, second_factor: false });
  const other = new Browser();
  await at('/api/sign-in/local', { email: 'ada@example.com', password: FIRST }, other);
  const { data } = await json(['account', 'sessions'], mine);
  expect(data).toHaveLength(2);
  expect(data.filter(({ current }: { current: boolean }) => current)).toHaveLength(1);
  const stranger = data.find(({ current }: { current: boolean }) => !current);
  expect(stranger).toMatchObject({ address: '127.0.0.1', browser: expect.any(String) });
  await json(['account', 'end-session', stranger.id], mine);
  expect((await other.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
  await json(['account', 'password', '--password-file', file(FIRST, SECOND)], mine);
  const begun = await json(['account', 'second-factor', '--password-file', file(SECOND)], mine);
  expect(begun.otpauth_url).toContain('otpauth://totp/');
  const code = await totpCode(begun.secret, -1);
  expect((await json(['account', 'confirm-second-factor', code], mine)).recovery_codes).toHaveLength(10);
  const off = [
    'account',
    'remove-second-factor',
    await totpCode(begun.secret),
    '--password-file',
    file(SECOND),
  ];
  await json(off, mine);
  expect((await json(['account', 'show'], mine)).second_factor).toBe(false);
  await at('/api/sign-in/local', { email: 'ada@example.com', password: SECOND }, other);
  expect(await json(['account', 'end-session', 'others'], mine)).toEqual({ closed: 1 });
  expect(await json(['users', 'end-sessions', 'Ada'])).toEqual({ closed: 1 });
  expect((await apiUser(gateway.url, mine).call('GET', '/api/account')).status).toBe(401);
  expect((await run(['users', 'invite', 'nobody@example.com'])).stderr).toContain('There is no user');
  const words = (await run(['account', 'show'])).stdout;
  expect(words).toContain('none: this is the admin key');
});

test('tokens of directories', async () => {
  const made = await json(['scim-tokens', 'create', 'okta']);
  expect(made.token).toMatch(/^scim-/);
  const scim = apiUser(`${gateway.url}/scim/v2`, made.token);
  expect((await scim.call('GET', '/Users')).status).toBe(200);
  const { data } = await json(['scim-tokens', 'list']);
  expect(data).toMatchObject([{ id: made.id, name: 'okta' }]);
  expect(JSON.stringify(data)).not.toContain(made.token);
  expect((await run(['scim-tokens', 'revoke', made.id])).code).toBe(2);
  await json(['scim-tokens', 'revoke', made.id, '--yes']);
  expect((await scim.call('GET', '/Users')).status).toBe(401);
});
