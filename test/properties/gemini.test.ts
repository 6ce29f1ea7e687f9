import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ChatRequest,
  type ChatResponse,
  type JsonObject,
  OPEN_PROFILE,
} from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { replayResponse } from '../../src/core/translation/replay.ts';
import { gemini as codec, geminiJsonArray } from '../../src/formats/gemini/index.ts';
import { createJsonArrayReader } from '../../src/formats/json-array.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import { collect, readStream, TEST_REPLY, throughJson } from '../golden/codec-golden.ts';
import { chatRequests, chatResponses, type Reach, withoutRaw } from './arbitraries.ts';

const REACH: Reach = {
  issuer: 'gemini',
  callSignatures: true,
  images: true,
  sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty'],
  shapes: ['text', 'json_object', 'json_schema'],
  choices: ['auto', 'none', 'required', 'tool'],
  stop: true,
  errors: true,
  usage: ['input', 'output', 'cacheRead', 'reasoning', 'audioInput', 'audioOutput'],
};

const TARGET = {
  model: 'gemini-x',
  profile: { ...OPEN_PROFILE, family: 'gemini', reasoning: { kind: 'fixed' } as const },
  quirks: {},
  defaultMaxOutputTokens: 4096,
};

/** What Gemini has no words for: a schema's name and strictness. A usage report always comes. */
function comparable(request: ChatRequest): unknown {
  const { output } = request;
  const shape = output.type === 'json_schema' ? { type: output.type, schema: output.schema } : output;
  return throughJson({ ...request, output: shape, includeUsage: true });
}

test('a request decodes to what was encoded', () => {
  fc.assert(
    fc.property(chatRequests(REACH), (request) => {
      const { body, dropped } = codec.encodeRequest(request, TARGET);
      expect(dropped).toEqual([]);
      const { model, stream } = request;
      const again = codec.decodeRequest({
        ...(parseJson(JSON.stringify(body)) as JsonObject),
        model,
        stream,
      });
      expect(comparable(again)).toEqual(comparable(request));
      expect(codec.envelope({ ...body, model, stream }).tools).toBe(request.tools.length);
    }),
    { numRuns: 200 },
  );
});

/** The ids are the reply's, and the time of the answer has no field here. */
function plain(response: ChatResponse): unknown {
  const { id: _id, model: _model, created: _created, ...rest } = withoutRaw(response);
  return throughJson(rest);
}

test('an answer decodes to what was encoded, whole and streamed', () => {
  const reach: Reach = { ...REACH, plainReasoning: true, many: true };
  fc.assert(
    fc.property(chatResponses(reach), fc.integer({ min: 1, max: 9 }), (response, size) => {
      const body = parseJson(JSON.stringify(codec.encodeResponse(response, TEST_REPLY))) as JsonObject;
      expect(plain(codec.decodeResponse(body, { quirks: {} }))).toEqual(plain(response));
      for (const [writer, reader] of [
        [codec, createSseReader()],
        [geminiJsonArray, createJsonArrayReader()],
      ] as const) {
        const encoder = writer.streamEncoder(TEST_REPLY);
        const events = replayResponse(response, size);
        const text = events.map((event) => String(encoder.push([event]))).join('') + String(encoder.end());
        expect(plain(collect(readStream(codec, reader, [Buffer.from(text)])))).toEqual(plain(response));
      }
    }),
    { numRuns: 200 },
  );
});

test('a written stream cut anywhere before its last event ends is an error', () => {
  fc.assert(
    fc.property(chatResponses(REACH), fc.double({ min: 0, max: 1, noNaN: true }), (response, share) => {
      const encoder = codec.streamEncoder(TEST_REPLY);
      const text = String(encoder.push(replayResponse(response, 5))) + String(encoder.end());
      const bytes = Buffer.from(text);
      const whole = bytes.length - '\r\n\r\n'.length;
      const kept = bytes.subarray(0, Math.min(whole - 1, Math.floor(share * whole)));
      expect(readStream(codec, createSseReader(), [kept]).at(-1)?.type).toBe('error');
    }),
    { numRuns: 200 },
  );
});

test('a request of any shape is encoded or refused by name, never crashes', () => {
  const everything: Reach = {
    ...REACH,
    issuer: 'claude',
    redacted: true,
    customTools: true,
    cache: true,
    names: true,
    strictTools: true,
    systemAnywhere: true,
    sampling: [...(REACH.sampling ?? []), 'seed', 'logitBias', 'logprobs', 'topLogprobs'],
    choices: ['auto', 'none', 'required', 'tool', 'allowed'],
  };
  fc.assert(
    fc.property(chatRequests(everything), fc.boolean(), (request, subset) => {
      const target = { ...TARGET, quirks: subset ? ({ schema: 'openapi' } as const) : {} };
      const { body } = codec.encodeRequest(request, target);
      const { model, stream } = request;
      const again = codec.decodeRequest({
        ...(parseJson(JSON.stringify(body)) as JsonObject),
        model,
        stream,
      });
      const calls = (one: ChatRequest) =>
        one.messages.flatMap(({ parts }) =>
          parts.flatMap((part) => (part.type === 'tool_call' ? [part.name] : [])),
        );
      expect(calls(again)).toEqual(calls(request));
      expect(JSON.stringify(body)).not.toMatch(/sluice:1:|c2x1aWNlOjE6/);
    }),
    { numRuns: 200 },
  );
});
