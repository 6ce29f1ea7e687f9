import { expect, test } from 'vitest';
import type { ChatRequest, JsonObject } from '../../core/model/index.ts';
import { anthropicMessages as codec } from './index.ts';
import { BASE, call, encode, result, TOOL, target, user } from './request-samples.ts';

test('tools: a tool without parameters takes an empty object', () => {
  expect(encode({ tools: [TOOL] }).body['tools']).toEqual([
    { name: 'f', input_schema: { type: 'object', properties: {} } },
  ]);
});

test('tools: choices and parallel calls', () => {
  const choice = (request: Partial<ChatRequest>) => encode({ tools: [TOOL], ...request }).body['tool_choice'];
  expect(choice({ toolChoice: { type: 'required' } })).toEqual({ type: 'any' });
  expect(choice({ toolChoice: { type: 'none' }, parallelToolCalls: false })).toEqual({ type: 'none' });
  expect(choice({ parallelToolCalls: false })).toEqual({ type: 'auto', disable_parallel_tool_use: true });
  expect(choice({ toolChoice: { type: 'tool', name: 'f' } })).toEqual({ type: 'tool', name: 'f' });
  expect(encode({ parallelToolCalls: false }).body).not.toHaveProperty('tool_choice');
});

test('tools: allowed tools are the only ones offered', () => {
  const { body } = encode({
    tools: [TOOL, { type: 'function', name: 'g' }],
    toolChoice: { type: 'allowed', names: ['g'], required: true },
  });
  expect((body['tools'] as JsonObject[]).map((tool) => tool['name'])).toEqual(['g']);
  expect(body['tool_choice']).toEqual({ type: 'any' });
});

test('tools: a foreign server tool is refused by name', () => {
  const tool = { type: 'server', format: 'openai-responses', label: 'file_search', value: {} } as const;
  expect(() => encode({ tools: [tool] })).toThrow(/file_search/);
});

test('tools: a custom tool travels as a function and its answer comes back as text', () => {
  const tools = [{ type: 'custom', name: 'sql' }] as const;
  expect((encode({ tools }).body['tools'] as JsonObject[])[0]).toMatchObject({
    name: 'sql',
    input_schema: { required: ['input'] },
  });
  const content = [{ type: 'tool_use', id: 'x', name: 'sql', input: { input: 'SELECT 1' } }];
  const source = { quirks: {}, request: { ...BASE, tools } };
  const answer = codec.decodeResponse({ content, stop_reason: 'tool_use' }, source);
  expect(answer.choices[0]?.parts[0]).toMatchObject({ kind: 'custom', arguments: 'SELECT 1' });
});

test('tools: a forced tool turns thinking off, with a note', () => {
  const { body, dropped } = encode(
    { tools: [TOOL], toolChoice: { type: 'required' }, reasoning: { enabled: true, effort: 'low' } },
    target({ reasoning: { kind: 'budget', min: 1024, max: 9000, canDisable: true } }),
  );
  expect(body).not.toHaveProperty('thinking');
  expect(dropped).toEqual(['reasoning (a tool is forced)']);
});

const schema = { type: 'object', properties: { a: { type: 'number' } } };
const output = { type: 'json_schema', schema } as const;

test('structured output: native where the model has it', () => {
  const closed = { ...schema, additionalProperties: false };
  expect(encode({ output }).body['output_config']).toEqual({
    format: { type: 'json_schema', schema: closed },
  });
});

test('structured output: a schema that the API refuses is the schema of a forced tool', () => {
  const map = { type: 'object', additionalProperties: { type: 'number' } };
  const { body, dropped } = encode({ output: { type: 'json_schema', schema: map } });
  expect(body).not.toHaveProperty('output_config');
  expect(body['tools']).toMatchObject([{ input_schema: map }]);
  expect(dropped).toContain('json_schema (sent as a tool)');
});

test.each([
  ['object', schema, { a: 1 }, '{"a":1}'],
  ['list', { type: 'array' }, { value: [1, 2] }, '[1,2]'],
])(
  'structured output: a forced tool where it has not, turned back into text: %s',
  (_name, shape, input, text) => {
    const request = { ...BASE, output: { type: 'json_schema', schema: shape } as const };
    const { body } = encode(request, target({ structuredOutput: 'none' }));
    const name = (body['tools'] as JsonObject[])[0]?.['name'] as string;
    expect(body['tool_choice']).toEqual({ type: 'tool', name, disable_parallel_tool_use: true });
    const source = { quirks: {}, request };
    const content = [{ type: 'tool_use', id: 'x', name, input }];
    const [choice] = codec.decodeResponse({ content, stop_reason: 'tool_use' }, source).choices;
    expect(choice?.parts).toEqual([{ type: 'text', text }]);
    expect(choice?.finish.reason).toBe('stop');
    const decoder = codec.streamDecoder(source);
    const frames = [
      {
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'tool_use', id: 'x', name, input: {} },
      },
      {
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) },
      },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
      { type: 'message_stop' },
    ];
    const events = frames.flatMap((data) => [
      ...decoder.push({ event: undefined, data: JSON.stringify(data) }),
    ]);
    expect(events).toContainEqual({ type: 'delta', choice: 0, part: 0, text });
    expect(events.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop' } });
  },
);

