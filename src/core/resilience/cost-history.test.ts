import { describe, expect, it } from 'vitest';
import { completePrice } from '../cost/complete-price.ts';
import { CostHistory } from './cost-history.ts';

const place = (deployment: string, scope = 'p') => ({ route: 'm', deployment, scope });
const asked = { prompt: 1000, maxOutput: undefined, now: 0 };

describe('expected cost', () => {
  it('is input, cache read and output at this project’s own rates', () => {
    const history = new CostHistory();
    for (let n = 0; n < 50; n++)
      history.add(place('a'), { prompt: 10_000, cacheRead: 8000, output: 1000 }, 0);
    // The route's only user: its own figures and the route's are the same.
    expect(history.hitRate(place('a'))).toBeCloseTo(0.8);
    expect(history.outputTokens(place('a'), asked)).toBeCloseTo(100);
    const price = completePrice({ input: 100, cacheRead: 10, output: 400 });
    const expected = 100 * 1000 * 0.2 + 10 * 1000 * 0.8 + 400 * 100;
    expect(history.expectedCost(place('a'), price, asked)).toBeCloseTo(expected);
    expect(history.expectedCost(place('a'), price, { ...asked, maxOutput: 10 })).toBeCloseTo(
      expected - 400 * 90,
    );
  });

  it('prefers a dearer list price whose cache is warm', () => {
    const history = new CostHistory();
    const warm = completePrice({ input: 120, cacheRead: 12, output: 400 });
    const cold = completePrice({ input: 100, cacheRead: 10, output: 400 });
    const compare = () => [
      history.expectedCost(place('warm'), warm, asked),
      history.expectedCost(place('cold'), cold, asked),
    ];
    expect(compare()[0]).toBeGreaterThan(compare()[1] ?? 0);
    for (let n = 0; n < 20; n++) {
      history.add(place('warm'), { prompt: 10_000, cacheRead: 9000, output: 100 }, 0);
      history.add(place('cold'), { prompt: 10_000, cacheRead: 0, output: 100 }, 0);
    }
    expect(compare()[0]).toBeLessThan(compare()[1] ?? 0);
  });

  it('believes a new project to be like the route’s others, and then itself', () => {
    const history = new CostHistory();
    for (let n = 0; n < 100; n++) {
      history.add(place('a', 'old'), { prompt: 10_000, cacheRead: 5000, output: 5000 }, 0);
    }
    expect(history.hitRate(place('a', 'new'))).toBeCloseTo(0.5);
    expect(history.outputTokens(place('a', 'new'), asked)).toBeCloseTo(500);
    history.add(place('a', 'new'), { prompt: 20_000, cacheRead: 0, output: 0 }, 0);
    expect(history.hitRate(place('a', 'new'))).toBeCloseTo(0.25, 1);
    for (let n = 0; n < 100; n++)
      history.add(place('a', 'new'), { prompt: 10_000, cacheRead: 0, output: 0 }, 0);
    expect(history.hitRate(place('a', 'new'))).toBeLessThan(0.01);
    expect(history.outputTokens(place('a', 'new'), asked)).toBeLessThan(10);
  });

  it('forgets what is long ago, and guesses where nothing is known', () => {
    const history = new CostHistory();
    history.add(place('a'), { prompt: 1_000_000, cacheRead: 1_000_000, output: 0 }, 0);
    history.add(place('a'), { prompt: 1_000_000, cacheRead: 0, output: 0 }, 10 * 1_800_000);
    expect(history.hitRate(place('a'))).toBeLessThan(0.01);
    expect(new CostHistory().outputTokens(place('x'), asked)).toBe(250);
    expect(new CostHistory().expectedCost(place('x'), undefined, asked)).toBe(Number.POSITIVE_INFINITY);
  });
});
