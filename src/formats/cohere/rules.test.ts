import { expect, test } from 'vitest';
import {
  collect,
  OPEN_TARGET,
  readStream,
  TEST_REPLY,
  throughJson,
} from '../../../test/golden/codec-golden.ts';
import { SluiceError } from '../../core/errors/error.ts';
import { type ChatRequest, type JsonObject, type Message, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { createSseReader, sseEvent } from '../sse.ts';
import { cohere } from './index.ts';

function request(fields: Partial<ChatRequest>): ChatRequest {
  const messages: Message[] = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }];
  const fixed = { output: { type: 'text' }, stream: false, includeUsage: false } as const;
  return { model: 'm', messages, tools: [], sampling: {}, ...fixed, ...fields };
}

function sent(fields: Partial<ChatRequest>): JsonObject {
  return throughJson(cohere.encodeRequest(request(fields), OPEN_TARGET).body);
}

function stream(...events: readonly JsonObject[]) {
  const text = events.map((event) => sseEvent(JSON.stringify(event))).join('');
  return readStream(cohere, createSseReader(), [Buffer.from(text)]);
}

const TOOLS = [
  { type: 'function', name: 'f' },
  { type: 'function', name: 'g' },
] as const;

const START = { type: 'message-start', id: 'r1', delta: { message: { role: 'assistant' } } };
const END = { type: 'message-end', delta: { finish_reason: 'COMPLETE' } };

test('tool choice is REQUIRED, NONE or unsaid; one tool is that tool alone', () => {
  const tools = TOOLS;
  expect(sent({ tools, toolChoice: { type: 'auto' } })).not.toHaveProperty('tool_choice');
  expect(sent({ tools, toolChoice: { type: 'none' } })).toMatchObject({
    tool_choice: 'NONE',
    tools: [{}, {}],
  });
  expect(sent({ tools, toolChoice: { type: 'required' } })['tool_choice']).toBe('REQUIRED');
  const one = sent({ tools, toolChoice: { type: 'tool', name: 'g' } });
  expect(one['tool_choice']).toBe('REQUIRED');
  expect(one['tools']).toMatchObject([{ function: { name: 'g' } }]);
  expect(one['tools']).toHaveLength(1);
  expect(() => sent({ tools, toolChoice: { type: 'tool', name: 'h' } })).toThrow(SluiceError);
});

test('strict is said for all tools or noted', () => {
  const strict = TOOLS.map((tool) => ({ ...tool, strict: true }));
  expect(sent({ tools: strict })['strict_tools']).toBe(true);
  const mixed = cohere.encodeRequest(
    request({ tools: [...strict, { type: 'function', name: 'x' }] }),
    OPEN_TARGET,
  );
  expect(mixed.body).not.toHaveProperty('strict_tools');
  expect(mixed.dropped).toEqual(['tools.strict']);
});

test('plan, documents and unknown fields return to where they stood', () => {
  const body = {
    model: 'upstream-model',
    stream: true,
    messages: [
      { role: 'user', content: 'q' },
      {
        role: 'assistant',
        tool_calls: [
          { id: 't1', type: 'function', function: { name: 'f', arguments: '{"a":12345678901234567890}' } },
        ],
        tool_plan: 'I will look.',
      },
      {
        role: 'tool',
        tool_call_id: 't1',
        content: [{ type: 'document', document: { id: 'd', data: { title: 'T', text: 'x' } } }],
      },
    ],
    documents: ['plain', { id: 'd', data: { text: 'x' } }],
    citation_options: { mode: 'FAST' },
    safety_mode: 'OFF',
    thinking: { type: 'enabled', token_budget: 500 },
    a_new_field: { x: 1 },
  };
  const decoded = cohere.decodeRequest(body);
  expect(throughJson(cohere.encodeRequest(decoded, OPEN_TARGET).body)).toEqual(body);
  // Everyone else reads the document as text.
  expect(decoded.messages[2]?.parts[0]).toMatchObject({
    name: 'f',
    content: [{ text: '{"title":"T","text":"x"}' }],
  });
});

test('a text edited on the way does not come back through the kept document', () => {
  const content = [{ type: 'document', document: { id: 'd', data: { text: 'my secret' } } }];
  const decoded = cohere.decodeRequest({
    model: 'm',
    messages: [{ role: 'tool', tool_call_id: 't', content }],
  });
  const edited = JSON.parse(JSON.stringify(decoded).replaceAll('my secret', '[redacted]')) as ChatRequest;
  expect(JSON.stringify(decoded.messages[0]?.parts[0])).toContain('my secret');
  expect(JSON.stringify(cohere.encodeRequest(edited, OPEN_TARGET).body)).not.toContain('my secret');
});

