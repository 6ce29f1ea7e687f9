import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import {
  choose,
  openBrowser,
  openWindow,
  picture,
  settled,
  type Trouble,
  tooWide,
  violations,
} from './portal-browser.ts';

/** Pages ask again every few seconds. */
const SOON = { timeout: 30_000, interval: 150 };
/** Would ask somewhere, or open a dialog, if a page took it for more than text (T16). */
const HOSTILE = '<img src=x onerror="alert(1)">';
const CONTROL = ['People & teams', 'Budgets & limits', 'Approvals', 'Keys', 'Audit'] as const;

let upstream: TestUpstream;
let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;
let secret = '';

beforeAll(async () => {
  browser = await openBrowser();
  upstream = await startUpstream(chatAnswer('hi'));
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
`,
  });
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(await gateway.gateway.signInLink());
  await page.waitForURL(`${gateway.url}/`);
});

// A dialog that a failed test left open must not fail the next one.
beforeEach(() => page.keyboard.press('Escape'));

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
  await upstream?.close();
});

const dialog = () => page.getByRole('dialog');
const row = (text: string) => page.locator('tbody tr').filter({ hasText: text });

async function goTo(name: string, at: Page = page): Promise<void> {
  await at.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();
  await at.getByRole('heading', { level: 1, name, exact: true }).waitFor();
}

/** Chooses from a select of the dialog. */
function select(label: string, option: string): Promise<void> {
  return choose(dialog().getByRole('combobox', { name: label }), option);
}

async function submit(name: string): Promise<void> {
  await dialog().getByRole('button', { name, exact: true }).click();
}

/** Opens a row's menu and takes one of its entries. */
async function act(text: string, name: string): Promise<void> {
  await row(text)
    .first()
    .getByRole('button', { name: /^Actions for/ })
    .click();
  await page.getByRole('menuitem', { name: `${name}…`, exact: true }).click();
  await dialog().waitFor();
}

/** Makes something on the tab that is open: with its button, a name, and what else it needs. */
async function make(word: string, name: string, fill: () => Promise<void> = async () => undefined) {
  await page.getByRole('button', { name: `New ${word}`, exact: true }).click();
  await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill(name);
  await fill();
  await submit(`Create ${word}`);
  await dialog().waitFor({ state: 'hidden' });
  await row(name).first().waitFor();
}

async function call(headers: Record<string, string> = {}): Promise<Response> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, ...headers },
    body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: HOSTILE }] }),
  });
  await answer.arrayBuffer();
  return answer;
}

async function clean(what: string): Promise<void> {
  expect(await violations(page), what).toEqual([]);
}

describe('the control pages in a real browser', () => {
  it('make, change and refuse teams, projects, users, accounts, roles and memberships', async () => {
    await goTo('People & teams');
    await page.getByText('There is no team yet').waitFor();
    await clean('an empty list');
    await page.getByRole('button', { name: 'New team', exact: true }).click();
    await dialog().getByText('Policy', { exact: true }).click();
    await dialog().getByLabel('Most output tokens').fill('many');
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill(HOSTILE);
    await submit('Create team');
    const wrong = dialog().getByLabel('Most output tokens');
    await dialog().getByText('Write a whole number from 1.').waitFor();
    expect(await wrong.getAttribute('aria-invalid')).toBe('true');
    expect(await wrong.evaluate((field) => field === field.ownerDocument.activeElement)).toBe(true);
    await clean('a form with an error');
    await picture(page, 'team-form');
    await wrong.fill('500');
    await dialog().getByLabel('Addresses').fill('not an address');
    await page.keyboard.press('Enter');
    await submit('Create team');
    await dialog()
      .getByText(/no IP address or CIDR block/)
      .waitFor();
    expect(await dialog().getByLabel('Addresses').getAttribute('aria-invalid')).toBe('true');
    await dialog().getByLabel('Addresses').press('Backspace');
    await submit('Create team');
    await row(HOSTILE).getByText('max output tokens').waitFor();
    await act(HOSTILE, 'Edit');
    expect(await dialog().getByLabel('Most output tokens').inputValue()).toBe('500');
    await dialog().getByText('Policy', { exact: true }).click();
    await choose(
      dialog().getByRole('combobox', { name: 'Tools' }).or(dialog().getByLabel('Tools')).first(),
      /none at all/,
    );
    await submit('Save');
    await dialog().waitFor({ state: 'hidden' });
    const { data: teams } = await gateway.client.call('listTeams', {});
    expect(teams).toMatchObject([{ name: HOSTILE, policy: { max_output_tokens: 500, tools: [] } }]);

    await page.getByRole('tab', { name: 'Projects' }).click();
    await make('project', `project ${HOSTILE}`, () => select('Team', HOSTILE));
    await page.getByRole('tab', { name: 'Users' }).click();
    await make('user', `Ada ${HOSTILE}`, async () => {
      await dialog().getByLabel('E-mail').fill('ada@example.com');
      await select('First role', 'viewer');
    });
    await row('Ada').getByText('viewer').waitFor();
    await page.getByRole('button', { name: 'New user', exact: true }).click();
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill('Ada again');
    await dialog().getByLabel('E-mail').fill('ada@example.com');
    await submit('Create user');
    await dialog()
      .getByText(/e-?mail|exists|address/i)
      .last()
      .waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'hidden' });
    await page.getByRole('tab', { name: 'Service accounts' }).click();
    await make('service account', 'nightly', () => select('Team', HOSTILE));
    await page.getByRole('tab', { name: 'Roles' }).click();
    await make('role', 'clerk', async () => {
      await choose(dialog().getByLabel('Permissions'), 'keys:read');
      await page.keyboard.press('Tab');
    });
    await page.getByRole('tab', { name: 'Memberships' }).click();
    await page.getByRole('button', { name: 'New membership' }).click();
    await select('User', `Ada ${HOSTILE}`);
    await select('Role', 'clerk');
    await select('Team', HOSTILE);
    await submit('Create membership');
    await row('clerk').waitFor();
    await picture(page, 'people');
    await act('clerk', 'Remove');
    await submit('Remove membership');
    await row('clerk').waitFor({ state: 'detached' });
    const { data: users } = await gateway.client.call('listUsers', {});
    expect(users).toMatchObject([
      { email: 'ada@example.com', memberships: [{ role: 'viewer', team_id: null }] },
    ]);
  });

  it('make a key of a team with models, addresses, a life and a rotation, and show its secret once', async () => {
    await goTo('Keys');
    await page.getByRole('button', { name: 'New key' }).click();
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill(`bot ${HOSTILE}`);
    await select('Team', HOSTILE);
    await dialog().getByLabel('Models', { exact: true }).fill('m');
    await page.keyboard.press('Enter');
    await dialog().getByLabel('Addresses').fill('127.0.0.0/8');
    await page.keyboard.press('Enter');
    await dialog().getByLabel('Valid until').fill('2000-01-01');
    await dialog().getByText('Rotation', { exact: true }).click();
    await dialog().getByLabel('New secret every').fill('30d');
    await clean('the form of a key');
    await submit('Create key');
    await dialog()
      .getByText(/lies in the past/)
      .waitFor();
    await dialog().getByLabel('Valid until').fill('2099-12-31');
    await submit('Create key');
    secret = (await dialog().locator('[data-secret]').textContent()) ?? '';
    await submit('I have copied it');
    const { data: keys } = await gateway.client.call('listKeys', {});
    expect(keys).toMatchObject([
      { models: ['m'], cidrs: ['127.0.0.0/8'], rotation: { every_s: 30 * 86_400 }, budget: null },
    ]);
    expect(await page.content()).not.toContain(secret);
    await act('bot', 'Edit');
    await dialog().getByLabel('Requests / min').fill('600');
    await dialog().getByText('More rate limits', { exact: true }).click();
    await select('Over the limit', 'wait in turn');
    await dialog().getByLabel('Longest wait, ms').fill('2500');
    await submit('Save');
    await row('600 req/min').waitFor();
    const [changed] = (await gateway.client.call('listKeys', {})).data;
    expect(changed?.limits).toMatchObject({ rpm: 600, on_limit: 'queue', max_wait_ms: 2500 });
    await picture(page, 'keys-of-teams');
    await call();
  });

  it('set a budget of the team that asks, and raise it', async () => {
    await goTo('Budgets & limits');
    await page.getByText('There is no budget yet').waitFor();
    await page.getByRole('button', { name: 'New budget' }).click();
    await select('Which team', HOSTILE);
    await dialog().getByLabel('Limit in US dollars').fill('much');
    await submit('Create budget');
    await dialog()
      .getByText(/limit_usd/)
      .waitFor();
    expect(await dialog().getByLabel('Limit in US dollars').getAttribute('aria-invalid')).toBe('true');
    await dialog().getByLabel('Limit in US dollars').fill('0.000000001');
    await select('When it is used up', 'use a cheaper model');
    await dialog().getByLabel('Cheaper model').fill('gone');
    await submit('Create budget');
    await dialog()
      .getByText(/names "gone", which is no known model/)
      .waitFor();
    expect(await dialog().getByLabel('Cheaper model').getAttribute('aria-invalid')).toBe('true');
    await select('When it is used up', 'ask for approval');
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill(`tight ${HOSTILE}`);
    await clean('the form of a budget');
    await submit('Create budget');
    await row('tight').getByText('80, 100 %').waitFor();
    await page.getByRole('button', { name: 'New limit' }).click();
    await select('Of a', 'tag');
    await dialog().getByLabel('Which tag').fill('feature=search');
    await dialog().getByLabel('Requests / min').fill('100');
    await select('Over the limit', 'wait in turn');
    await submit('Create limit');
    await row('feature=search').getByText('queue').waitFor();
    await make('budget', 'every end user', async () => {
      await select('Of a', 'end user');
      await dialog().getByLabel('Which end user').fill('*');
      await dialog().getByLabel('Limit in US dollars').fill('10');
    });
    await act('every end user', 'Raise');
    await dialog().getByLabel('By, in US dollars').fill('5');
    await dialog()
      .getByLabel('Until the end of')
      .fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 10));
    await submit('Raise');
    await row('every end user').getByText('1 raise').waitFor();
    await row('every end user').getByText('$0 of $15').waitFor();
    await picture(page, 'budgets');
    await act('every end user', 'Remove');
    await submit('Remove budget');
    await row('every end user').waitFor({ state: 'detached' });
  });

  it('decide what waits, on the page and by a link in another browser', async () => {
    const asked = await call();
    expect(asked.status).toBe(403);
    const id = asked.headers.get('x-sluice-approval') ?? '';
    await goTo('Overview');
    await page.getByRole('link', { name: /^Approvals.*1 waiting/ }).click();
    await row(id).or(page.locator('tbody tr')).first().waitFor();
    await act('', 'Approve');
    await dialog().getByLabel('Reason').fill(`fine ${HOSTILE}`);
    await clean('a decision');
    await picture(page, 'approvals');
    await submit('Approve');
    await page.getByText('Nothing is pending').waitFor();
    expect((await call({ 'x-sluice-approval': id })).status).toBe(200);

    const second = (await call()).headers.get('x-sluice-approval') ?? '';
    expect(second).not.toBe(id);
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBe(1);
    await act('', 'Link');
    await submit('Make a link');
    const link = (await dialog().locator('pre').textContent()) ?? '';
    await submit('I have copied it');
    const {
      context: elsewhere,
      page: phone,
      trouble: other,
    } = await openWindow(browser, gateway.url, { viewport: { width: 390, height: 844 } });
    await phone.goto(link);
    await phone.getByText(second).waitFor();
    expect(phone.url()).toBe(`${gateway.url}/approve`);
    expect(await violations(phone)).toEqual([]);
    expect(await tooWide(phone)).toEqual([]);
    expect((await gateway.client.call('getApproval', { id: second })).status).toBe('pending');
    await picture(phone, 'approve-link');
    await phone.getByRole('button', { name: 'Approve' }).click();
    await phone.getByText(/^Approved:/).waitFor();
    expect((await call({ 'x-sluice-approval': second })).status).toBe(200);
    await phone.goto(`${gateway.url}/approve#%E0%A4%A`);
    await phone.getByRole('button', { name: 'Reject' }).click();
    await phone.getByRole('alert').waitFor();
    await phone.goto('about:blank');
    await phone.goto(`${gateway.url}/approve`);
    await phone.getByText('This address is not complete').waitFor();
    expect(other.strangers).toEqual([]);
    await elsewhere.close();
  });

  it('show all of it in the audit log, filtered and verified', async () => {
    await goTo('Audit');
    for (const action of ['teams.create', 'keys.create', 'budgets.create', 'approvals.approve']) {
      await row(action).first().waitFor();
    }
    await page.getByLabel('What').fill('teams.*');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await row('keys.create').first().waitFor({ state: 'detached' });
    await row('teams.update').first().waitFor();
    expect(new URL(page.url()).searchParams.get('action')).toBe('teams.*');
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    const verdict = page.getByRole('status').filter({ hasText: 'The chain is whole' });
    const [kept] = /\d+:[\w-]{43}/.exec((await verdict.textContent()) ?? '') ?? [];
    await page.getByLabel('Entry you kept').fill(kept ?? 'none');
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await verdict.waitFor();
    await picture(page, 'audit');
    const waiting = page.waitForEvent('download');
    await page.getByRole('link', { name: 'JSON lines' }).click();
    expect((await waiting).suggestedFilename()).toBe('audit.jsonl');
    await page.getByRole('button', { name: 'Clear' }).click();
    await row('keys.create').first().waitFor();
  });

  it('offer an organization once there are two, and keep them apart', async () => {
    await goTo('People & teams');
    await page.getByRole('tab', { name: 'Organizations' }).click();
    await make('organization', 'Second');
    await page.getByRole('tab', { name: 'Teams' }).click();
    await row(HOSTILE).waitFor();
    await choose(page.getByRole('combobox', { name: 'Organization' }), 'Second');
    await row(HOSTILE).waitFor({ state: 'detached' });
    await make('team', 'of the second');
    const { data } = await gateway.client.call('listTeams', { name: 'of the second' });
    expect(data[0]?.organization_id).not.toBe('org_default');
  });
});

