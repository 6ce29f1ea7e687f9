import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { ChatRequest, ChatResponse, StreamEvent } from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import type { Quirks } from '../codec.ts';
import { openaiChat } from './index.ts';

const FINISH = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
const DONE = '[DONE]';

/** Chunks whose first choice has these deltas. */
function deltas(...list: readonly object[]): object[] {
  return list.map((delta) => ({ id: 'c1', model: 'm', choices: [{ index: 0, delta, finish_reason: null }] }));
}

function decode(
  chunks: readonly (object | string)[],
  quirks: Quirks = {},
  request?: ChatRequest,
): readonly StreamEvent[] {
  const decoder = openaiChat.streamDecoder({ quirks, ...(request === undefined ? {} : { request }) });
  const events = chunks.flatMap((chunk) =>
    decoder.push({ event: undefined, data: typeof chunk === 'string' ? chunk : JSON.stringify(chunk) }),
  );
  return [...events, ...decoder.end()];
}

function answer(chunks: readonly (object | string)[], quirks: Quirks = {}): ChatResponse {
  const collector = createCollector();
  collector.push(decode(chunks, quirks));
  return collector.response();
}

function calls(chunks: readonly object[]) {
  const parts = answer([...chunks, FINISH, DONE]).choices[0]?.parts ?? [];
  return parts.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name, part.arguments]] : []));
}

const fn = (name: string | undefined, args: string) => ({ function: { name, arguments: args } });

describe('streamed tool calls', () => {
  it('interleave by index and stay separate parts', () => {
    const found = calls(
      deltas(
        { tool_calls: [{ index: 0, id: 'a', ...fn('f', '') }] },
        { tool_calls: [{ index: 1, id: 'b', ...fn('g', '') }] },
        { tool_calls: [{ index: 0, ...fn(undefined, '{"x":') }] },
        { tool_calls: [{ index: 1, ...fn(undefined, '{}') }] },
        { tool_calls: [{ index: 0, ...fn(undefined, '1}') }] },
      ),
    );
    expect(found).toEqual([
      ['a', 'f', '{"x":1}'],
      ['b', 'g', '{}'],
    ]);
  });

  it('come whole and without index (Mistral)', () => {
    const whole = {
      tool_calls: [
        { id: 'a', ...fn('f', '{}') },
        { id: 'b', ...fn('f', '{"y":2}') },
      ],
    };
    expect(calls(deltas(whole))).toEqual([
      ['a', 'f', '{}'],
      ['b', 'f', '{"y":2}'],
    ]);
    expect(
      calls(deltas({ tool_calls: [whole.tool_calls[0]] }, { tool_calls: [whole.tool_calls[1]] })),
    ).toHaveLength(2);
  });

  it('all carry index 0 and are told apart by id', () => {
    const found = calls(
      deltas(
        { tool_calls: [{ index: 0, id: 'a', ...fn('f', '{}') }] },
        { tool_calls: [{ index: 0, id: 'b', ...fn('f', '{"y":2}') }] },
      ),
    );
    expect(found.map(([id]) => id)).toEqual(['a', 'b']);
  });
});

describe('odd streamed tool calls', () => {
  it('repeat the name and change the id in each chunk', () => {
    const found = calls(
      deltas(
        { tool_calls: [{ index: 0, id: 'a', ...fn('f', '{"x"') }] },
        { tool_calls: [{ index: 0, id: 'b', ...fn('f', ':1}') }] },
      ),
    );
    expect(found).toEqual([['a', 'f', '{"x":1}']]);
  });

  it('have no id at all, or arguments as an object with long numbers', () => {
    const chunk = `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":{"n":12345678901234567890}}}]}}]}`;
    const [part] = answer([chunk, FINISH, DONE]).choices[0]?.parts ?? [];
    expect(part).toMatchObject({ type: 'tool_call', name: 'f', arguments: '{"n":12345678901234567890}' });
    expect(part?.type === 'tool_call' && part.id).toMatch(/^call_[A-Za-z0-9]{20}$/);
  });

  it('make the finish reason, whatever the upstream says', () => {
    const response = answer([
      ...deltas({ tool_calls: [{ index: 0, id: 'a', ...fn('f', '{}') }] }),
      FINISH,
      DONE,
    ]);
    expect(response.choices[0]?.finish).toEqual({ reason: 'tool_calls', raw: 'stop' });
  });

  it('of custom tools that went as functions are free text again', () => {
    const request = { tools: [{ type: 'custom', name: 'patch' }], messages: [] } as unknown as ChatRequest;
    const chunks = deltas(
      { tool_calls: [{ index: 0, id: 'a', ...fn('patch', '{"input":"x') }] },
      { tool_calls: [{ index: 0, ...fn(undefined, '\\ny"}') }] },
    );
    const collector = createCollector();
    collector.push(decode([...chunks, FINISH, DONE], {}, request));
    expect(collector.response().choices[0]?.parts).toEqual([
      { type: 'tool_call', id: 'a', name: 'patch', kind: 'custom', arguments: 'x\ny' },
    ]);
  });
});

