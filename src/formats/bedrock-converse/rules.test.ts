import { expect, test } from 'vitest';
import {
  collect,
  OPEN_TARGET,
  readStream,
  TEST_REPLY,
  throughJson,
} from '../../../test/golden/codec-golden.ts';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type JsonObject,
  type Message,
  OPEN_PROFILE,
  UNKNOWN_USAGE,
} from '../../core/model/index.ts';
import { awsEventMessage, createAwsEventStreamReader } from '../aws-event-stream.ts';
import type { Target } from '../codec.ts';
import { bedrockConverse } from './index.ts';
import { FIRST_TURN } from './messages-encode.ts';

const CLAUDE: Target = { ...OPEN_TARGET, profile: { ...OPEN_PROFILE, family: 'claude' } };

function request(fields: Partial<ChatRequest>): ChatRequest {
  const messages: Message[] = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }];
  const fixed = { output: { type: 'text' }, stream: false, includeUsage: false } as const;
  return { model: 'm', messages, tools: [], sampling: {}, ...fixed, ...fields };
}

function sent(fields: Partial<ChatRequest>, target: Target = OPEN_TARGET): JsonObject {
  return throughJson(bedrockConverse.encodeRequest(request(fields), target).body);
}

const text = (words: string) => ({ type: 'text', text: words }) as const;
const call = (id: string, name = 'f') =>
  ({ type: 'tool_call', id, name, arguments: '{}', kind: 'function' }) as const;
const result = (callId: string) =>
  ({ type: 'tool_result', callId, kind: 'function', content: [text('ok')] }) as const;
const HISTORY: readonly Message[] = [
  { role: 'user', parts: [text('go')] },
  { role: 'assistant', parts: [call('a')] },
  { role: 'user', parts: [result('a')] },
];
const TOOL = { type: 'function', name: 'f' } as const;

test('neighbours of one role merge, results stand first', () => {
  const messages: Message[] = [
    { role: 'user', parts: [text('go')] },
    { role: 'assistant', parts: [text('one')] },
    { role: 'assistant', parts: [call('a'), call('b')] },
    { role: 'user', parts: [text('and')] },
    { role: 'user', parts: [result('a'), result('b')] },
  ];
  expect(sent({ messages, tools: [TOOL] })['messages']).toMatchObject([
    { role: 'user' },
    { role: 'assistant', content: [{ text: 'one' }, { toolUse: {} }, { toolUse: {} }] },
    {
      role: 'user',
      content: [{ toolResult: { toolUseId: 'a' } }, { toolResult: { toolUseId: 'b' } }, { text: 'and' }],
    },
  ]);
});

test('an assistant first gets a user turn before it', () => {
  const messages: Message[] = [{ role: 'assistant', parts: [text('hello')] }];
  expect(sent({ messages })['messages']).toEqual([
    { role: 'user', content: [{ text: FIRST_TURN }] },
    { role: 'assistant', content: [{ text: 'hello' }] },
  ]);
});

test('blank text and empty turns are left out', () => {
  const messages: Message[] = [
    { role: 'user', parts: [text('  '), text('a')] },
    { role: 'assistant', parts: [text('')] },
    { role: 'user', parts: [text('b')] },
  ];
  expect(sent({ messages })['messages']).toEqual([{ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }]);
});

test('a later system message stays in its place as marked text', () => {
  const messages: Message[] = [
    { role: 'system', parts: [text('first')] },
    { role: 'user', parts: [text('hi')] },
    { role: 'system', parts: [text('later')] },
  ];
  const { body, dropped } = bedrockConverse.encodeRequest(request({ messages }), OPEN_TARGET);
  expect(body['system']).toEqual([{ text: 'first' }]);
  expect(body['messages']).toEqual([
    { role: 'user', content: [{ text: 'hi' }, { text: '<system>\nlater\n</system>' }] },
  ]);
  expect(dropped).toHaveLength(1);
});

