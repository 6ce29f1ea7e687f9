import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chatRequests, chatResponses, type Reach, withoutRaw } from '../../../test/properties/arbitraries.ts';
import type { ChatRequest, ChatResponse, JsonObject, StreamEvent } from '../../core/model/index.ts';
import { OPEN_PROFILE } from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { Reply, Target } from '../codec.ts';
import { createSseReader } from '../sse.ts';
import { openaiChat } from './index.ts';

const REPLY: Reply = { id: 'chatcmpl-1', model: 'asked', created: 1_780_000_000, includeUsage: true };

/** A vendor that takes everything back: the request side of the format at its fullest. */
const TARGET: Target = {
  model: 'upstream',
  profile: { ...OPEN_PROFILE, family: 'gpt' },
  quirks: { reasoningReplay: 'reasoning_details', cacheControl: true },
  defaultMaxOutputTokens: 4096,
};

const REACH: Reach = {
  issuer: 'openai',
  callSignatures: true,
  plainReasoning: true,
  customTools: true,
  cache: true,
  names: true,
  strictTools: true,
  systemAnywhere: true,
  images: true,
  sampling: [
    'temperature',
    'topP',
    'seed',
    'frequencyPenalty',
    'presencePenalty',
    'logitBias',
    'logprobs',
    'topLogprobs',
  ],
  shapes: ['text', 'json_object', 'json_schema'],
  choices: ['auto', 'none', 'required', 'tool', 'allowed'],
  stop: true,
};

const ANSWERS: Reach = {
  issuer: 'claude',
  redacted: true,
  callSignatures: true,
  plainReasoning: true,
  refusals: true,
  customTools: true,
  many: true,
  logprobs: true,
  usage: ['input', 'cacheRead', 'cacheWrite5m', 'output', 'reasoning', 'audioInput', 'audioOutput'],
};

function throughJson(value: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

/** A marked tool result and its marked last text are one mark on the wire; a stream always asks for usage. */
function expected(request: ChatRequest): ChatRequest {
  return { ...request, model: TARGET.model, includeUsage: request.stream };
}

function asked(response: ChatResponse): ChatResponse {
  return { ...withoutRaw(response), id: REPLY.id, model: REPLY.model, created: REPLY.created };
}

function readStream(text: string, size: number): readonly StreamEvent[] {
  const reader = createSseReader();
  const decoder = openaiChat.streamDecoder({ quirks: {} });
  const bytes = Buffer.from(text);
  const events: StreamEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const frame of reader.push(bytes.subarray(at, at + size))) events.push(...decoder.push(frame));
  }
  for (const frame of reader.end()) events.push(...decoder.push(frame));
  events.push(...decoder.end());
  return events;
}

function writeStream(events: readonly StreamEvent[]): string {
  const encoder = openaiChat.streamEncoder(REPLY);
  return String(encoder.push(events)) + String(encoder.end());
}

describe('what is written can be read back', () => {
  it('requests', () => {
    fc.assert(
      fc.property(chatRequests(REACH), (request) => {
        const { body, dropped } = openaiChat.encodeRequest(request, TARGET);
        expect(openaiChat.decodeRequest(throughJson(body))).toEqual(expected(request));
        expect(dropped).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  for (const issuer of ['claude', 'gemini', 'openai'] as const) {
    const reach: Reach = { ...ANSWERS, issuer, redacted: issuer === 'claude' };

    it(`whole answers with state of ${issuer}`, () => {
      fc.assert(
        fc.property(chatResponses(reach), (response) => {
          const body = throughJson(openaiChat.encodeResponse(response, REPLY));
          expect(withoutRaw(openaiChat.decodeResponse(body, { quirks: {} }))).toEqual(asked(response));
        }),
        { numRuns: 150 },
      );
    });

    it(`streams with state of ${issuer}, wherever they are split`, () => {
      fc.assert(
        fc.property(chatResponses(reach), fc.nat({ max: 60 }), (response, size) => {
          const text = writeStream(replayResponse(response, size + 1));
          const collector = createCollector();
          collector.push(readStream(text, size + 1));
          expect(withoutRaw(collector.response())).toEqual(asked(response));
        }),
        { numRuns: 150 },
      );
    });
  }
});