describe('other parts of a stream', () => {
  it('reasoning ends before text and text before a call', () => {
    const events = decode([
      ...deltas(
        { role: 'assistant', content: '' },
        { reasoning_content: 'hm' },
        { content: 'hi' },
        { tool_calls: [{ index: 0, id: 'a', ...fn('f', '{}') }] },
      ),
      FINISH,
      DONE,
    ]);
    const seen = events.map((e) =>
      e.type === 'part_start' ? `+${e.head.type}` : e.type === 'part_end' ? '-' : '',
    );
    expect(seen.filter(Boolean)).toEqual(['+reasoning', '-', '+text', '-', '+tool_call', '-']);
  });

  it('reasoning_details bring text once, signature and redacted blocks', () => {
    const format = 'anthropic-claude-v1';
    const parts = answer([
      ...deltas(
        { reasoning: 'one', reasoning_details: [{ type: 'reasoning.text', text: 'one', format, index: 0 }] },
        { reasoning_details: [{ type: 'reasoning.text', signature: 'S', format, index: 0 }] },
        { reasoning_details: [{ type: 'reasoning.encrypted', data: 'R', format, index: 1 }] },
        { content: 'ok' },
      ),
      FINISH,
      DONE,
    ]).choices[0]?.parts;
    expect(parts).toEqual([
      { type: 'reasoning', text: 'one', signature: { issuer: 'claude', value: 'S' } },
      { type: 'reasoning', text: '', redacted: 'R' },
      { type: 'text', text: 'ok' },
    ]);
  });

  it('a signature that names a call belongs to it, also when it comes first', () => {
    const detail = { type: 'reasoning.encrypted', data: 'G', id: 'a', format: 'google-gemini-v1', index: 0 };
    const parts = answer([
      ...deltas({ reasoning_details: [detail] }, { tool_calls: [{ index: 0, id: 'a', ...fn('f', '{}') }] }),
      FINISH,
      DONE,
    ]).choices[0]?.parts;
    expect(parts).toHaveLength(1);
    expect(parts?.[0]).toMatchObject({ type: 'tool_call', signature: { issuer: 'gemini', value: 'G' } });
  });
});

describe('rare parts of a stream', () => {
  it('several choices, citations, log-probabilities, audio and refusals', () => {
    const annotation = {
      type: 'url_citation',
      url_citation: { url: 'u', title: 't', start_index: 0, end_index: 2 },
    };
    const response = answer([
      { choices: [{ index: 1, delta: { refusal: 'no' }, finish_reason: 'stop' }] },
      {
        choices: [
          {
            index: 0,
            delta: { content: 'hi', annotations: [annotation] },
            logprobs: { content: [{ token: 'hi' }] },
          },
        ],
      },
      { choices: [{ index: 0, delta: { audio: { id: 'au', data: 'QUFB', transcript: 'a' } } }] },
      { choices: [{ index: 0, delta: { audio: { data: 'QkJC', transcript: 'b' } }, finish_reason: 'stop' }] },
      DONE,
    ]);
    const [first, second] = response.choices;
    expect(first?.parts[0]).toEqual({
      type: 'text',
      text: 'hi',
      citations: [{ kind: 'url', url: 'u', title: 't', start: 0, end: 2 }],
    });
    expect(first?.parts[1]).toMatchObject({ type: 'audio', source: { kind: 'base64', data: 'QUFBQkJC' } });
    expect(first?.logprobs).toEqual({ content: [{ token: 'hi' }] });
    expect(second?.parts).toEqual([{ type: 'refusal', text: 'no' }]);
    expect(second?.finish.reason).toBe('refusal');
  });

  it('usage comes on any chunk, in x_groq, and null never overwrites it', () => {
    const response = answer([
      ...deltas({ content: 'a' }),
      FINISH,
      { choices: [], x_groq: { usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } } },
      { choices: [], usage: null },
      DONE,
    ]);
    expect(response.usage).toMatchObject({ input: 7, output: 2, source: 'reported' });
  });
});

