import { describe, expect, test } from 'vitest';
import type { ChatResponse } from '../../src/core/model/index.ts';
import { isObject } from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { createNdjsonReader } from '../../src/formats/ndjson.ts';
import { ollama } from '../../src/formats/ollama/index.ts';
import {
  collect,
  compared,
  OPEN_TARGET,
  readStream,
  requestOf,
  streamRoundTrip,
  TEST_REPLY,
  throughJson,
  withoutRaw,
} from './codec-golden.ts';
import { type Canon, canonOf, neutral, splits, WIRE_PRESENT, wireBytes, wireCases } from './wire.ts';

const CASES = wireCases('ollama');
const named = (wanted: (entry: (typeof CASES)[number]) => boolean) =>
  CASES.filter(wanted).map((entry) => [entry.id, entry] as const);
const WHOLE = named((entry) => !entry.stream && entry.status < 400);
const STREAMS = named((entry) => entry.stream && entry.status < 400);

function whole(file: string): ChatResponse {
  const body = parseJson(wireBytes(file).toString('utf8'));
  if (!isObject(body)) throw new Error(`${file} is no JSON object`);
  return ollama.decodeResponse(body, { quirks: {} });
}

/** The reference has no id where Ollama gave none; ours is made up. */
function expected(canon: Canon): object {
  const tools = canon.tools.map(({ id, ...rest }) => ({
    id: id ?? expect.stringMatching(/^call_/),
    ...rest,
  }));
  return { ...compared(canon), tools };
}

test('the recorded traffic is there, or this run says that it is not', () => {
  if (!WIRE_PRESENT) console.warn('recorded traffic is absent: golden tests of ollama saw no case');
  expect(CASES.length).toBe(WIRE_PRESENT ? 6 : 0);
});

describe.skipIf(!WIRE_PRESENT)('recorded Ollama traffic', () => {
  test.each(WHOLE)('%s decodes as the reference', (id, entry) => {
    expect(neutral(whole(entry.response))).toMatchObject(expected(canonOf(id)));
  });

  test.each(STREAMS)('%s decodes alike in every split', (id, entry) => {
    let first: unknown;
    for (const [name, pieces] of splits(wireBytes(entry.response))) {
      const events = readStream(ollama, createNdjsonReader(), pieces);
      expect(neutral(collect(events)), name).toMatchObject(expected(canonOf(id)));
      first ??= events;
      expect(events, name).toEqual(first);
    }
  });

  test.each(WHOLE)('%s survives being written again', (_id, entry) => {
    const response = whole(entry.response);
    const body = throughJson(ollama.encodeResponse(response, TEST_REPLY));
    const again = ollama.decodeResponse(body, { quirks: {} });
    const { model, created } = response;
    expect({ ...withoutRaw(again), model, created }).toEqual(withoutRaw(response));
  });

  test.each(STREAMS)('%s survives being streamed again', (_id, entry) => {
    const events = readStream(ollama, createNdjsonReader(), [wireBytes(entry.response)]);
    const again = collect(streamRoundTrip(ollama, createNdjsonReader(), events));
    const response = collect(events);
    const { model, created } = response;
    expect({ ...withoutRaw(again), model, created }).toEqual(withoutRaw(response));
  });

  test('a stream cut at any byte is an error', () => {
    for (const [, entry] of STREAMS) {
      const bytes = wireBytes(entry.response);
      // The line feed behind the last line is no part of the answer.
      const end = bytes.toString('utf8').trimEnd().length;
      for (let size = 0; size < end; size += size > end - 400 || size < 400 ? 1 : 101) {
        expect(() => collect(readStream(ollama, createNdjsonReader(), [bytes.subarray(0, size)]))).toThrow();
      }
    }
  });

  test('requests keep their meaning', () => {
    for (const entry of CASES) {
      const request = ollama.decodeRequest(requestOf(wireBytes(entry.request)));
      const encoded = ollama.encodeRequest(request, { ...OPEN_TARGET, model: request.model });
      expect(encoded.dropped, entry.id).toEqual([]);
      expect(ollama.decodeRequest(throughJson(encoded.body)), entry.id).toEqual(request);
    }
  });
});
