import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type JsonObject,
  type ModelProfile,
  OPEN_PROFILE,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { Target } from '../codec.ts';
import { gemini } from './index.ts';

const BASE: ChatRequest = {
  model: 'm',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  sampling: {},
  output: { type: 'text' },
  stream: false,
  includeUsage: false,
};

const TARGET: Target = { model: 'm', profile: OPEN_PROFILE, quirks: {}, defaultMaxOutputTokens: 100 };

function encode(change: Partial<ChatRequest>, target: Partial<Target> = {}): JsonObject {
  return gemini.encodeRequest({ ...BASE, ...change }, { ...TARGET, ...target }).body;
}

function dropped(change: Partial<ChatRequest>, target: Partial<Target> = {}): readonly string[] {
  return gemini.encodeRequest({ ...BASE, ...change }, { ...TARGET, ...target }).dropped;
}

function decode(body: JsonObject): ChatRequest {
  return gemini.decodeRequest({ model: 'm', contents: [{ parts: [{ text: 'hi' }] }], ...body });
}

function thrown(run: () => unknown): SluiceError {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const GEMINI_2: ModelProfile = {
  ...OPEN_PROFILE,
  family: 'gemini',
  reasoning: { kind: 'budget', min: 128, max: 32_768, canDisable: false },
};
const GEMINI_3: ModelProfile = {
  ...OPEN_PROFILE,
  family: 'gemini',
  reasoning: { kind: 'effort', levels: ['low', 'high'] },
};

test('a field in both spellings is refused: which limit would count is not known', () => {
  const contents = [{ parts: [{ text: 'hi' }] }];
  const limits = { maxOutputTokens: 10, max_output_tokens: 5000 };
  for (const more of [
    { generationConfig: limits },
    { generation_config: limits },
    { generationConfig: { maxOutputTokens: 10 }, generation_config: { maxOutputTokens: 5000 } },
  ]) {
    expect(() => gemini.envelope({ model: 'm', contents, ...more })).toThrow(/send it once/);
  }
});

test('snake_case, single elements and both spellings mean the same', () => {
  const snake = gemini.decodeRequest({
    model: 'm',
    system_instruction: { parts: { text: 'be brief' } },
    contents: {
      parts: [{ text: 'look' }, { inline_data: { mime_type: 'image/png', data: 'AAAA' } }],
    },
    tools: { function_declarations: { name: 'f', parameters_json_schema: { type: 'object' } } },
    tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
    generation_config: {
      max_output_tokens: 9,
      stop_sequences: 'END',
      response_mime_type: 'application/json',
      thinking_config: { include_thoughts: true, thinking_budget: -1 },
    },
  });
  const camel = gemini.decodeRequest({
    model: 'm',
    systemInstruction: { parts: [{ text: 'be brief' }] },
    contents: [
      { role: 'user', parts: [{ text: 'look' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
    ],
    tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object' } }] }],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    generationConfig: {
      maxOutputTokens: 9,
      stopSequences: ['END'],
      responseMimeType: 'application/json',
      thinkingConfig: { includeThoughts: true, thinkingBudget: -1 },
    },
  });
  expect(snake).toEqual(camel);
  expect(camel).toMatchObject({
    toolChoice: { type: 'tool', name: 'f' },
    maxOutputTokens: 9,
    stop: ['END'],
    output: { type: 'json_object' },
    reasoning: { enabled: true, adaptive: true, summary: 'auto' },
  });
});

test('results link by id, by name, then by order, and stand in call order', () => {
  const request = decode({
    contents: [
      { role: 'user', parts: [{ text: 'go' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'a', args: { n: 1 } } },
          { functionCall: { name: 'b' } },
          { functionCall: { id: 'x1', name: 'c' } },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'x1', name: 'c', response: { k: 1 } } }] },
      {
        role: 'user',
        parts: [
          { text: 'and' },
          { functionResponse: { name: 'b', response: { error: 'broken' } } },
          { functionResponse: { name: 'other', response: { output: 'fine' } } },
        ],
      },
    ],
  });
  const [, calls, results] = request.messages;
  const ids = calls?.parts.map((part) => (part.type === 'tool_call' ? part.id : ''));
  expect(request.messages).toHaveLength(3);
  expect(new Set(ids).size).toBe(3);
  expect(results?.parts.map((part) => (part.type === 'tool_result' ? part.callId : part.type))).toEqual([
    ...(ids ?? []),
    'text',
  ]);
  expect(results?.parts[0]).toMatchObject({ content: [{ type: 'text', text: 'fine' }] });
  expect(results?.parts[1]).toMatchObject({ isError: true, content: [{ text: 'broken' }] });
  expect(results?.parts[2]).toMatchObject({ content: [{ text: '{"k":1}' }] });
});

