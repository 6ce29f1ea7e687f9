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
import type { ChatRequest, ChatResponse, MediaPart, Part } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { createNdjsonReader } from '../ndjson.ts';
import { ollama } from './index.ts';

const REACH: Reach = {
  plainReasoning: true,
  images: true,
  systemAnywhere: true,
  sampling: [
    'temperature',
    'topP',
    'topK',
    'seed',
    'frequencyPenalty',
    'presencePenalty',
    'logprobs',
    'topLogprobs',
  ],
  shapes: ['text', 'json_object', 'json_schema'],
  choices: ['auto'],
  stop: true,
  usage: ['input', 'output'],
};

/** A prompt has one text, then its images; a schema has neither name nor `strict`. */
function sayable(request: ChatRequest): ChatRequest {
  const { output } = request;
  return {
    ...request,
    messages: request.messages.map((message) =>
      message.role === 'user' ? { ...message, parts: oneText(message.parts) } : message,
    ),
    output: output.type === 'json_schema' ? { type: 'json_schema', schema: output.schema } : output,
  };
}

/** Images go without their type; bytes nobody knows are taken for a JPEG. */
function jpeg(part: MediaPart, data: string): Part {
  return { ...part, source: { kind: 'base64', mediaType: 'image/jpeg', data } };
}

function oneText(parts: readonly Part[]): readonly Part[] {
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  const rest = parts
    .filter((part) => part.type !== 'text')
    .map((part) =>
      part.type === 'image' && part.source.kind === 'base64' ? jpeg(part, part.source.data) : part,
    );
  return texts.length === 0 ? rest : [{ type: 'text', text: texts.join('\n\n') }, ...rest];
}

/** An Ollama answer has no id, and knows `stop` and `length` only. */
function facts(response: ChatResponse): unknown {
  const { id: _id, model: _model, created: _created, ...rest } = withoutRaw(response);
  const choices = rest.choices.map((choice) => ({
    ...choice,
    finish: { reason: choice.finish.reason === 'content_filter' ? 'stop' : choice.finish.reason },
  }));
  return throughJson({ ...rest, choices });
}

test('a request written and read again is the same', () => {
  fc.assert(
    fc.property(chatRequests(REACH).map(sayable), ({ toolChoice: _, ...request }) => {
      const { body, dropped } = ollama.encodeRequest(request, { ...OPEN_TARGET, model: request.model });
      expect(dropped).toEqual([]);
      expect(ollama.decodeRequest(throughJson(body))).toEqual(request);
    }),
    { numRuns: 200 },
  );
});

test('an answer written and read again is the same', () => {
  fc.assert(
    fc.property(chatResponses(REACH), (response) => {
      const body = throughJson(ollama.encodeResponse(response, TEST_REPLY));
      expect(facts(ollama.decodeResponse(body, { quirks: {} }))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});

test('an answer streamed and read again is the same', () => {
  fc.assert(
    fc.property(chatResponses(REACH), fc.integer({ min: 1, max: 9 }), (response, size) => {
      const events = streamRoundTrip(ollama, createNdjsonReader(), replayResponse(response, size));
      expect(facts(collect(events))).toEqual(facts(response));
    }),
    { numRuns: 200 },
  );
});
