import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  choose,
  openBrowser,
  openWindow,
  picture,
  type Trouble,
  tooWide,
  violations,
} from './portal-browser.ts';
import { type RunningSluice, spawnSluice } from './sluice-process.ts';

const ADMIN_KEY = 'portal-test-admin-key-0123456789';
const PAGES = [
  'Overview',
  'Exchanges',
  'Usage',
  'Chargeback',
  'Keys',
  'Models',
  'Deployments',
  'Audit',
  'Settings',
] as const;

/** The log is written in batches, and pages ask again every few seconds. */
const SOON = { timeout: 30_000, interval: 150 };

const folder = mkdtempSync(join(tmpdir(), 'sluice-portal-'));
const configFile = join(folder, 'sluice.yaml');

let gateway: RunningSluice;
let origin: string;
let signInUrl: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let trouble: Trouble;
let secret: string;

beforeAll(async () => {
  browser = await openBrowser();
  writeFileSync(configFile, 'version: 1\n');
  gateway = spawnSluice(
    ['start', '--config', configFile, '--port', '0', '--data-dir', join(folder, 'data'), '--json'],
    { folder, environment: { SLUICE_ADMIN_KEY: ADMIN_KEY } },
  );
  const line = await gateway.line((text) => text.startsWith('{'));
  const { url, sign_in_url } = JSON.parse(line) as { url?: string; sign_in_url?: string };
  if (url === undefined || sign_in_url === undefined) throw new Error(`The gateway did not start: ${line}`);
  origin = url;
  signInUrl = sign_in_url;
  ({ context, page, trouble } = await openWindow(browser, origin, { colorScheme: 'light' }));
});

beforeEach(async () => {
  if (gateway.child.exitCode !== null) {
    const { code, stderr } = await gateway.ended;
    throw new Error(`The gateway ended with ${code}: ${stderr}`);
  }
  // A dialog that a failed test left open must not fail the next one.
  await page.keyboard.press('Escape');
});

afterAll(async () => {
  await browser?.close();
  gateway?.child.kill('SIGTERM');
  await gateway?.ended;
  rmSync(folder, { recursive: true, force: true });
});

async function goTo(name: (typeof PAGES)[number]): Promise<void> {
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
}

