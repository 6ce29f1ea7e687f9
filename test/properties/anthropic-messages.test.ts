import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ChatRequest,
  type ChatResponse,
  type JsonObject,
  OPEN_PROFILE,
} from '../../src/core/model/index.ts';
import { replayResponse } from '../../src/core/translation/replay.ts';
import { anthropicMessages as codec } from '../../src/formats/anthropic-messages/index.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import { collect, readStream, TEST_REPLY, throughJson } from '../golden/codec-golden.ts';
import { chatRequests, chatResponses, type Reach, withoutRaw } from './arbitraries.ts';

const REACH: Reach = {
  issuer: 'claude',
  redacted: true,
  plainReasoning: false,
  cache: true,
  strictTools: true,
  systemAnywhere: true,
  images: true,
  sampling: ['temperature', 'topK'],
  shapes: ['text', 'json_schema'],
  choices: ['auto', 'none', 'required', 'tool'],
  stop: true,
  errors: true,
  usage: ['input', 'output', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'reasoning'],
};

const TARGET = {
  model: 'claude-x',
  profile: { ...OPEN_PROFILE, family: 'claude', systemAnywhere: true },
  quirks: {},
  defaultMaxOutputTokens: 4096,
};

/** What Anthropic has no words for: a schema's name, an open object, and the empty choice when there are no tools. */
function comparable(request: ChatRequest): unknown {
  const { output } = request;
  const isSchema = output.type === 'json_schema';
  const closed = isSchema ? { ...output.schema, additionalProperties: false } : undefined;
  const shape = isSchema ? { type: output.type, schema: closed } : output;
  return throughJson({
    ...request,
    model: '',
    output: shape,
    maxOutputTokens: request.maxOutputTokens ?? 4096,
  });
}

/** Whether a request has more cache marks than the format takes. */
function isOverMarked(request: ChatRequest): boolean {
  return JSON.stringify(request).split('"cache":').length > 5;
}

test('a request decodes to what was encoded', () => {
  fc.assert(
    fc.property(chatRequests(REACH), (request) => {
      fc.pre(!isOverMarked(request));
      const { body, dropped } = codec.encodeRequest(request, TARGET);
      expect(dropped).toEqual([]);
      const again = codec.decodeRequest(throughJson(body));
      expect(comparable(again)).toEqual(comparable(request));
    }),
    { numRuns: 200 },
  );
});

/** A filtered answer and a refused one have the same word here; the ids are the reply's. */
function plain(response: ChatResponse): unknown {
  const { id: _id, model: _model, created: _created, ...rest } = withoutRaw(response);
  const choices = rest.choices.map((choice) =>
    choice.finish.reason === 'content_filter' ? { ...choice, finish: { reason: 'refusal' } } : choice,
  );
  return throughJson({ ...rest, choices });
}

test('an answer decodes to what was encoded, whole and streamed', () => {
  fc.assert(
    fc.property(
      chatResponses({ ...REACH, plainReasoning: true }),
      fc.integer({ min: 1, max: 20 }),
      (answer, size) => {
        const body = throughJson(codec.encodeResponse(answer, TEST_REPLY)) as JsonObject;
        expect(plain(codec.decodeResponse(body, { quirks: {} }))).toEqual(plain(answer));
        const encoder = codec.streamEncoder(TEST_REPLY);
        const text = `${encoder.push(replayResponse(answer, size))}${encoder.end()}`;
        const streamed = collect(readStream(codec, createSseReader(), [Buffer.from(text)]));
        expect(plain(streamed)).toEqual(plain(answer));
      },
    ),
    { numRuns: 200 },
  );
});
