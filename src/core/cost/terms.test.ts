import { describe, expect, it } from 'vitest';
import { UNKNOWN_USAGE, underTerms } from '../model/index.ts';
import { completePrice } from './complete-price.ts';
import { costOf } from './cost.ts';
import type { PriceSnapshot } from './price.ts';
import { dearerTerms, priceUnder } from './terms.ts';

const TERMS = { flex: [1, 2], priority: [5, 2], us: [11, 10] } as const;
const snapshot: PriceSnapshot = {
  price: {
    ...completePrice({ input: 5_000_000, output: 30_000_000, cacheRead: 500_000, webSearch: 10e9 }),
    tiers: [{ above: 1000, rates: completePrice({ input: 10_000_000, output: 45_000_000 }) }],
    terms: TERMS,
  },
  source: 'catalog',
  asOf: 'then',
};

describe('the price under terms', () => {
  it('multiplies what tokens cost, in every tier, and leaves fees alone', () => {
    const { price, terms } = priceUnder(snapshot, ['priority']);
    expect(price).toMatchObject({
      input: 12_500_000,
      output: 75_000_000,
      cacheRead: 1_250_000,
      webSearch: 10e9,
    });
    expect(price.tiers?.[0]?.rates).toMatchObject({ input: 25_000_000, output: 112_500_000 });
    expect(price.terms).toBeUndefined();
    expect(terms).toEqual(['priority']);
    const usage = { ...UNKNOWN_USAGE, input: 100, output: 10, webSearches: 2, source: 'reported' } as const;
    expect(costOf(usage, price).total).toBe(100 * 12_500 + 10 * 75_000 + 2 * 10_000_000);
  });

  it('multiplies one after the other', () => {
    expect(priceUnder(snapshot, ['priority', 'us']).price.input).toBe(13_750_000);
    expect(priceUnder(snapshot, ['flex']).price.output).toBe(15_000_000);
  });

  it('is the same object for the same terms, and the usual one for those nobody knows', () => {
    expect(priceUnder(snapshot, ['priority'])).toBe(priceUnder(snapshot, ['priority', 'scale']));
    for (const terms of [[], ['scale'], ['toString'], ['__proto__']])
      expect(priceUnder(snapshot, terms)).toBe(snapshot);
  });

  it('counts a discount only where the answer names it', () => {
    expect(dearerTerms(TERMS, ['flex', 'priority', 'scale', 'constructor'])).toEqual(['priority']);
  });
});

describe('the terms of an answer', () => {
  const said = (...words: (string | undefined | null)[]) => underTerms(UNKNOWN_USAGE, ...words).terms;

  it('are unknown where it says nothing, and none where it says the usual', () => {
    expect(said()).toBeUndefined();
    expect(said(undefined, null)).toBeUndefined();
    expect(said('default')).toEqual([]);
    expect(said('standard', 'standard', 'not_available')).toEqual([]);
    expect(said('ON_DEMAND')).toEqual([]);
  });

  it('are in one spelling', () => {
    expect(said('standard', 'fast', 'us')).toEqual(['fast', 'us']);
    expect(said('SERVICE_TIER_PRIORITY')).toEqual(['priority']);
    expect(said(undefined, 'ON_DEMAND_FLEX')).toEqual(['flex']);
  });
});
