import type { PartialPrice } from '../cost/complete-price.ts';

/*
 * The shape of `catalog.generated.json`, written by `scripts/generate-catalog.ts`. Keys are one letter because the file
 * is read at every start; this file is their only legend.
 */

/** Rates of one price line in pico-dollars per token (request: per call). A class the source does not price is absent. */
export interface RawRates {
  /** Input. */
  readonly i?: number;
  /** Output. */
  readonly o?: number;
  /** Cache read. */
  readonly r?: number;
  /** Cache write, 5 minutes. */
  readonly w?: number;
  /** Cache write, 1 hour. */
  readonly h?: number;
  /** Audio in. */
  readonly a?: number;
  /** Audio out. */
  readonly b?: number;
  /** Request. */
  readonly q?: number;
  /** Character to be spoken. */
  readonly k?: number;
  /** Second of sound listened to. */
  readonly n?: number;
}

/** Rates and the tiers that replace them: `[above, rates]`, ascending, for prompts longer than `above` tokens. */
export interface RawPrice extends RawRates {
  readonly t?: readonly (readonly [above: number, rates: RawRates])[];
}

/** A price that holds under a condition; of several that hold, the last wins. */
export interface DatedPrice {
  /** From this day on, `YYYY-MM-DD`, UTC. */
  readonly s?: string;
  /** Between these seconds of the UTC day, the second excluded; may pass midnight. */
  readonly d?: readonly [from: number, to: number];
  readonly p: RawPrice;
}

/** A test of a lower-case model name: starts with, contains, ends with, regular expression, all of. */
export type Rule =
  | readonly ['^' | '*' | '$' | '~', string]
  | readonly ['&', ...(readonly ['^' | '*' | '$' | '~' | '=', string])[]];

export interface CatalogModel {
  /** A name the vendor accepts. */
  readonly i: string;
  /** Context window, tokens. */
  readonly c?: number;
  /** 1: the vendor has deprecated it. */
  readonly d?: 1;
  /** 1: the name stands for a group and is not offered in lists. */
  readonly u?: 1;
  /** Exact names, lower case; absent: only `i` itself. */
  readonly e?: readonly string[];
  /** Rules tried when no exact name fits. */
  readonly r?: readonly Rule[];
  /** Absent: the source knows no price per token. */
  readonly p?: RawPrice | readonly DatedPrice[];
}

export interface CatalogProvider {
  readonly name: string;
  /** Providers whose prices hold where this one lists none (Azure resells OpenAI's models). */
  readonly fallback?: readonly string[];
  readonly models: readonly CatalogModel[];
}

export interface CatalogData {
  /** Package and version the prices come from. */
  readonly source: string;
  readonly providers: Readonly<Record<string, CatalogProvider>>;
}

type Rates = Omit<PartialPrice, 'tiers'>;

const CLASSES = [
  ['i', 'input'],
  ['o', 'output'],
  ['r', 'cacheRead'],
  ['w', 'cacheWrite5m'],
  ['h', 'cacheWrite1h'],
  ['a', 'audioInput'],
  ['b', 'audioOutput'],
  ['q', 'request'],
  ['k', 'character'],
  ['n', 'audioSecond'],
] as const;

/** Spells a raw price out, unpriced classes left to `completePrice`. */
export function listedPrice(raw: RawPrice): PartialPrice {
  if (raw.t === undefined) return rates(raw);
  return { ...rates(raw), tiers: raw.t.map(([above, tier]) => ({ above, rates: rates(tier) })) };
}

function rates(raw: RawRates): Rates {
  const named: { -readonly [Class in keyof Rates]: number } = {};
  for (const [short, name] of CLASSES) {
    const rate = raw[short];
    if (rate !== undefined) named[name] = rate;
  }
  return named;
}

const DAY_S = 86_400;

/** The price line that holds at `atMs` (milliseconds since 1970). */
export function priceAt(prices: RawPrice | readonly DatedPrice[], atMs: number): RawPrice | undefined {
  if (!isDated(prices)) return prices;
  const secondOfDay = Math.floor(atMs / 1000) % DAY_S;
  const holding = prices.findLast(({ s, d }) => {
    if (s !== undefined) return atMs >= Date.parse(s);
    if (d === undefined) return true;
    const [from, to] = d;
    return to < from ? secondOfDay >= from || secondOfDay < to : secondOfDay >= from && secondOfDay < to;
  });
  return (holding ?? prices[0])?.p;
}

function isDated(prices: RawPrice | readonly DatedPrice[]): prices is readonly DatedPrice[] {
  return Array.isArray(prices);
}
