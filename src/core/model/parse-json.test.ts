import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson, toNumber } from './parse-json.ts';

describe('parseJson', () => {
  it.each([
    '{"id":12345678901234567890}',
    '{"x":12345678.123456789}',
    '[0.1234567890123456789]',
    '{"a":[-1e400,\n  1E-7]}',
    '{"a": 1.0e3}',
    '12345678901234567890',
    '{"big":[9007199254740993]}',
  ])('writes %s back digit for digit', (text) => {
    expect(JSON.stringify(parseJson(text))).toBe(text.replaceAll(/\s/g, ''));
  });

  it('leaves strings that look like numbers alone', () => {
    const value = { id: 'chatcmpl-4e12345678901234567', list: ['1e5', '12345678901234567890'] };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
  });

  it('parses everything else as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.stringify(parseJson(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('gives a kept number as a double when asked', () => {
    const kept = (parseJson('{"n":12345678901234567890}') as { n: unknown }).n;
    expect(toNumber(kept)).toBe(Number('12345678901234567890'));
    expect(toNumber('12')).toBe('12');
  });
});