test('bad bodies are refused with the field at fault', () => {
  const param = (body: JsonObject) => thrown(() => gemini.decodeRequest({ model: 'm', ...body })).facts.param;
  expect(param({})).toBe('contents');
  expect(param({ contents: [5] })).toBe('contents[0]');
  expect(param({ contents: [{ role: 'system', parts: [] }] })).toBe('contents[0].role');
  expect(param({ contents: [{ parts: [true] }] })).toBe('contents[0].parts[0]');
  expect(param({ contents: 'x', generationConfig: 3 })).toBe('generationConfig');
  expect(param({ contents: 'x', generationConfig: { maxOutputTokens: 'many' } })).toBe(
    'generationConfig.maxOutputTokens',
  );
  expect(param({ contents: 'x', tools: [{ functionDeclarations: [{}] }] })).toBe(
    'tools[0].functionDeclarations[0].name',
  );
  expect(param({ contents: 'x', toolConfig: { functionCallingConfig: { mode: 'SOME' } } })).toBe(
    'toolConfig.functionCallingConfig.mode',
  );
});

test('unknown fields come back on a trip to the same format', () => {
  const body = {
    contents: [{ role: 'user', parts: [{ text: 'hi', partMetadata: { a: 1 } }], later: 1 }],
    safetySettings: [{ category: 'X', threshold: 'Y' }],
    cachedContent: 'cachedContents/1',
    tools: [{ googleSearch: { f: 1 } }, { functionDeclarations: [{ name: 'f', behavior: 'BLOCKING' }] }],
    toolConfig: { functionCallingConfig: { mode: 'VALIDATED' }, includeServerSideToolInvocations: true },
    generationConfig: {
      responseModalities: ['TEXT'],
      thinkingConfig: { includeThoughts: false, future: 1 },
    },
  };
  const { body: again, dropped: lost } = gemini.encodeRequest(decode(body), TARGET);
  expect(again).toEqual(body);
  expect(lost).toEqual([]);
});

test('arguments keep digits and key order; what is no object is wrapped', () => {
  const call = (text: string) =>
    ({ type: 'tool_call', id: 'c1', name: 'f', kind: 'function', arguments: text }) as const;
  const body = encode({
    messages: [
      {
        role: 'assistant',
        parts: [call('{"b":12345678901234567890,"a":1.0}'), call(''), call('[1]'), call('{"x')],
      },
    ],
  });
  const text = JSON.stringify(body);
  expect(text).toContain('{"b":12345678901234567890,"a":1.0}');
  expect(text).toContain('"args":{}');
  expect(text).toContain('"args":{"input":[1]}');
  expect(text).toContain('"args":{"input":"{\\"x"}');
});

test('results are named after their calls and wrapped', () => {
  const result = (callId: string, text: string, isError = false) =>
    ({
      type: 'tool_result',
      callId,
      kind: 'function',
      content: [{ type: 'text', text }],
      isError,
    }) as const;
  const body = encode({
    messages: [
      {
        role: 'assistant',
        parts: [
          { type: 'tool_call', id: 'c1', name: 'f', kind: 'function', arguments: '{}' },
          { type: 'tool_call', id: 'c2', name: 'g', kind: 'function', arguments: '{}' },
          { type: 'tool_call', id: 'c3', name: 'h', kind: 'function', arguments: '{}' },
        ],
      },
      { role: 'user', parts: [result('c1', 'sunny'), result('c2', '{"t":1}'), result('c3', 'no', true)] },
    ],
  });
  const contents = body['contents'] as JsonObject[];
  expect(contents[1]?.['parts']).toEqual([
    { functionResponse: { id: 'c1', name: 'f', response: { output: 'sunny' } } },
    { functionResponse: { id: 'c2', name: 'g', response: { t: 1 } } },
    { functionResponse: { id: 'c3', name: 'h', response: { error: 'no' } } },
  ]);
});