describe('the end of a stream', () => {
  const text = deltas({ content: 'a' });
  const last = (events: readonly StreamEvent[]) => {
    const event = events.at(-1);
    return event?.type === 'error' ? event.error.code : event?.type;
  };

  it('without a finish reason, or without [DONE], is a cut', () => {
    expect(last(decode(text))).toBe('upstream_cut');
    expect(last(decode([...text, DONE]))).toBe('upstream_cut');
    expect(last(decode([...text, FINISH]))).toBe('upstream_cut');
    expect(last(decode([]))).toBe('upstream_cut');
    expect(last(decode([DONE]))).toBe('upstream_cut');
  });

  it('is what the vendor makes it, where its quirks say so', () => {
    expect(last(decode([...text, FINISH], { doneMarker: 'optional' }))).toBe('finish');
    expect(last(decode(text, { doneMarker: 'optional' }))).toBe('upstream_cut');
    const absent = decode([...text, DONE], { finishReason: 'absent' }).at(-1);
    expect(absent).toMatchObject({ type: 'finish', finish: { reason: 'unknown' } });
  });

  it('is an error for error objects of every shape, and nothing follows', () => {
    const bodies = [
      [{ error: { message: 'Overloaded', type: 'overloaded_error' } }, 'upstream_overloaded'],
      [{ error: { message: 'x', code: 'tool_use_failed', failed_generation: '<f>' } }, 'upstream_error'],
      [{ object: 'error', message: 'boom', code: 500 }, 'upstream_error'],
      [
        { error: { code: 429, message: 'slow down' }, choices: [{ finish_reason: 'error' }] },
        'upstream_rate_limited',
      ],
    ] as const;
    for (const [body, code] of bodies) expect(last(decode([...text, body, FINISH, DONE]))).toBe(code);
    expect(last(decode([...text, '{"choices":[{"del']))).toBe('upstream_malformed');
  });

  it('is written as an error object without [DONE]', () => {
    const encoder = openaiChat.streamEncoder({ id: 'c', model: 'm', created: 1, includeUsage: true });
    const out = encoder.push([
      { type: 'start' },
      { type: 'error', error: new SluiceError('upstream_cut', 'It broke off.') },
    ]);
    const lines = String(out).trim().split('\n\n');
    expect(JSON.parse(lines[1]?.slice(6) ?? '')).toEqual({
      error: { message: 'It broke off.', type: 'server_error', param: null, code: 'server_error' },
    });
    expect(encoder.end()).toBe('');
  });
});

describe('a client that gives `functions`, from before tools', () => {
  const request = openaiChat.decodeRequest({
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    functions: [{ name: 'f', parameters: {} }],
  });
  const reply = { id: 'r', model: 'm', created: 1, includeUsage: false, request };
  const list = [0, 1].map((index) => ({ index, id: `c${index}`, type: 'function', ...fn('f', '{"x":1}') }));

  it('reads one call, whole', () => {
    expect(request.parallelToolCalls).toBe(false);
    const body = { choices: [{ message: { content: null, tool_calls: list }, finish_reason: 'tool_calls' }] };
    const whole = openaiChat.encodeResponse(openaiChat.decodeResponse(body, { quirks: {} }), reply);
    expect(whole['choices']).toMatchObject([
      {
        message: { content: null, function_call: { name: 'f', arguments: '{"x":1}' } },
        finish_reason: 'function_call',
      },
    ]);
    expect(JSON.stringify(whole)).not.toContain('tool_calls');
  });

  it('reads one call, streamed', () => {
    const signed = { index: 0, extra_content: { google: { thought_signature: 'S' } } };
    const events = decode([...deltas({ tool_calls: list }, { tool_calls: [signed] }), FINISH, DONE]);
    const text = String(openaiChat.streamEncoder(reply).push(events));
    const chunks = text.split('\n\n').filter(Boolean);
    const choices = chunks.map((chunk) => JSON.parse(chunk.slice('data: '.length)).choices[0]);
    expect(choices.map(({ delta }) => delta)).toEqual([
      { role: 'assistant', content: '' },
      { function_call: { name: 'f', arguments: '' } },
      { function_call: { arguments: '{"x":1}' } },
      {},
    ]);
    expect(choices.at(-1).finish_reason).toBe('function_call');
  });
});
