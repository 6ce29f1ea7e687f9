import { describe, expect, it } from 'vitest';
import { askForest, decodeForest, encodeForest, fitForest } from './forest.ts';
import { seededRandom } from './heads.ts';
import { INPUTS, setLogits } from './inputs.ts';
import { OF_CASE, STRUCTURE } from './structure.ts';

const ROWS = 600;
const random = seededRandom(5);
const inputs = new Float32Array(ROWS * INPUTS).map(() => Math.floor(8 * random()));
const at = (row: number, name: (typeof STRUCTURE)[number]) =>
  inputs[row * INPUTS + STRUCTURE.indexOf(name)] as number;
const folds = new Uint8Array(ROWS).map((_, row) => row % 3);
const weights = new Float32Array(ROWS).fill(1);

const grown = (...targets: Float32Array[]) => fitForest({ inputs, targets, weights, folds, foldCount: 3 });
const labelled = (label: (row: number) => number) =>
  Float32Array.from({ length: ROWS }, (_, row) => label(row));
/** Share of rows that are told right by a forest that had not seen them. */
const right = (heldOut: Float64Array | undefined, target: Float32Array) =>
  target.filter((label, row) => Number.isNaN(label) || (heldOut?.[row] ?? 0) > 0 === label > 0.5).length /
  ROWS;

const long = labelled((row) => Number(at(row, 'words') > 3));
const asked = labelled((row) => (row % 2 === 0 ? Number(at(row, 'questions') > 3) : Number.NaN));

describe('a forest', () => {
  it('learns each head from the labels it has, and says of a prompt what trees without its part say', () => {
    const { forest, heldOut } = grown(long, asked);
    expect(right(heldOut[0], long)).toBeGreaterThan(0.85);
    expect(right(heldOut[1], asked)).toBeGreaterThan(0.85);
    const out = new Float64Array(2);
    const errors = [0, 1].map((row) => {
      askForest(forest, inputs.subarray(row * INPUTS, (row + 1) * INPUTS), out);
      return Math.abs((out[0] as number) - (heldOut[0]?.[row] as number));
    });
    expect(Math.max(...errors)).toBeGreaterThan(0);
    const noise = labelled(() => Number(random() < 0.5));
    expect(right(grown(noise).heldOut[0], noise)).toBeLessThan(0.6);
  });

  it('hears what the n-gram heads say', () => {
    const copy = inputs.slice();
    for (let row = 0; row < ROWS; row++)
      setLogits(copy.subarray(row * INPUTS, (row + 1) * INPUTS), (folds[row] as number) - 1, row % 2);
    const target = labelled((row) => Number(row % 2 > (folds[row] as number) - 1));
    const { heldOut } = fitForest({ inputs: copy, targets: [target], weights, folds, foldCount: 3 });
    expect(right(heldOut[0], target)).toBeGreaterThan(0.6);
  });

  it('never asks for capitals', () => {
    const capitals = labelled((row) => Number(at(row, 'capitals') > 3));
    const { forest } = grown(capitals);
    const names = new Set([...forest.input].map((input) => STRUCTURE[input]));
    for (const name of OF_CASE) expect([...names]).not.toContain(name);
    expect(names.size).toBeGreaterThan(20);
  });

  it('is the same each time, and comes back from its bytes', () => {
    const { forest } = grown(long, asked);
    expect(grown(long, asked).forest).toEqual(forest);
    expect(decodeForest(encodeForest(forest), 2)).toEqual(forest);
  });

  it('is refused where arrays are missing, cut or would not end', () => {
    const arrays = encodeForest(grown(long).forest);
    const changed = (index: number, change: (bytes: Uint8Array) => Uint8Array) =>
      decodeForest(
        arrays.map((bytes, one) => (one === index ? change(bytes.slice()) : bytes)),
        1,
      );
    expect(decodeForest(arrays, 1)).toBeDefined();
    expect(decodeForest(arrays, 3)).toBeUndefined();
    expect(decodeForest(arrays.slice(1), 1)).toBeUndefined();
    for (const index of arrays.keys())
      expect(changed(index, (bytes) => bytes.subarray(0, (bytes.length >> 1) & ~3 || 0))).toBeUndefined();
    expect(changed(1, (bytes) => bytes.fill(0))).toBeUndefined();
    expect(changed(3, (bytes) => bytes.fill(0))).toBeUndefined();
    expect(changed(0, (bytes) => bytes.fill(255))).toBeUndefined();
  });
});
