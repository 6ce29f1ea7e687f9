import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { estimateTokens, reserveTokens } from './estimate.ts';

const SAMPLES = {
  english: 'The quick brown fox jumps over the lazy dog, and nobody in the village was surprised. '.repeat(8),
  german: 'Die Rechnungsabteilung überweist morgen früh den Gesamtbetrag für die Straßenbeleuchtung. '.repeat(
    8,
  ),
  code: 'export function addUp(rows: readonly Row[]): number {\n  return rows.length === 0 ? 0 : 1;\n}\n'.repeat(
    8,
  ),
  json: JSON.stringify(
    Array.from({ length: 20 }, (_, id) => ({ id, name: `user_${id}`, active: true, score: 12.5 })),
  ),
  chinese: '机器学习是人工智能的一个分支，它使计算机能够从数据中学习。'.repeat(8),
  russian: 'Быстрая коричневая лиса перепрыгивает через ленивую собаку. '.repeat(8),
  japanese: '今日はとても良い天気なので、公園まで散歩に行きました。'.repeat(8),
  numbers: '3.14159 26535 8979 3238 4626 4338 3279 5028 8419 7169 '.repeat(8),
  base64: Buffer.from(Array.from({ length: 600 }, (_, at) => (at * 73 + 11) % 251)).toString('base64'),
};

test.each(Object.entries(SAMPLES))('%s is estimated within half and double', (_, text) => {
  const truth = encode(text).length;
  expect(estimateTokens(text)).toBeGreaterThanOrEqual(truth * 0.5);
  expect(estimateTokens(text)).toBeLessThanOrEqual(truth * 2);
  expect(reserveTokens(text)).toBeGreaterThanOrEqual(truth);
});

test('text and its bytes give the same estimate', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(estimateTokens(text)).toBe(estimateTokens(Buffer.from(text)));
    }),
  );
});

test('a count of bytes is four to a token', () => {
  expect(estimateTokens(0)).toBe(0);
  expect(estimateTokens(-3)).toBe(0);
  expect(estimateTokens(9)).toBe(3);
});

test('a reserve is at most a token per byte', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(reserveTokens(bytes)).toBeLessThanOrEqual(bytes.length);
    }),
  );
});
