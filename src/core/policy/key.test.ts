import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isModelAllowed, isWellFormedKey, KEY_RANDOM_BYTES, makeKey, matchesPattern } from './key.ts';

const random = fc.uint8Array({ minLength: KEY_RANDOM_BYTES, maxLength: KEY_RANDOM_BYTES });

test('a key has the prefix, a fixed length and a checksum', () => {
  fc.assert(
    fc.property(random, (bytes) => {
      const key = makeKey(bytes);
      expect(key).toMatch(/^sk-sluice-[0-9A-Za-z]{39}$/);
      expect(isWellFormedKey(key)).toBe(true);
    }),
  );
});

test('different randomness gives different keys', () => {
  fc.assert(
    fc.property(random, random, (left, right) => {
      expect(makeKey(left) === makeKey(right)).toBe(Buffer.compare(left, right) === 0);
    }),
  );
});

test('a mistyped or cut key is recognised', () => {
  const place = fc.integer({ min: 10, max: 48 });
  const letter = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
  fc.assert(
    fc.property(random, place, letter, (bytes, at, typed) => {
      const key = makeKey(bytes);
      const wrong = key.slice(0, at) + typed + key.slice(at + 1);
      expect(isWellFormedKey(wrong)).toBe(wrong === key);
      expect(isWellFormedKey(key.slice(0, at))).toBe(false);
    }),
  );
});

test('a key needs its randomness', () => {
  expect(() => makeKey(new Uint8Array(8))).toThrow(RangeError);
});

test('the allow-list takes names and patterns', () => {
  expect(isModelAllowed(undefined, 'anything')).toBe(true);
  expect(isModelAllowed([], 'gpt-4o')).toBe(false);
  expect(isModelAllowed(['gpt-4o'], 'gpt-4o-mini')).toBe(false);
  expect(isModelAllowed(['claude-*', 'gpt-4o'], 'claude-opus')).toBe(true);
  expect(isModelAllowed(['*/llama-*-instruct'], 'groq/llama-3-instruct')).toBe(true);
  expect(isModelAllowed(['GPT-4o'], 'gpt-4o')).toBe(false);
});

test('patterns mean what the regular expression would', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
  fc.assert(
    fc.property(letters, name, (pattern, text) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      expect(matchesPattern(pattern, text)).toBe(expression.test(text));
    }),
    { numRuns: 2000 },
  );
});

test('a hostile pattern takes no exponential time', () => {
  const started = performance.now();
  expect(matchesPattern(`${'*a'.repeat(100)}b`, 'a'.repeat(5000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(500);
});
