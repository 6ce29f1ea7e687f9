import { type PartialPrice, picoPerToken } from '../cost/complete-price.ts';
import type { CatalogModel, RawPrice, RawRates } from './data.ts';
import { ANTHROPIC_FAMILIES } from './families/anthropic.ts';
import type { FamilyRule } from './families/family.ts';
import { GOOGLE_FAMILIES } from './families/google.ts';
import { OPENAI_FAMILIES } from './families/openai.ts';
import { OTHER_FAMILIES } from './families/others.ts';
import { PRICE_TERMS, type TermsRule } from './price-terms.ts';

/** What we know beyond the price library; consulted before it. */
export interface Overlay {
  /** The day it was last checked against the vendors' pages, `YYYY-MM-DD`. */
  readonly asOf: string;
  /** Models and prices the library lacks or has wrong, by catalog provider. */
  readonly models: Readonly<Record<string, readonly CatalogModel[]>>;
  /** Capabilities by model name; the first rule that fits holds. */
  readonly families: readonly FamilyRule[];
  /** Catalog providers whose models cost nothing: those that run on the operator's machine. */
  readonly free: readonly string[];
  /** Pico-dollars per search of the web, by catalog provider. */
  readonly webSearch?: Readonly<Record<string, number>>;
  /** What terms do to prices, by catalog provider. */
  readonly terms?: Readonly<Record<string, readonly TermsRule[]>>;
}

interface UsdRates {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
}

/** US dollars per million tokens, as the vendors print them. */
function usd(rates: UsdRates, tier?: { readonly above: number; readonly rates: UsdRates }): RawPrice {
  const raw = (given: UsdRates): RawRates => ({
    i: picoPerToken(given.input),
    o: picoPerToken(given.output),
    r: picoPerToken(given.cacheRead),
    w: picoPerToken(given.cacheWrite5m),
    h: picoPerToken(given.cacheWrite1h),
  });
  return tier === undefined ? raw(rates) : { ...raw(rates), t: [[tier.above, raw(tier.rates)]] };
}

/** OpenAI's rule for its million-token models: above 272,000 tokens input and cache cost double, output half again. */
function openaiLong(rates: UsdRates): RawPrice {
  return usd(rates, {
    above: 272_000,
    rates: {
      input: rates.input * 2,
      output: rates.output * 1.5,
      cacheRead: rates.cacheRead * 2,
      cacheWrite5m: rates.cacheWrite5m * 2,
      cacheWrite1h: rates.cacheWrite1h * 2,
    },
  });
}

const SONNET_5_5: UsdRates = { input: 2, output: 10, cacheRead: 0.2, cacheWrite5m: 2.5, cacheWrite1h: 4 };

/** Source: Anthropic's model pages and price list of October 2026. */
const CLAUDE_5_5: readonly CatalogModel[] = [
  {
    i: 'claude-sonnet-5-5',
    c: 1_000_000,
    r: [['~', '^claude-(?:sonnet-5[-.]5|5[-.]5-sonnet)(?!\\d)']],
    p: [{ p: usd(SONNET_5_5) }, { s: '2026-10-07', p: usd({ ...SONNET_5_5, cacheRead: 0.1 }) }],
  },
  {
    i: 'claude-haiku-5-5',
    c: 1_000_000,
    r: [['~', '^claude-(?:haiku-5[-.]5|5[-.]5-haiku)(?!\\d)']],
    p: usd(
      { input: 0.1, output: 0.5, cacheRead: 0.01, cacheWrite5m: 0.125, cacheWrite1h: 0.2 },
      {
        above: 100_000,
        rates: { input: 0.5, output: 2.5, cacheRead: 0.05, cacheWrite5m: 0.625, cacheWrite1h: 1 },
      },
    ),
  },
];

/** OpenAI's model pages of October and November 2026; its 30-minute and 12-hour cache writes stand in the two classes. */
const GPT_6_1: readonly CatalogModel[] = [
  {
    i: 'gpt-6.1-sol',
    c: 1_050_000,
    r: [['~', '^gpt-6[-.]1-sol(?!\\w)']],
    p: openaiLong({ input: 2, output: 10, cacheRead: 0.1, cacheWrite5m: 2.5, cacheWrite1h: 5 }),
  },
  {
    i: 'gpt-6.1-terra',
    c: 1_050_000,
    r: [['~', '^gpt-6[-.]1-terra(?!\\w)']],
    p: openaiLong({ input: 1, output: 5, cacheRead: 0.05, cacheWrite5m: 1.25, cacheWrite1h: 2.5 }),
  },
];

/**
 * What OpenAI sells by the character and by the minute, which the price library has no classes for. Source: OpenAI's price
 * list ("Audio", "Transcription and speech"): tts-1 $15 and tts-1-hd $30 per million characters, whisper-1 $0.006 per minute.
 */
const OPENAI_SOUND: readonly CatalogModel[] = [
  { i: 'tts-1', e: ['tts-1', 'tts-1-1106'], p: { k: 15e6 } },
  { i: 'tts-1-hd', e: ['tts-1-hd', 'tts-1-hd-1106'], p: { k: 30e6 } },
  { i: 'whisper-1', e: ['whisper-1', 'whisper'], p: { n: 100e6 } },
];

/** What a model on the operator's own machine costs. */
export const FREE_PRICE: PartialPrice = { input: 0, output: 0 };

/**
 * Pico-dollars per search of the web that the vendor makes for a model, by catalog provider. Sources: Anthropic's price list,
 * "Web search tool", and OpenAI's, "Built-in tools": both $10 per thousand.
 */
const WEB_SEARCH: Readonly<Record<string, number>> = { anthropic: 10e9, openai: 10e9 };

export const OVERLAY: Overlay = {
  asOf: '2026-11-21',
  models: { anthropic: CLAUDE_5_5, openai: [...GPT_6_1, ...OPENAI_SOUND] },
  families: [...OPENAI_FAMILIES, ...ANTHROPIC_FAMILIES, ...GOOGLE_FAMILIES, ...OTHER_FAMILIES],
  free: ['local'],
  terms: PRICE_TERMS,
  webSearch: WEB_SEARCH,
};