/** A call past the browser, as any client makes it. */
async function call(body: object, headers: Record<string, string> = {}): Promise<Response> {
  const answer = await fetch(`${origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  await answer.arrayBuffer();
  return answer;
}

const hello = (model: string, content = 'Say hello.') => ({
  model,
  max_tokens: 8,
  messages: [{ role: 'user', content }],
});

describe('the portal in a real browser', () => {
  it('signs in with the printed link and forgets the token at once', async () => {
    await page.goto(signInUrl);
    await page.waitForURL(`${origin}/`);
    await page.locator('[data-status=running]').waitFor();
    const token = signInUrl.split('#')[1] ?? '';
    expect(token.length).toBeGreaterThan(20);
    const traces = await page.evaluate<string>(
      'JSON.stringify([location.href, history.state, { ...localStorage }, { ...sessionStorage }, document.cookie])',
    );
    expect(traces).not.toContain(token);
  });

  it('tells a newcomer what runs, what demo means and what to do', async () => {
    await page.getByText('Demo mode').waitFor();
    await page.getByText('OPENAI_API_KEY').first().waitFor();
    await page.getByText('Nothing was called yet').waitFor();
    await page.locator('[data-feed=live]').waitFor();
    await expect.poll(() => page.locator('[data-figure=requests]').textContent(), SOON).toBe('0');
    await picture(page, 'first-visit');
  });

  it('streams a test request and shows the exchange as it ends', async () => {
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('[data-result]').waitFor();
    expect((await page.locator('[data-answer]').textContent())?.trim()).not.toBe('');
    const row = page.locator('tbody tr').first();
    await row.waitFor();
    expect(await row.textContent()).toContain('answered');
    await expect
      .poll(() => page.locator('[data-figure=requests]').textContent(), { timeout: 8000 })
      .toBe('1');
  });

  it('opens every detail of an exchange by keyboard, also right after it ended', async () => {
    await page.getByRole('button', { name: 'What it cost and how it went' }).click();
    const drawer = page.getByRole('dialog');
    await drawer.getByText('source=portal').waitFor();
    for (const title of ['Request', 'Cost', 'Attempts']) {
      await drawer.getByRole('heading', { name: title, exact: true }).waitFor();
    }
    expect(await violations(page)).toEqual([]);
    await picture(page, 'exchange');
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await page
      .getByRole('button', { name: /^Details of the exchange/ })
      .first()
      .focus();
    await page.keyboard.press('Enter');
    await drawer.getByText('source=portal').waitFor();
    expect(new URL(page.url()).searchParams.get('exchange')).toMatch(/^exc_/);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
  });

  it('makes a key, shows it once, fills the snippets with it, and calls with it', async () => {
    await page.getByRole('button', { name: 'Create a key' }).click();
    secret = (await page.locator('[data-secret]').textContent()) ?? '';
    expect(secret).toMatch(/^sk-sluice-/);
    for (const tab of ['curl', 'Python', 'TypeScript', 'Python, Anthropic']) {
      await page.getByRole('tab', { name: tab, exact: true }).click();
      const code = (await page.getByRole('tabpanel').locator('pre').textContent()) ?? '';
      expect(code).toContain(secret);
      expect(code).toContain(origin);
    }
    await page.getByText('access by virtual key').waitFor();
    const before = await page.locator('tbody tr').count();
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('[data-result]').waitFor();
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBe(before + 1);
    await goTo('Keys');
    await page.getByText(`…${secret.slice(-4)}`).waitFor();
    await goTo('Overview');
    await page.locator('[data-status=running]').waitFor();
    expect(await page.content()).not.toContain(secret);
  });

  it('creates, blocks, rotates and revokes keys with budgets', async () => {
    await goTo('Keys');
    await page.getByRole('button', { name: 'New key' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('team-a <b>bold</b>');
    await dialog.getByLabel('Budget in US dollars').fill('12.500000001');
    await dialog.getByLabel('Requests / min').fill('60');
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Create key' }).click();
    const first = (await dialog.locator('[data-secret]').textContent()) ?? '';
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    const row = page.locator('tbody tr').filter({ hasText: 'team-a <b>bold</b>' });
    await row.getByText('$0 of $12.50').waitFor();
    expect(await row.locator('[title*="remaining $12.500000001"]').count()).toBe(1);
    const act = async (name: string, confirm: string) => {
      await row.getByRole('button', { name: /^Actions for/ }).click();
      await page.getByRole('menuitem', { name: `${name}…` }).click();
      const button = dialog.getByRole('button', { name: confirm, exact: true });
      await button.waitFor();
      expect(await violations(page), name).toEqual([]);
      await button.click();
    };
    await act('Block', 'Block');
    await row.getByText('blocked').waitFor();
    expect((await call(hello('sim/gpt'), { authorization: `Bearer ${first}` })).status).toBe(401);
    await act('Unblock', 'Unblock');
    await row.getByText('active').waitFor();
    await act('Rotate', 'Rotate');
    expect(await dialog.locator('[data-secret]').textContent()).not.toBe(first);
    await dialog.getByRole('button', { name: 'I have copied it' }).click();
    await picture(page, 'keys');
    await act('Revoke', 'Revoke for good');
    await row.waitFor({ state: 'detached' });
  });

  it('runs nothing that came from clients, on any page', async () => {
    const payloads = [
      '<img src=x onerror="alert(1)">',
      '"><script>alert(1)</script>',
      'javascript:alert(1)',
      "'-alert(1)-'",
      '{{constructor.constructor("alert(1)")()}}',
      '<svg/onload=alert(1)>',
      '![x](http://canary.invalid/x.png)',
      '=HYPERLINK("http://canary.invalid")',
    ];
    for (const payload of payloads) {
      const authorization = { authorization: `Bearer ${secret}` };
      await call(hello(payload, payload), authorization);
      await call(hello('sim/gpt-mini', payload), {
        ...authorization,
        'x-sluice-user': payload,
        'x-sluice-session': payload,
        'x-request-id': payload,
        'x-sluice-tags': `feature=${payload.replaceAll(',', '')}`,
        'x-sluice-metadata': JSON.stringify({ payload }),
      });
    }
    await goTo('Overview');
    await page.getByLabel('Prompt').fill(payloads[0] ?? '');
    await page.getByLabel('Virtual key').fill(secret);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('[data-result]').waitFor();
    await goTo('Exchanges');
    await page
      .getByText(payloads[0] ?? '')
      .first()
      .waitFor();
    await page.locator('tbody tr').filter({ hasText: 'sim/gpt-mini' }).first().click();
    await page.getByRole('dialog').getByRole('heading', { name: 'Metadata' }).waitFor();
    await page.keyboard.press('Escape');
    for (const name of PAGES) await goTo(name);
    expect(await page.locator('img, script:not([src])').count()).toBe(0);
    expect(trouble).toEqual({ errors: [], strangers: [] });
  });

  it('keeps filters in the address bar and pages through the log', async () => {
    await goTo('Exchanges');
    await page.getByLabel('Model', { exact: true }).fill('sim/gpt-mini');
    await page.getByLabel('Tag').fill('feature');
    await page.getByRole('button', { name: 'Filter', exact: true }).click();
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBe(8);
    expect(new URL(page.url()).searchParams.get('model')).toBe('sim/gpt-mini');
    await page.reload();
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBe(8);
    expect(await page.getByLabel('Model', { exact: true }).inputValue()).toBe('sim/gpt-mini');
    await page.getByRole('button', { name: 'Clear' }).click();
    // Refused at once, so quick: enough of them for a second page.
    await Promise.all(
      Array.from({ length: 40 }, () => call(hello('no-such-model'), { authorization: `Bearer ${secret}` })),
    );
    await expect
      .poll(async () => {
        await page.getByRole('button', { name: 'Refresh' }).click();
        return page.getByRole('button', { name: 'Show older ones' }).count();
      }, SOON)
      .toBe(1);
    const rows = await page.locator('tbody tr').count();
    await page.getByRole('button', { name: 'Show older ones' }).click();
    await expect.poll(() => page.locator('tbody tr').count(), SOON).toBeGreaterThan(rows);
  });

  it('hands out usage as CSV that a spreadsheet does not run', async () => {
    await goTo('Usage');
    await choose(
      page.getByRole('combobox', { name: 'Group by' }).or(page.getByLabel('Group by')).first(),
      'by user',
    );
    await page.getByText('=HYPERLINK').first().waitFor();
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV' }).click();
    const text = readFileSync(await (await waiting).path(), 'utf8');
    expect(text).toContain(`"'=HYPERLINK(""http://canary.invalid"")"`);
    expect(text.split('\r\n')[0]).toBe(
      '"user","requests","errors","unpriced_requests","cost_usd","input_tokens","cache_read_tokens","cache_write_tokens","output_tokens","average_latency_ms","p95_latency_ms"',
    );
    await picture(page, 'usage');
  });

  it('verifies the audit log and makes sign-in links', async () => {
    await goTo('Audit');
    await page.getByRole('button', { name: 'Verify the chain' }).click();
    await page.getByText(/The chain is whole/).waitFor();
    await goTo('Settings');
    await page.getByRole('button', { name: 'Make a link' }).click();
    await page.getByText(`${origin}/sign-in#`).waitFor();
    expect(await page.getByText(ADMIN_KEY).count()).toBe(0);
  });

  it('says what is wrong with a newer configuration and how to mend it', async () => {
    writeFileSync(configFile, 'version: 1\nservr:\n  port: 4100\n');
    await goTo('Overview');
    await page.getByText('A newer configuration was not accepted').waitFor({ timeout: 20_000 });
    expect(await page.getByRole('alert').textContent()).toContain('servr');
    expect(await violations(page)).toEqual([]);
    writeFileSync(configFile, 'version: 1\n');
    await page
      .getByText('A newer configuration was not accepted')
      .waitFor({ state: 'detached', timeout: 20_000 });
  });
});