test('structured output: json_object is an instruction', () => {
  const { body, dropped } = encode({ output: { type: 'json_object' } });
  expect(body['system']).toMatch(/JSON object/);
  expect(dropped).toHaveLength(1);
});

test('settings: max_tokens is always there and within the model’s limit', () => {
  expect(encode({}).body['max_tokens']).toBe(4096);
  const { body, dropped } = encode({ maxOutputTokens: 99_999 }, target({ maxOutputTokens: 8192 }));
  expect(body['max_tokens']).toBe(8192);
  expect(dropped).toHaveLength(1);
});

test('settings: the thinking budget fits under max_tokens', () => {
  const control = { kind: 'budget', min: 1024, max: 32_000, canDisable: true } as const;
  const to = target({ reasoning: control, maxOutputTokens: 64_000 });
  const reasoning = { enabled: true, effort: 'high' } as const;
  expect(encode({ reasoning, maxOutputTokens: 5000 }, to).body).toMatchObject({
    max_tokens: 5000,
    thinking: { type: 'enabled', budget_tokens: 4000 },
  });
  expect(encode({ reasoning }, to).body).toMatchObject({
    max_tokens: 28_672,
    thinking: { type: 'enabled', budget_tokens: 24_576 },
  });
  expect(encode({ reasoning, maxOutputTokens: 1000 }, to).body['thinking']).toEqual({ type: 'disabled' });
});

test('settings: adaptive models get effort instead of a budget', () => {
  const control = { kind: 'adaptive', levels: ['low', 'medium', 'high'], acceptsBudget: false } as const;
  const { body } = encode(
    { reasoning: { enabled: true, budgetTokens: 30_000 }, maxOutputTokens: 64_000 },
    target({ reasoning: control }),
  );
  expect(body['thinking']).toEqual({ type: 'adaptive' });
  expect(body['output_config']).toEqual({ effort: 'high' });
});

test('settings: sampling is clamped, refused parameters and foreign ones are named', () => {
  const sampling = { temperature: 1.7, topK: 5, seed: 1, frequencyPenalty: 1, logprobs: true } as const;
  const { body, dropped } = encode({ sampling }, target({ refuses: ['top_k'] }));
  expect(body['temperature']).toBe(1);
  expect(body).not.toHaveProperty('top_k');
  expect([...dropped].sort()).toEqual([
    'frequency_penalty',
    'logprobs',
    'seed',
    'temperature 1.7 (sent as 1)',
    'top_k',
  ]);
});

test('settings: stop sequences of white space are left out', () => {
  const { body, dropped } = encode({ stop: ['\n', 'END'] });
  expect(body['stop_sequences']).toEqual(['END']);
  expect(dropped).toHaveLength(1);
});

test('settings: several answers are refused', () => {
  expect(() => encode({ choices: 2 })).toThrow(expect.objectContaining({ code: 'unsupported_feature' }));
});

test('settings: at most four cache marks remain', () => {
  const parts = Array.from({ length: 7 }, (_, index) => ({
    type: 'text' as const,
    text: `t${index}`,
    cache: { ttl: '5m' as const },
  }));
  const { body, dropped } = encode({ messages: [{ role: 'user', parts }] });
  const content = (body['messages'] as { content: JsonObject[] }[])[0]?.content ?? [];
  const marked = content.flatMap((block, index) => (block['cache_control'] ? [index] : []));
  expect(marked).toEqual([0, 4, 5, 6]);
  expect(dropped).toEqual(['cache marks (3 of 7)']);
});

test('tools: those of earlier turns are declared when none is offered any more', () => {
  const messages = [
    user('go'),
    { role: 'assistant', parts: [call('a')] } as const,
    { role: 'user', parts: [result('a')] } as const,
  ];
  const { body } = encode({ messages });
  expect(body['tools']).toEqual([{ name: 'f', input_schema: { type: 'object', properties: {} } }]);
  expect(body['tool_choice']).toEqual({ type: 'none' });
});

test('settings: fields the vendor refuses by name are left out and named', () => {
  const { body, dropped } = encode({ user: 'u' }, target({}, { refusedFields: ['metadata', 'container'] }));
  expect(body).not.toHaveProperty('metadata');
  expect(dropped).toEqual(['metadata']);
});
