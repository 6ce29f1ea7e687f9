import { describe, expect, it } from 'vitest';
import { asExample, BENCHMARKS, hasData, loadRows, sample } from '../../scripts/eval-router/data.ts';
import {
  prepare,
  qualityOf,
  type Rows,
  robustness,
  verifierQuality,
} from '../../scripts/eval-router/measure.ts';

/*
 * A quick form of the floors of ROUTER §4 on one split by clusters; `npm run eval:router` has all of them over five. One split
 * of GSM8K is uncertain by ± 0.06, so its bar stands lower here.
 */
if (!hasData()) console.log('shared/router is not beside the repository: the floors are not measured here.');

const rows = hasData()
  ? (Object.fromEntries(BENCHMARKS.map((name) => [name, loadRows(name)])) as unknown as Rows)
  : undefined;
const prepared = rows === undefined ? undefined : prepare(rows, 3);

describe('the router on prompts it has not seen', () => {
  it('is better than chance by the floors, as one router for all traffic', { timeout: 120_000 }, () => {
    if (prepared === undefined) return expect(hasData()).toBe(false);
    const { splits, model } = prepared;
    expect(qualityOf(model, splits.mmlu.test).apgr).toBeGreaterThan(0.64);
    expect(qualityOf(model, splits.llmrouter.test).apgr).toBeGreaterThan(0.67);
    expect(qualityOf(model, splits.gsm8k.test).apgr).toBeGreaterThan(0.54);
    expect(qualityOf(model, splits.mmlu.test).eceWeak).toBeLessThan(0.05);
  });

  it('learns a route without falling below where it began', { timeout: 120_000 }, () => {
    if (prepared === undefined) return expect(hasData()).toBe(false);
    const { splits, model } = prepared;
    const before = qualityOf(model, splits.llmrouter.test).apgr;
    for (const labels of [100, 500]) {
      const learned = model.learn(sample(splits.llmrouter.train, labels, 1).map(asExample));
      expect(qualityOf(learned, splits.llmrouter.test).apgr).toBeGreaterThan(before - 0.02);
    }
  });

  it('verifies answers, and does not mind case, spaces, typos, politeness or hard words', {
    timeout: 120_000,
  }, () => {
    if (prepared === undefined) return expect(hasData()).toBe(false);
    const verifier = verifierQuality(prepared);
    expect(verifier.auroc).toBeGreaterThan(0.68);
    expect(verifier.apgr).toBeGreaterThan(verifier.before + 0.05);
    for (const { change, side, gained } of robustness(prepared, 100)) {
      if (change.startsWith('30')) expect(gained, change).toBeLessThan(0.15);
      else expect(side, change).toBeGreaterThan(change === 'polite prefix' ? 0.92 : 0.94);
    }
  });
});
