import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { expect } from 'vitest';

const CHROMIUM = '/usr/bin/chromium';
const PORTAL = fileURLToPath(new URL('../../dist/portal/index.html', import.meta.url));
const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Pages that are told of what happens, and count seconds, still pause for this long. */
const QUIET_MS = 200;

/** What went wrong in the page without anyone asking. */
export interface Trouble {
  /** Console errors, uncaught errors and dialogs. */
  readonly errors: string[];
  /** Requests to anywhere but the gateway. */
  readonly strangers: string[];
}

/** Starts the browser. Throws a sentence that says what is missing. */
export async function openBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(
      'These tests drive a real Chromium, and /usr/bin/chromium is not there: apt-get update && apt-get install -y chromium',
    );
  }
  if (!existsSync(PORTAL)) throw new Error('The portal is not built: run `npm run build` first.');
  mkdirSync(ARTEFACTS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A window of its own, and its page. */
export interface Window {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly trouble: Trouble;
}

/**
 * Opens a window with its own cookies, on a desk where nothing fades or slides: what is judged is there or is not. `origin`: the
 * gateway, besides which its page may ask nobody.
 */
export async function openWindow(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  const trouble = watchTrouble(context, origin);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  return { context, page, trouble };
}

/** Waits until the page has not changed for a moment, and nothing in it moves that will stand still. Throws after 30 s. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(`new Promise((resolve, reject) => {
    const first = performance.now();
    let changed = first;
    const observer = new MutationObserver(() => { changed = performance.now(); });
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    const moves = (animation) =>
      animation.playState === 'running' && animation.effect?.getComputedTiming().endTime !== Infinity;
    const look = () => {
      if (document.getAnimations().some(moves)) changed = performance.now();
      const now = performance.now();
      if (now - first > 30_000) return void reject(new Error('The page does not come to rest.'));
      if (now - changed < ${QUIET_MS}) return void setTimeout(look, 20);
      observer.disconnect();
      resolve();
    };
    look();
  })`);
}

/**
 * Chooses from a list that opens below a field. A dialog takes the focus a moment after it is there, and a list whose field loses
 * it closes: nobody's hand is that quick, and here it is opened again.
 */
export async function choose(field: Locator, option: string | RegExp): Promise<void> {
  const wanted = field.page().getByRole('option', { name: option, exact: typeof option === 'string' });
  const open = async (): Promise<boolean> => {
    if (await wanted.isVisible()) return true;
    await field.click();
    return wanted.waitFor({ timeout: 2000 }).then(
      () => true,
      () => false,
    );
  };
  await expect.poll(open, { timeout: 30_000, interval: 250 }).toBe(true);
  await wanted.click();
}

/** Notes everything in a context that should not happen. */
function watchTrouble(context: BrowserContext, origin: string): Trouble {
  const trouble: Trouble = { errors: [], strangers: [] };
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(?:data|blob|about):/.test(url)) trouble.strangers.push(url);
  });
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (message.type() === 'error') trouble.errors.push(message.text());
    });
    page.on('pageerror', (error) => trouble.errors.push(String(error.stack)));
    page.on('dialog', (dialog) => {
      trouble.errors.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  });
  return trouble;
}

/** Violations of WCAG A and AA and of axe's best practices, one line each. */
export async function violations(page: Page): Promise<string[]> {
  await settled(page);
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary ?? ''}`),
  );
}

/** Writes `test/artefacts/portal-NAME.png`, of the whole page unless a dialog covers the window. */
export async function picture(page: Page, name: string): Promise<void> {
  const fullPage = (await page.getByRole('dialog').count()) === 0;
  await page.evaluate('window.scrollTo(0, 0)');
  await settled(page);
  await page.screenshot({ path: `${ARTEFACTS}portal-${name}.png`, fullPage });
}

/** Why a page can be scrolled sideways: the outermost elements that stick out; none when it cannot. */
export async function tooWide(page: Page): Promise<string[]> {
  await settled(page);
  return page.evaluate<string[]>(`(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    return [...document.body.querySelectorAll('*')]
      .filter((element) => element.getBoundingClientRect().right > room + 1)
      .map((element) => element.tagName + '.' + element.className + ' ' + Math.round(element.getBoundingClientRect().right));
  })()`);
}
