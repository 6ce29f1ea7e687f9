import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonWriter } from './json-writer.ts';

function written(write: (to: JsonWriter) => void): string {
  const to = new JsonWriter(4);
  write(to);
  to.end();
  return to.bytes().toString();
}

test('strings are written as JSON writes them', () => {
  const strings = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.string({ unit: 'binary-ascii' }));
  fc.assert(
    fc.property(strings, (text) => {
      expect(written((to) => to.string(text))).toBe(JSON.stringify(text));
    }),
    { numRuns: 2000 },
  );
  for (const text of [
    '',
    'plain',
    'a "quote"',
    'back\\slash',
    'tab\t',
    '\u007f',
    'é',
    '\ud800 alone',
    '💶',
  ]) {
    expect(written((to) => to.string(text))).toBe(JSON.stringify(text));
  }
});

test('numbers are written as JSON writes them', () => {
  const numbers = fc.oneof(
    fc.double(),
    fc.integer({ min: 0 }),
    fc.maxSafeNat(),
    fc.integer({ min: 0, max: 2_000_000_000 }).map((micros) => micros / 1000),
  );
  fc.assert(
    fc.property(numbers, (value) => {
      expect(written((to) => to.number(value))).toBe(JSON.stringify(value));
    }),
    { numRuns: 5000 },
  );
  const odd = [0, -0, 9, 10, 999_999_999, 1e9, 1_000_000_001, 1_767_614_400_123, Number.MAX_SAFE_INTEGER];
  for (const value of [
    ...odd,
    0.001,
    0.01,
    0.1,
    1.05,
    0.0004,
    0.0005,
    999_999.999,
    1e21,
    -1,
    NaN,
    Infinity,
  ]) {
    expect(written((to) => to.number(value))).toBe(JSON.stringify(value));
  }
});

test('an array is written as JSON writes it, whatever is absent', () => {
  const text = written((to) => {
    to.open();
    to.string(undefined);
    to.number(undefined);
    to.string('a');
    to.open();
    to.close();
    to.open();
    to.number(1.5);
    to.boolean(true);
    to.boolean(false);
    to.close();
    to.json({ deep: [null, 'ü'] });
    to.nothing();
    to.close();
  });
  expect(text).toBe(JSON.stringify([null, null, 'a', [], [1.5, true, false], { deep: [null, 'ü'] }, null]));
});

test('what was written behind a length can be taken back', () => {
  const to = new JsonWriter(4);
  to.string('kept');
  const { length } = to;
  to.string('taken back');
  to.cut(length);
  to.string('x'.repeat(100));
  to.end();
  expect(to.bytes().toString()).toBe(`"kept","${'x'.repeat(100)}"`);
  to.clear();
  expect(to.length).toBe(0);
});
