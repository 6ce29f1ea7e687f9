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

const SOON = { timeout: 30_000, interval: 150 };
const EASY = 'What is the capital of France?';
/** Would open a dialog if a page took it for more than text (T16). */
const HOSTILE = '<img src=x onerror="alert(1)">';

let upstream: TestUpstream;
let gateway: TestGateway;
let browser: Browser;
let page: Page;
let trouble: Trouble;

const YAML = (url: string) => `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 4 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 100, output_usd_per_mtok: 400 } }] }
  judge: { deployments: [{ provider: up, model: judge, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routers:
  auto:
    baseline: strong
    tiers: { easy: cheap, hard: strong }
    mode: canary
    canary_percent: 50
    rules: [{ name: "${HOSTILE.replaceAll('"', '\\"')}", when: 'tags.feature == "b"', use: strong }]
  promised:
    baseline: strong
    tiers: { easy: cheap, hard: strong }
    mode: "on"
    max_quality_loss_percent: 30
    confidence_percent: 60
    shadow: { percent: 100, max_usd_per_day: 5, judge: judge, holdout_percent: 0 }
  split:
    baseline: strong
    models: [cheap, strong]
    mode: "on"
    experiments: [{ name: half, arms: [{ model: cheap, percent: 50 }, { model: strong, percent: 50 }] }]
`;

async function chat(model: string, session: string): Promise<string> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sluice-session': session },
    body: JSON.stringify({ model, max_tokens: 50, messages: [{ role: 'user', content: EASY }] }),
  });
  await response.text();
  return response.headers.get('x-sluice-upstream-model') ?? '';
}

