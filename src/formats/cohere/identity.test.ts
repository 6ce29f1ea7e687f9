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
import type { ChatRequest, ChatResponse } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { createSseReader } from '../sse.ts';
import { cohere } from './index.ts';

const REACH: Reach = {
  plainReasoning: true,
  images: true,
  sampling: ['temperature', 'topP', 'topK', 'seed', 'frequencyPenalty', 'presencePenalty', 'logprobs'],
  shapes: ['text', 'json_object', 'json_schema'],
  choices: ['none', 'required'],
  stop: true,
  usage: ['input', 'cacheRead', 'output', 'reasoning'],
};

/** Cohere's `p` lies between 0.01 and 0.99; a schema has neither name nor `strict`. */
function sayable(request: ChatRequest): ChatRequest {
  const { topP } = request.sampling;
  const sampling = topP === undefined ? {} : { topP: Math.min(0.99, Math.max(0.01, topP)) };
  const { output } = request;
  return {
    ...request,
    sampling: { ...request.sampling, ...sampling },
    output: output.type === 'json_schema' ? { type: 'json_schema', schema: output.schema } : output,
  };
}

/** Model and time have no place in a Cohere answer, and `ERROR` is its only word for a filter. */
function facts(response: ChatResponse): unknown {
  const { id: _id, model: _model, created: _created, ...rest } = withoutRaw(response);
  const choices = rest.choices.map((choice) => ({
    ...choice,
    finish: { reason: choice.finish.reason === 'content_filter' ? 'error' : choice.finish.reason },
  }));
  return throughJson({ ...rest, choices });
}

test('a request written and read again is the same', () => {
  fc.assert(
    fc.property(chatRequests(REACH).map(sayable), (request) => {
      const { body, dropped } = cohere.encodeRequest(request, { ...OPEN_TARGET, model: request.model });
      expect(dropped).toEqual([]);
      expect(cohere.decodeRequest(throughJson(body))).toEqual(request);
    }),
    { numRuns: 200 },
  );
});

test('an answer written and read again is the same', () => {
  fc.assert(
    fc.property(chatResponses(REACH), (response) => {
      const body = throughJson(cohere.encodeResponse(response, TEST_REPLY));
      expect(facts(cohere.decodeResponse(body, { quirks: {} }))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});

test('an answer streamed and read again is the same', () => {
  fc.assert(
    fc.property(chatResponses(REACH), fc.integer({ min: 1, max: 9 }), (response, size) => {
      const events = streamRoundTrip(cohere, createSseReader(), replayResponse(response, size));
      expect(facts(collect(events))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});
