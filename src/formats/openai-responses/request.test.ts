import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type JsonObject,
  type ModelProfile,
  OPEN_PROFILE,
} from '../../core/model/index.ts';
import type { Quirks, Target } from '../codec.ts';
import { openaiResponses } from './index.ts';

function targetOf(profile: Partial<ModelProfile> = {}, quirks: Quirks = {}): Target {
  return { model: 'up', profile: { ...OPEN_PROFILE, ...profile }, quirks, defaultMaxOutputTokens: 4096 };
}

function roundTrip(body: JsonObject): JsonObject {
  const encoded = openaiResponses.encodeRequest(openaiResponses.decodeRequest(body), targetOf());
  expect(encoded.dropped).toEqual([]);
  return JSON.parse(JSON.stringify(encoded.body)) as JsonObject;
}

/** A request of another dialect. */
function foreign(fields: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: 'm',
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    sampling: {},
    output: { type: 'text' },
    stream: false,
    includeUsage: false,
    ...fields,
  };
}

function thrownBy(act: () => unknown): SluiceError {
  try {
    act();
  } catch (error) {
    if (error instanceof SluiceError) return error;
  }
  throw new Error('nothing was thrown');
}

describe('same format, nothing lost', () => {
  it('keeps unknown fields at every level, and exact numbers', () => {
    const body: JsonObject = {
      model: 'up',
      input: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a', new_part_field: 1 }] },
        { type: 'message', role: 'developer', content: 'b', new_message_field: true },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          phase: 'commentary',
          content: [{ type: 'output_text', text: 'c', annotations: [], new_text_field: 'x' }],
        },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"n":1}', namespace: 'n', id: 'fc_1' },
        { type: 'function_call_output', call_id: 'c1', output: 'r', new_result_field: 2 },
        { type: 'new_vendor_item', id: 'x_1', payload: { deep: [1] } },
      ],
      tools: [
        { type: 'function', name: 'f', parameters: { type: 'object' }, strict: true, defer_loading: true },
        { type: 'new_server_tool', setting: 1 },
      ],
      tool_choice: { type: 'new_server_tool' },
      text: { format: { type: 'text' }, new_text_setting: 1 },
      reasoning: { effort: 'low', context: 'all_turns' },
      truncation: 'auto',
      background: false,
      stream_options: { include_obfuscation: false },
      new_top_field: { a: null },
    };
    const { text, ...rest } = body;
    expect(roundTrip(body)).toEqual({ ...rest, text: { new_text_setting: 1 } });
    expect(text).toBeDefined();
  });

  it('keeps reference-only items, several messages and media as they were', () => {
    const body: JsonObject = {
      model: 'up',
      input: [
        { type: 'item_reference', id: 'msg_9' },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'one' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'two' }] },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
            { type: 'input_image', image_url: 'https://a.example/x.png' },
            { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
            { type: 'input_file', file_url: 'https://a.example/x.pdf' },
            { type: 'input_file', file_id: 'file-1' },
          ],
        },
        { type: 'custom_tool_call', call_id: 'c2', name: 'p', input: 'free' },
        {
          type: 'custom_tool_call_output',
          call_id: 'c2',
          output: [
            { type: 'input_text', text: 'a' },
            { type: 'input_text', text: 'b' },
          ],
        },
        { type: 'message', role: 'user', content: 'end' },
      ],
      previous_response_id: 'resp_1',
      safety_identifier: 'u1',
    };
    expect(roundTrip(body)).toEqual(body);
  });

  it('counts media, tools and limits without a decode', () => {
    const body: JsonObject = {
      model: 'm',
      stream: true,
      max_output_tokens: 99,
      tools: [{ type: 'web_search' }],
      input: [
        { role: 'user', content: [{ type: 'input_image', image_url: 'x' }] },
        { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file', file_id: 'f' }] },
      ],
    };
    expect(openaiResponses.envelope(body)).toEqual({
      model: 'm',
      stream: true,
      maxOutputTokens: 99,
      choices: 1,
      includeUsage: false,
      tools: 1,
      media: 2,
    });
  });

  it('refuses background answers, which nobody could fetch or bill', () => {
    const body: JsonObject = { model: 'm', input: 'hi' };
    expect(() => openaiResponses.envelope({ ...body, background: true })).toThrow(/Leave `background` out/);
    for (const background of [false, null])
      expect(openaiResponses.envelope({ ...body, background }).model).toBe('m');
  });
});

