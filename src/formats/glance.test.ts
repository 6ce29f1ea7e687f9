import { describe, expect, it } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import type { ChatCodec } from './codec.ts';
import { type Glance, glanceAt } from './glance.ts';
import { CODECS } from './registry.ts';

const SOURCE = { quirks: {} };

function told<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

function bothOf(codec: ChatCodec, body: JsonObject): { glance: Glance | string; decoded: Glance | string } {
  return {
    glance: told(() => codec.glance?.(body, SOURCE) ?? 'is always decoded'),
    decoded: told(() => glanceAt(codec.decodeResponse(body, SOURCE))),
  };
}

const chat = (message: JsonObject, more: JsonObject = {}): JsonObject => ({
  id: 'chatcmpl-1',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 2 } },
  ...more,
});
const CALL = { id: 'c1', type: 'function', function: { name: 'find', arguments: '{"q":"ä"}' } };
const CHOICE = { index: 1, message: { content: 'Grüße' }, finish_reason: 'length' };

const CHAT: Readonly<Record<string, JsonObject>> = {
  text: chat({ content: 'Grüße 😀', refusal: null }),
  'a refusal': chat({ content: null, refusal: 'I cannot.' }),
  thoughts: chat({ content: 'a', reasoning_content: 'thinking' }),
  'thoughts elsewhere': chat({ content: 'a', reasoning: 'thinking', reasoning_content: null }),
  'thoughts in details': chat({
    content: 'a',
    reasoning: 'thinking',
    reasoning_details: [{ type: 'reasoning.text', text: 'thinking', signature: 's' }],
  }),
  calls: chat({ content: null, tool_calls: [CALL, CALL] }),
  'no calls': chat({ content: 'a', tool_calls: [] }),
  'an old call': chat({ content: null, function_call: { name: 'find', arguments: '{}' } }),
  'parts of content': chat({ content: [{ type: 'text', text: 'a' }, 'b'] }),
  'a broken part': chat({ content: [{ text: 'a' }] }),
  'content that is none': chat({ content: 7 }),
  pictures: chat({ content: '', images: [{ image_url: { url: 'https://192.0.2.1/a.png' } }] }),
  nothing: chat({ content: '' }),
  'nothing and no reason': { choices: [{ message: {} }] },
  'a delta': { choices: [{ delta: { content: 'a' }, finish_reason: '' }] },
  'no message': { choices: [{ index: 0 }] },
  'several choices': chat({}, { choices: [CHOICE, { ...CHOICE, index: 0, message: { content: '' } }] }),
  'no choices': { choices: [] },
  'no object': { choices: ['a'] },
  'an error': { error: { message: 'overloaded', code: 503 } },
  'an error beside an answer': chat({ content: 'a' }, { error: { message: 'no' } }),
  'an error without words': chat({ content: 'a' }, { error: null }),
  'usage at another place': chat({ content: 'a' }, { usage: null, x_groq: { usage: { prompt_tokens: 9 } } }),
  'no id': chat({ content: 'a' }, { id: '', usage: undefined }),
};

const message = (content: unknown, more: JsonObject = {}): JsonObject => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  content: content as JsonObject[],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 4, output_tokens: 6, cache_read_input_tokens: 2 },
  ...more,
});

const MESSAGES: Readonly<Record<string, JsonObject>> = {
  text: message([{ type: 'text', text: 'Grüße' }]),
  'an empty text': message([{ type: 'text', text: '' }]),
  'a text that is none': message([{ type: 'text', text: 1 }]),
  thoughts: message([
    { type: 'thinking', thinking: 'ä', signature: 's' },
    { type: 'redacted_thinking', data: 'x' },
    { type: 'text', text: 'a' },
  ]),
  calls: message([{ type: 'tool_use', id: 't', name: 'find', input: { q: 'ä' } }], {
    stop_reason: 'tool_use',
  }),
  'the output tool': message([{ type: 'text', text: 'a', name: 'sluice_structured_output' }], {
    stop_reason: 'tool_use',
  }),
  'a block of its own': message([{ type: 'web_search_tool_result', content: [] }]),
  nothing: message([]),
  'a stop sequence': message([{ type: 'text', text: 'a' }], {
    stop_reason: 'stop_sequence',
    stop_sequence: 'x',
  }),
  'no blocks': message(['a']),
  'no content': message(undefined),
  'an error': { type: 'error', error: { type: 'overloaded_error', message: 'no' } },
  'an error word': message([{ type: 'text', text: 'a' }], { error: 'no' }),
  'no usage': message([{ type: 'text', text: 'a' }], { usage: null }),
};

