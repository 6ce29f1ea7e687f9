import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  collect,
  OPEN_TARGET,
  streamRoundTrip,
  TEST_REPLY,
  throughJson,
} from '../../../test/golden/codec-golden.ts';
import { chatRequests, chatResponses, type Reach, withoutRaw } from '../../../test/properties/arbitraries.ts';
import { type ChatRequest, type ChatResponse, OPEN_PROFILE } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { createAwsEventStreamReader } from '../aws-event-stream.ts';
import { bedrockConverse } from './index.ts';

const REACH: Reach = {
  issuer: 'claude',
  redacted: true,
  cache: true,
  strictTools: true,
  images: true,
  sampling: ['temperature', 'topP', 'topK'],
  shapes: ['text', 'json_schema'],
  choices: ['auto', 'required', 'tool'],
  stop: true,
  errors: true,
  usage: ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'output'],
};

const TARGET = { ...OPEN_TARGET, profile: { ...OPEN_PROFILE, family: 'claude' } };

/** Converse refuses blank text and empty descriptions, and has no `strict` for outputs. */
function isSayable(request: ChatRequest): boolean {
  const blank = request.messages.some((message) =>
    message.parts.some((part) =>
      part.type === 'tool_result'
        ? part.content.some((entry) => entry.type === 'text' && entry.text.trim() === '')
        : part.type === 'text' && part.text.trim() === '',
    ),
  );
  return !blank && request.tools.every((tool) => tool.type === 'server' || tool.description?.trim() !== '');
}

/** A schema goes without `strict` and with its object closed. */
function asSent(request: ChatRequest): ChatRequest {
  if (request.output.type !== 'json_schema') return request;
  const { strict: _, schema, ...output } = request.output;
  return { ...request, output: { ...output, schema: { ...schema, additionalProperties: false } } };
}

/** Id, model and time have no place in a Converse answer. */
function facts(response: ChatResponse): unknown {
  const { id: _id, model: _model, created: _created, ...rest } = withoutRaw(response);
  const choices = rest.choices.map(({ extensions: _, ...choice }) => choice);
  return throughJson({ ...rest, choices });
}

test('a request written and read again is the same', () => {
  fc.assert(
    fc.property(chatRequests(REACH).filter(isSayable), (request) => {
      const { body, dropped } = bedrockConverse.encodeRequest(request, TARGET);
      const { model, stream } = request;
      expect(dropped).toEqual([]);
      expect(bedrockConverse.decodeRequest({ ...throughJson(body), model, stream })).toEqual(asSent(request));
    }),
    { numRuns: 200 },
  );
});

test('an answer written and read again is the same', () => {
  fc.assert(
    fc.property(chatResponses({ ...REACH, plainReasoning: true }), (response) => {
      const body = throughJson(bedrockConverse.encodeResponse(response, TEST_REPLY));
      expect(facts(bedrockConverse.decodeResponse(body, { quirks: {} }))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});

test('an answer streamed and read again is the same', () => {
  const sizes = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(chatResponses({ ...REACH, plainReasoning: true }), sizes, (response, size) => {
      const events = streamRoundTrip(
        bedrockConverse,
        createAwsEventStreamReader(),
        replayResponse(response, size),
      );
      expect(facts(collect(events))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});