describe('canonical turns', () => {
  it('joins assistant items to one turn and puts results in call order', () => {
    const { messages } = openaiResponses.decodeRequest({
      model: 'm',
      instructions: 'be brief',
      input: [
        { role: 'user', content: 'q' },
        { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'enc' },
        { role: 'assistant', content: 'let me' },
        { type: 'function_call', call_id: 'a', name: 'fa', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'fb', arguments: '{}' },
        { type: 'function_call_output', call_id: 'b', output: '2' },
        { type: 'function_call_output', call_id: 'a', output: '1' },
      ],
    });
    expect(messages.map(({ role, parts }) => [role, parts.map((part) => part.type)])).toEqual([
      ['system', ['text']],
      ['user', ['text']],
      ['assistant', ['reasoning', 'text', 'tool_call', 'tool_call']],
      ['user', ['tool_result', 'tool_result']],
    ]);
    expect(messages[3]?.parts).toMatchObject([
      { callId: 'a', name: 'fa' },
      { callId: 'b', name: 'fb' },
    ]);
  });

  it.each([
    [{ input: 'x' }, 'model'],
    [{ model: 'm' }, 'input'],
    [{ model: 'm', input: 5 }, 'input'],
    [{ model: 'm', input: [5] }, 'input[0]'],
    [{ model: 'm', input: [{ role: 'tool', content: 'x' }] }, 'input[0].role'],
    [{ model: 'm', input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0]'],
    [{ model: 'm', input: [{ type: 'function_call', name: 'f' }] }, 'input[0].call_id'],
    [{ model: 'm', input: 'x', reasoning: { effort: 'huge' } }, 'reasoning.effort'],
    [{ model: 'm', input: 'x', temperature: 3 }, 'temperature'],
    [{ model: 'm', input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ model: 'm', input: 'x', text: { format: { type: 'json_schema', name: 'n' } } }, 'text.format.schema'],
  ] as const)('refuses %j naming %s', (body, param) => {
    const error = thrownBy(() => openaiResponses.decodeRequest(body as unknown as JsonObject));
    expect([error.code, error.facts.param]).toEqual(['bad_request', param]);
  });
});

describe('requests of other dialects', () => {
  it('are not stored, and ask for reasoning state when they reason', () => {
    const request = foreign({ reasoning: { enabled: true, effort: 'low' } });
    const { body } = openaiResponses.encodeRequest(request, targetOf());
    expect(body).toMatchObject({
      store: false,
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'low' },
    });
    expect(openaiResponses.encodeRequest(foreign(), targetOf()).body).toEqual({
      model: 'up',
      input: [{ type: 'message', role: 'user', content: 'hi' }],
      store: false,
    });
  });

  it('leave out by name what the API has no field for, and refuse several answers', () => {
    const request = foreign({
      stop: ['END'],
      sampling: { seed: 1, topK: 5, logitBias: {}, temperature: 0.5 },
      maxOutputTokens: 5,
      serviceTier: 'weird',
      extensions: { 'openai-chat': { prediction: {} } },
    });
    const { body, dropped } = openaiResponses.encodeRequest(request, targetOf({ refuses: ['temperature'] }));
    expect(body['max_output_tokens']).toBe(16);
    expect(dropped.toSorted()).toEqual(
      [
        'prediction',
        'stop',
        'seed',
        'top_k',
        'logit_bias',
        'temperature',
        'service_tier',
        'max_output_tokens 5 (sent as 16)',
      ].toSorted(),
    );
    const error = thrownBy(() => openaiResponses.encodeRequest(foreign({ choices: 2 }), targetOf()));
    expect([error.code, error.facts.param]).toEqual(['unsupported_feature', 'n']);
  });

  it('keep reasoning only where its issuer reads it, and never without its item', () => {
    const openai = {
      type: 'reasoning',
      text: 'mine',
      signature: { issuer: 'openai', value: 'enc' },
    } as const;
    const claude = {
      type: 'reasoning',
      text: 'theirs',
      signature: { issuer: 'claude', value: 'sig' },
    } as const;
    const user = { role: 'user', parts: [{ type: 'text', text: 'go on' }] } as const;
    const text = { type: 'text', text: 'said' } as const;
    const request = foreign({
      messages: [
        { role: 'assistant', parts: [claude, openai, text] },
        user,
        { role: 'assistant', parts: [openai] },
        user,
      ],
    });
    const { body, dropped } = openaiResponses.encodeRequest(request, targetOf({ family: 'gpt' }));
    expect(body['input']).toEqual([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'mine' }], encrypted_content: 'enc' },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'said' }] },
      { type: 'message', role: 'user', content: 'go on' },
      { type: 'message', role: 'user', content: 'go on' },
    ]);
    expect(dropped).toEqual(['reasoning']);
    expect(JSON.stringify(body)).not.toContain('sig"');
  });
});