test('tool choice none leaves tools out, or keeps them for a history of calls', () => {
  expect(sent({ tools: [TOOL], toolChoice: { type: 'none' } })['toolConfig']).toBeUndefined();
  const kept = sent({ messages: HISTORY, tools: [TOOL], toolChoice: { type: 'none' } });
  expect(kept['toolConfig']).toMatchObject({ tools: [{ toolSpec: { name: 'f' } }] });
  expect(kept['toolConfig']).not.toHaveProperty('toolChoice');
  expect(kept['system']).toMatchObject([{ text: expect.stringContaining('not call') }]);
  // Converse wants the tools of a history declared even if the client stopped sending them.
  expect(sent({ messages: HISTORY })['toolConfig']).toMatchObject({ tools: [{ toolSpec: { name: 'f' } }] });
});

test('an empty description is left out and missing parameters are an empty object', () => {
  expect(sent({ tools: [{ ...TOOL, description: ' ' }] })['toolConfig']).toEqual({
    tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object', properties: {} } } } }],
  });
});

test('call ids are brought into the charset, linked and deterministic', () => {
  const id = `call with spaces ${'x'.repeat(80)}`;
  const messages: Message[] = [
    { role: 'user', parts: [text('go')] },
    { role: 'assistant', parts: [call(id)] },
    { role: 'user', parts: [result(id)] },
  ];
  const first = JSON.stringify(sent({ messages, tools: [TOOL] }));
  const ids = [...first.matchAll(/"toolUseId":"([^"]*)"/g)].map((match) => match[1]);
  expect(ids).toHaveLength(2);
  expect(ids[0]).toBe(ids[1]);
  expect(ids[0]).toMatch(/^[a-zA-Z0-9_.:-]{1,64}$/);
  expect(JSON.stringify(sent({ messages, tools: [TOOL] }))).toBe(first);
});

