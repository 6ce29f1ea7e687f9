import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nanoToUsd, usdToNano } from './money.ts';

test('nano-dollars print without trailing zeros', () => {
  expect(nanoToUsd(0)).toBe('0');
  expect(nanoToUsd(1)).toBe('0.000000001');
  expect(nanoToUsd(1_500_000_000)).toBe('1.5');
  expect(nanoToUsd(-20_000_000)).toBe('-0.02');
  expect(nanoToUsd(9_223_372_036_854_775_807n)).toBe('9223372036.854775807');
});

test('dollars are read exactly', () => {
  expect(usdToNano('0.1')).toBe(100_000_000);
  expect(usdToNano(0.3)).toBe(300_000_000);
  expect(usdToNano(1e-9)).toBe(1);
  expect(usdToNano('1.50')).toBe(1_500_000_000);
  expect(usdToNano(0)).toBe(0);
});

test.each([
  '',
  '-1',
  '+1',
  '1,5',
  ' 1',
  '1.',
  '.5',
  '0x10',
  'NaN',
  'Infinity',
  '1e99',
  '9007200',
  '0.0000000001',
])('refuses %j and names the field', (text) => {
  expect(() => usdToNano(text, 'limit_usd')).toThrowError(
    expect.objectContaining({ code: 'bad_request', facts: { param: 'limit_usd' } }),
  );
});

test('what is printed is read back', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (nano) => {
      expect(usdToNano(nanoToUsd(nano))).toBe(nano);
    }),
  );
});