test('never a thinking level together with a budget', () => {
  const thinking = (change: Partial<ChatRequest>, profile: ModelProfile) =>
    (encode(change, { profile })['generationConfig'] as JsonObject | undefined)?.['thinkingConfig'];
  const high = { reasoning: { enabled: true, effort: 'high' } } as const;
  const budget = { reasoning: { enabled: true, budgetTokens: 2000, summary: 'auto' } } as const;
  expect(thinking(high, GEMINI_2)).toEqual({ thinkingBudget: 24_576 });
  expect(thinking(high, GEMINI_3)).toEqual({ thinkingLevel: 'HIGH' });
  expect(thinking(budget, GEMINI_2)).toEqual({ includeThoughts: true, thinkingBudget: 2000 });
  expect(thinking(budget, GEMINI_3)).toEqual({ includeThoughts: true, thinkingLevel: 'LOW' });
  expect(thinking({ reasoning: { enabled: true, adaptive: true } }, GEMINI_2)).toEqual({
    thinkingBudget: -1,
  });
  expect(thinking({ reasoning: { enabled: false } }, GEMINI_2)).toEqual({ thinkingBudget: 128 });
  expect(thinking({}, GEMINI_3)).toBeUndefined();
});

test('signatures go back to Gemini only, and unsigned calls of the current turn are excused on Gemini 3', () => {
  const turn = (issuer: 'gemini' | 'claude', value: string) =>
    ({
      messages: [
        { role: 'user', parts: [{ type: 'text', text: 'go' }] },
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'hm', signature: { issuer, value } },
            {
              type: 'tool_call',
              id: 'c',
              name: 'f',
              kind: 'function',
              arguments: '',
              signature: { issuer, value },
            },
            { type: 'tool_call', id: 'd', name: 'f', kind: 'function', arguments: '' },
          ],
        },
      ],
    }) as const;
  const parts = (body: JsonObject) => (body['contents'] as JsonObject[])[1]?.['parts'] as JsonObject[];
  const own = parts(encode(turn('gemini', 'AAA'), { profile: GEMINI_3 }));
  expect(own.map((part) => part['thoughtSignature'])).toEqual(['AAA', 'AAA', undefined]);
  const foreign = parts(encode(turn('claude', 'BBB'), { profile: GEMINI_3 }));
  expect(foreign.map((part) => part['thoughtSignature'])).toEqual([
    'skip_thought_signature_validator',
    undefined,
  ]);
  expect(dropped(turn('claude', 'BBB'), { profile: GEMINI_3 })).toEqual(['reasoning signature', 'reasoning']);
  expect(JSON.stringify(encode(turn('claude', 'BBB'), { profile: GEMINI_2 }))).not.toContain(
    'thoughtSignature',
  );
});

test('system messages: leading ones in systemInstruction, later ones in place, alone as a user turn', () => {
  const system = (text: string) => ({ role: 'system', parts: [{ type: 'text', text }] }) as const;
  const user = { role: 'user', parts: [{ type: 'text', text: 'u' }] } as const;
  expect(encode({ messages: [system('a'), system('b'), user, system('c'), user] })).toEqual({
    systemInstruction: { parts: [{ text: 'a' }, { text: 'b' }] },
    contents: [
      { role: 'user', parts: [{ text: 'u' }] },
      { role: 'user', parts: [{ text: '<system>\nc\n</system>' }] },
      { role: 'user', parts: [{ text: 'u' }] },
    ],
  });
  expect(encode({ messages: [system('a')] })).toEqual({
    contents: [{ role: 'user', parts: [{ text: 'a' }] }],
  });
});