test('document names are cleaned and unique, and text stands beside a document', () => {
  const source = { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERg==' } as const;
  const document = { type: 'document', source, name: 'a_b/ü.pdf' } as const;
  expect(sent({ messages: [{ role: 'user', parts: [document, document] }] })['messages']).toMatchObject(
    [
      {
        content: [{ document: { name: 'a b pdf' } }, { document: { name: 'a b pdf (2)' } }, { text: /./ }],
      },
    ].map((turn) => ({ content: [turn.content[0], turn.content[1], { text: expect.any(String) }] })),
  );
});

test('media by reference is refused by name, a place in S3 is sent', () => {
  const image = (url: string): Message[] => [
    { role: 'user', parts: [{ type: 'image', source: { kind: 'url', url, mediaType: 'image/png' } }] },
  ];
  expect(() => sent({ messages: image('https://example.com/a.png') })).toThrow(SluiceError);
  expect(sent({ messages: image('s3://bucket/a.png') })['messages']).toMatchObject([
    { content: [{ image: { format: 'png', source: { s3Location: { uri: 's3://bucket/a.png' } } } }] },
  ]);
});

test('cache marks are cache points by position, also on tools and results', () => {
  const cache = { ttl: '1h' } as const;
  const body = sent({
    tools: [{ ...TOOL, cache: { ttl: '5m' } }],
    messages: [
      { role: 'system', parts: [{ ...text('s'), cache }] },
      ...HISTORY.slice(0, 2),
      { role: 'user', parts: [{ ...result('a'), cache }, text('next')] },
    ],
  });
  expect(body['system']).toEqual([{ text: 's' }, { cachePoint: { type: 'default', ttl: '1h' } }]);
  expect(body['toolConfig']).toMatchObject({ tools: [{}, { cachePoint: { type: 'default' } }] });
  expect(body['messages']).toMatchObject([
    {},
    {},
    { content: [{ toolResult: {} }, { cachePoint: { ttl: '1h' } }, { text: 'next' }] },
  ]);
  expect(bedrockConverse.decodeRequest({ ...body, model: 'm' }).messages.at(-1)?.parts[0]).toMatchObject({
    cache,
  });
});

test('foreign signatures and unsigned thoughts never reach Claude', () => {
  const thought = (issuer?: 'openai' | 'claude'): Message[] => [
    { role: 'user', parts: [text('q')] },
    {
      role: 'assistant',
      parts: [
        {
          type: 'reasoning',
          text: 't',
          ...(issuer === undefined ? {} : { signature: { issuer, value: 'S' } }),
        },
        text('a'),
      ],
    },
  ];
  expect(JSON.stringify(sent({ messages: thought('claude') }, CLAUDE))).toContain('"signature":"S"');
  for (const issuer of ['openai', undefined] as const) {
    const { body, dropped } = bedrockConverse.encodeRequest(request({ messages: thought(issuer) }), CLAUDE);
    expect(JSON.stringify(body)).not.toContain('reasoningContent');
    expect(dropped).toHaveLength(1);
  }
});

test('thinking goes into the model fields and takes sampling and forced calls with it', () => {
  const profile = {
    ...CLAUDE.profile,
    reasoning: { kind: 'budget', min: 1024, max: 32_000, canDisable: true },
  } as const;
  const asked = request({
    reasoning: { enabled: true, budgetTokens: 2000 },
    maxOutputTokens: 4000,
    sampling: { temperature: 0.2, topK: 5 },
  });
  const { body, dropped } = bedrockConverse.encodeRequest(asked, { ...CLAUDE, profile });
  expect(body['additionalModelRequestFields']).toEqual({
    thinking: { type: 'enabled', budget_tokens: 2000 },
  });
  expect(body['inferenceConfig']).toEqual({ maxTokens: 4000 });
  expect(dropped).toEqual(['temperature', 'top_k']);
});

test('a schema is a string in outputConfig, or a tool where the model has no structured output', () => {
  const schema = { type: 'object', properties: { a: {} } };
  const output = { type: 'json_schema', name: 'N', schema } as const;
  expect(sent({ output })['outputConfig']).toEqual({
    textFormat: {
      type: 'json_schema',
      structure: {
        jsonSchema: { name: 'N', schema: JSON.stringify({ ...schema, additionalProperties: false }) },
      },
    },
  });
  const profile = { ...OPEN_PROFILE, structuredOutput: 'none' } as const;
  expect(sent({ output }, { ...OPEN_TARGET, profile })['toolConfig']).toMatchObject({
    tools: [{ toolSpec: { name: 'json_output' } }],
    toolChoice: { any: {} },
  });
});

test('a result without output says so, because an empty one is refused', () => {
  const result = (isError?: boolean) => ({
    role: 'user' as const,
    parts: [
      {
        type: 'tool_result' as const,
        callId: 'a',
        kind: 'function' as const,
        content: [{ type: 'text' as const, text: ' ' }],
        ...(isError === undefined ? {} : { isError }),
      },
    ],
  });
  const call = { type: 'tool_call', id: 'a', name: 'f', arguments: '{}', kind: 'function' } as const;
  const messages = [{ role: 'assistant' as const, parts: [call] }, result(true)];
  expect(JSON.stringify(sent({ messages })['messages'])).toContain('"content":[{"text":"(no output)"}]');
});

test('unknown fields return to where they stood', () => {
  const body = {
    model: 'm',
    messages: [{ role: 'user', content: [{ text: 'hi' }, { guardContent: { text: { text: 'g' } } }] }],
    guardrailConfig: { guardrailIdentifier: 'x', guardrailVersion: '1' },
    requestMetadata: { team: 'a' },
    performanceConfig: { latency: 'optimized' },
    serviceTier: { type: 'flex' },
    inferenceConfig: { maxTokens: 5, future: 1 },
    additionalModelRequestFields: {
      thinking: { type: 'adaptive', display: 'omitted' },
      other: [1],
      inferenceConfig: { topK: 3 },
    },
    outputConfig: { effort: 'high', future: true },
    aNewField: { x: 1 },
  };
  const { model: _, ...wire } = body;
  expect(
    throughJson(bedrockConverse.encodeRequest(bedrockConverse.decodeRequest(body), OPEN_TARGET).body),
  ).toEqual(wire);
});

test('errors name the field', () => {
  const bad = (body: JsonObject) => {
    try {
      bedrockConverse.decodeRequest({ model: 'm', ...body });
    } catch (error) {
      return error instanceof SluiceError ? error.facts.param : undefined;
    }
    return undefined;
  };
  expect(bad({ messages: [{ role: 'tool', content: [] }] })).toBe('messages[0].role');
  expect(bad({ messages: [{ role: 'user', content: [{ text: 1 }] }] })).toBe('messages[0].content[0].text');
  expect(bad({ inferenceConfig: { maxTokens: 'x' } })).toBe('inferenceConfig.maxTokens');
  expect(bad({ messages: [], toolConfig: { toolChoice: { none: {} } } })).toBe('toolConfig.toolChoice');
});

function stream(...messages: readonly Uint8Array[]) {
  return readStream(bedrockConverse, createAwsEventStreamReader(), messages);
}

const START = awsEventMessage('messageStart', '{"role":"assistant"}');
const DELTA = awsEventMessage('contentBlockDelta', '{"contentBlockIndex":0,"delta":{"text":"a"},"p":"ab"}');
const STOP = awsEventMessage('messageStop', '{"stopReason":"end_turn"}');

test('metadata may be missing, messageStop may not', () => {
  expect(collect(stream(START, DELTA, STOP)).choices[0]).toMatchObject({
    parts: [{ type: 'text', text: 'a' }],
    finish: { reason: 'stop', raw: 'end_turn' },
  });
  expect(stream(START, DELTA).at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } });
});

