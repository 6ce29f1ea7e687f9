import { describe, expect, it } from 'vitest';
import { correctedMean, LossMonitor, largestShare, meanOf, provesBelow, samplesUntil } from './index.ts';

/** Mulberry32: seeded, so that every run sees the same samples. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A prompt: the higher its score, the likelier only the strong model gets it right. */
function sample(next: () => number) {
  const score = next();
  const strong = next() < 0.85 ? 1 : 0;
  const weak = next() < 0.9 - 0.75 * score ? 1 : 0;
  return { score, loss: strong - weak };
}

/** Mean loss of all traffic when everything below `threshold` goes to the weak model; the integral of the above. */
function trueLoss(threshold: number): number {
  const t = Math.min(1, Math.max(0, threshold));
  return -0.05 * t + 0.375 * t ** 2;
}

describe('a betting test', () => {
  it('needs evidence, and accepts what is plainly below', () => {
    expect(provesBelow([], 0.02, 0.1)).toBe(false);
    expect(provesBelow(Array(50).fill(0), 0.02, 0.1)).toBe(false);
    expect(provesBelow(Array(200).fill(0), 0.02, 0.1)).toBe(true);
    expect(provesBelow(Array(5000).fill(0.02), 0.02, 0.1)).toBe(false);
  });

  it('is wrong in at most δ of all cases, at the border and looking after every value', () => {
    const next = random(7);
    let wrong = 0;
    for (let run = 0; run < 400; run++) {
      const losses = Array.from({ length: 600 }, () => (next() < 0.12 ? 1 : next() < 0.08 ? -1 : 0));
      if (provesBelow(losses, 0.0496, 0.1)) wrong++;
    }
    expect(wrong / 400).toBeLessThanOrEqual(0.1 + 2 * Math.sqrt((0.1 * 0.9) / 400));
  });
});

describe('the largest share', () => {
  it.each([0.01, 0.02, 0.05])('keeps its promise of ε = %d in at least nine of ten resamples', (epsilon) => {
    const next = random(11);
    const runs = 200;
    let broken = 0;
    let share = 0;
    for (let run = 0; run < runs; run++) {
      const samples = Array.from({ length: 2000 }, () => sample(next));
      const found = largestShare(samples, { epsilon, delta: 0.1 });
      if (trueLoss(found.threshold) > epsilon) broken++;
      share += found.weakShare / runs;
    }
    expect(broken / runs).toBeLessThanOrEqual(0.1 + 2 * Math.sqrt((0.1 * 0.9) / runs));
    const perfect = (0.05 + Math.sqrt(0.05 ** 2 + 4 * 0.375 * epsilon)) / (2 * 0.375);
    if (epsilon === 0.05) expect(share / perfect).toBeGreaterThan(0.75);
  });

  it('gives nothing away without samples, and says how many are missing', () => {
    const none = largestShare([], { epsilon: 0.02, delta: 0.1 });
    expect(none.weakShare).toBe(0);
    expect(none.threshold).toBe(Number.NEGATIVE_INFINITY);
    expect(none.moreSamples).toBeGreaterThan(30);
  });

  it('routes everything where the weak model loses nothing', () => {
    const samples = Array.from({ length: 500 }, (_, at) => ({ score: at / 500, loss: 0 }));
    const found = largestShare(samples, { epsilon: 0.02, delta: 0.1 });
    expect(found).toMatchObject({
      weakShare: 1,
      threshold: Number.POSITIVE_INFINITY,
      moreSamples: undefined,
    });
  });

  it('never routes where the weak model fails', () => {
    const samples = Array.from({ length: 500 }, (_, at) => ({ score: at / 500, loss: 1 }));
    const found = largestShare(samples, { epsilon: 0.02, delta: 0.1 });
    expect(found.weakShare).toBeLessThanOrEqual(0.01);
  });

  it('allows more on a part of the traffic, as the rest loses nothing', () => {
    const next = random(3);
    const samples = Array.from({ length: 1500 }, () => sample(next));
    const whole = largestShare(samples, { epsilon: 0.02, delta: 0.1 });
    const part = largestShare(samples, { epsilon: 0.02, delta: 0.1 }, { share: 0.5 });
    expect(part.weakShare / 0.5).toBeGreaterThan(whole.weakShare);
  });

  it('refuses promises that say nothing', () => {
    expect(() => largestShare([], { epsilon: 0, delta: 0.1 })).toThrow(RangeError);
    expect(() => largestShare([], { epsilon: 0.1, delta: 1 })).toThrow(RangeError);
  });
});

describe('the monitor', () => {
  it('rarely cries wolf while the promise holds, and soon does when it breaks', () => {
    const next = random(5);
    let early = 0;
    let found = 0;
    for (let run = 0; run < 50; run++) {
      const monitor = new LossMonitor(0.02, 20_000);
      let alarmed = false;
      for (let at = 0; at < 1000; at++) alarmed ||= monitor.add(next() < 0.01 ? 1 : 0);
      if (alarmed) early++;
      for (let at = 0; at < 500 && !alarmed; at++) alarmed = monitor.add(next() < 0.15 ? 1 : 0);
      if (alarmed) found++;
    }
    expect(early).toBeLessThanOrEqual(8);
    expect(found).toBe(50);
  });
});

describe('a judged mean', () => {
  it('covers the truth in about 95 % of cases although the judge errs', () => {
    const next = random(13);
    let covered = 0;
    let naive = 0;
    const runs = 400;
    for (let run = 0; run < runs; run++) {
      const draw = () => {
        const truth = next() < 0.08 ? 1 : 0;
        // Sensitivity 90 %, specificity 80 %.
        return { truth, judged: truth === 1 ? (next() < 0.9 ? 1 : 0) : next() < 0.2 ? 1 : 0 };
      };
      const judged = Array.from({ length: 2000 }, () => draw().judged);
      const estimate = correctedMean(judged, Array.from({ length: 300 }, draw));
      if (estimate.low <= 0.08 && 0.08 <= estimate.high) covered++;
      const plain = meanOf(judged);
      if (plain.low <= 0.08 && 0.08 <= plain.high) naive++;
    }
    expect(covered / runs).toBeGreaterThanOrEqual(0.92);
    expect(naive / runs).toBeLessThan(0.05);
  });

  it('says nothing without known truth', () => {
    const { low, high } = correctedMean([0, 1, 0], []);
    expect([low, high]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(samplesUntil({ value: 0, low, high, samples: 3 }, 0.02)).toBeUndefined();
  });

  it('says how many more samples it takes', () => {
    expect(samplesUntil({ value: 0.5, low: 0.46, high: 0.54, samples: 500 }, 0.02)).toBeCloseTo(1500, -1);
    expect(samplesUntil({ value: 0.5, low: 0.49, high: 0.51, samples: 500 }, 0.02)).toBe(0);
  });
});
