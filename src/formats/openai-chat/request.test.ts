import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { ChatRequest, JsonObject, Message } from '../../core/model/index.ts';
import { OPEN_PROFILE } from '../../core/model/index.ts';
import type { Target } from '../codec.ts';
import { openaiChat } from './index.ts';

function target(profile: Partial<Target['profile']> = {}, quirks: Target['quirks'] = {}): Target {
  return { model: 'up', profile: { ...OPEN_PROFILE, ...profile }, quirks, defaultMaxOutputTokens: 4096 };
}

const BASE: ChatRequest = {
  model: 'm',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  sampling: {},
  output: { type: 'text' },
  stream: false,
  includeUsage: false,
};

function decode(body: JsonObject): ChatRequest {
  return openaiChat.decodeRequest({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body });
}

function faultOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code} ${error.facts.param}`;
    throw error;
  }
  return undefined;
}

const CALLS: Message = {
  role: 'assistant',
  parts: ['a', 'b'].map((id) => ({
    type: 'tool_call',
    id,
    name: `f_${id}`,
    arguments: '{}',
    kind: 'function',
  })),
};

describe('reading a request', () => {
  it('names the field at fault', () => {
    expect(faultOf(() => openaiChat.decodeRequest({}))).toBe('bad_request model');
    expect(faultOf(() => openaiChat.envelope({ model: 'm', messages: [] }))).toBe('bad_request messages');
    expect(faultOf(() => decode({ messages: [{ role: 'user' }, { role: 'robot' }] }))).toBe(
      'bad_request messages[1].role',
    );
    expect(faultOf(() => decode({ messages: [{ role: 'user', content: [{ type: 'text' }] }] }))).toBe(
      'bad_request messages[0].content[0].text',
    );
    expect(faultOf(() => decode({ temperature: 'hot' }))).toBe('bad_request temperature');
    expect(faultOf(() => decode({ stop: [1] }))).toBe('bad_request stop');
    expect(faultOf(() => decode({ reasoning_effort: 3 }))).toBe('bad_request reasoning_effort');
  });

  it('groups the results of a turn in call order, named after their calls', () => {
    const tool_calls = ['a', 'b'].map((id) => ({
      id,
      type: 'function',
      function: { name: `f_${id}`, arguments: '' },
    }));
    const { messages } = decode({
      messages: [
        { role: 'assistant', content: null, tool_calls },
        { role: 'tool', tool_call_id: 'b', content: 'two' },
        { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'one' }] },
        { role: 'user', content: 'go on' },
      ],
    });
    expect(messages.map(({ role }) => role)).toEqual(['assistant', 'user', 'user']);
    expect(messages[1]?.parts).toMatchObject([
      { callId: 'a', name: 'f_a', content: [{ text: 'one' }] },
      { callId: 'b', name: 'f_b', content: [{ text: 'two' }] },
    ]);
  });

  it('takes legacy functions, every tool choice and both reasoning objects', () => {
    const legacy = decode({
      functions: [{ name: 'f' }],
      function_call: { name: 'f' },
      messages: [
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: 'done' },
      ],
    });
    expect(legacy.toolChoice).toEqual({ type: 'tool', name: 'f' });
    const [call] = legacy.messages[0]?.parts ?? [];
    const [result] = legacy.messages[1]?.parts ?? [];
    expect(call?.type === 'tool_call' && result?.type === 'tool_result' && call.id === result.callId).toBe(
      true,
    );
    expect(decode({ tool_choice: 'any' }).toolChoice).toEqual({ type: 'required' });
    const tools = [{ type: 'function', function: { name: 'f' } }];
    expect(
      decode({ tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools } } })
        .toolChoice,
    ).toEqual({
      type: 'allowed',
      names: ['f'],
      required: true,
    });
    expect(decode({ reasoning: { max_tokens: 2000, exclude: true } }).reasoning).toEqual({
      enabled: true,
      budgetTokens: 2000,
      summary: 'none',
    });
    expect(decode({ thinking: { type: 'disabled' } }).reasoning).toEqual({ enabled: false });
  });
});

describe('reading a request lightly', () => {
  it('counts media and reads limits without a full decode', () => {
    const content = [
      { type: 'text', text: 'x' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
    ];
    const envelope = openaiChat.envelope({
      model: 'm',
      messages: [{ role: 'user', content }],
      max_tokens: 5,
      n: 2,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(envelope).toEqual({
      model: 'm',
      stream: true,
      maxOutputTokens: 5,
      choices: 2,
      includeUsage: true,
      tools: 0,
      media: 1,
    });
  });

  it('reckons with the longer of two limits, as vendors know one name or the other', () => {
    const asked = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
    for (const limits of [
      { max_tokens: 500, max_completion_tokens: 10 },
      { max_tokens: 10, max_completion_tokens: 500 },
    ]) {
      expect(openaiChat.envelope({ ...asked, ...limits }).maxOutputTokens).toBe(500);
    }
  });

  it('keeps what it has no word for and gives it back', () => {
    const body = {
      model: 'm',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a', mood: 'odd' }], trait: 1 }],
      provider: { order: ['x'] },
      reasoning_effort: 'default',
      top_k: 5,
    };
    const { body: out } = openaiChat.encodeRequest(openaiChat.decodeRequest(body), {
      ...target(),
      model: 'm',
    });
    expect(out).toEqual(body);
  });
});

describe('writing a request', () => {
  it('follows the profile and the quirks, and names what it left out', () => {
    const request: ChatRequest = {
      ...BASE,
      sampling: { temperature: 1, topK: 4, seed: 1 },
      stop: ['1', '2', '3', '4', '5'],
      maxOutputTokens: 99,
      reasoning: { enabled: true, effort: 'xhigh' },
      serviceTier: 'reserved',
      stream: true,
      user: 'u',
      extensions: { 'anthropic-messages': { container: 'c' } },
    };
    const { body, dropped } = openaiChat.encodeRequest(
      request,
      target(
        {
          refuses: ['temperature'],
          maxOutputTokens: 50,
          reasoning: { kind: 'effort', levels: ['low', 'high'] },
        },
        { maxTokensField: 'max_tokens', refusedFields: ['user'] },
      ),
    );
    expect(body).toEqual({
      model: 'up',
      messages: [{ role: 'user', content: 'hi' }],
      seed: 1,
      stop: ['1', '2', '3', '4'],
      max_tokens: 50,
      reasoning_effort: 'high',
      stream: true,
      stream_options: { include_usage: true },
    });
    expect([...dropped].sort()).toEqual([
      'container',
      'max_tokens 99 (sent as 50)',
      'reasoning effort xhigh (sent as high)',
      'service_tier',
      'stop after the first 4',
      'temperature',
      'top_k',
      'user',
    ]);
  });

  it('puts media of tool results into the user message after them', () => {
    const image = {
      type: 'image',
      source: { kind: 'base64', mediaType: 'image/png', data: 'AA==' },
    } as const;
    const request: ChatRequest = {
      ...BASE,
      messages: [
        ...BASE.messages,
        CALLS,
        {
          role: 'user',
          parts: [
            {
              type: 'tool_result',
              callId: 'a',
              kind: 'function',
              content: [{ type: 'text', text: 'see' }, image],
            },
            { type: 'tool_result', callId: 'b', kind: 'function', content: [], isError: true },
            { type: 'text', text: 'and?' },
          ],
        },
      ],
    };
    const { body, dropped } = openaiChat.encodeRequest(request, target());
    const roles = (body['messages'] as JsonObject[]).map((message) => message['role']);
    expect(roles).toEqual(['user', 'assistant', 'tool', 'tool', 'user']);
    expect((body['messages'] as JsonObject[])[4]?.['content']).toEqual([
      { type: 'text', text: 'Content of tool result a:' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
      { type: 'text', text: 'and?' },
    ]);
    expect(dropped).toEqual(['tool_result.is_error']);
  });
});

describe('writing reasoning and refusals', () => {
  it('sends state back to its issuer only', () => {
    const signature = { issuer: 'claude', value: 'S' } as const;
    const messages: Message[] = [
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'hm', signature },
          { type: 'text', text: 'a' },
        ],
      },
      ...BASE.messages,
    ];
    const quirks = { reasoningReplay: 'reasoning_details' } as const;
    const same = openaiChat.encodeRequest({ ...BASE, messages }, target({ family: 'claude' }, quirks));
    expect((same.body['messages'] as JsonObject[])[0]?.['reasoning_details']).toEqual([
      { type: 'reasoning.text', text: 'hm', signature: 'S', format: 'anthropic-claude-v1', index: 0 },
    ]);
    expect(same.dropped).toEqual([]);
    const other = openaiChat.encodeRequest({ ...BASE, messages }, target({ family: 'gpt' }, quirks));
    expect(JSON.stringify(other.body)).not.toContain('"S"');
    expect(other.dropped).toEqual(['reasoning signature']);
    const deepseek = openaiChat.encodeRequest(
      { ...BASE, messages: [...BASE.messages, CALLS] },
      target({ family: 'deepseek' }, { reasoningReplay: 'reasoning_content' }),
    );
    expect((deepseek.body['messages'] as JsonObject[])[1]).toMatchObject({ reasoning_content: '' });
  });

  it('refuses by name what would change the meaning', () => {
    const withPart = (part: Message['parts'][number]) => ({
      ...BASE,
      messages: [{ role: 'user' as const, parts: [part] }],
    });
    const video = { type: 'video', source: { kind: 'url', url: 'https://v' } } as const;
    const pdf = { type: 'document', source: { kind: 'url', url: 'https://p' } } as const;
    const server = {
      type: 'server',
      format: 'anthropic-messages',
      label: 'web_search_20250305',
      value: {},
    } as const;
    const encode =
      (request: ChatRequest, to = target()) =>
      () =>
        openaiChat.encodeRequest(request, to);
    expect(faultOf(encode(withPart(video)))).toBe('unsupported_feature messages[0].parts[0]');
    expect(faultOf(encode(withPart(pdf)))).toBe('unsupported_feature messages[0].parts[0]');
    expect(faultOf(encode({ ...BASE, tools: [server] }))).toBe('unsupported_feature tools[0]');
    expect(encode({ ...BASE, tools: [server] })).toThrow(/web_search_20250305/);
    expect(faultOf(encode({ ...BASE, choices: 2 }, target({ refuses: ['n'] })))).toBe(
      'unsupported_feature n',
    );
    expect(
      faultOf(encode({ ...BASE, messages: [...BASE.messages, CALLS] }, target({ refuses: ['prefill'] }))),
    ).toBe('unsupported_feature messages');
  });
});

describe('writing for lesser models', () => {
  it('gives models without custom tools a function, and without schemas an instruction', () => {
    const request: ChatRequest = {
      ...BASE,
      tools: [{ type: 'custom', name: 'patch' }],
      toolChoice: { type: 'tool', name: 'patch', kind: 'custom' },
      output: { type: 'json_schema', schema: { type: 'object' } },
    };
    const { body, dropped } = openaiChat.encodeRequest(request, target({ structuredOutput: 'json_object' }));
    expect(body['tools']).toMatchObject([{ type: 'function', function: { name: 'patch' } }]);
    expect(body['tool_choice']).toEqual({ type: 'function', function: { name: 'patch' } });
    expect(body['response_format']).toEqual({ type: 'json_object' });
    expect(JSON.stringify(body['messages'])).toContain('JSON Schema');
    expect(dropped).toEqual(['response_format json_schema (sent as an instruction)']);
  });

  it('shortens ids that are too long, the same in call and result', () => {
    const id = 'x'.repeat(46);
    const { body } = openaiChat.encodeRequest(
      {
        ...BASE,
        messages: [
          {
            role: 'assistant',
            parts: [{ type: 'tool_call', id, name: 'f', arguments: '', kind: 'function' }],
          },
          { role: 'user', parts: [{ type: 'tool_result', callId: id, kind: 'function', content: [] }] },
        ],
      },
      target({}, { toolCallIds: 'alnum9' }),
    );
    const [call, result] = body['messages'] as [JsonObject, JsonObject];
    const [first] = call['tool_calls'] as [JsonObject];
    expect(first['id']).toMatch(/^[A-Za-z0-9]{9}$/);
    expect(result['tool_call_id']).toBe(first['id']);
    expect(first['function']).toEqual({ name: 'f', arguments: '{}' });
  });
});
