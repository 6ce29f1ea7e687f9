import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createJsonArrayReader, createJsonArrayWriter } from './json-array.ts';

function readAll(pieces: readonly Uint8Array[]): string[] {
  const reader = createJsonArrayReader();
  return [...pieces.flatMap((piece) => [...reader.push(piece)]), ...reader.end()].map((frame) => frame.data);
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(bytes.subarray(at, at + size));
  return out;
}

test('what the writer wrote is read back, wherever it is cut', () => {
  const element = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), {
    maxKeys: 4,
  });
  fc.assert(
    fc.property(fc.array(element, { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), (elements, size) => {
      const writer = createJsonArrayWriter();
      const texts = elements.map((one) => JSON.stringify(one));
      const body = texts.map((one) => writer.element(one)).join('') + writer.end();
      expect(JSON.parse(body)).toEqual(JSON.parse(JSON.stringify(elements)));
      expect(readAll(cut(Buffer.from(body), size))).toEqual(texts);
    }),
    { numRuns: 200 },
  );
});

test('elements come as soon as they close; a broken one is returned to be refused', () => {
  const reader = createJsonArrayReader();
  expect(reader.push(Buffer.from('\ufeff [{"a":"}]\\""}'))).toEqual([
    { event: undefined, data: '{"a":"}]\\""}' },
  ]);
  expect(reader.push(Buffer.from('\r\n,\r\n{"b":'))).toEqual([]);
  expect(reader.end()).toEqual([{ event: undefined, data: '{"b":' }]);
});

test('a single object is one frame', () => {
  expect(readAll([Buffer.from('{"error":{"code":400}}\n')])).toEqual(['{"error":{"code":400}}']);
});

test('anything else and oversized elements are refused', () => {
  for (const body of ['[1]', '"x"', '[[{}]]', '[]{}', 'data: {}', '[]]']) {
    expect(() => readAll([Buffer.from(body)]), body).toThrow('not a list');
  }
  const small = createJsonArrayReader(16);
  expect(() => small.push(Buffer.from(`[{"a":"${'x'.repeat(32)}`))).toThrow('size limit');
});
