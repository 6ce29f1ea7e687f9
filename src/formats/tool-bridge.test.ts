import { describe, expect, test } from 'vitest';
import { type ChatRequest, type ChatResponse, type StreamEvent, UNKNOWN_USAGE } from '../core/model/index.ts';
import { createCollector } from '../core/translation/collect.ts';
import { replayResponse } from '../core/translation/replay.ts';
import {
  argumentsObject,
  bridgeDecoder,
  bridgeResponse,
  JSON_OUTPUT_TOOL,
  outputParameters,
} from './tool-bridge.ts';

function request(fields: Partial<ChatRequest>): ChatRequest {
  return {
    model: 'm',
    messages: [],
    tools: [],
    sampling: {},
    output: { type: 'text' },
    stream: false,
    includeUsage: false,
    ...fields,
  };
}

function call(name: string, text: string): ChatResponse {
  const part = { type: 'tool_call', id: 'call_1', name, arguments: text, kind: 'function' } as const;
  const finish = { reason: 'tool_calls', raw: 'tool_use' } as const;
  return { choices: [{ index: 0, parts: [part], finish }], usage: UNKNOWN_USAGE };
}

/** The answer as its events come out of a bridged decoder, in pieces of three characters. */
function streamed(response: ChatResponse, asked: ChatRequest): ChatResponse {
  const events = replayResponse(response, 3);
  let at = 0;
  const decoder = bridgeDecoder(
    { push: (): readonly StreamEvent[] => events.slice(at++, at), end: () => [] },
    asked,
  );
  const collector = createCollector();
  while (at < events.length) collector.push(decoder.push({ event: undefined, data: '' }));
  return collector.response();
}

describe('tool bridge', () => {
  test('arguments become an object whatever the model wrote', () => {
    const of = (text: string) => JSON.stringify(argumentsObject({ arguments: text, kind: 'function' }));
    expect(of('')).toBe('{}');
    expect(of('null')).toBe('{}');
    expect(of('{"b":1,"a":12345678901234567890}')).toBe('{"b":1,"a":12345678901234567890}');
    expect(of('[1]')).toBe('{"input":[1]}');
    expect(of('12345678901234567890')).toBe('{"input":12345678901234567890}');
    expect(of('{"cut": ')).toBe('{"input":"{\\"cut\\": "}');
    expect(argumentsObject({ arguments: 'free text', kind: 'custom' })).toEqual({ input: 'free text' });
  });

  test('a custom call comes back as free text', () => {
    const asked = request({ tools: [{ type: 'custom', name: 'patch' }] });
    const response = call('patch', '{"input":"*** Begin\\n"}');
    for (const answer of [bridgeResponse(response, asked), streamed(response, asked)]) {
      expect(answer.choices[0]?.parts).toMatchObject([{ kind: 'custom', arguments: '*** Begin\n' }]);
      expect(answer.choices[0]?.finish.reason).toBe('tool_calls');
    }
  });

  test('a schema answer comes back as text that ends normally', () => {
    const asked = request({ output: { type: 'json_schema', schema: { type: 'object', properties: {} } } });
    const response = call(JSON_OUTPUT_TOOL, '{"a":1}');
    for (const answer of [bridgeResponse(response, asked), streamed(response, asked)]) {
      expect(answer.choices[0]?.parts).toEqual([{ type: 'text', text: '{"a":1}' }]);
      expect(answer.choices[0]?.finish).toEqual({ reason: 'stop', raw: 'tool_use' });
    }
  });

  test('a schema that is no object is wrapped and unwrapped', () => {
    const schema = { type: 'array', items: { type: 'integer' } };
    expect(outputParameters(schema)).toMatchObject({ type: 'object', properties: { value: schema } });
    const asked = request({ output: { type: 'json_schema', schema } });
    const response = call(JSON_OUTPUT_TOOL, '{"value":[1,2]}');
    for (const answer of [bridgeResponse(response, asked), streamed(response, asked)]) {
      expect(answer.choices[0]?.parts).toEqual([{ type: 'text', text: '[1,2]' }]);
    }
  });

  test("a client's own tool of that name stays a call", () => {
    const tool = { type: 'function', name: JSON_OUTPUT_TOOL } as const;
    const asked = request({ tools: [tool], output: { type: 'json_schema', schema: { type: 'object' } } });
    expect(bridgeResponse(call(JSON_OUTPUT_TOOL, '{}'), asked).choices[0]?.parts).toMatchObject([
      { type: 'tool_call' },
    ]);
  });
});