test('null arguments are an empty object, whole and streamed', () => {
  const call = { id: 't', type: 'function', function: { name: 'f', arguments: null } };
  const whole = cohere.decodeResponse(
    { message: { role: 'assistant', tool_calls: [call] }, finish_reason: 'TOOL_CALL' },
    { quirks: {} },
  );
  const streamed = collect(
    stream(
      START,
      { type: 'tool-call-start', index: 0, delta: { message: { tool_calls: call } } },
      {
        type: 'tool-call-delta',
        index: 0,
        delta: { message: { tool_calls: { function: { arguments: null } } } },
      },
      { type: 'tool-call-end', index: 0 },
      END,
    ),
  );
  for (const { choices } of [whole, streamed]) {
    expect(choices[0]?.parts).toMatchObject([{ type: 'tool_call', arguments: '{}' }]);
    expect(choices[0]?.finish.reason).toBe('tool_calls');
  }
});

test('citations behind content-end still reach their text', () => {
  const citation = {
    start: 0,
    end: 1,
    text: 'a',
    sources: [{ type: 'document', id: 'd', document: { url: 'u' } }],
  };
  const events = stream(
    START,
    { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
    { type: 'content-delta', index: 0, delta: { message: { content: { text: 'abc' } } } },
    { type: 'content-end', index: 0 },
    { type: 'citation-start', index: 0, delta: { message: { citations: citation } } },
    END,
  );
  expect(collect(events).choices[0]?.parts).toMatchObject([
    { type: 'text', text: 'abc', citations: [{ kind: 'url', url: 'u', documentId: 'd', start: 0, end: 1 }] },
  ]);
});

test('a citation of another vendor quotes its words by code points', () => {
  const text = '😀 facts';
  const citations = [{ kind: 'url', url: 'https://example.com', title: 'E', start: 2, end: 7 }] as const;
  const part = { type: 'text', text, citations } as const;
  const usage = collect(stream(START, END)).usage;
  const choices = [{ index: 0, parts: [part], finish: { reason: 'stop' } as const }];
  expect(cohere.encodeResponse({ choices, usage }, TEST_REPLY)['message']).toMatchObject({
    citations: [{ start: 2, end: 7, text: 'facts', sources: [{ id: 'https://example.com' }] }],
  });
});

test('a failed answer is an error, a stream without its end is cut', () => {
  const failed = { type: 'message-end', delta: { finish_reason: 'ERROR', error: 'secret words' } };
  const events = stream(START, failed, END);
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_error' } });
  expect(JSON.stringify(events)).not.toContain('secret');
  expect(stream(START).at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } });
  expect(stream(START, { type: 'message-end', delta: { finish_reason: 'ERROR' } }).at(-1)).toMatchObject({
    finish: { reason: 'error', raw: 'ERROR' },
  });
});

test('our own errors end the stream in its words', () => {
  const encoder = cohere.streamEncoder(TEST_REPLY);
  const error = new SluiceError('upstream_error', 'It broke.');
  const text = String(encoder.push([{ type: 'start' }, { type: 'error', error }]));
  expect(text).toContain('"delta":{"finish_reason":"ERROR","error":"It broke."}');
  expect(encoder.end()).toBe('');
});

test('cached tokens are part of the input, billed units stay in raw', () => {
  const usage = {
    billed_units: { input_tokens: 5, output_tokens: 2 },
    tokens: { input_tokens: 100, output_tokens: 9 },
    cached_tokens: 60,
  };
  const end = { type: 'message-end', delta: { finish_reason: 'COMPLETE', usage } };
  expect(collect(stream(START, end)).usage).toMatchObject({
    input: 40,
    cacheRead: 60,
    output: 9,
    raw: usage,
  });
});

test("values outside Cohere's ranges are brought inside and named", () => {
  const { body, dropped } = cohere.encodeRequest(
    request({ sampling: { topP: 1, frequencyPenalty: -1, topK: 900 } }),
    OPEN_TARGET,
  );
  expect(body).toMatchObject({ p: 0.99, frequency_penalty: 0, k: 500 });
  expect(dropped).toHaveLength(3);
});

test('an answer with media is written, not refused', () => {
  const source = { kind: 'url', url: 'https://example.com/a.mp4' } as const;
  const odd = { kind: 'base64', mediaType: 'image/x-odd', data: 'AA==' } as const;
  const parts = [
    { type: 'video', source },
    { type: 'image', source: odd },
    { type: 'text', text: 'seen' },
  ] as const;
  const choices = [{ index: 0, parts, finish: { reason: 'stop' } as const }];
  const body = cohere.encodeResponse({ choices, usage: UNKNOWN_USAGE }, TEST_REPLY);
  expect(JSON.stringify(body)).toContain('seen');
});
