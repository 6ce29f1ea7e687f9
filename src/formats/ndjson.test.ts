import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createNdjsonReader, ndjsonLine } from './ndjson.ts';

function read(pieces: readonly Uint8Array[], limit?: number): readonly string[] {
  const reader = createNdjsonReader(limit);
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()].map((frame) => frame.data);
}

describe('NDJSON', () => {
  test('lines end with LF or CRLF, blank lines are nothing', () => {
    expect(read([Buffer.from('{"a":1}\r\n\n  \n{"b":2}\n')])).toEqual(['{"a":1}', '{"b":2}']);
  });

  test('a last line without its end counts only if it is whole', () => {
    expect(read([Buffer.from('{"a":1}\n{"b":2}')])).toEqual(['{"a":1}', '{"b":2}']);
    expect(read([Buffer.from('{"a":1}\n{"b":2')])).toEqual(['{"a":1}']);
  });

  test('any split gives the same lines', () => {
    const values = [{ text: 'Grüße 世界 😀' }, { text: 'line\nbreak' }, { text: '' }];
    const bytes = Buffer.from(values.map(ndjsonLine).join(''));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
        const pieces: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(read(pieces).map((line) => JSON.parse(line))).toEqual(values);
      }),
    );
  });

  test('a line above the limit is refused', () => {
    expect(() => read([Buffer.from('x'.repeat(200))], 100)).toThrow('size limit');
  });
});
