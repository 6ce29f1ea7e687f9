import { describe, expect, it } from 'vitest';
import { NO_COST } from './cost.ts';
import { splitStated, statedCost } from './stated-cost.ts';

describe('what a vendor states', () => {
  it.each([
    [{ cost: 0.0160614 }, 16_061_400],
    [{ cost: 1.13e-5 }, 11_300],
    [{ cost: { total_cost: 0.00614, request_cost: 0.006 } }, 6_140_000],
    [{ cost: 0 }, 0],
    // One's own key at OpenRouter: its fee, and what the maker of the model takes.
    [{ cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.002 } }, 2_100_000],
    [{ cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: null } }, 100_000],
    [{ cost: 0.002, is_byok: false, cost_details: { upstream_inference_cost: 0.002 } }, 2_000_000],
  ])('%o', (usage, nano) => {
    expect(statedCost(usage, 'usd')).toBe(nano);
  });

  it.each([
    {},
    { cost: null },
    { cost: '1' },
    { cost: -1 },
    { cost: 1e6 },
    { cost: {} },
    { cost: [1] },
    7,
    undefined,
  ])('nothing one can believe: %o', (usage) => {
    expect(statedCost(usage as never, 'usd')).toBeUndefined();
  });

  it('xAI counts in ticks of a tenth of a nano-dollar', () => {
    expect(statedCost({ cost_in_usd_ticks: 161_508_500 }, 'ticks')).toBe(16_150_850);
    expect(statedCost({ cost: 1 }, 'ticks')).toBeUndefined();
  });
});

describe('a stated total by class', () => {
  const priced = { ...NO_COST, input: 600, output: 300, requests: 100, total: 1000 };
  const sum = ({ total: _, ...classes }: typeof priced) =>
    Object.values(classes).reduce((all, one) => all + one, 0);

  it('is our price, and the rest under requests', () => {
    expect(splitStated(91_000, priced)).toEqual({ ...priced, requests: 90_100, total: 91_000 });
    expect(splitStated(1000, priced)).toEqual(priced);
  });

  it('is in proportion where the vendor takes less', () => {
    const cost = splitStated(434, priced);
    expect(cost).toMatchObject({ input: 260, output: 130, total: 434 });
    expect(sum(cost)).toBe(434);
  });

  it('is all under requests where no price is known', () => {
    expect(splitStated(5, undefined)).toEqual({ ...NO_COST, requests: 5, total: 5 });
  });
});
