/**
 * Prices of one model in pico-dollars (10⁻¹² USD) per token, so that $0.0375 per million tokens is an integer (37,500).
 * Source of a price: the catalog, an override of the operator, or the config. Absent classes are derived by
 * `completePrice`, never treated as free.
 */
export interface Price {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly audioInput: number;
  readonly audioOutput: number;
  /** Pico-dollars per image produced. */
  readonly image: number;
  /** Pico-dollars per request. */
  readonly request: number;
  /** Pico-dollars per character of text to be spoken; absent: speech is billed by tokens, or not at all. */
  readonly character?: number;
  /** Pico-dollars per second of sound that is listened to; absent as above. */
  readonly audioSecond?: number;
  /** Pico-dollars per search of the web that the vendor made for the model; absent: none is billed. */
  readonly webSearch?: number;
  /** Rates that replace these when the whole prompt is longer than `above` tokens; ascending. */
  readonly tiers?: readonly { readonly above: number; readonly rates: Omit<Price, 'tiers' | 'terms'> }[];
  /** What other terms than the usual ones do to the rates of tokens; absent: nothing is known to. */
  readonly terms?: PriceTerms;
}

/** An exact ratio: 2.5 times is `[5, 2]`. */
export type PriceFactor = readonly [numerator: number, denominator: number];

/** Factors by the vendor's word for the term: a service tier (`flex`, `priority`), a speed (`fast`), a place (`us`). */
export type PriceTerms = Readonly<Record<string, PriceFactor>>;

/** The price an exchange was charged with, kept with it so that the sum can be checked later. */
export interface PriceSnapshot {
  readonly price: Price;
  /** `vendor`: the vendor itself said what the call costs, whatever these rates come to. */
  readonly source: 'catalog' | 'config' | 'override' | 'vendor';
  /** The catalog's version or the override's date, RFC 3339. */
  readonly asOf: string;
  /** The terms whose factors the rates hold already; see `priceUnder`. */
  readonly terms?: readonly string[];
}
