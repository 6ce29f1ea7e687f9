import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import {
  choose,
  openBrowser,
  openWindow,
  picture,
  type Trouble,
  tooWide,
  violations,
} from './portal-browser.ts';

/** Would ask somewhere, or open a dialog, if a page took it for more than text (T16). */
const HOSTILE = '<img src=x onerror="alert(1)">';
const SOON = { timeout: 30_000, interval: 150 };

let upstream: TestUpstream;
let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;
let key = '';

beforeAll(async () => {
  browser = await openBrowser();
  upstream = await startUpstream(chatAnswer('hi'));
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
cache: { exact: { enabled: true } }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { alpha: { deployments: ["one/m"] }, omega: { deployments: ["one/n"] } }
`,
  });
  key = (await gateway.client.call('createKey', { name: `key ${HOSTILE}` })).key;
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(await gateway.gateway.signInLink());
  await page.waitForURL(`${gateway.url}/`);
});

beforeEach(() => page.keyboard.press('Escape'));

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
  await upstream?.close();
});

const dialog = () => page.getByRole('dialog');
const row = (text: string) => page.locator('tbody tr').filter({ hasText: text });

async function goTo(name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
}

async function press(name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  await dialog().waitFor();
}

async function submit(name: string): Promise<void> {
  await dialog().getByRole('button', { name, exact: true }).click();
}

async function close(): Promise<void> {
  // The cross of the dialog has the same name.
  await dialog().getByRole('button', { name: 'Close', exact: true }).last().click();
  await dialog().waitFor({ state: 'hidden' });
}

async function act(text: string, name: string): Promise<void> {
  await row(text)
    .first()
    .getByRole('button', { name: /^Actions for/ })
    .click();
  await page.getByRole('menuitem', { name: `${name}…`, exact: true }).click();
  await dialog().waitFor();
}

async function clean(what: string): Promise<void> {
  expect(await violations(page), what).toEqual([]);
}

async function chat(model: string, said: string): Promise<string | null> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model,
      temperature: 0,
      max_tokens: 20,
      messages: [{ role: 'user', content: said }],
    }),
  });
  await answer.arrayBuffer();
  return answer.headers.get('x-sluice-cache');
}

describe('the pages for what runs the gateway, in a real browser', () => {
  it('prices are set, changed and taken away, and requests cost what they say', async () => {
    await goTo('Prices');
    await page.getByText('No price is set here').waitFor();
    await clean('no price');
    await press('New price');
    await choose(dialog().getByRole('combobox', { name: 'Model' }), 'alpha');
    await dialog().getByLabel('Input, $ a million').fill('-3');
    await dialog().getByLabel('Output, $ a million').fill('20');
    await submit('Set price');
    await dialog()
      .getByText(/a number of US dollars from 0/)
      .waitFor();
    expect(await dialog().getByLabel('Input, $ a million').getAttribute('aria-invalid')).toBe('true');
    await dialog().getByLabel('Input, $ a million').fill('10');
    await clean('a form');
    await submit('Set price');
    await dialog().waitFor({ state: 'hidden' });
    await row('alpha').getByText('$10').first().waitFor();
    await act('alpha', 'Edit');
    await dialog().getByLabel('Output, $ a million').fill('40');
    await submit('Save');
    await dialog().waitFor({ state: 'hidden' });
    await row('alpha').getByText('$40').waitFor();
    const { data } = await gateway.client.call('listPrices', {});
    expect(data).toMatchObject([{ model: 'alpha', input_usd_per_mtok: '10', output_usd_per_mtok: '40' }]);
    await clean('a price');
    await picture(page, 'prices');
    await act('alpha', 'Remove');
    await submit('Remove price');
    await page.getByText('No price is set here').waitFor();
    expect((await gateway.client.call('listPrices', {})).data).toEqual([]);
  });

  it('credentials are sealed, never shown again, changed and removed', async () => {
    await goTo('Credentials');
    await page.getByText('No credential is kept here').waitFor();
    await page.getByText('Master key', { exact: true }).waitFor();
    await press('New credential');
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill('Not A Name');
    await dialog().getByLabel('Secret', { exact: true }).fill('sk-secret-of-the-test-0001');
    expect(await dialog().getByLabel('Secret', { exact: true }).getAttribute('type')).toBe('password');
    await submit('Create credential');
    await dialog()
      .getByText(/lower-case letters/)
      .waitFor();
    await dialog().getByRole('textbox', { name: 'Name', exact: true }).fill('main');
    await dialog().getByLabel('Description').fill(HOSTILE);
    await clean('a form with a secret');
    await submit('Create credential');
    await dialog().waitFor({ state: 'hidden' });
    await row('main').waitFor();
    expect(await page.content()).not.toContain('sk-secret-of-the-test-0001');
    await act('main', 'Edit');
    expect(await dialog().getByLabel('Secret', { exact: true }).inputValue()).toBe('');
    await dialog().getByLabel('Description').fill('of the team');
    await submit('Save');
    await dialog().waitFor({ state: 'hidden' });
    await row('of the team').waitFor();
    await clean('a credential');
    await picture(page, 'credentials');
    const before = (await gateway.client.call('getSecrets', {})).master_key.id;
    await press('Rotate master key');
    await submit('Rotate master key');
    await dialog().getByRole('status').waitFor();
    await close();
    expect((await gateway.client.call('getSecrets', {})).master_key.id).not.toBe(before);
    await act('main', 'Remove');
    await submit('Remove credential');
    await page.getByText('No credential is kept here').waitFor();
  });

  it('the cache shows what it keeps, and forgets what is chosen', async () => {
    expect([await chat('alpha', 'one'), await chat('alpha', 'one'), await chat('omega', 'two')]).toEqual([
      'miss',
      'hit',
      'miss',
    ]);
    await goTo('Cache');
    await row('alpha').waitFor();
    await row('omega').waitFor();
    await page.getByText('33.3 %').waitFor();
    await row('alpha').getByText(HOSTILE).waitFor();
    await clean('kept answers');
    await picture(page, 'cache');
    await press('Forget answers');
    await dialog().getByLabel('Model').fill('alpha');
    await clean('the form to forget');
    await submit('Forget');
    await dialog().getByText('One answer was forgotten.').waitFor();
    await close();
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBe(1);
    expect(await chat('alpha', 'one')).toBe('miss');
    await act('omega', 'Forget');
    await submit('Forget');
    await dialog().getByText('One answer was forgotten.').waitFor();
    await close();
    await expect
      .poll(async () => (await gateway.client.call('listCacheEntries', {})).data.length, SOON)
      .toBe(1);
  });

  it('overrides are changed, kept with their history, and put in force again', async () => {
    await goTo('Configuration');
    await page.getByText('Nothing was ever set over the file').waitFor();
    const set = async (json: string, why: string) => {
      await press('Change overrides');
      await dialog().getByLabel('Overrides', { exact: false }).first().fill(json);
      await dialog().getByLabel('Why').fill(why);
      await submit('Put in force');
    };
    await set('{"log":{"retention_days":0}}', 'wrong');
    await dialog()
      .getByText(/retention_days/)
      .first()
      .waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'hidden' });
    await set('{"log":{"retention_days":90}}', HOSTILE);
    await dialog().waitFor({ state: 'hidden' });
    await row(HOSTILE).waitFor();
    await set('{"log":{"retention_days":30}}', 'shorter');
    await dialog().waitFor({ state: 'hidden' });
    await row('shorter').waitFor();
    await act(HOSTILE, 'Put in force again');
    await submit('Put in force again');
    await dialog().waitFor({ state: 'hidden' });
    await expect
      .poll(async () => (await gateway.client.call('getConfigOverrides', {})).overrides, SOON)
      .toEqual({ log: { retention_days: 90 } });
    await clean('history');
    await picture(page, 'configuration');
    await press('Check a file');
    await dialog().getByLabel('The text of a sluice.yaml').fill('version: 1\nproviders: { x: {} }');
    await submit('Check');
    await dialog()
      .getByText(/providers\.x is no vendor/)
      .waitFor();
    await close();
  });

  it('the pages fit a telephone, in the dark too, and who may not does not see them', async () => {
    await page.setViewportSize({ width: 375, height: 780 });
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const path of ['prices', 'credentials', 'cache', 'configuration']) {
      await page.goto(`${gateway.url}/${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await clean(`${path} in the dark`);
      expect(await tooWide(page), path).toEqual([]);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    const { id } = await gateway.client.call('createUser', { name: 'Viewer', role: 'viewer' });
    const { url } = await gateway.client.call('createSignInLink', { user_id: id });
    const { context: other, page: at } = await openWindow(browser, gateway.url);
    await at.goto(url);
    await at.waitForURL(`${gateway.url}/`);
    const links = at.getByRole('navigation', { name: 'Pages' }).getByRole('link');
    await links.filter({ hasText: 'Usage' }).waitFor();
    expect(await links.allInnerTexts()).not.toContain('Credentials');
    await other.close();
  });

  it('no script of a stranger ran, and nobody else was asked', () => {
    // What was refused on purpose is named by the browser, too.
    const own = trouble.errors.filter((text) => !/status of 400/.test(text));
    expect({ ...trouble, errors: own }).toEqual({ errors: [], strangers: [] });
  });
});

