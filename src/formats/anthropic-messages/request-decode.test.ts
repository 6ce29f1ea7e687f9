import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { anthropicMessages as codec } from './index.ts';
import { encode, target } from './request-samples.ts';

const MESSAGES = [{ role: 'user', content: 'Hi' }];

test.each([
  ['model', { messages: MESSAGES }],
  ['messages', { model: 'm' }],
  ['messages', { model: 'm', messages: [] }],
  ['messages[0].role', { model: 'm', messages: [{ role: 'tool', content: 'x' }] }],
  ['messages[0].content', { model: 'm', messages: [{ role: 'user' }] }],
  ['messages[0].content[0].text', { model: 'm', messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
  ['temperature', { model: 'm', messages: MESSAGES, temperature: 1.5 }],
  ['max_tokens', { model: 'm', messages: MESSAGES, max_tokens: 1.5 }],
  ['tool_choice.type', { model: 'm', messages: MESSAGES, tool_choice: { type: 'all' } }],
  ['thinking.type', { model: 'm', messages: MESSAGES, thinking: { type: 'on' } }],
  ['system', { model: 'm', messages: MESSAGES, system: 5 }],
])('a bad body names %s', (param, body) => {
  expect(() => codec.decodeRequest(body as JsonObject)).toThrow(
    expect.objectContaining({ code: 'bad_request', facts: expect.objectContaining({ param }) }),
  );
});

test('what version 2026-10-21 rejects is taken as the older version takes it', () => {
  const body = {
    model: 'm',
    max_tokens: 9,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 3,
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'a', citations: [] }] },
      {
        role: 'assistant',
        content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'd' } }],
      },
      { role: 'user', content: 'b' },
    ],
  };
  const decoded = codec.decodeRequest(body);
  expect(decoded.sampling).toEqual({ temperature: 0.5, topP: 0.9, topK: 3 });
  expect(decoded.messages[1]?.parts[0]).toMatchObject({ type: 'document', source: { text: 'd' } });
});

test('results come first, in call order, with the names of their calls', () => {
  const decoded = codec.decodeRequest({
    model: 'm',
    messages: [
      { role: 'user', content: 'go' },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a', name: 'f', input: {} },
          { type: 'tool_use', id: 'b', name: 'g', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'here' },
          { type: 'tool_result', tool_use_id: 'b', content: '2', is_error: true },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: '1' }] },
    ],
  });
  const results = decoded.messages.flatMap((message) =>
    message.parts.flatMap((part) => (part.type === 'tool_result' ? [[part.callId, part.name]] : [])),
  );
  expect(results).toContainEqual(['b', 'g']);
  expect(results).toContainEqual(['a', 'f']);
});

test('big numbers in a tool’s input keep their digits', () => {
  const body = parseJson(
    '{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"n":12345678901234567890}}]}]}',
  ) as JsonObject;
  expect(codec.decodeRequest(body).messages[0]?.parts[0]).toMatchObject({
    arguments: '{"n":12345678901234567890}',
  });
});

test('effort without thinking turns no thinking on for the same format', () => {
  const body = { model: 'm', max_tokens: 9, messages: MESSAGES, output_config: { effort: 'low' } };
  const decoded = codec.decodeRequest(body);
  expect(decoded.reasoning).toMatchObject({ effort: 'low' });
  const { body: again } = codec.encodeRequest(decoded, target());
  expect(again['output_config']).toEqual({ effort: 'low' });
  expect(again).not.toHaveProperty('thinking');
});

test('unknown fields come back, foreign ones are named', () => {
  const body = {
    model: 'm',
    max_tokens: 9,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'a', novel: 1 }] }],
    mcp_servers: [{ name: 'x' }],
    thinking: { type: 'between_tools' },
  };
  const { body: again, dropped } = codec.encodeRequest(codec.decodeRequest(body), target());
  expect(again).toMatchObject({ ...body, model: 'claude-x' });
  expect(dropped).toEqual([]);
  expect(encode({ extensions: { 'openai-chat': { prediction: {} } } }).dropped).toEqual(['prediction']);
});
