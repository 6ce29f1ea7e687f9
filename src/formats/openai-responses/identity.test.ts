import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chatRequests, chatResponses, type Reach, withoutRaw } from '../../../test/properties/arbitraries.ts';
import {
  type ChatRequest,
  type ChatResponse,
  type JsonObject,
  type Message,
  OPEN_PROFILE,
  type Part,
  type StreamEvent,
} from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { Reply } from '../codec.ts';
import { createSseReader } from '../sse.ts';
import { openaiResponses } from './index.ts';

const REACHES: readonly Reach[] = [
  { issuer: 'openai', refusals: true, customTools: true },
  { issuer: 'gemini', callSignatures: true, redacted: true, plainReasoning: true, customTools: true },
  { issuer: 'claude', redacted: true },
];

const USAGE: Reach['usage'] = ['input', 'cacheRead', 'cacheWrite5m', 'output', 'reasoning'];

const REQUESTS: Reach = {
  issuer: 'openai',
  refusals: true,
  customTools: true,
  strictTools: true,
  systemAnywhere: true,
  images: true,
  sampling: ['temperature', 'topP', 'logprobs', 'topLogprobs'],
  shapes: ['text', 'json_object', 'json_schema'],
  choices: ['auto', 'none', 'required', 'tool', 'allowed'],
};

/** A part without what the wire adds: item ids and the marks that keep items apart. */
function bare(part: Part): Part {
  const { extensions: _extensions, ...rest } = part;
  const { itemId: _itemId, id, ...plain } = rest as { itemId?: string; id?: string };
  const keepsId = part.type === 'tool_call' && id !== undefined;
  return { ...plain, ...(keepsId ? { id } : {}) } as Part;
}

function bareResponse(response: ChatResponse): ChatResponse {
  const { extensions: _extensions, serviceTier: _serviceTier, ...rest } = withoutRaw(response);
  const choices = rest.choices.map(({ index, finish, parts }) => ({
    index,
    finish,
    parts: parts.map(bare) as ChatResponse['choices'][number]['parts'],
  }));
  return { ...rest, choices };
}

function replyFor(response: ChatResponse): Reply {
  return {
    id: response.id ?? 'resp_1',
    model: response.model ?? 'm',
    created: response.created ?? 1,
    includeUsage: false,
  };
}

function throughStream(response: ChatResponse, size: number): ChatResponse {
  const encoder = openaiResponses.streamEncoder(replyFor(response));
  let text = '';
  for (const event of replayResponse(response, size)) text += encoder.push([event]);
  text += encoder.end();
  const bytes = new TextEncoder().encode(text);
  const reader = createSseReader();
  const decoder = openaiResponses.streamDecoder({ quirks: {} });
  const events: StreamEvent[] = [];
  for (let at = 0; at < bytes.length; at += 37) {
    for (const frame of reader.push(bytes.subarray(at, at + 37))) events.push(...decoder.push(frame));
  }
  for (const frame of reader.end()) events.push(...decoder.push(frame));
  events.push(...decoder.end());
  const collector = createCollector();
  collector.push(events);
  return collector.response();
}

describe('decode after encode is the identity', () => {
  it.each(REACHES)('on whole answers, %o', (reach) => {
    fc.assert(
      fc.property(chatResponses({ ...reach, usage: USAGE }), (response) => {
        const body = JSON.parse(JSON.stringify(openaiResponses.encodeResponse(response, replyFor(response))));
        const back = openaiResponses.decodeResponse(body, { quirks: {} });
        expect(bareResponse(back)).toEqual(bareResponse(response));
      }),
    );
  });

  it.each(REACHES)('on streams, %o', (reach) => {
    fc.assert(
      fc.property(
        chatResponses({ ...reach, usage: USAGE }),
        fc.integer({ min: 1, max: 9 }),
        (response, size) => {
          expect(bareResponse(throughStream(response, size))).toEqual(bareResponse(response));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('on requests', () => {
    fc.assert(
      fc.property(chatRequests(REQUESTS), (plain) => {
        const request: ChatRequest = { ...plain, extensions: { 'openai-responses': {} } };
        const target = {
          model: plain.model,
          profile: OPEN_PROFILE,
          quirks: {},
          defaultMaxOutputTokens: 4096,
        };
        const encoded = openaiResponses.encodeRequest(request, target);
        const back = openaiResponses.decodeRequest(JSON.parse(JSON.stringify(encoded.body)));
        expect(encoded.dropped).toEqual([]);
        expect(normal(back)).toEqual(normal(request));
      }),
    );
  });
});

describe('what a client sends back is what it was given', () => {
  it.each(REACHES)('with every signature in its place, %o', (reach) => {
    fc.assert(
      fc.property(chatResponses(reach), (response) => {
        const { output } = openaiResponses.encodeResponse(response, replyFor(response));
        const body: JsonObject = {
          model: 'm',
          input: [
            { role: 'user', content: 'q' },
            ...(output as JsonObject[]),
            { role: 'user', content: 'on' },
          ],
        };
        const { messages } = openaiResponses.decodeRequest(JSON.parse(JSON.stringify(body)));
        const turn = messages.find((message) => message.role === 'assistant')?.parts ?? [];
        expect(turn.map(bare)).toEqual(response.choices[0]?.parts.map(bare));
      }),
    );
  });
});

function normal(request: ChatRequest): ChatRequest {
  const { extensions: _extensions, toolChoice, ...rest } = request;
  const messages = rest.messages.map((message): Message => ({ ...message, parts: message.parts.map(bare) }));
  if (toolChoice === undefined || rest.tools.length === 0) return { ...rest, messages };
  const choice = toolChoice.type === 'tool' ? { kind: 'function' as const, ...toolChoice } : toolChoice;
  return { ...rest, messages, toolChoice: choice };
}
