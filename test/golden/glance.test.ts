import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import type { JsonObject } from '../../src/core/model/index.ts';
import type { ChatCodec } from '../../src/formats/codec.ts';
import { type Glance, glanceAt } from '../../src/formats/glance.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { WIRE_PRESENT, wireBytes, wireCases } from './wire.ts';

const SOURCE = { quirks: {} };
const FORMATS: Readonly<Record<string, ChatCodec>> = {
  'openai-chat': CODECS['openai-chat'],
  'openai-responses': CODECS['openai-responses'],
  anthropic: CODECS['anthropic-messages'],
  gemini: CODECS.gemini,
};
const CASES = Object.entries(FORMATS).flatMap(([api, codec]) =>
  wireCases(api)
    .filter(({ stream }) => !stream)
    .map((entry) => ({ id: entry.id, codec, file: entry.response })),
);

function told(read: () => Glance | undefined): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** A body and what becomes of it when fields are lost on the way: codecs are to agree about damaged answers too. */
function* variants(body: JsonObject): Generator<JsonObject> {
  yield body;
  for (const key of Object.keys(body)) yield { ...body, [key]: null };
  for (const [key, value] of Object.entries(body)) {
    if (!Array.isArray(value) || value.length === 0) continue;
    yield { ...body, [key]: [] };
    yield { ...body, [key]: [...value, ...value] };
    yield { ...body, [key]: [...value, 'text'] };
  }
}

test('the recorded traffic is there, or this run says that it is not', () => {
  if (!WIRE_PRESENT) console.warn('recorded traffic is absent: no answer was glanced at');
  expect(CASES.length > 200).toBe(WIRE_PRESENT);
});

describe.skipIf(!WIRE_PRESENT)('a glance at recorded answers', () => {
  test.each(CASES)('$id: says what decoding it says', ({ codec, file }) => {
    const body = JSON.parse(wireBytes(file).toString('utf8')) as JsonObject;
    for (const variant of variants(body)) {
      expect(told(() => codec.glance?.(variant, SOURCE))).toEqual(
        told(() => glanceAt(codec.decodeResponse(variant, SOURCE))),
      );
    }
  });
});
