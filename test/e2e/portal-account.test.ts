import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { totpCode } from '../support/authenticator.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, apiUser, made } from '../support/identity.ts';
import { openBrowser, openWindow, picture, type Trouble, tooWide, violations } from './portal-browser.ts';

/** Pages ask again every few seconds. */
const SOON = { timeout: 30_000, interval: 150 };
const FIRST = 'four-brave-otters-run';
const SECOND = 'five-brave-otters-swim';
const EMAIL = 'ada@example.com';

let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;
let userId: string;
let secret = '';
let recovery = '';

beforeAll(async () => {
  browser = await openBrowser();
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
sign_in:
  oidc:
    - { name: main, title: Example SSO, issuer: 'https://idp.example', client_id: sluice, default_role: viewer }
`,
  });
  const root = admin(gateway);
  userId = (await made(root, '/api/users', { name: 'Ada', email: EMAIL, role: 'owner' })).id;
  const { url } = await made(root, '/api/invitations', { user_id: userId });
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(url);
  await page.getByLabel('New password').fill(FIRST);
  await page.getByRole('button', { name: 'Set password and sign in' }).click();
  await page.waitForURL(`${gateway.url}/`);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
});

const panel = (name: string, at = page) => at.getByRole('region', { name, exact: true });

async function goTo(name: string, at: Page = page): Promise<void> {
  await at.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();
  await at.getByRole('heading', { level: 1, name, exact: true }).waitFor();
}

/** Signs in with the password in another browser, through the page; stops where a code is asked for. */
async function elsewhere(password: string): Promise<{ at: Page; around: BrowserContext }> {
  const { context: around, page: at } = await openWindow(browser, gateway.url);
  await at.goto(`${gateway.url}/sign-in`);
  await at.getByLabel('E-mail address').fill(EMAIL);
  await at.getByLabel('Password', { exact: true }).fill(password);
  await at.getByRole('button', { name: 'Continue', exact: true }).click();
  return { at, around };
}

describe('the account page', () => {
  it('shows who one is, and changes the password; a wrong one is said and signs nobody out', async () => {
    await goTo('Account');
    await panel('You').getByText(EMAIL).waitFor();
    expect(await violations(page)).toEqual([]);
    const box = panel('Password');
    await box.getByLabel('Current password').fill('not the password');
    await box.getByLabel('New password').fill(SECOND);
    await box.getByRole('button', { name: 'Change password' }).click();
    await box.getByRole('alert').waitFor();
    expect(new URL(page.url()).pathname).toBe('/account');
    await box.getByLabel('Current password').fill(FIRST);
    await box.getByRole('button', { name: 'Change password' }).click();
    await box.getByRole('status').filter({ hasText: 'is changed' }).waitFor();
    // The browser itself tells of the 401 on the console.
    trouble.errors.splice(
      0,
      trouble.errors.length,
      ...trouble.errors.filter((text) => !text.includes('401')),
    );
  });

  it('sets up an authenticator app, shows the recovery codes once, and the next sign-in asks for a code', async () => {
    const box = panel('Second factor');
    await box.getByLabel('Current password').fill(SECOND);
    await box.getByRole('button', { name: 'Set up an app' }).click();
    const link = box.getByRole('link', { name: 'open this link in the authenticator app' });
    const href = (await link.getAttribute('href')) ?? '';
    expect(href).toMatch(/^otpauth:\/\/totp\//);
    secret = new URL(href).searchParams.get('secret') ?? '';
    await box.getByText(secret, { exact: true }).waitFor();
    await box.getByRole('img', { name: 'QR code for the authenticator app' }).waitFor();
    expect(await violations(page)).toEqual([]);
    await picture(page, 'account-second-factor');
    await box.getByLabel('Code the app shows now').fill(await totpCode(secret, -1));
    await box.getByRole('button', { name: 'Turn it on' }).click();
    const codes = box.getByRole('region', { name: 'Recovery codes' });
    await codes.waitFor();
    const shown = ((await codes.textContent()) ?? '').trim().split('\n');
    expect(shown).toHaveLength(10);
    [recovery = ''] = shown;
    expect(await violations(page)).toEqual([]);
    await box.getByRole('button', { name: 'I have kept them' }).click();
    await box.getByText('10 recovery codes left').waitFor();
    expect(await page.content()).not.toContain(recovery);
    const { at, around } = await elsewhere(SECOND);
    await at.getByLabel(/authenticator app, or a recovery code/).fill(await totpCode(secret));
    await at.getByRole('button', { name: 'Continue', exact: true }).click();
    await at.waitForURL(`${gateway.url}/`);
    await around.close();
  });

  it('lists the sessions and ends another one, which is out with its next click', async () => {
    const { at, around } = await elsewhere(SECOND);
    await at.getByLabel(/authenticator app, or a recovery code/).fill(recovery);
    await at.getByRole('button', { name: 'Continue', exact: true }).click();
    await at.waitForURL(`${gateway.url}/`);
    await page.reload();
    const rows = panel('Sessions').locator('tbody tr');
    await expect.poll(() => rows.count(), SOON).toBe(3);
    expect(await rows.filter({ hasText: 'this one' }).count()).toBe(1);
    expect(await rows.first().textContent()).toContain('127.0.0.1');
    expect(await violations(page)).toEqual([]);
    await picture(page, 'account');
    await panel('Sessions').getByRole('button', { name: 'End all others' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End all others', exact: true }).click();
    await page.getByRole('dialog').getByText('2 sessions were ended.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close', exact: true }).last().click();
    await expect.poll(() => rows.count(), SOON).toBe(1);
    await goTo('Keys', at).catch(() => undefined);
    await at.waitForURL(/\/sign-in/);
    await around.close();
  });

  it('does without the second factor again', async () => {
    const box = panel('Second factor');
    await box.getByText('9 recovery codes left').waitFor();
    await box.getByLabel('Current password').fill(SECOND);
    await box.getByLabel('Code of the app, or a recovery code').fill(await totpCode(secret, 1));
    await box.getByRole('button', { name: 'Do without it' }).click();
    await box.getByText('off: the password alone signs you in').waitFor();
  });
});

describe('people', () => {
  it('tokens of directories are made, shown once and revoked, beside the providers as configured', async () => {
    await goTo('People & teams');
    await page.getByRole('tab', { name: 'Sign-in & directories' }).click();
    await panel('Identity providers').getByText('Example SSO').waitFor();
    await panel('Identity providers').getByText(`${gateway.url}/auth/oidc/main/callback`).waitFor();
    await page.getByRole('button', { name: 'New SCIM token', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill('okta');
    await dialog.getByRole('button', { name: 'Create token' }).click();
    const token = (await dialog.locator('[data-secret]').textContent()) ?? '';
    const scim = apiUser(`${gateway.url}/scim/v2`, token);
    expect((await scim.call('GET', '/Users')).status).toBe(200);
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    await dialog.waitFor({ state: 'detached' });
    const row = page.locator('tbody tr').filter({ hasText: 'okta' });
    await row.waitFor();
    expect(await violations(page)).toEqual([]);
    await picture(page, 'directories');
    await row.getByRole('button', { name: 'Actions for okta' }).click();
    await page.getByRole('menuitem', { name: 'Revoke…' }).click();
    await dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
    await row.waitFor({ state: 'detached' });
    expect((await scim.call('GET', '/Users')).status).toBe(401);
  });

  it('a user is invited and signed out everywhere by who manages him', async () => {
    const root = admin(gateway);
    const { id } = await made(root, '/api/users', { name: 'Bob', email: 'bob@example.com', role: 'viewer' });
    const link = String((await made(root, '/api/sign-in-links', { user_id: id })).url);
    const { context: around, page: bob } = await openWindow(browser, gateway.url);
    await bob.goto(link);
    await bob.waitForURL(`${gateway.url}/`);
    await page.getByRole('tab', { name: 'Users' }).click();
    const row = page.locator('tbody tr').filter({ hasText: 'bob@example.com' });
    const act = async (name: string) => {
      await row.getByRole('button', { name: 'Actions for Bob' }).click();
      await page.getByRole('menuitem', { name: `${name}…`, exact: true }).click();
    };
    const dialog = page.getByRole('dialog');
    await act('Invitation');
    await dialog.getByRole('button', { name: 'Make an invitation' }).click();
    await dialog.getByText(/sign-in#invite=/).waitFor();
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    await dialog.waitFor({ state: 'detached' });
    // It waits on another tab, and is taken back there.
    const { data } = await gateway.client.call('listInvitations', {});
    expect(data).toMatchObject([{ user_id: id, user_name: 'Bob', email: 'bob@example.com' }]);
    await page.getByRole('tab', { name: 'Sign-in & directories' }).click();
    await panel('Identity providers')
      .getByText(/are part of the configuration.*sign_in/)
      .waitFor();
    await panel('Identity providers').getByText('Configuration page').waitFor();
    const waiting = panel('Pending invitations').locator('tbody tr').filter({ hasText: 'bob@example.com' });
    await waiting.waitFor();
    expect(await violations(page)).toEqual([]);
    await waiting.getByRole('button', { name: 'Actions for Bob' }).click();
    await page.getByRole('menuitem', { name: 'Withdraw…' }).click();
    await dialog.getByRole('button', { name: 'Withdraw', exact: true }).click();
    await waiting.waitFor({ state: 'detached' });
    expect((await gateway.client.call('listInvitations', {})).data).toEqual([]);
    await page.getByRole('tab', { name: 'Users' }).click();
    await act('End sessions');
    await dialog.getByRole('button', { name: 'End sessions', exact: true }).click();
    await dialog.getByText('One session was ended.').waitFor();
    await bob.reload();
    await bob.waitForURL(/\/sign-in/);
    await page.keyboard.press('Escape');
    await around.close();
  });
});

describe('how it looks', () => {
  it('is accessible in the dark and fits a phone, also for the admin key', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await goTo('Account');
    expect(await violations(page)).toEqual([]);
    await picture(page, 'dark-account');
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await tooWide(page)).toEqual([]);
    expect(await violations(page)).toEqual([]);
    await picture(page, 'phone-account');
    const { context: around, page: operator } = await openWindow(browser, gateway.url);
    await operator.goto(await gateway.gateway.signInLink());
    await operator.waitForURL(`${gateway.url}/`);
    await goTo('Account', operator);
    await panel('You', operator).getByText('none: you came with the admin key').waitFor();
    await panel('Sessions', operator).getByText('this one').waitFor();
    expect(await panel('Password', operator).count()).toBe(0);
    expect(await violations(operator)).toEqual([]);
    await around.close();
  });

  it('nothing was complained about, and no other host was asked', () => {
    expect(trouble).toEqual({ errors: [], strangers: [] });
  });
});
