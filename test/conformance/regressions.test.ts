import { expect, it } from 'vitest';
import {
  type ChatRequest,
  type JsonObject,
  type ModelProfile,
  type Part,
  type PartHead,
  UNKNOWN_USAGE,
} from '../../src/core/model/index.ts';
import { anthropicMessages } from '../../src/formats/anthropic-messages/index.ts';
import { bedrockConverse } from '../../src/formats/bedrock-converse/index.ts';
import { gemini } from '../../src/formats/gemini/index.ts';
import { openaiChat } from '../../src/formats/openai-chat/index.ts';
import { openaiCompletions } from '../../src/formats/openai-completions/index.ts';
import { openaiResponses } from '../../src/formats/openai-responses/index.ts';
import { createByteTap } from '../../src/formats/tap.ts';
import { dialectOf, plainPath } from '../../src/http/data-plane.ts';
import { OPEN_TARGET, TEST_REPLY, throughJson } from '../golden/codec-golden.ts';

/* Defects that the matrix and the recorded traffic brought to light, each in the smallest form. */

it('instructions of a Responses client are a system message for Chat, not a role of their own', () => {
  const request = openaiResponses.decodeRequest({ model: 'm', instructions: 'Be brief.', input: 'Hi' });
  const { body } = openaiChat.encodeRequest(request, OPEN_TARGET);
  expect(throughJson(body)['messages']).toMatchObject([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
  ]);
});

it('JSON without a schema is named where it is only asked for in words', () => {
  const request: ChatRequest = openaiChat.decodeRequest({
    model: 'm',
    messages: [{ role: 'user', content: 'Answer in JSON.' }],
    response_format: { type: 'json_object' },
  });
  const { dropped } = bedrockConverse.encodeRequest(request, OPEN_TARGET);
  expect(dropped).toEqual(['json_object (sent as an instruction)']);
});