beforeAll(async () => {
  browser = await openBrowser();
  upstream = await startUpstream((seen, response) =>
    chatAnswer(seen.body['model'] === 'judge' ? 'BOTH' : `from ${String(seen.body['model'])}`)(
      seen,
      response,
    ),
  );
  gateway = await startGateway({ yaml: YAML(upstream.url) });
  for (let at = 0; at < 90; at++) await chat('auto', `s${at}`);
  for (let at = 0; at < 16; at++) await chat('split', `s${at}`);
  for (let at = 0; at < 80 && (await chat('promised', `p${at}`)) !== 'cheap'; at++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  ({ page, trouble } = await openWindow(browser, gateway.url, { colorScheme: 'light' }));
  await page.goto(await gateway.gateway.signInLink());
  await page.waitForURL(`${gateway.url}/`);
  await page
    .getByRole('navigation', { name: 'Pages' })
    .getByRole('link', { name: 'Routers', exact: true })
    .click();
  await page.getByRole('heading', { level: 1, name: 'Routers', exact: true }).waitFor();
});

beforeEach(() => page.keyboard.press('Escape'));

afterAll(async () => {
  await browser?.close();
  await gateway?.close();
  await upstream?.close();
});

const dialog = () => page.getByRole('dialog');
const panel = (name: string) => page.getByRole('region', { name, exact: true });

async function pick(router: string): Promise<void> {
  await page.getByRole('radiogroup', { name: 'Router' }).getByText(router, { exact: true }).click();
  await page.locator(`[data-router="${router}"]`).waitFor();
}

const saving = (state: string) => page.locator(`[data-saving="${state}"]`).first().innerText();

describe('the routers page in a real browser', () => {
  it('shows what was saved, by state, or how much is missing for it', async () => {
    await pick('auto');
    const { total } = await gateway.client.call('reportRouter', { name: 'auto' });
    await expect.poll(() => saving('verified'), SOON).toMatch(/^\$/);
    expect(await saving('realised')).toMatch(/^\$.*\(.* to .*\)$/);
    expect(await page.locator('[data-saving="verified"] [title]').getAttribute('title')).toContain(
      total.verified.usd ?? 'none',
    );
    await pick('promised');
    await expect.poll(() => saving('verified'), SOON).toMatch(/^not enough evidence, \d+ more$/);
    expect(await panel('Promise').innerText()).toContain('At most 30 % worse, 60 % sure');
  });

  it('shows rules as text, whatever they are called', async () => {
    await pick('auto');
    expect(await panel('Rules').innerText()).toContain(HOSTILE);
    expect(await panel('Rules').innerText()).toContain('tags.feature == "b"');
  });

  it('explains a prompt with its receipt', async () => {
    await pick('auto');
    const box = panel('Explain');
    await box.getByRole('textbox', { name: 'Prompt' }).fill(`${EASY} ${HOSTILE}`);
    const calls = upstream.seen.length;
    await box.getByRole('button', { name: 'Explain', exact: true }).click();
    await box.locator('[data-explained]').waitFor();
    expect(await box.innerText()).toMatch(/Decision: cheap, easy, by prompt/);
    await box.getByRole('textbox', { name: 'Tags' }).fill('feature=b');
    await box.getByRole('button', { name: 'Explain', exact: true }).click();
    await expect.poll(() => box.innerText(), SOON).toContain('by rule');
    await box.getByText('Receipt', { exact: true }).click();
    const receipt = JSON.parse(await box.locator('pre').innerText());
    expect(receipt).toMatchObject({ router: 'auto', reason: 'rule', rule: { index: 0 } });
    expect(upstream.seen).toHaveLength(calls);
  });

  it('shows experiments with their stopping rule', async () => {
    await pick('split');
    const half = page.locator('[data-experiment="half"]');
    await half.waitFor();
    expect(await half.innerText()).toMatch(/goes on/i);
    expect(await half.innerText()).toMatch(/evidence [\d.]+ of [\d.]+ needed/);
    expect(await half.locator('tbody tr').count()).toBe(2);
  });

  it('changes the mode from the next request on, and keeps what else is overridden', async () => {
    await gateway.client.call('putConfig', { config: { log: { retention_days: 12 } } });
    await pick('split');
    await page.getByRole('button', { name: 'Change mode…', exact: true }).click();
    await dialog().waitFor();
    await choose(dialog().getByRole('combobox', { name: 'Mode' }), /^off:/);
    await dialog().getByRole('button', { name: 'Save', exact: true }).click();
    await dialog().waitFor({ state: 'hidden' });
    await expect
      .poll(() => page.locator('[data-router="split"]').innerText(), SOON)
      .toContain('Serves the baseline and decides nothing.');
    for (let at = 0; at < 4; at++) expect(await chat('split', `s${at}`)).toBe('strong');
    const { overrides, comment } = await gateway.client.call('getConfigOverrides', {});
    expect(overrides).toMatchObject({ log: { retention_days: 12 }, routers: { split: { mode: 'off' } } });
    expect(comment).toContain('Router split');
    const audit = await gateway.client.call('listAudit', {});
    expect(audit.data.map(({ action }) => action)).toContain('config.put');
    // A share that is none is refused at its field.
    await page.getByRole('button', { name: 'Change mode…', exact: true }).click();
    await choose(dialog().getByRole('combobox', { name: 'Mode' }), /^canary:/);
    await dialog().getByRole('textbox', { name: 'Share of sessions in percent' }).fill('500');
    await dialog().getByRole('button', { name: 'Save', exact: true }).click();
    await expect
      .poll(() => dialog().getByRole('alert').first().innerText(), SOON)
      .toMatch(/canary_percent|100/);
  });

  it('shows what a route has learned, and rolls it back', async () => {
    await pick('promised');
    await expect.poll(() => panel('Routes').innerText(), SOON).toContain('the promise holds for');
    await page.getByRole('button', { name: 'Roll back…', exact: true }).click();
    await dialog().waitFor();
    await dialog().getByRole('button', { name: 'Roll back', exact: true }).click();
    await expect.poll(() => dialog().innerText(), SOON).toContain('this route was rolled back');
    await dialog().getByRole('button', { name: 'Close', exact: true }).last().click();
    await dialog().waitFor({ state: 'hidden' });
    await expect.poll(() => panel('Changes').innerText(), SOON).toContain('somebody rolled the route back');
    expect(await chat('promised', 'after')).toBe('strong');
  });

  it('is accessible in light and dark, with dialogs too, and fits a phone', {
    timeout: 180_000,
  }, async () => {
    for (const router of ['auto', 'split', 'promised']) {
      await pick(router);
      expect(await violations(page), router).toEqual([]);
    }
    await pick('auto');
    await picture(page, 'routers');
    await page.getByRole('button', { name: 'Change mode…', exact: true }).click();
    await dialog().waitFor();
    expect(await violations(page), 'dialog').toEqual([]);
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'hidden' });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await violations(page), 'dark').toEqual([]);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await tooWide(page)).toEqual([]);
    expect(await violations(page), 'phone').toEqual([]);
    await picture(page, 'phone-routers');
  });

  it('ran nothing of what was written, and asked nobody but the gateway', () => {
    expect(trouble.strangers).toEqual([]);
    expect(trouble.errors.filter((text) => !/status of 4(?:00|03|09|22)/.test(text))).toEqual([]);
  });
});
