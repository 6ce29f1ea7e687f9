import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { ChatResponse } from '../../core/model/index.ts';
import { UNKNOWN_USAGE } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { openaiChat } from './index.ts';

const RESPONSE: ChatResponse = {
  id: 'up',
  model: 'up',
  choices: [
    {
      index: 0,
      parts: [
        { type: 'reasoning', text: 'thinking', signature: { issuer: 'claude', value: 'S' } },
        {
          type: 'text',
          text: 'Hello "there" 😀',
          citations: [{ kind: 'url', url: 'https://e', title: 't', start: 0, end: 5 }],
        },
        {
          type: 'tool_call',
          id: 'call_1',
          name: 'f',
          arguments: '{"x":[1,2]}',
          kind: 'function',
          signature: { issuer: 'gemini', value: 'G' },
        },
        { type: 'tool_call', id: 'call_2', name: 'g', arguments: '', kind: 'function' },
      ],
      finish: { reason: 'tool_calls' },
    },
    { index: 1, parts: [{ type: 'text', text: 'second' }], finish: { reason: 'length' } },
  ],
  usage: { ...UNKNOWN_USAGE, input: 5, cacheRead: 2, output: 7, source: 'reported' },
};

/** The official client, answered by our encoder without a network. */
function clientFor(response: ChatResponse): OpenAI {
  const encoder = openaiChat.streamEncoder({
    id: 'chatcmpl-9',
    model: 'asked',
    created: 9,
    includeUsage: true,
  });
  const body = String(encoder.push(replayResponse(response, 3))) + String(encoder.end());
  return new OpenAI({
    apiKey: 'none',
    baseURL: 'http://127.0.0.1/v1',
    fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
  });
}

const ASK = {
  model: 'asked',
  messages: [{ role: 'user' as const, content: 'hi' }],
  stream_options: { include_usage: true },
};

describe('the official helper', () => {
  it('accepts our stream and builds the answer from it', async () => {
    const stream = clientFor(RESPONSE).chat.completions.stream(ASK);
    const final = await stream.finalChatCompletion();
    expect(final.id).toBe('chatcmpl-9');
    const [first, second] = final.choices;
    expect(first?.message.content).toBe('Hello "there" 😀');
    expect(first?.finish_reason).toBe('tool_calls');
    expect(first?.message.tool_calls).toMatchObject([
      {
        id: 'call_1',
        type: 'function',
        function: { name: 'f', arguments: '{"x":[1,2]}' },
        extra_content: { google: { thought_signature: 'G' } },
      },
      { id: 'call_2', type: 'function', function: { name: 'g', arguments: '{}' } },
    ]);
    expect(second?.message.content).toBe('second');
    expect(second?.finish_reason).toBe('length');
    expect(final.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 7, total_tokens: 14 });
    expect(final.usage?.prompt_tokens_details?.cached_tokens).toBe(2);
  });

  it('sees chunks of one id, a role first and one finish reason per choice', async () => {
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    const stream = await clientFor(RESPONSE).chat.completions.create({ ...ASK, stream: true });
    for await (const chunk of stream) chunks.push(chunk);
    expect(new Set(chunks.map(({ id }) => id))).toEqual(new Set(['chatcmpl-9']));
    expect(chunks.every(({ object }) => object === 'chat.completion.chunk')).toBe(true);
    for (const index of [0, 1]) {
      const own = chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index));
      expect(own[0]?.delta).toEqual({ role: 'assistant', content: '' });
      expect(own.filter((choice) => choice.finish_reason !== null)).toHaveLength(1);
    }
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 14 } });
    const details = chunks.flatMap((chunk) =>
      chunk.choices.flatMap(({ delta }) => ('reasoning_details' in delta ? [delta.reasoning_details] : [])),
    );
    // Vercel's AI SDK refuses the whole stream for a delta of a call that has no function.
    const calls = chunks.flatMap((chunk) => chunk.choices.flatMap(({ delta }) => delta.tool_calls ?? []));
    expect(calls.filter((call) => typeof call.function?.arguments !== 'string')).toEqual([]);
    expect(details).toEqual([
      [{ type: 'reasoning.text', signature: 'S', format: 'anthropic-claude-v1', index: 0 }],
    ]);
  });

  it('raises an error for an error in the stream', async () => {
    const client = new OpenAI({
      apiKey: 'none',
      baseURL: 'http://127.0.0.1/v1',
      fetch: async () =>
        new Response(
          'data: {"error":{"message":"broke","type":"server_error","param":null,"code":null}}\n\n',
        ),
    });
    await expect(client.chat.completions.stream(ASK).finalChatCompletion()).rejects.toThrow('broke');
  });
});