it('a Gemini client that hands back every chunk’s part gets its signed thought to Claude whole', () => {
  const events = anthropicMessages.streamDecoder({ quirks: {} });
  const start = { type: 'message_start', message: { id: 'msg_1', model: 'm', content: [], usage: {} } };
  const frames: JsonObject[] = [
    start,
    {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'First, ' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'then.' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
    { type: 'content_block_stop', index: 0 },
  ];
  const encoder = gemini.streamEncoder(TEST_REPLY);
  const written = frames.map((frame) =>
    String(encoder.push(events.push({ event: undefined, data: JSON.stringify(frame) }))),
  );
  const parts = [...written.join('').matchAll(/^data: (.*)$/gm)].flatMap((match) => {
    const chunk = JSON.parse(match[1] ?? '{}') as { candidates: { content: { parts: JsonObject[] } }[] };
    return chunk.candidates[0]?.content.parts ?? [];
  });
  expect(parts.length).toBeGreaterThan(2);
  const request = gemini.decodeRequest({
    model: 'm',
    contents: [
      { role: 'user', parts: [{ text: 'Why?' }] },
      { role: 'model', parts: [...parts, { text: 'So.' }] },
      { role: 'user', parts: [{ text: 'And?' }] },
    ],
  });
  const { body } = anthropicMessages.encodeRequest(request, OPEN_TARGET);
  expect(throughJson(body)['messages']).toMatchObject([
    {},
    {
      content: [
        { type: 'thinking', thinking: 'First, then.', signature: 'c2ln' },
        { type: 'text', text: 'So.' },
      ],
    },
    {},
  ]);
});

it('what Claude signed reaches a Gemini client as base64, and comes back in either alphabet', () => {
  const value = 'EsP/+9ý';
  const thought = { type: 'reasoning', text: 'Hm.', signature: { issuer: 'claude', value } } as const;
  const redacted = { type: 'reasoning', text: '', redacted: value } as const;
  const body = gemini.encodeResponse(
    {
      choices: [{ index: 0, parts: [thought, redacted], finish: { reason: 'stop' } }],
      usage: UNKNOWN_USAGE,
    },
    TEST_REPLY,
  );
  const [candidate] = throughJson(body)['candidates'] as { content: { parts: JsonObject[] } }[];
  const parts = candidate?.content.parts ?? [];
  for (const { thoughtSignature } of parts) expect(thoughtSignature).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
  const urlSafe = (text: unknown) => String(text).replaceAll('+', '-').replaceAll('/', '_');
  const spelled = parts.map((part) => ({ ...part, thoughtSignature: urlSafe(part['thoughtSignature']) }));
  for (const sent of [parts, spelled]) {
    const contents = [{ role: 'model', parts: sent }];
    const { messages } = gemini.decodeRequest({ model: 'm', stream: false, contents });
    expect(messages[0]?.parts).toMatchObject([thought, { type: 'reasoning', redacted: value }]);
  }
});

it('candidate 0 of a Gemini stream is candidate 0 by place, whatever other candidates say in between', () => {
  const encoder = gemini.streamEncoder(TEST_REPLY);
  const text = (choice: number, words: string) =>
    [
      { type: 'part_start', choice, part: 0, head: { type: 'text' } },
      { type: 'delta', choice, part: 0, text: words },
    ] as const;
  const out = String(encoder.push([{ type: 'start' }, ...text(0, 'one'), ...text(1, 'other')]));
  const firsts = [...out.matchAll(/^data: (.*)$/gm)].map((match) => {
    const chunk = JSON.parse(match[1] ?? '{}') as {
      candidates: { content: { parts: { text: string }[] } }[];
    };
    return (chunk.candidates[0]?.content.parts ?? []).map((part) => part.text).join('');
  });
  expect(firsts.join('')).toBe('one');
});

it('a legacy Completions client can tell a refusal from an answer', () => {
  const body = openaiCompletions.encodeResponse(
    {
      choices: [{ index: 0, parts: [{ type: 'text', text: 'No.' }], finish: { reason: 'refusal' } }],
      usage: UNKNOWN_USAGE,
    },
    TEST_REPLY,
  );
  expect(throughJson(body)['choices']).toMatchObject([{ text: 'No.', finish_reason: 'content_filter' }]);
});

it('Google’s SDK is served at its default version', () => {
  const verb = '/models/sim/gemini:streamGenerateContent';
  for (const version of ['/v1', '/v1alpha', '/v1beta', '/gemini/v1', '/gemini/v1beta']) {
    expect(plainPath(version + verb)).toBe(`/v1beta${verb}`);
    // A name with a slash is a resource name of its own to Google's older SDK, LangChain and Vercel's AI SDK.
    expect(plainPath(version + verb.slice('/models'.length))).toBe(`/v1beta${verb}`);
  }
  expect(plainPath('/gemini/v1/models')).toBe('/v1beta/models');
  expect(plainPath('/v1beta/models/models/x:countTokens')).toBe('/v1beta/models/models/x:countTokens');
  expect(plainPath('/v1/models/gpt-4o')).toBe('/v1/models/gpt-4o');
  expect(dialectOf('/v1/models', { 'x-goog-api-key': 'k' }).id).toBe('gemini');
  expect(dialectOf('/v1/models', { authorization: 'Bearer k' }).id).toBe('openai-chat');
});

const CHUNK = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
const call = (index: number, name: string) => ({
  index,
  id: 'call_0',
  type: 'function',
  function: { name, arguments: '{}' },
});

it('calls of one answer are told apart although a server gives them one id', () => {
  const whole = openaiChat.decodeResponse(
    { choices: [{ message: { tool_calls: [call(0, 'f'), call(1, 'g')] }, finish_reason: 'tool_calls' }] },
    { quirks: {} },
  );
  const decoder = openaiChat.streamDecoder({ quirks: {} });
  const events = [0, 1].flatMap((at) => {
    const delta = { tool_calls: [call(at, at === 0 ? 'f' : 'g')] };
    return decoder.push({
      event: undefined,
      data: JSON.stringify({ ...CHUNK, choices: [{ index: 0, delta }] }),
    });
  });
  const heads = events.flatMap((event) => (event.type === 'part_start' ? [event.head] : []));
  for (const calls of [whole.choices[0]?.parts ?? [], heads]) {
    const ids = calls.map((part) => (part.type === 'tool_call' ? part.id : ''));
    expect(ids[0]).toBe('call_0');
    expect(new Set(ids).size).toBe(2);
  }
});

it('what a Chat vendor says of usage besides the counts reaches a Chat client through a decoded answer', () => {
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    cost: 0.00095,
    completion_tokens_details: { reasoning_tokens: 2, accepted_prediction_tokens: 3, image_tokens: null },
  };
  const choices = [{ index: 0, message: { content: 'x' }, finish_reason: 'stop' }];
  const body = openaiChat.encodeResponse(
    openaiChat.decodeResponse({ choices, usage }, { quirks: {} }),
    TEST_REPLY,
  );
  expect(throughJson(body)['usage']).toEqual({
    ...usage,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 2, accepted_prediction_tokens: 3, audio_tokens: 0 },
  });
});

