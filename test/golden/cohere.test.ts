import { describe, expect, test } from 'vitest';
import type { ChatRequest, ChatResponse } from '../../src/core/model/index.ts';
import { isObject } from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { cohere } from '../../src/formats/cohere/index.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import {
  citationsOf,
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
import { canonOf, neutral, splits, WIRE_PRESENT, wireBytes, wireCases } from './wire.ts';

const CASES = wireCases('cohere');
const named = (wanted: (entry: (typeof CASES)[number]) => boolean) =>
  CASES.filter(wanted).map((entry) => [entry.id, entry] as const);
const WHOLE = named((entry) => !entry.stream && entry.status < 400);
const STREAMS = named((entry) => entry.stream && entry.status < 400);

function whole(file: string): ChatResponse {
  const body = parseJson(wireBytes(file).toString('utf8'));
  if (!isObject(body)) throw new Error(`${file} is no JSON object`);
  return cohere.decodeResponse(body, { quirks: {} });
}

/** `tool_plan` stands beside the parts, see `decodeAssistant`. */
function planOf(response: ChatResponse): unknown {
  return response.choices[0]?.extensions?.cohere?.['tool_plan'] ?? '';
}

test('the recorded traffic is there, or this run says that it is not', () => {
  if (!WIRE_PRESENT) console.warn('recorded traffic is absent: golden tests of cohere saw no case');
  expect(CASES.length).toBe(WIRE_PRESENT ? 20 : 0);
});

describe.skipIf(!WIRE_PRESENT)('recorded Cohere traffic', () => {
  test.each(WHOLE)('%s decodes as the reference', (id, entry) => {
    const response = whole(entry.response);
    expect(neutral(response)).toMatchObject(compared(canonOf(id)));
    expect(citationsOf(response)).toBe(canonOf(id).citations);
    expect(planOf(response)).toBe((canonOf(id) as { plan?: string }).plan ?? '');
  });

  test.each(STREAMS)('%s decodes alike in every split', (id, entry) => {
    let first: unknown;
    for (const [name, pieces] of splits(wireBytes(entry.response))) {
      const events = readStream(cohere, createSseReader(), pieces);
      const response = collect(events);
      expect(neutral(response), name).toMatchObject(compared(canonOf(id)));
      expect(citationsOf(response)).toBe(canonOf(id).citations);
      expect(planOf(response)).toBe((canonOf(id) as { plan?: string }).plan ?? '');
      first ??= events;
      expect(events, name).toEqual(first);
    }
  });

  test.each(WHOLE)('%s survives being written again', (_id, entry) => {
    const response = whole(entry.response);
    const body = throughJson(cohere.encodeResponse(response, TEST_REPLY));
    const again = cohere.decodeResponse(body, { quirks: {} });
    expect({ ...withoutRaw(again), id: response.id }).toEqual(withoutRaw(response));
  });

  test.each(STREAMS)('%s survives being streamed again', (_id, entry) => {
    const events = readStream(cohere, createSseReader(), [wireBytes(entry.response)]);
    const again = collect(streamRoundTrip(cohere, createSseReader(), events));
    const response = collect(events);
    expect({ ...withoutRaw(again), id: response.id }).toEqual(withoutRaw(response));
  });

  test('citations quote the words they point to', () => {
    for (const [, entry] of WHOLE) {
      for (const part of whole(entry.response).choices[0]?.parts ?? []) {
        if (part.type !== 'text') continue;
        for (const { start, end, extensions } of part.citations ?? []) {
          expect([...part.text].slice(start, end).join('')).toBe(extensions?.cohere?.['text']);
        }
      }
    }
  });

  test('a refusal is classified', () => {
    const found = named((entry) => entry.status >= 400);
    for (const [, entry] of found) {
      const body = parseJson(wireBytes(entry.response).toString('utf8'));
      expect(cohere.decodeError(entry.status, body, entry.headers).code).toBe('context_overflow');
    }
    expect(found).toHaveLength(1);
  });

  test('a stream cut before its last event is an error', () => {
    const [, entry] = STREAMS.find(([, found]) => found.features.includes('r:tool_call')) ?? STREAMS[0]!;
    const bytes = wireBytes(entry.response);
    const last = bytes.indexOf('"type":"message-end"');
    for (let size = 0; size <= last; size++) {
      expect(() => collect(readStream(cohere, createSseReader(), [bytes.subarray(0, size)]))).toThrow();
    }
  });

  test('requests keep their meaning', () => {
    for (const entry of CASES) {
      const body = { ...requestOf(wireBytes(entry.request)), model: entry.model };
      const request = cohere.decodeRequest(body);
      const encoded = cohere.encodeRequest(request, { ...OPEN_TARGET, model: entry.model });
      expect(encoded.dropped, entry.id).toEqual([]);
      expect(cohere.decodeRequest(throughJson(encoded.body)), entry.id).toEqual(withoutEmptyText(request));
    }
  });
});

/** Empty text blocks are left out on the way back. */
function withoutEmptyText(request: ChatRequest): ChatRequest {
  return {
    ...request,
    messages: request.messages.map((message) => ({
      ...message,
      parts: message.parts.filter((part) => part.type !== 'text' || part.text !== ''),
    })),
  };
}
