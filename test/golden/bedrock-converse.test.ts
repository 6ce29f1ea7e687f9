import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import type { ChatRequest, ChatResponse } from '../../src/core/model/index.ts';
import { isObject } from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { anthropicMessages } from '../../src/formats/anthropic-messages/index.ts';
import { createAwsEventStreamReader } from '../../src/formats/aws-event-stream.ts';
import { bedrockConverse } from '../../src/formats/bedrock-converse/index.ts';
import { FIRST_TURN } from '../../src/formats/bedrock-converse/messages-encode.ts';
import {
  citationsOf,
  collect,
  compared,
  joined,
  OPEN_TARGET,
  readStream,
  requestOf,
  streamRoundTrip,
  TEST_REPLY,
  throughJson,
  withoutRaw,
} from './codec-golden.ts';
import { canonOf, neutral, splits, WIRE_PRESENT, wireBytes, wireCases } from './wire.ts';

const CASES = wireCases('bedrock');
const WHOLE = CASES.filter((entry) => !entry.stream && entry.status < 400);
const STREAMS = CASES.filter((entry) => entry.stream && entry.status < 400);
const ERRORS = CASES.filter((entry) => entry.status >= 400);
const CHUNKED = wireCases('anthropic-bedrock-stream');

function whole(file: string): ChatResponse {
  const body = parseJson(wireBytes(file).toString('utf8'));
  if (!isObject(body)) throw new Error(`${file} is no JSON object`);
  return bedrockConverse.decodeResponse(body, { quirks: {} });
}

function signaturesOf(response: ChatResponse): number {
  const parts = response.choices[0]?.parts ?? [];
  return parts.filter((part) => part.type === 'reasoning' && (part.signature ?? part.redacted) !== undefined)
    .length;
}

test('the recorded traffic is there, or this run says that it is not', () => {
  if (!WIRE_PRESENT) console.warn('recorded traffic is absent: golden tests of bedrock-converse saw no case');
  expect(CASES.length).toBe(WIRE_PRESENT ? 52 : 0);
});

