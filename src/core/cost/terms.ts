import type { Price, PriceFactor, PriceSnapshot, PriceTerms } from './price.ts';

/** Prices under terms, by the price they are made of, so that equal exchanges share one object. */
const made = new WeakMap<PriceSnapshot, Map<string, PriceSnapshot>>();

/** The price that holds under these terms; terms nobody named a factor for change nothing. */
export function priceUnder(snapshot: PriceSnapshot, terms: readonly string[]): PriceSnapshot {
  const { terms: factors } = snapshot.price;
  if (factors === undefined || terms.length === 0) return snapshot;
  const known = terms.filter((term) => Object.hasOwn(factors, term));
  if (known.length === 0) return snapshot;
  const key = known.join(' ');
  let ofSnapshot = made.get(snapshot);
  if (ofSnapshot === undefined) {
    ofSnapshot = new Map();
    made.set(snapshot, ofSnapshot);
  }
  let under = ofSnapshot.get(key);
  if (under === undefined) {
    under = { ...snapshot, price: multiplied(snapshot.price, factors, known), terms: known };
    ofSnapshot.set(key, under);
  }
  return under;
}

/** The terms among those asked for that cost more: a discount is sure only once the answer says so. */
export function dearerTerms(factors: PriceTerms, asked: readonly string[]): readonly string[] {
  return asked.filter((term) => {
    const factor = Object.hasOwn(factors, term) ? factors[term] : undefined;
    return factor !== undefined && factor[0] > factor[1];
  });
}

function multiplied(price: Price, factors: PriceTerms, terms: readonly string[]): Price {
  const { tiers, terms: _, ...rates } = price;
  const scale = <R extends Omit<Price, 'tiers' | 'terms'>>(given: R): R =>
    terms.reduce((sum, term) => scaled(sum, factors[term] ?? [1, 1]), given);
  return {
    ...scale(rates),
    ...(tiers === undefined ? {} : { tiers: tiers.map((tier) => ({ ...tier, rates: scale(tier.rates) })) }),
  };
}

/** Rates of tokens times a factor, to the nearest pico-dollar. Fees for requests, searches and pictures stay as they are. */
function scaled<R extends Omit<Price, 'tiers' | 'terms'>>(
  rates: R,
  [numerator, denominator]: PriceFactor,
): R {
  const times = (rate: number): number => Math.round((rate * numerator) / denominator);
  return {
    ...rates,
    input: times(rates.input),
    cacheRead: times(rates.cacheRead),
    cacheWrite5m: times(rates.cacheWrite5m),
    cacheWrite1h: times(rates.cacheWrite1h),
    output: times(rates.output),
    audioInput: times(rates.audioInput),
    audioOutput: times(rates.audioOutput),
  };
}
