import { describe, expect, it } from 'vitest';
import { type Conduct, type OutlierPolicy, Outliers } from './outliers.ts';

const POLICY: OutlierPolicy = {
  errorPercent: 30,
  latencyFactor: 5,
  minRequests: 20,
  ejectMs: 30_000,
  maxEjectMs: 300_000,
};

function one(id: string, more: Partial<Conduct> = {}): Conduct {
  return { id, good: 100, bad: 0, latencyMs: 100, out: false, ...more };
}

const failing = (id: string, bad = 60) => one(id, { good: 100 - bad, bad });
const slow = (id: string, latencyMs = 5000) => one(id, { latencyMs });

function judge(
  siblings: readonly Conduct[],
  given: { outliers?: Outliers; now?: number; slow?: boolean } = {},
) {
  const { outliers = new Outliers(), now = 0, slow: counts = true } = given;
  return outliers
    .judge('m', siblings, { policy: POLICY, slow: counts, now })
    .map(({ id, reason }) => `${id} ${reason}`);
}

describe('outlier ejection', () => {
  it('ejects who fails much more than its siblings', () => {
    expect(judge([failing('a'), one('b'), one('c')])).toEqual(['a errors']);
    expect(judge([failing('a', 20), one('b'), one('c')])).toEqual([]);
    // All fail alike: nobody is an outlier.
    expect(judge([failing('a'), failing('b'), failing('c')])).toEqual([]);
    expect(judge([failing('a', 60), failing('b', 25), failing('c', 25)])).toEqual([]);
  });

  it('ejects who is much slower, where slowness counts', () => {
    expect(judge([slow('a'), one('b'), one('c')])).toEqual(['a latency']);
    expect(judge([slow('a'), one('b'), one('c')], { slow: false })).toEqual([]);
    // Ten times slower, but by nothing worth mentioning.
    expect(judge([slow('a', 50), one('b', { latencyMs: 5 }), one('c', { latencyMs: 5 })])).toEqual([]);
  });

  it('judges nobody by a few answers, nor by siblings who gave none', () => {
    expect(judge([one('a', { good: 0, bad: 19 }), one('b')])).toEqual([]);
    expect(judge([failing('a'), one('b', { good: 0 })])).toEqual([]);
  });

  it('never ejects more than half, counting open circuits, nor the last; the worst goes first', () => {
    expect(judge([failing('a', 50), failing('b', 99), one('c')])).toEqual(['b errors']);
    expect(judge([failing('a'), one('b', { out: true }), one('c')])).toEqual([]);
    expect(judge([failing('a')])).toEqual([]);
    expect(judge([failing('a'), one('b')])).toEqual(['a errors']);
    const four = [failing('a'), failing('b', 90), slow('c', 9000), one('d'), one('e'), one('f')];
    expect(judge(four)).toHaveLength(3);
  });

  it('leaves it out for longer each time it comes back no better, and begins anew after a good while', () => {
    const outliers = new Outliers();
    const left = (now: number) => {
      expect(judge([failing('a'), one('b'), one('c')], { outliers, now })).toEqual(['a errors']);
      return (outliers.ejectedUntil('m', 'a', now) ?? 0) - now;
    };
    expect(left(0)).toBe(30_000);
    expect(judge([failing('a'), one('b'), one('c')], { outliers, now: 10_000 })).toEqual([]);
    expect(outliers.ejectedUntil('m', 'a', 30_000)).toBeUndefined();
    expect(left(40_000)).toBe(60_000);
    expect(left(500_000)).toBe(30_000);
    expect(outliers.ejectedUntil('other', 'a', 500_001)).toBeUndefined();
    expect(outliers.view(500_001)).toEqual([{ route: 'm', id: 'a', until: 530_000, reason: 'errors' }]);
  });

  it('compares once a second', () => {
    const outliers = new Outliers();
    expect(outliers.due('m', 0)).toBe(true);
    judge([one('a'), one('b')], { outliers, now: 0 });
    expect([outliers.due('m', 999), outliers.due('m', 1000), outliers.due('n', 0)]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