const stored = (output: unknown, more: JsonObject = {}): JsonObject => ({
  id: 'resp_1',
  status: 'completed',
  error: null,
  output: output as JsonObject[],
  usage: { input_tokens: 4, output_tokens: 6, output_tokens_details: { reasoning_tokens: 2 } },
  ...more,
});
const item = (...content: JsonObject[]): JsonObject => ({ type: 'message', role: 'assistant', content });

const RESPONSES: Readonly<Record<string, JsonObject>> = {
  text: stored([item({ type: 'output_text', text: 'Grüße' }), item({ type: 'text', text: 'a' })]),
  'bare text': stored([{ type: 'message', content: 'Grüße' }]),
  'a refusal': stored([item({ type: 'refusal', refusal: 'I cannot.' })]),
  'a part of its own': stored([item({ type: 'audio' }, { type: 'output_text', text: 4 })]),
  'an empty message': stored([item()]),
  thoughts: stored([
    {
      type: 'reasoning',
      id: 'rs',
      summary: [{ text: 'ä' }],
      content: [{ text: 'b' }],
      encrypted_content: 'x',
    },
    item({ type: 'output_text', text: 'a' }),
  ]),
  calls: stored([
    { type: 'function_call', call_id: 'c', name: 'find', arguments: '{"q":"ä"}' },
    { type: 'custom_tool_call', call_id: 'd', name: 'run', input: 'ls' },
    { type: 'function_call', arguments: { q: 1 } },
  ]),
  searches: stored([{ type: 'web_search_call', action: { type: 'search' } }, 'x']),
  nothing: stored([]),
  'cut short': stored([item({ type: 'output_text', text: 'a' })], {
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
  }),
  failed: stored([], { status: 'failed', error: { code: 'server_error', message: 'no' } }),
  'an error word': stored([item({ type: 'output_text', text: 'a' })], { error: 'no' }),
  'no output': stored(undefined),
};

const candidates = (parts: unknown, more: JsonObject = {}): JsonObject => ({
  candidates: [{ content: { parts: parts as JsonObject[], role: 'model' }, finishReason: 'STOP', ...more }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 5, thoughtsTokenCount: 2 },
  responseId: 'r1',
});

const GEMINI: Readonly<Record<string, JsonObject>> = {
  text: candidates([{ text: 'Grüße' }, { text: 'a', thoughtSignature: 'c2ln' }]),
  thoughts: candidates([{ text: 'ä', thought: true }, { text: 'a' }]),
  'an empty text': candidates([{ text: '' }]),
  'a lone part': candidates({ text: 'a' }),
  calls: candidates([{ functionCall: { name: 'find', args: { q: 'ä' } } }]),
  pictures: candidates([{ inline_data: { mime_type: 'image/png', data: 'AAAA' } }]),
  'a part that is none': candidates(['a']),
  nothing: candidates([], { finishReason: 'MAX_TOKENS' }),
  'no content': candidates(undefined, { content: null, finishReason: 'SAFETY', finishMessage: 'no' }),
  'several candidates': {
    candidates: [{ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'b' }] } }],
  },
  'a refused prompt': { promptFeedback: { blockReason: 'SAFETY' } },
  'no candidates': {},
  'an error': { error: { code: 503, message: 'no', status: 'UNAVAILABLE' } },
};

const SAMPLES = {
  'openai-chat': CHAT,
  'anthropic-messages': MESSAGES,
  'openai-responses': RESPONSES,
  gemini: GEMINI,
} as const;

describe('a glance at an answer', () => {
  const cases = Object.entries(SAMPLES).flatMap(([format, bodies]) =>
    Object.entries(bodies).map(([name, body]) => ({ format: format as keyof typeof SAMPLES, name, body })),
  );

  it.each(cases)('$format: says of $name what decoding it says', ({ format, body }) => {
    const { glance, decoded } = bothOf(CODECS[format], body);
    expect(glance).toEqual(decoded);
  });

  it('knows whether anything was said', () => {
    for (const [format, bodies] of Object.entries(SAMPLES)) {
      const codec = CODECS[format as keyof typeof SAMPLES];
      expect(codec.glance?.(bodies['nothing'] ?? {}, SOURCE)).toMatchObject({
        isEmpty: true,
        outputBytes: 0,
      });
      const { isEmpty, outputBytes } = codec.glance?.(bodies['text'] ?? {}, SOURCE) ?? {};
      expect([isEmpty, (outputBytes ?? 0) > 6], format).toEqual([false, true]);
    }
  });

  it('is there for every format whose streams are forwarded too', () => {
    for (const codec of Object.values(CODECS)) {
      expect(codec.glance !== undefined, codec.id).toBe(codec.tap !== undefined);
    }
  });
});