describe('how the portal looks', { timeout: 180_000 }, () => {
  it('is accessible on every page, light and dark, and remembers the choice', async () => {
    for (const [label, scheme] of [
      ['Light', 'light'],
      ['Dark', 'dark'],
    ] as const) {
      await page.getByTitle(label, { exact: true }).click();
      await expect
        .poll(() => page.locator('html').getAttribute('data-mantine-color-scheme'), SOON)
        .toBe(scheme);
      for (const name of PAGES) {
        await goTo(name);
        expect(await violations(page), `${name}, ${scheme}`).toEqual([]);
      }
      await goTo('Overview');
      await page.locator('tbody tr').first().waitFor();
      await picture(page, scheme);
    }
    await page.reload();
    await page.locator('[data-status=running]').waitFor();
    expect(await page.locator('html').getAttribute('data-mantine-color-scheme')).toBe('dark');
    await page.getByTitle('As the system').click();
    await expect
      .poll(() => page.locator('html').getAttribute('data-mantine-color-scheme'), SOON)
      .toBe('light');
  });

  it('fits a phone', async ({ onTestFinished }) => {
    onTestFinished(() => page.setViewportSize({ width: 1280, height: 900 }));
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of PAGES) {
      await page.getByRole('button', { name: 'Open menu' }).click();
      await goTo(name);
      expect(await tooWide(page), name).toEqual([]);
      expect(await violations(page), name).toEqual([]);
      if (name === 'Overview') await picture(page, 'phone');
    }
  });

  it('raised no error and asked nobody but the gateway', () => {
    expect(trouble).toEqual({ errors: [], strangers: [] });
  });
});