describe('the page of the API', () => {
  it('shows the endpoints under its strict policy, and asks nobody else', async () => {
    const {
      context: api,
      page: at,
      trouble: seen,
    } = await openWindow(browser, gateway.url, { viewport: { width: 1440, height: 900 } });
    const blocked: string[] = [];
    at.on(
      'response',
      (answer) => answer.status() >= 400 && blocked.push(`${answer.status()} ${answer.url()}`),
    );
    at.on('console', (message) => {
      if (/content security policy/i.test(message.text())) blocked.push(message.text());
    });
    await at.goto(`${gateway.url}/api/docs`);
    await at.getByText('Sluice control plane').first().waitFor({ timeout: 30_000 });
    await at
      .getByText('Create a virtual key; its secret is in this answer only')
      .first()
      .waitFor({ timeout: 30_000 });
    // The page draws what is far below the window only when it is scrolled to: at least half is there at once.
    const document = (await (await fetch(`${gateway.url}/api/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const summaries = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ summary }: { summary: string }) => summary),
    );
    const text = await at.evaluate<string>('document.body.innerText');
    const missing = summaries.filter((summary) => !text.includes(summary.slice(0, 30)));
    expect(missing.length, missing.join('\n')).toBeLessThan(summaries.length / 2);
    await picture(at, 'api-reference');
    expect(blocked).toEqual([]);
    expect(seen).toEqual({ errors: [], strangers: [] });
    await api.close();
  });
});
