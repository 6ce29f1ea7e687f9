import Anthropic from '@anthropic-ai/sdk';
import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { ChatResponse, StreamEvent } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { anthropicMessages as codec } from './index.ts';

const USAGE = {
  input: 10,
  cacheRead: 4,
  cacheWrite5m: 3,
  cacheWrite1h: 2,
  output: 25,
  reasoning: 7,
  audioInput: 0,
  audioOutput: 0,
  images: 0,
  source: 'reported',
} as const;

const ANSWER: ChatResponse = {
  choices: [
    {
      index: 0,
      parts: [
        { type: 'reasoning', text: 'Let me think.', signature: { issuer: 'claude', value: 'c2lnbmVk' } },
        { type: 'text', text: 'Grüße aus 東京 🙂' },
        {
          type: 'tool_call',
          id: 'toolu_1',
          name: 'weather',
          arguments: '{"city": "東京", "days": [1, 2]}',
          kind: 'function',
        },
        { type: 'tool_call', id: 'toolu_2', name: 'now', arguments: '', kind: 'function' },
      ],
      finish: { reason: 'tool_calls' },
    },
  ],
  usage: USAGE,
};

function clientOf(text: string): Anthropic {
  return new Anthropic({
    apiKey: 'test',
    maxRetries: 0,
    fetch: () =>
      Promise.resolve(new Response(text, { headers: { 'content-type': 'text/event-stream' }, status: 200 })),
  });
}

function written(events: readonly StreamEvent[]): string {
  const encoder = codec.streamEncoder({ id: 'msg_1', model: 'm', created: 0, includeUsage: false });
  let text = '';
  for (const event of events) text += encoder.push([event]);
  return text + encoder.end();
}

function streamed(text: string): Promise<Anthropic.Message> {
  const stream = clientOf(text).messages.stream({
    model: 'm',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  return stream.finalMessage();
}

test('the official stream helper reads text, thinking with signature and parallel tools', async () => {
  const message = await streamed(written(replayResponse(ANSWER, 3)));
  expect(message).toMatchObject({ id: 'msg_1', model: 'm', role: 'assistant', stop_reason: 'tool_use' });
  expect(JSON.parse(JSON.stringify(message.content))).toEqual([
    { type: 'thinking', thinking: 'Let me think.', signature: 'c2lnbmVk' },
    { type: 'text', text: 'Grüße aus 東京 🙂' },
    { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: '東京', days: [1, 2] } },
    { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} },
  ]);
  expect(message.usage).toMatchObject({
    input_tokens: 10,
    cache_read_input_tokens: 4,
    cache_creation_input_tokens: 5,
    output_tokens: 25,
    output_tokens_details: { thinking_tokens: 7 },
  });
});

test('the official helper reads tool calls that came interleaved', async () => {
  const head = (part: number): StreamEvent => ({
    type: 'part_start',
    choice: 0,
    part,
    head: { type: 'tool_call', id: `call_${part}`, name: 'f', kind: 'function' },
  });
  const delta = (part: number, text: string): StreamEvent => ({ type: 'delta', choice: 0, part, text });
  const message = await streamed(
    written([
      { type: 'start' },
      head(0),
      head(1),
      delta(0, '{"a":'),
      delta(1, '{"b":"}'),
      delta(0, '1}'),
      delta(1, '"}'),
      { type: 'part_end', choice: 0, part: 0 },
      { type: 'part_end', choice: 0, part: 1 },
      { type: 'finish', choice: 0, finish: { reason: 'tool_calls' } },
      { type: 'usage', usage: USAGE },
    ]),
  );
  expect(message.content.map((block) => (block.type === 'tool_use' ? block.input : block))).toEqual([
    { a: 1 },
    { b: '}' },
  ]);
});

test('the official helper throws the typed error of an error event', async () => {
  const error = new SluiceError('upstream_overloaded', 'The provider is overloaded; try again later.');
  const text = written([{ type: 'start' }, { type: 'error', error }]);
  await expect(streamed(text)).rejects.toThrow(/overloaded_error/);
});

test('a stream without a finish is an error for the official helper', async () => {
  const text = written([
    { type: 'start' },
    { type: 'part_start', choice: 0, part: 0, head: { type: 'text' } },
  ]);
  await expect(streamed(text)).rejects.toThrow(/broke off/);
});

test('the official client reads a whole answer', async () => {
  const body = codec.encodeResponse(ANSWER, { id: 'msg_1', model: 'm', created: 0, includeUsage: false });
  const client = new Anthropic({
    apiKey: 'test',
    fetch: () =>
      Promise.resolve(
        new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' }, status: 200 }),
      ),
  });
  const params = { model: 'm', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Hi' }] };
  const message = await client.messages.create(params);
  expect(message.content).toHaveLength(4);
  expect(message.stop_reason).toBe('tool_use');
});

test('the official client maps our error body to its class', async () => {
  const { status, body } = codec.encodeError(new SluiceError('rate_limited', 'Wait a while.'), 'req_1');
  const client = new Anthropic({
    apiKey: 'test',
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(JSON.stringify(body), { status })),
  });
  const params = { model: 'm', max_tokens: 9, messages: [{ role: 'user' as const, content: 'Hi' }] };
  await expect(client.messages.create(params)).rejects.toBeInstanceOf(Anthropic.RateLimitError);
  expect(body).toEqual({
    type: 'error',
    error: { type: 'rate_limit_error', message: 'Wait a while.' },
    request_id: 'req_1',
  });
});