describe('what a caller may not do', () => {
  it('is not shown to him', async () => {
    const { data } = await gateway.client.call('listUsers', {});
    const { url } = await gateway.client.call('createSignInLink', { user_id: data[0]?.id ?? '' });
    const { context: elsewhere, page: viewer, trouble: other } = await openWindow(browser, gateway.url);
    await viewer.goto(url);
    await viewer.waitForURL(`${gateway.url}/`);
    await goTo('People & teams', viewer);
    const pages = viewer.getByRole('navigation', { name: 'Pages' });
    expect(await pages.getByRole('link', { name: 'Audit' }).count()).toBe(0);
    await viewer.locator('tbody tr').first().waitFor();
    for (const name of ['People & teams', 'Keys', 'Budgets & limits', 'Approvals']) {
      await goTo(name, viewer);
      await settled(viewer);
      expect(await viewer.getByRole('button', { name: /^New |^Actions for/ }).count(), name).toBe(
        name === 'Budgets & limits' ? 1 : 0,
      );
      expect(await violations(viewer), name).toEqual([]);
    }
    // Who may not raise a budget may ask for it, and no more.
    await goTo('Budgets & limits', viewer);
    await viewer.getByRole('button', { name: /^Actions for/ }).click();
    expect(await viewer.getByRole('menuitem').allTextContents()).toEqual(['Ask for more…']);
    await viewer.keyboard.press('Escape');
    await goTo('Settings', viewer);
    expect(await viewer.getByText('Configuration in use').count()).toBe(0);
    expect(other).toEqual({ errors: [], strangers: [] });
    await elsewhere.close();
  });

  it('says what went wrong and lets one try again when the gateway does not answer', async () => {
    await goTo('Overview');
    await page.route('**/api/limits*', (route) => route.abort());
    await goTo('Budgets & limits');
    const alert = page.getByRole('alert').filter({ hasText: 'cannot be reached' });
    await alert.waitFor();
    await page.unroute('**/api/limits*');
    await alert.getByRole('button', { name: 'Try again' }).click();
    await row('feature=search').waitFor();
    trouble.errors.splice(
      0,
      trouble.errors.length,
      ...trouble.errors.filter((text) => !text.includes('ERR_FAILED')),
    );
  });
});