describe('signing in again', () => {
  it('leads to the sign-in when the session is gone, and back with the admin key', async () => {
    await goTo('Models');
    await context.clearCookies();
    await page.getByRole('link', { name: 'Keys', exact: true }).click();
    await page.waitForURL(`${origin}/sign-in`, { timeout: 20_000 });
    await page.getByText('sluice status --link').waitFor();
    await page.getByText('Your session has ended').waitFor();
    expect(await violations(page)).toEqual([]);
    await picture(page, 'sign-in');
    await page.getByLabel('Admin key').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Admin key').fill(ADMIN_KEY);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${origin}/keys`);
    await page.getByRole('heading', { level: 1, name: 'Keys' }).waitFor();
  });

  it('goes on where the link is followed again, and refuses it to others in the gateway’s own words', async () => {
    await page.goto('about:blank');
    await page.goto(signInUrl);
    await page.waitForURL(`${origin}/`);
    await page.locator('[data-status=running]').waitFor();
    const { context: stranger, page: other } = await openWindow(browser, origin);
    await other.goto(signInUrl);
    expect(await other.getByRole('alert').textContent()).toContain('sluice status --link');
    expect(other.url()).toBe(`${origin}/sign-in`);
    await stranger.close();
  });

  it('signs out', async () => {
    await page.locator('[data-status=running]').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${origin}/sign-in`);
    expect((await page.request.get(`${origin}/api/status`)).status()).toBe(401);
  });

  it('serves a page without inline scripts under a policy that forbids them', async () => {
    const answer = await fetch(`${origin}/keys`, { headers: { accept: 'text/html' } });
    const html = await answer.text();
    expect(html).toContain('<div id="root">');
    for (const [, attributes = ''] of html.matchAll(/<script([^>]*)>/g))
      expect(attributes).toContain('src="/assets/');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
    expect(trouble.strangers).toEqual([]);
  });
});
