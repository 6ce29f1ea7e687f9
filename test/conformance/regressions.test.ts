import { expect, it } from 'vitest';
import { type ChatRequest, type JsonObject, UNKNOWN_USAGE } from '../../src/core/model/index.ts';
import { anthropicMessages } from '../../src/formats/anthropic-messages/index.ts';
import { bedrockConverse } from '../../src/formats/bedrock-converse/index.ts';
import { gemini } from '../../src/formats/gemini/index.ts';
import { openaiChat } from '../../src/formats/openai-chat/index.ts';
import { openaiCompletions } from '../../src/formats/openai-completions/index.ts';
import { openaiResponses } from '../../src/formats/openai-responses/index.ts';
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
  }
  expect(plainPath('/v1/models/gpt-4o')).toBe('/v1/models/gpt-4o');
  expect(dialectOf('/v1/models', { 'x-goog-api-key': 'k' }).id).toBe('gemini');
  expect(dialectOf('/v1/models', { authorization: 'Bearer k' }).id).toBe('openai-chat');
});
