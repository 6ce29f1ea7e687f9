import { describe, expect, it } from 'vitest';
import { calibrated, calibrationOf } from './calibrate.ts';
import { DIRECTIONS, fitForm, formLogit, formOf, formScaleOf } from './form.ts';
import { seededRandom, sigmoid } from './heads.ts';
import { INPUTS } from './inputs.ts';
import { fitRidge } from './ridge.ts';
import { STRUCTURE } from './structure.ts';

const random = seededRandom(3);

describe('ridge regression', () => {
  it('finds what labels were made from, and without a fold does not know it', () => {
    const size = 3;
    const rows = Float64Array.from({ length: 600 * size }, () => random() - 0.5);
    const target = Float32Array.from(
      { length: 600 },
      (_, row) => 0.5 + 0.8 * (rows[row * size] as number) - 0.4 * (rows[row * size + 2] as number),
    );
    // Half of the rows have no label of the second head; those that have are another line.
    const other = Float32Array.from(target, (_, row) =>
      row % 2 === 0 ? Number.NaN : 0.3 * (rows[row * size + 1] as number),
    );
    const folds = new Uint8Array(600).map((_, row) => (row < 300 ? 0 : 1));
    const [first, second] = fitRidge({
      rows,
      size,
      targets: [target, other],
      weights: new Float32Array(600).fill(1),
      folds,
      foldCount: 2,
      penalty: 1e-6,
    });
    const expected = [0.8, 0, -0.4];
    for (const fit of [first?.whole, ...(first?.without ?? [])])
      expected.forEach((weight, at) => {
        expect(fit?.weights[at]).toBeCloseTo(weight, 2);
      });
    expect(second?.whole.weights[1]).toBeCloseTo(0.3, 2);
    // The two halves differ, so the fits without one of them must.
    expect(first?.without[0]?.mean).not.toBe(first?.without[1]?.mean);
  });
});

describe('form', () => {
  it('is near for prompts of like counts, far for others: products approximate a Gaussian kernel', () => {
    const sample = new Float32Array(200 * INPUTS).map(() => Math.floor(8 * random()));
    const scale = formScaleOf(sample);
    const forms = [0, 1].map((row) => {
      const out = new Float64Array(DIRECTIONS);
      formOf(sample.subarray(row * INPUTS, (row + 1) * INPUTS), scale, out);
      return out;
    });
    const product = (a: Float64Array | undefined, b: Float64Array | undefined) =>
      Array.from(a ?? []).reduce((sum, value, at) => sum + value * (b?.[at] ?? 0), 0);
    let distance = 0;
    const columns = STRUCTURE.length + 2;
    for (let at = 0; at < STRUCTURE.length; at++) {
      const [a, b] = [0, 1].map((row) => Math.log1p(sample[row * INPUTS + at] ?? 0));
      distance += (((a ?? 0) - (b ?? 0)) / (scale.sd[at] ?? 1)) ** 2;
    }
    for (let at = STRUCTURE.length; at < columns; at++) {
      const [a, b] = [0, 1].map((row) => sample[row * INPUTS + at] ?? 0);
      distance += (((a ?? 0) - (b ?? 0)) / (scale.sd[at] ?? 1)) ** 2;
    }
    expect(Math.abs(product(forms[0], forms[0]) - 1)).toBeLessThan(0.2);
    const kernel = Math.exp((-0.5 * distance) / columns);
    expect(Math.abs(product(forms[0], forms[1]) - kernel)).toBeLessThan(0.2);
  });

  it('learns what no sum of counts tells: either of two traits, but not both', () => {
    const rows = 800;
    const half = STRUCTURE.length >> 1;
    const pattern = (first: boolean, second: boolean) =>
      new Float32Array(INPUTS).map((_, at) => (at < half ? Number(first) : Number(second)));
    const all = new Float32Array(rows * INPUTS);
    const target = new Float32Array(rows);
    for (let row = 0; row < rows; row++) {
      const [first, second] = [random() < 0.5, random() < 0.5];
      all.set(pattern(first, second), row * INPUTS);
      target[row] = first === second ? 0 : 1;
    }
    const { scale, heads, heldOut } = fitForm({
      inputs: all,
      targets: [target],
      weights: new Float32Array(rows).fill(1),
      folds: new Uint8Array(rows).map((_, row) => row % 2),
      foldCount: 2,
    });
    const right = target.filter((label, row) => (heldOut[0]?.[row] ?? 0) > 0 === label > 0.5);
    expect(right.length).toBe(rows);
    const form = new Float64Array(DIRECTIONS);
    formOf(pattern(true, false), scale, form);
    expect(heads.map((head) => formLogit(head, form))[0]).toBeGreaterThan(1);
  });
});

describe('calibration', () => {
  const made = Array.from({ length: 4000 }, () => {
    const predicted = random();
    // Over-confident: what is called 0.9 holds in 0.7.
    const label = Number(random() < 0.5 + 0.5 * (predicted - 0.5));
    return { predicted, label, weight: 1 };
  });

  it('draws predictions to what was observed, and never turns their order', () => {
    const line = calibrationOf(made);
    expect(calibrated(line, 0.9)).toBeCloseTo(0.7, 1);
    expect(calibrated(line, 0.1)).toBeCloseTo(0.3, 1);
    const values = Array.from({ length: 101 }, (_, at) => calibrated(line, at / 100));
    values.forEach((value, at) => {
      expect(value).toBeGreaterThanOrEqual(values[at - 1] ?? 0);
      expect(value).toBeLessThanOrEqual(1);
    });
  });

  it('leaves probabilities alone where few labels, or none of any weight, say anything', () => {
    expect(calibrated(calibrationOf(made.slice(0, 70)), 0.9)).toBe(0.9);
    const weightless = calibrationOf(made.map((one) => ({ ...one, weight: 0 })));
    expect(calibrated(weightless, 0.9)).toBeCloseTo(0.9, 6);
    expect(calibrated({ at: [], to: [] }, sigmoid(40))).toBeLessThan(1);
  });
});