test('media: bytes, data URLs, URLs with and without a known type', () => {
  const image = (url: string) => ({ type: 'image', source: { kind: 'url', url } }) as const;
  const parts = [
    { type: 'image', source: { kind: 'base64', mediaType: 'image/jpg', data: 'AA' } } as const,
    image('data:image/png;base64,BB'),
    image('https://h/a.webp?x=1'),
    image('https://h/a'),
  ];
  const change: Partial<ChatRequest> = { messages: [{ role: 'user', parts }] };
  expect((encode(change)['contents'] as JsonObject[])[0]?.['parts']).toEqual([
    { inlineData: { mimeType: 'image/jpeg', data: 'AA' } },
    { inlineData: { mimeType: 'image/png', data: 'BB' } },
    { fileData: { fileUri: 'https://h/a.webp?x=1', mimeType: 'image/webp' } },
    { fileData: { fileUri: 'https://h/a', mimeType: 'image/jpeg' } },
  ]);
  expect(dropped(change)).toEqual(['media type of a URL (sent as image/jpeg)']);
  expect(thrown(() => encode(change, { quirks: { mediaUrls: false } })).code).toBe('unsupported_feature');
  const file = {
    messages: [{ role: 'user', parts: [{ type: 'image', source: { kind: 'file', id: 'f' } }] }],
  } as const;
  expect(thrown(() => encode(file)).facts.param).toBe('messages[0].content[0]');
});

test('the schema subset is forced where the vendor has no other, and strict goes with what was loosened', () => {
  const parameters = {
    type: 'object',
    properties: { a: { type: 'integer', exclusiveMinimum: 0 }, b: { $ref: '#/$defs/B' } },
    required: ['a'],
    additionalProperties: false,
    $defs: { B: { oneOf: [{ type: 'string' }, { type: 'null' }] } },
  };
  const tool = { type: 'function', name: 'f', parameters, strict: true } as const;
  const full = encode({ tools: [tool] });
  expect(full['tools']).toEqual([
    { functionDeclarations: [{ name: 'f', parametersJsonSchema: parameters }] },
  ]);
  expect(full['toolConfig']).toEqual({ functionCallingConfig: { mode: 'VALIDATED' } });
  const subset = encode({ tools: [tool] }, { quirks: { schema: 'openapi' } });
  expect(subset['tools']).toEqual([
    {
      functionDeclarations: [
        {
          name: 'f',
          parameters: {
            type: 'object',
            properties: { a: { type: 'integer', minimum: 1 }, b: { type: 'string', nullable: true } },
            required: ['a'],
          },
        },
      ],
    },
  ]);
  expect(subset['toolConfig']).toBeUndefined();
  expect(dropped({ tools: [tool] }, { quirks: { schema: 'openapi' } })).toEqual([
    'schema oneOf of tool f',
    'strict of tool f',
  ]);
});

test('what Gemini has no word for is named, and what would change the meaning is refused', () => {
  const lost = dropped({
    user: 'u',
    verbosity: 'low',
    promptCacheKey: 'k',
    metadata: { A: 1 },
    serviceTier: 'scale',
    parallelToolCalls: false,
    tools: [{ type: 'function', name: 'f' }],
    sampling: { logitBias: { 1: 1 }, temperature: 3, seed: 2 ** 40 },
    extensions: { 'openai-chat': { prediction: {} } },
  });
  expect([...lost].sort()).toEqual([
    'logit_bias',
    'metadata',
    'parallel_tool_calls',
    'prediction',
    'prompt_cache_key',
    'seed',
    'service_tier',
    'temperature 3 (sent as 2)',
    'user',
    'verbosity',
  ]);
  const server = {
    type: 'server',
    format: 'anthropic-messages',
    label: 'web_search_20250305',
    value: {},
  } as const;
  expect(thrown(() => encode({ tools: [server] })).facts.param).toBe('tools[0]');
  expect(thrown(() => encode({ stop: ['1', '2', '3', '4', '5', '6'] })).code).toBe('unsupported_feature');
  expect(thrown(() => encode({ previousResponseId: 'r' })).code).toBe('unsupported_feature');
});

test('a custom tool travels as a function and its call comes back as free text', () => {
  const request: ChatRequest = { ...BASE, tools: [{ type: 'custom', name: 'patch' }] };
  const { body } = gemini.encodeRequest(request, TARGET);
  expect(JSON.stringify(body['tools'])).toContain('"required":["input"]');
  const response = gemini.decodeResponse(
    parseJson(
      '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"patch","args":{"input":"--- a"}}}]},"finishReason":"STOP"}]}',
    ) as JsonObject,
    { quirks: {}, request },
  );
  expect(response.choices[0]?.parts[0]).toMatchObject({ kind: 'custom', arguments: '--- a' });
});
