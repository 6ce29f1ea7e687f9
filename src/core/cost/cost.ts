import { promptTokens, type Usage } from '../model/index.ts';
import type { Cost } from './exchange.ts';
import type { Price } from './price.ts';

/** Rates of one tier: a `Price` without its tiers and terms. */
export type Rates = Omit<Price, 'tiers' | 'terms'>;

/** No money at all. */
export const NO_COST: Cost = Object.freeze({
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  audioInput: 0,
  audioOutput: 0,
  images: 0,
  requests: 0,
  total: 0,
});

/**
 * What an exchange costs, in nano-dollars: per class, count × pico-dollars ÷ 1000, rounded half up; the total is the
 * sum of the rounded classes, so a bill can be added up by hand. Reasoning tokens are inside `output` and not charged
 * twice. Counts that are no whole number of at least 0 are taken as the next whole number above, negative ones as 0.
 * A class or total above 2^53 - 1 is held there.
 */
export function costOf(usage: Usage, price: Price): Cost {
  const rates = ratesFor(price, promptTokens(usage));
  const cost = {
    // What was read: text by the token, or by the character where it was spoken.
    input: held(nano(usage.input, rates.input) + nano(usage.characters ?? 0, rates.character ?? 0)),
    cacheRead: nano(usage.cacheRead, rates.cacheRead),
    cacheWrite5m: nano(usage.cacheWrite5m, rates.cacheWrite5m),
    cacheWrite1h: nano(usage.cacheWrite1h, rates.cacheWrite1h),
    output: nano(usage.output, rates.output),
    audioInput: held(
      nano(usage.audioInput, rates.audioInput) + nano(usage.audioSeconds ?? 0, rates.audioSecond ?? 0),
    ),
    audioOutput: nano(usage.audioOutput, rates.audioOutput),
    images: nano(usage.images, rates.image),
    requests: held(nano(1, rates.request) + nano(usage.webSearches ?? 0, rates.webSearch ?? 0)),
    total: 0,
  };
  cost.total = totalOf(cost);
  return cost;
}

/** A charge that cannot be split by class, for example a hold charged after a crash; it stands under `requests`. */
export function unsplitCost(totalNano: number): Cost {
  return { ...NO_COST, requests: totalNano, total: totalNano };
}

/** Two charges together, class by class. */
export function addCosts(one: Cost, other: Cost): Cost {
  const cost = {
    input: one.input + other.input,
    cacheRead: one.cacheRead + other.cacheRead,
    cacheWrite5m: one.cacheWrite5m + other.cacheWrite5m,
    cacheWrite1h: one.cacheWrite1h + other.cacheWrite1h,
    output: one.output + other.output,
    audioInput: one.audioInput + other.audioInput,
    audioOutput: one.audioOutput + other.audioOutput,
    images: one.images + other.images,
    requests: one.requests + other.requests,
    total: 0,
  };
  cost.total = totalOf(cost);
  return cost;
}

/** The rates that hold for a prompt of this many tokens, cached ones included. */
export function ratesFor(price: Price, promptLength: number): Rates {
  let rates: Rates = price;
  for (const tier of price.tiers ?? NO_TIERS) {
    if (promptLength > tier.above) {
      rates = tier.rates;
    }
  }
  return rates;
}

/** What is known of a call before it is made. */
export interface Reach {
  /** Upper estimate of the whole prompt; see `reserveTokens`. */
  readonly inputTokens: number;
  /** Per choice. */
  readonly maxOutputTokens: number;
  /** `n`; 1 when the dialect has none. */
  readonly choices: number;
  /** Images asked for. Default 0. */
  readonly images?: number;
  /** Characters to be spoken. Default 0. */
  readonly characters?: number;
  /** The most seconds the sound that was sent can last. Default 0. */
  readonly audioSeconds?: number;
  /** Searches of the web the vendor may make. Default 0. */
  readonly webSearches?: number;
  /** The dearest cache write the request can cause. Default `1h`: anything. */
  readonly cacheWrites?: 'none' | '5m' | '1h';
  /** Whether audio may be sent or produced. Default true. */
  readonly audio?: boolean;
}

/**
 * The most a call can cost, in nano-dollars: every prompt token at the dearest class it could be billed in, every
 * choice at full length. Both the tier of the estimate and any tier above count, because the estimate may be low.
 */
export function worstCase(price: Price, reach: Reach): number {
  let worst = worstAt(ratesFor(price, reach.inputTokens), reach);
  for (const { above, rates } of price.tiers ?? NO_TIERS) {
    // The true prompt may pass a threshold although the estimate does not: one below twice the estimate.
    if (above < reach.inputTokens * 2) worst = Math.max(worst, worstAt(rates, reach));
  }
  return worst;
}

const NO_TIERS: NonNullable<Price['tiers']> = Object.freeze([]);

function worstAt(rates: Rates, reach: Reach): number {
  const writes = reach.cacheWrites ?? '1h';
  const audio = reach.audio ?? true;
  const input = Math.max(
    rates.input,
    rates.cacheRead,
    writes === 'none' ? 0 : rates.cacheWrite5m,
    writes === '1h' ? rates.cacheWrite1h : 0,
    audio ? rates.audioInput : 0,
  );
  const output = audio ? Math.max(rates.output, rates.audioOutput) : rates.output;
  const produced = wholeCount(reach.maxOutputTokens) * Math.max(1, wholeCount(reach.choices));
  let most = nano(reach.inputTokens, input);
  most = held(most + nano(Math.min(produced, Number.MAX_SAFE_INTEGER), output));
  most = held(most + nano(reach.images ?? 0, rates.image));
  most = held(most + nano(1, rates.request));
  most = held(most + fee(reach.characters, rates.character));
  most = held(most + fee(reach.audioSeconds, rates.audioSecond));
  most = held(most + fee(reach.webSearches, rates.webSearch));
  const uneven = unevenness(rates.character) + unevenness(rates.audioSecond) + unevenness(rates.webSearch);
  return most > 0 ? held(most + ROUNDING_NANO + uneven) : 0;
}

/** A fee that is no whole nano-dollar is rounded in the bill and here. */
function unevenness(rate = 0): number {
  return rate % 1000 === 0 ? 0 : 1;
}

/** The bill rounds nine classes, this sum four, and both each fee that is no whole nano-dollar: by at most half each. */
const ROUNDING_NANO = 6;

/** count × pico-dollars in nano-dollars, half up. BigInt only where the product leaves the safe integers. */
function nano(count: number, pico: number): number {
  const whole = wholeCount(count);
  const product = whole * pico;
  if (product <= Number.MAX_SAFE_INTEGER - 500) {
    const rest = product % 1000;
    return (product - rest) / 1000 + (rest >= 500 ? 1 : 0);
  }
  const exact = (BigInt(whole) * BigInt(pico) + 500n) / 1000n;
  return exact > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(exact);
}

function wholeCount(count: number): number {
  return count > 0 ? Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER) : 0;
}

function held(sum: number): number {
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** The classes of a charge together. None is negative, so that it is enough to hold their sum. */
function totalOf(cost: Cost): number {
  const { input, cacheRead, cacheWrite5m, cacheWrite1h, output } = cost;
  const texts = input + cacheRead + cacheWrite5m + cacheWrite1h + output;
  return held(texts + cost.audioInput + cost.audioOutput + cost.images + cost.requests);
}

/** What few prices name and few calls need. */
function fee(count = 0, pico = 0): number {
  return count === 0 || pico === 0 ? 0 : nano(count, pico);
}