describe('how the control pages look', () => {
  it('is accessible in light and dark and fits a phone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const name of CONTROL) {
        await goTo(name);
        expect(await violations(page), `${name}, ${colorScheme}`).toEqual([]);
        if (colorScheme === 'dark') await picture(page, `dark-${name.split(' ')[0]?.toLowerCase()}`);
      }
    }
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of CONTROL) {
      await page.getByRole('button', { name: 'Open menu' }).click();
      await goTo(name);
      expect(await tooWide(page), name).toEqual([]);
      expect(await violations(page), name).toEqual([]);
      await picture(page, `phone-${name.split(' ')[0]?.toLowerCase()}`);
    }
    await page.getByRole('button', { name: 'Open menu' }).click();
    await goTo('Keys');
    await page.getByRole('button', { name: 'New key' }).click();
    expect(await tooWide(page)).toEqual([]);
    expect(await violations(page)).toEqual([]);
    await picture(page, 'phone-key-form');
  });

  it('ran nothing of what was written, and asked nobody but the gateway', async () => {
    expect(await page.locator('img, script:not([src])').count()).toBe(0);
    // Refusals the tests provoke are logged by the browser itself; nothing else may be.
    const own = trouble.errors.filter((text) => !/status of 4(?:00|03|09)/.test(text));
    expect({ ...trouble, errors: own }).toEqual({ errors: [], strangers: [] });
  });
});