it('tool names that OpenAI does not take go in a shape it takes, and come back as they were', () => {
  const long = `mcp__server__${'x'.repeat(80)}`;
  const request = anthropicMessages.decodeRequest({
    model: 'm',
    max_tokens: 9,
    tools: [long, 'a.b', 'plain'].map((name) => ({ name, input_schema: { type: 'object' } })),
    tool_choice: { type: 'tool', name: long },
    messages: [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: long, input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'r' }] },
    ],
  });
  const body = throughJson(openaiChat.encodeRequest(request, OPEN_TARGET).body);
  const sent = (body['tools'] as { function: { name: string } }[]).map((tool) => tool.function.name);
  expect(sent.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
  expect(sent[2]).toBe('plain');
  expect(body['tool_choice']).toMatchObject({ function: { name: sent[0] } });
  expect(body['messages']).toMatchObject([{}, { tool_calls: [{ function: { name: sent[0] } }] }, {}]);
  const source = { quirks: {}, request };
  const tool_calls = sent.map((name, index) => ({
    index,
    id: `c${index}`,
    function: { name, arguments: '{}' },
  }));
  const whole = openaiChat.decodeResponse({ choices: [{ message: { tool_calls } }] }, source);
  const decoder = openaiChat.streamDecoder(source);
  const chunk = { ...CHUNK, choices: [{ index: 0, delta: { tool_calls } }] };
  const events = decoder.push({ event: undefined, data: JSON.stringify(chunk) });
  const heads = events.flatMap((event) => (event.type === 'part_start' ? [event.head] : []));
  for (const parts of [whole.choices[0]?.parts ?? [], heads]) {
    expect(parts.map((part) => (part.type === 'tool_call' ? part.name : ''))).toEqual([long, 'a.b', 'plain']);
  }
});

it('Responses and Converse get tool names they take as well, and give back the client’s', () => {
  const long = `mcp__server__${'x'.repeat(80)}`;
  const request = anthropicMessages.decodeRequest({
    model: 'm',
    max_tokens: 9,
    tools: [{ name: long, input_schema: { type: 'object' } }],
    messages: [{ role: 'user', content: 'x' }],
  });
  const source = { quirks: {}, request };
  const named = (parts: readonly (Part | PartHead)[]) =>
    parts.map((part) => (part.type === 'tool_call' ? part.name : part.type));
  const sent = throughJson(openaiResponses.encodeRequest(request, OPEN_TARGET).body);
  const name = (sent['tools'] as { name: string }[])[0]?.name ?? '';
  expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
  const output = [
    { type: 'function_call', id: 'fc', call_id: 'c', name, arguments: '{}', status: 'completed' },
  ];
  const answer = { id: 'r', object: 'response', status: 'completed', output };
  expect(named(openaiResponses.decodeResponse(answer, source).choices[0]?.parts ?? [])).toEqual([long]);
  const added = {
    type: 'response.output_item.added',
    output_index: 0,
    item: { ...output[0], arguments: '' },
  };
  const events = openaiResponses
    .streamDecoder(source)
    .push({ event: added.type, data: JSON.stringify(added) });
  expect(named(events.flatMap((event) => (event.type === 'part_start' ? [event.head] : [])))).toEqual([long]);

  const config = throughJson(bedrockConverse.encodeRequest(request, OPEN_TARGET).body)['toolConfig'];
  expect(config).toMatchObject({ tools: [{ toolSpec: { name } }] });
  const content = [{ toolUse: { toolUseId: 'c', name, input: {} } }];
  const whole = { output: { message: { role: 'assistant', content } }, stopReason: 'tool_use' };
  expect(named(bedrockConverse.decodeResponse(whole, source).choices[0]?.parts ?? [])).toEqual([long]);
});

it('sound that was read from the cache is counted once', () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 80, audio_tokens: 50 },
    completion_tokens_details: { audio_tokens: 40 },
  };
  const choices = [{ index: 0, message: { content: 'x' }, finish_reason: 'stop' }];
  expect(openaiChat.decodeResponse({ choices, usage }, { quirks: {} }).usage).toMatchObject({
    input: 0,
    cacheRead: 80,
    audioInput: 20,
    output: 10,
    audioOutput: 40,
  });
});