test.each([
  ['throttlingException', 'upstream_rate_limited'],
  ['modelStreamErrorException', 'upstream_error'],
  ['serviceUnavailableException', 'upstream_overloaded'],
  ['internalServerException', 'upstream_error'],
  ['validationException', 'upstream_refused'],
])('%s is %s, and nothing follows it', (name, code) => {
  const events = stream(START, awsEventMessage(name, '{"message":"secret words"}', 'exception'), STOP);
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code } });
  expect(JSON.stringify(events)).not.toContain('secret');
});

test('our own errors are exception frames', () => {
  const encoder = bedrockConverse.streamEncoder(TEST_REPLY);
  const error = new SluiceError('upstream_rate_limited', 'Slow down.');
  const bytes = encoder.push([{ type: 'start' }, { type: 'error', error }]);
  const frames = createAwsEventStreamReader().push(bytes as Uint8Array);
  expect(frames.at(-1)).toEqual({
    event: 'exception:throttlingException',
    data: '{"message":"Slow down."}',
  });
  expect(encoder.end()).toHaveLength(0);
});

test('cache writes are told apart by lifetime and a reported zero stays one', () => {
  const usage = { inputTokens: 0, outputTokens: 0, totalTokens: 30, cacheWriteInputTokens: 30 };
  const details = [
    { ttl: '1h', inputTokens: 20 },
    { ttl: '5m', inputTokens: 10 },
  ];
  const metadata = awsEventMessage(
    'metadata',
    JSON.stringify({ usage: { ...usage, cacheDetails: details } }),
  );
  expect(collect(stream(START, STOP, metadata)).usage).toMatchObject({
    input: 0,
    cacheWrite1h: 20,
    cacheWrite5m: 10,
    source: 'reported',
  });
  expect(collect(stream(START, STOP)).usage.source).toBe('unknown');
});

test('a stop reason that ignores the calls is corrected', () => {
  const begin = awsEventMessage(
    'contentBlockStart',
    '{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}',
  );
  expect(collect(stream(START, begin, STOP)).choices[0]?.finish).toEqual({
    reason: 'tool_calls',
    raw: 'end_turn',
  });
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
  const body = bedrockConverse.encodeResponse({ choices, usage: UNKNOWN_USAGE }, TEST_REPLY);
  expect(JSON.stringify(body)).toContain('seen');
});

test.each([
  [{ __type: 'ThrottlingException', message: 'Too many requests, please wait.' }, 'upstream_rate_limited'],
  [{ message: 'The server had an error while processing your request.' }, 'upstream_error'],
  [{ Version: '1.0' }, 'upstream_malformed'],
] as const)('an error with a good status is what it says: %j', (body, code) => {
  expect(() => bedrockConverse.decodeResponse(body, { quirks: {} })).toThrow(
    expect.objectContaining({ code }) as SluiceError,
  );
});
