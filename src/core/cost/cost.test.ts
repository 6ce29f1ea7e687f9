import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UNKNOWN_USAGE, type Usage } from '../model/index.ts';
import { completePrice, picoPerToken } from './complete-price.ts';
import { costOf, unsplitCost, worstCase } from './cost.ts';
import type { Cost } from './exchange.ts';

const usage = (change: Partial<Usage>): Usage => ({ ...UNKNOWN_USAGE, source: 'reported', ...change });
const count = fc.integer({ min: 0, max: 5_000_000 });
const rate = fc.integer({ min: 0, max: 1_000_000_000 });
const rates = fc.record({
  input: rate,
  cacheRead: rate,
  cacheWrite5m: rate,
  cacheWrite1h: rate,
  output: rate,
  audioInput: rate,
  audioOutput: rate,
  image: rate,
  request: rate,
});

test('charges every class at its own rate', () => {
  // gpt-4o: $2.50 in, $1.25 cached, $10 out per million tokens.
  const price = completePrice({ input: 2_500_000, cacheRead: 1_250_000, output: 10_000_000 });
  const cost = costOf(usage({ input: 1000, cacheRead: 400, output: 200, reasoning: 150 }), price);
  expect(cost).toMatchObject({ input: 2_500_000, cacheRead: 500_000, output: 2_000_000, total: 5_000_000 });
});

test('rounds half up per class and adds the rounded classes', () => {
  const price = completePrice({ input: 500, output: 499 });
  expect(costOf(usage({ input: 1, output: 1 }), price)).toMatchObject({ input: 1, output: 0, total: 1 });
});

test('stays exact where a product leaves the safe integers', () => {
  const price = completePrice({ input: 1_234_567_891, output: 0 });
  const tokens = 987_654_321;
  const exact = (BigInt(tokens) * 1_234_567_891n + 500n) / 1000n;
  expect(BigInt(costOf(usage({ input: tokens }), price).input)).toBe(exact);
});

test('every class equals the exact quotient, and the total their sum', () => {
  const counts = fc.record({ input: count, cacheRead: count, output: count, images: count });
  fc.assert(
    fc.property(counts, rates, (tokens, price) => {
      const cost = costOf(usage(tokens), price);
      const exact = (amount: number, pico: number) => Number((BigInt(amount) * BigInt(pico) + 500n) / 1000n);
      expect(cost.input).toBe(exact(tokens.input, price.input));
      expect(cost.output).toBe(exact(tokens.output, price.output));
      expect(cost.images).toBe(exact(tokens.images, price.image));
      expect(cost.total).toBe(sumOfClasses(cost));
    }),
  );
});

test('the whole prompt, cached tokens included, decides the tier', () => {
  const price = completePrice({
    input: 1000,
    output: 2000,
    tiers: [{ above: 200_000, rates: { input: 2000, output: 3000 } }],
  });
  expect(costOf(usage({ input: 100_000, cacheRead: 100_000 }), price).input).toBe(100_000);
  const above = costOf(usage({ input: 100_000, cacheRead: 100_001, output: 10 }), price);
  expect(above).toMatchObject({ input: 200_000, cacheRead: 200_002, output: 30 });
});

test('odd counts never lower the bill', () => {
  const price = completePrice({ input: 1_000_000, output: 1_000_000 });
  const odd = usage({ input: -5, output: 1.2, cacheRead: Number.NaN });
  expect(costOf(odd, price)).toMatchObject({ input: 0, output: 2000, cacheRead: 0, total: 2000 });
  expect(costOf(usage({ input: Number.POSITIVE_INFINITY }), price).total).toBe(Number.MAX_SAFE_INTEGER);
});

test('the worst case is never below what the call then costs', () => {
  const call = fc.record({
    input: count,
    cacheWrite1h: count,
    output: count,
    choices: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(call, rates, rates, (tokens, base, tierRates) => {
      const price = { ...base, tiers: [{ above: 128_000, rates: tierRates }] };
      const held = worstCase(price, {
        inputTokens: tokens.input + tokens.cacheWrite1h,
        maxOutputTokens: tokens.output,
        choices: tokens.choices,
      });
      const cost = costOf(usage({ ...tokens, output: tokens.output * tokens.choices }), price);
      // Below a nano-dollar the hold is nothing, and each class may still round up by itself.
      expect(cost.total).toBeLessThanOrEqual(held === 0 ? 4 : held);
    }),
  );
});

test('the worst case leaves out what the request cannot cause', () => {
  const price = completePrice({ input: 3000, output: 15_000, audioInput: 90_000 }, 'claude');
  const reach = { inputTokens: 1000, maxOutputTokens: 0, choices: 1 };
  expect(worstCase(price, { ...reach, audio: false })).toBe(6006);
  expect(worstCase(price, { ...reach, audio: false, cacheWrites: '5m' })).toBe(3756);
  expect(worstCase(price, { ...reach, audio: false, cacheWrites: 'none' })).toBe(3006);
  expect(worstCase(price, reach)).toBe(90_006);
});

test('absent classes are derived, never free', () => {
  expect(completePrice({ input: 3000, output: 15_000 })).toMatchObject({
    cacheRead: 3000,
    cacheWrite5m: 3000,
    cacheWrite1h: 3000,
    audioInput: 3000,
    audioOutput: 15_000,
    image: 0,
  });
  expect(completePrice({ input: 3000, output: 15_000 }, 'claude')).toMatchObject({
    cacheWrite5m: 3750,
    cacheWrite1h: 6000,
  });
  expect(completePrice({ image: 40_000_000 })).toMatchObject({ input: 0, output: 0, image: 40_000_000 });
  expect(completePrice({ input: 20 }).output).toBe(20);
});

test('a tier keeps what the base names and it does not, and derives the rest itself', () => {
  const price = completePrice({
    input: 1000,
    cacheRead: 100,
    output: 5000,
    tiers: [
      { above: 500, rates: { input: 4000 } },
      { above: 200, rates: { input: 2000, cacheRead: undefined } },
    ],
  });
  expect(price.tiers?.map((tier) => tier.above)).toEqual([200, 500]);
  expect(price.tiers?.[0]?.rates).toMatchObject({
    input: 2000,
    cacheRead: 100,
    cacheWrite5m: 2000,
    output: 5000,
  });
});

test('a price without any rate, or with a fraction, is unknown', () => {
  expect(() => completePrice({})).toThrowError(expect.objectContaining({ code: 'price_unknown' }));
  expect(() => completePrice({ input: 0.5 })).toThrowError(
    expect.objectContaining({ code: 'price_unknown' }),
  );
  expect(() => completePrice({ input: -1 })).toThrowError(expect.objectContaining({ code: 'price_unknown' }));
});

test('dollars per million tokens become pico-dollars per token', () => {
  expect(picoPerToken(0.0375)).toBe(37_500);
  expect(picoPerToken(2.5)).toBe(2_500_000);
  expect(() => picoPerToken(Number.NaN)).toThrow();
});

test('an unsplit charge still adds up', () => {
  expect(sumOfClasses(unsplitCost(77))).toBe(77);
});

function sumOfClasses({ total: _, ...classes }: Cost): number {
  return Object.values(classes).reduce((sum, part) => sum + part, 0);
}