describe.skipIf(!WIRE_PRESENT)('recorded Converse traffic', () => {
  test.each(WHOLE.map((entry) => [entry.id, entry] as const))('%s decodes as the reference', (id, entry) => {
    const response = whole(entry.response);
    const canon = canonOf(id);
    const { signatures, citations } = canon;
    expect(neutral(response)).toMatchObject(compared(canon));
    expect(signaturesOf(response)).toBe(signatures);
    expect(citationsOf(response)).toBe(citations);
  });

  test.each(STREAMS.map((entry) => [entry.id, entry] as const))(
    '%s decodes alike in every split',
    (id, entry) => {
      const bytes = wireBytes(entry.response);
      const canon = canonOf(id);
      const { signatures, citations } = canon;
      let first: unknown;
      for (const [name, pieces] of splits(bytes)) {
        const events = readStream(bedrockConverse, createAwsEventStreamReader(), pieces);
        const response = collect(events);
        expect(neutral(response), name).toMatchObject(compared(canon));
        expect(signaturesOf(response)).toBe(signatures);
        expect(citationsOf(response)).toBe(citations);
        first ??= events;
        expect(events, name).toEqual(first);
      }
    },
  );

  test.each(WHOLE.map((entry) => [entry.id, entry] as const))(
    '%s survives being written again',
    (_id, entry) => {
      const response = whole(entry.response);
      const body = throughJson(bedrockConverse.encodeResponse(response, TEST_REPLY));
      const again = bedrockConverse.decodeResponse(body, { quirks: {} });
      expect(throughJson(withoutRaw(again))).toEqual(throughJson(withoutRaw(response)));
    },
  );

  test.each(STREAMS.map((entry) => [entry.id, entry] as const))(
    '%s survives being streamed again',
    (_id, entry) => {
      const events = readStream(bedrockConverse, createAwsEventStreamReader(), [wireBytes(entry.response)]);
      const again = streamRoundTrip(bedrockConverse, createAwsEventStreamReader(), events);
      expect(withoutRaw(collect(again))).toMatchObject(withoutRaw(collect(events)));
      const kinds = (list: typeof events) => joined(list).map((event) => event.type);
      expect(kinds(again).filter((type) => type !== 'usage')).toEqual(
        kinds(events).filter((type) => type !== 'usage'),
      );
    },
  );

  test.each(ERRORS.map((entry) => [entry.id, entry] as const))('%s is a refusal', (_id, entry) => {
    const body = parseJson(wireBytes(entry.response).toString('utf8'));
    const failure = bedrockConverse.decodeError(entry.status, body, entry.headers);
    expect(['upstream_refused', 'upstream_not_found']).toContain(failure.code);
    expect(failure.text).not.toBe('');
  });

  test('a stream cut at any byte is an error', () => {
    const entry = STREAMS.find((found) => found.features.includes('r:tool_call')) ?? STREAMS[0];
    const bytes = wireBytes(entry!.response);
    const lastFrame = bytes.lastIndexOf(':event-type') - 13;
    for (let size = 0; size < lastFrame; size += size < 600 ? 1 : 37) {
      expect(() =>
        collect(readStream(bedrockConverse, createAwsEventStreamReader(), [bytes.subarray(0, size)])),
      ).toThrow();
    }
    for (let size = lastFrame + 1; size < bytes.length; size++) {
      expect(() =>
        collect(readStream(bedrockConverse, createAwsEventStreamReader(), [bytes.subarray(0, size)])),
      ).toThrow();
    }
  });

  test('requests keep their meaning', () => {
    const refused: string[] = [];
    for (const entry of CASES) {
      const path = { model: entry.model, stream: entry.stream };
      const body = { ...requestOf(wireBytes(entry.request)), ...path };
      let request: ChatRequest;
      try {
        request = bedrockConverse.decodeRequest(body);
      } catch (error) {
        refused.push(`${entry.id}: ${error instanceof SluiceError ? error.facts.param : error}`);
        continue;
      }
      const encoded = bedrockConverse.encodeRequest(request, OPEN_TARGET);
      expect(encoded.dropped, entry.id).toEqual([]);
      expect(encoded.body['model']).toBeUndefined();
      expect(encoded.body['stream']).toBeUndefined();
      const again = bedrockConverse.decodeRequest({ ...throughJson(encoded.body), ...path });
      expect({ ...again, messages: flat(again) }, entry.id).toEqual({ ...request, messages: flat(request) });
    }
    // A recorder wrote these bytes as an object of numbers; Bedrock takes a string only.
    expect(refused).toEqual(['bedrock-converse-s-002: messages[0].content[0].document.source.bytes']);
  });

  test.each(CHUNKED.map((entry) => [entry.id, entry] as const))(
    '%s unwraps to events of Claude',
    (id, entry) => {
      const bytes = wireBytes(entry.response);
      let first: unknown;
      for (const [name, pieces] of splits(bytes)) {
        const reader = createAwsEventStreamReader();
        const frames = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
        first ??= frames;
        expect(frames, name).toEqual(first);
        const answer = collect(readStream(anthropicMessages, createAwsEventStreamReader(), pieces));
        expect(neutral(answer), name).toMatchObject(compared(canonOf(id)));
        expect(frames[0]?.event).toBe('message_start');
        expect(frames.at(-1)?.event).toBe('message_stop');
        for (const frame of frames) expect(JSON.parse(frame.data)).toMatchObject({ type: frame.event });
      }
    },
  );
});

/** Turns with neighbours of one role joined and blank text left out, as Converse wants them. */
function flat(request: ChatRequest): unknown {
  const stands = new Set([FIRST_TURN]);
  return request.messages.flatMap((message) =>
    message.parts
      .filter((part) => part.type !== 'text' || (part.text.trim() !== '' && !stands.has(part.text)))
      .map((part) => ({ role: message.role, part })),
  );
}