describe('requests of other dialects, in detail', () => {
  it('refuse foreign server tools, video and audio aloud', () => {
    const tool = { type: 'server', format: 'gemini', label: 'googleSearch', value: {} } as const;
    expect(
      thrownBy(() => openaiResponses.encodeRequest(foreign({ tools: [tool] }), targetOf())).facts.param,
    ).toBe('tools[0]');
    for (const type of ['audio', 'video'] as const) {
      const source = { kind: 'base64', mediaType: `${type}/mp4`, data: 'AAAA' } as const;
      const request = foreign({ messages: [{ role: 'user', parts: [{ type, source }] }] });
      expect(thrownBy(() => openaiResponses.encodeRequest(request, targetOf())).code).toBe(
        'unsupported_feature',
      );
    }
  });

  it('fit call ids into 64 characters, links kept', () => {
    const id = 'x'.repeat(90);
    const request = foreign({
      messages: [
        { role: 'assistant', parts: [{ type: 'tool_call', id, name: 'f', arguments: '', kind: 'function' }] },
        { role: 'user', parts: [{ type: 'tool_result', callId: id, kind: 'function', content: [] }] },
      ],
      tools: [{ type: 'function', name: 'f' }],
    });
    const { body } = openaiResponses.encodeRequest(request, targetOf());
    const [call, result] = body['input'] as JsonObject[];
    expect(String(call?.['call_id']).length).toBeLessThanOrEqual(64);
    expect(result?.['call_id']).toBe(call?.['call_id']);
    expect(call).toMatchObject({ type: 'function_call', name: 'f', arguments: '{}' });
    expect(result).toMatchObject({ type: 'function_call_output', output: '' });
    expect(body['tools']).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false },
    ]);
  });

  it('send no choice and no parallelism without tools, and honour refused fields', () => {
    const request = foreign({ toolChoice: { type: 'auto' }, parallelToolCalls: false, metadata: { a: 'b' } });
    const { body, dropped } = openaiResponses.encodeRequest(
      request,
      targetOf({}, { refusedFields: ['metadata'] }),
    );
    expect(Object.keys(body).toSorted()).toEqual(['input', 'model', 'store']);
    expect(dropped).toEqual(['metadata']);
  });

  it('write instructions as a system item where the vendor refuses the field', () => {
    const request = openaiResponses.decodeRequest({ model: 'm', input: 'x', instructions: 'be brief' });
    const { body } = openaiResponses.encodeRequest(
      request,
      targetOf({}, { refusedFields: ['instructions'] }),
    );
    expect((body['input'] as JsonObject[])[0]).toEqual({
      type: 'message',
      role: 'system',
      content: 'be brief',
    });
  });

  it('bare reasoning goes back to vendors that want it, an id of ours to nobody', () => {
    const body: JsonObject = {
      model: 'm',
      input: [
        { type: 'reasoning', id: 'rs_abc_0', summary: [{ type: 'summary_text', text: 'why' }] },
        { role: 'assistant', content: 'so' },
      ],
    };
    const request = openaiResponses.decodeRequest(body);
    const none = openaiResponses.encodeRequest(request, targetOf());
    expect((none.body['input'] as JsonObject[]).map((item) => item['type'])).toEqual(['message']);
    expect(none.dropped).toEqual(['reasoning']);
    const some = openaiResponses.encodeRequest(
      request,
      targetOf({}, { reasoningReplay: 'reasoning_content' }),
    );
    expect((some.body['input'] as JsonObject[])[0]).toEqual({
      type: 'reasoning',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'why' }],
    });
  });
});

describe('a failed answer', () => {
  it('is thrown with our class and words', () => {
    const body: JsonObject = {
      object: 'response',
      status: 'failed',
      output: [],
      error: { code: 'rate_limit_exceeded', message: 'secret sk-123' },
    };
    const error = thrownBy(() => openaiResponses.decodeResponse(body, { quirks: {} }));
    expect(error.code).toBe('upstream_rate_limited');
    expect(error.message).not.toContain('sk-123');
    expect(thrownBy(() => openaiResponses.decodeResponse({ id: 'x' }, { quirks: {} })).code).toBe(
      'upstream_malformed',
    );
  });
});
