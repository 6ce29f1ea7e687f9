import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { openBrowser, openWindow, picture, type Trouble, tooWide, violations } from './portal-browser.ts';

/** The page asks again every two seconds. */
const SOON = { timeout: 30_000, interval: 150 };

let sick: TestUpstream;
let well: TestUpstream;
let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;

const down = json(503, { error: { message: 'down', type: 'server_error' } });

beforeAll(async () => {
  browser = await openBrowser();
  sick = await startUpstream(chatAnswer('hi'));
  well = await startUpstream((seen, response) => {
    const bad = seen.headers.authorization === 'Bearer sk-a-key-that-is-refused-7777';
    const behaviour = bad ? json(401, { error: { message: 'no' } }) : chatAnswer('hi');
    response.setHeader('x-ratelimit-limit-requests', '100');
    response.setHeader('x-ratelimit-remaining-requests', '60');
    response.setHeader('x-ratelimit-reset-requests', '60s');
    return behaviour(seen, response);
  });
  gateway = await startGateway({
    yaml: `version: 1
providers:
  sick: { type: openai-compatible, base_url: "${sick.url}/v1", api_key: k, region: eu-west-1 }
  well: { type: openai-compatible, base_url: "${well.url}/v1", api_keys: [sk-a-key-that-is-refused-7777, sk-a-key-that-is-welcome-8888] }
models:
  pair: { deployments: ["sick/m", "well/m"], strategy: priority, retries: { attempts: 0 }, circuit: { open_s: 2 } }
`,
  });
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(await gateway.gateway.signInLink());
  await page.waitForURL(`${gateway.url}/`);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
  await sick?.close();
  await well?.close();
});

async function ask(): Promise<number> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'pair', messages: [{ role: 'user', content: 'Say hello.' }] }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

const state = (id: string) => page.locator(`[data-deployment="${id}"]`).getAttribute('data-state');

describe('the page of deployments', () => {
  it('lists what is configured before it is used', async () => {
    await page.getByRole('link', { name: 'Deployments', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'Deployments', exact: true }).waitFor();
    await expect.poll(() => state('sick/m'), SOON).toBe('healthy');
    expect(await state('well/m')).toBe('healthy');
    await page.getByText('eu-west-1, priority 1, weight 1').waitFor();
  });

  it('follows a circuit and a refused key without being reloaded, and shows no secret', async () => {
    sick.behave(down);
    for (let n = 0; n < 6; n++) expect(await ask()).toBe(200);
    await expect.poll(() => state('sick/m'), SOON).toBe('open');
    await page.getByText('5 failures in a row').waitFor();
    const refused = page.locator('[data-credential=refused]');
    expect(await refused.textContent()).toContain('1 …7777');
    expect(await page.locator('[data-credential=ready]').last().textContent()).toContain(
      '% of its limits left',
    );
    expect(await page.content()).not.toMatch(/that-is-refused|that-is-welcome/);
    expect(await violations(page)).toEqual([]);
    await picture(page, 'deployments');
    sick.behave(chatAnswer('hi'));
    await expect
      .poll(async () => {
        await ask();
        return state('sick/m');
      }, SOON)
      .toMatch(/healthy|recovering/);
  });

  it('is accessible in the dark and fits a phone', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect
      .poll(() => page.locator('html').getAttribute('data-mantine-color-scheme'), SOON)
      .toBe('dark');
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await tooWide(page)).toEqual([]);
    expect(await violations(page)).toEqual([]);
    expect(trouble).toEqual({ errors: [], strangers: [] });
  });
});