it('what Claude spent on compaction is billed, and told a Claude client in Anthropic’s own way', () => {
  const iterations = [
    { type: 'compaction', input_tokens: 180_000, output_tokens: 3500, cache_read_input_tokens: 7 },
    { type: 'advisor_message', model: 'other', input_tokens: 2543, output_tokens: 18 },
    { type: 'message', input_tokens: 23_000, output_tokens: 1000 },
  ];
  const usage = { input_tokens: 23_000, output_tokens: 1000, iterations };
  const content = [{ type: 'text', text: 'x' }];
  const body = { type: 'message', content, stop_reason: 'end_turn', usage };
  const answer = anthropicMessages.decodeResponse(body, { quirks: {} });
  expect(answer.usage).toMatchObject({ input: 203_000, output: 4500, cacheRead: 7, source: 'reported' });
  expect(throughJson(anthropicMessages.encodeResponse(answer, TEST_REPLY))['usage']).toMatchObject(usage);
  expect(throughJson(openaiChat.encodeResponse(answer, TEST_REPLY))['usage']).toMatchObject({
    prompt_tokens: 203_007,
    completion_tokens: 4500,
  });
});

it('an effort goes to OpenRouter as one, and a budget only where the limit leaves room for it', () => {
  const profile: ModelProfile = {
    ...OPEN_TARGET.profile,
    reasoning: { kind: 'budget', min: 1024, max: 64_000, canDisable: true },
  };
  const target = { ...OPEN_TARGET, profile, quirks: { reasoningRequest: 'openrouter' } as const };
  const reasoning = (wish: object) => {
    const request = openaiChat.decodeRequest({
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
      ...wish,
    });
    return throughJson(openaiChat.encodeRequest(request, target).body)['reasoning'];
  };
  expect(reasoning({ reasoning_effort: 'low' })).toEqual({ effort: 'low' });
  expect(reasoning({ reasoning: { max_tokens: 4000 } })).toEqual({ max_tokens: 4000 });
  expect(reasoning({ reasoning: { max_tokens: 4000 }, max_tokens: 2000 })).toEqual({ max_tokens: 1999 });
});

it('a citation of Claude’s, which comes before its text, covers that text for a Responses client', () => {
  const encoder = openaiResponses.streamEncoder(TEST_REPLY);
  const citation = { kind: 'url', url: 'https://w.example', title: 'W' } as const;
  const out = encoder.push([
    { type: 'start' },
    { type: 'part_start', choice: 0, part: 0, head: { type: 'text' } },
    { type: 'citation', choice: 0, part: 0, citation },
    { type: 'delta', choice: 0, part: 0, text: 'It is 😀 warm' },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'finish', choice: 0, finish: { reason: 'stop' } },
  ]);
  const added = /^data: (.*annotation\.added.*)$/m.exec(String(out))?.[1] ?? '{}';
  expect(JSON.parse(added)).toMatchObject({
    annotation_index: 0,
    annotation: { start_index: 0, end_index: 12, url: 'https://w.example' },
  });
});

it('search results that a Claude client gives reach every model, and Claude as they were', () => {
  const result = {
    type: 'search_result',
    source: 'https://s.example',
    title: 'Grass',
    content: [{ type: 'text', text: 'It is green.' }],
    citations: { enabled: true },
    cache_control: { type: 'ephemeral' },
  };
  const request = anthropicMessages.decodeRequest({
    model: 'm',
    max_tokens: 9,
    messages: [
      { role: 'user', content: [result, { type: 'text', text: 'q' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: [result] }] },
    ],
  });
  const back = throughJson(anthropicMessages.encodeRequest(request, OPEN_TARGET).body)['messages'];
  expect(back).toMatchObject([{ content: [result, {}] }, {}, { content: [{ content: [result] }] }]);
  for (const codec of [openaiChat, openaiResponses, gemini, bedrockConverse]) {
    const body = JSON.stringify(codec.encodeRequest(request, OPEN_TARGET).body);
    expect(body.match(/https:\/\/s\.example(?:\\n)+It is green\./g), codec.id).toHaveLength(2);
  }
});

it('pictures in a Gemini stream that is forwarded as it is are counted', () => {
  const rules = gemini.tap;
  if (rules === undefined) throw new Error('Gemini streams are watched');
  const picture = { inlineData: { mimeType: 'image/png', data: 'iVBORw0=' } };
  const chunks = [
    { candidates: [{ content: { parts: [{ text: 'Look' }, picture] } }] },
    {
      candidates: [{ content: { parts: [picture] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2580, totalTokenCount: 2583 },
    },
  ];
  const tap = createByteTap(rules, {}, { hideUsage: false });
  for (const chunk of chunks) tap.push(Buffer.from(`data: ${JSON.stringify(chunk)}\r\n\r\n`));
  expect(tap.state.usage).toMatchObject({ images: 2, output: 2580, source: 'reported' });
});
