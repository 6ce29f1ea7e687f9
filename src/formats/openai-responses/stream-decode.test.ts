import { describe, expect, it } from 'vitest';
import type { ChatResponse, JsonObject, StreamEvent } from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { createSseReader, sseEvent } from '../sse.ts';
import { openaiResponses } from './index.ts';

type Sent = readonly [type: string, fields: JsonObject];

function decode(sent: readonly Sent[], isEnded = true): StreamEvent[] {
  const decoder = openaiResponses.streamDecoder({ quirks: {} });
  const events = sent.flatMap(([type, fields]) => [
    ...decoder.push({ event: type, data: JSON.stringify({ type, ...fields }) }),
  ]);
  return isEnded ? [...events, ...decoder.end()] : events;
}

function collect(sent: readonly Sent[]): ChatResponse {
  const collector = createCollector();
  collector.push(decode(sent));
  return collector.response();
}

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 5,
  model: 'm',
  status: 'in_progress',
  output: [],
};
const CREATED: Sent = ['response.created', { response: RESPONSE }];
const USAGE = {
  input_tokens: 9,
  input_tokens_details: { cached_tokens: 4 },
  output_tokens: 2,
  total_tokens: 11,
};

function message(text: string, annotations: JsonObject[] = []): JsonObject {
  return {
    id: 'msg_1',
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text, annotations }],
  };
}

function completed(output: JsonObject[] = []): Sent {
  return ['response.completed', { response: { ...RESPONSE, status: 'completed', output, usage: USAGE } }];
}

const PLACE = { output_index: 0, item_id: 'msg_1', content_index: 0 };
const BLANK = { ...message(''), content: [], status: 'in_progress' };
const ADDED: Sent = ['response.output_item.added', { output_index: 0, item: BLANK }];

function texts(response: ChatResponse): string[] {
  return (response.choices[0]?.parts ?? []).map((part) => ('text' in part ? part.text : part.type));
}

describe('text is neither lost nor doubled', () => {
  const done: Sent = ['response.output_text.done', { ...PLACE, text: 'Hello' }];
  const itemDone: Sent = ['response.output_item.done', { output_index: 0, item: message('Hello') }];
  const delta: Sent = ['response.output_text.delta', { ...PLACE, delta: 'Hel' }];
  const part: Sent = [
    'response.content_part.done',
    { ...PLACE, part: { type: 'output_text', text: 'Hello', annotations: [] } },
  ];
  it.each([
    [
      'deltas and every done event',
      [CREATED, ADDED, delta, done, part, itemDone, completed([message('Hello')])],
    ],
    ['no lifecycle frames', [delta, ['response.output_text.delta', { ...PLACE, delta: 'lo' }], completed()]],
    ['only the done event', [CREATED, ADDED, done, completed()]],
    ['only the part', [CREATED, ADDED, part, completed()]],
    ['only the item', [CREATED, itemDone, completed()]],
    ['only the final list', [CREATED, completed([message('Hello')])]],
    ['an item never finished', [CREATED, ADDED, delta, completed([message('Hello')])]],
    ['the item twice', [CREATED, ADDED, itemDone, itemDone, completed([message('Hello')])]],
  ] as const)('%s', (_name, sent) => {
    const response = collect(sent as readonly Sent[]);
    expect(texts(response)).toEqual(['Hello']);
    expect(response.choices[0]?.finish).toEqual({ reason: 'stop', raw: 'completed' });
    expect(response.usage).toMatchObject({ input: 5, cacheRead: 4, output: 2, source: 'reported' });
  });
});

describe('the other items', () => {
  it('reads a call whose name comes only at its end', () => {
    const item = { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: '{"a":1}' };
    const response = collect([
      ['response.function_call_arguments.delta', { output_index: 0, item_id: 'fc_1', delta: '{"a"' }],
      ['response.output_item.done', { output_index: 0, item }],
      completed(),
    ]);
    expect(response.choices[0]?.parts).toEqual([
      { type: 'tool_call', id: 'c1', itemId: 'fc_1', name: 'f', kind: 'function', arguments: '{"a":1}' },
    ]);
    expect(response.choices[0]?.finish.reason).toBe('tool_calls');
  });

  it('keeps summary and content of reasoning apart, and its state', () => {
    const item = {
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: 'sum' }],
      content: [{ type: 'reasoning_text', text: 'raw' }],
      encrypted_content: 'enc',
    };
    const response = collect([['response.output_item.done', { output_index: 0, item }], completed()]);
    const [part] = response.choices[0]?.parts ?? [];
    expect(part).toMatchObject({
      type: 'reasoning',
      text: 'sumraw',
      id: 'rs_1',
      signature: { issuer: 'openai', value: 'enc' },
    });
    const whole = openaiResponses.decodeResponse(
      { ...RESPONSE, status: 'completed', output: [item] },
      { quirks: {} },
    );
    expect(whole.choices[0]?.parts[0]).toEqual(part);
  });

  it('reads annotations once, whether from events or from the part', () => {
    const annotation = {
      type: 'url_citation',
      url: 'https://a.example',
      title: 'A',
      start_index: 0,
      end_index: 2,
    };
    const response = collect([
      ADDED,
      ['response.output_text.delta', { ...PLACE, delta: 'Hi' }],
      ['response.output_text.annotation.added', { ...PLACE, annotation_index: 0, annotation }],
      ['response.output_item.done', { output_index: 0, item: message('Hi', [annotation, annotation]) }],
      completed(),
    ]);
    const [part] = response.choices[0]?.parts ?? [];
    expect(part?.type === 'text' ? part.citations : []).toHaveLength(2);
  });

  it('puts a carried signature onto the part before, inside the order of events', () => {
    const call = { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: '{}' };
    const carrier = {
      type: 'reasoning',
      id: 'rs_9',
      summary: [],
      encrypted_content: 'sluice:1:gemini;previous:Z2Vt',
    };
    const events = decode([
      ['response.output_item.done', { output_index: 0, item: call }],
      ['response.output_item.added', { output_index: 1, item: carrier }],
      ['response.output_item.done', { output_index: 1, item: carrier }],
      completed(),
    ]);
    const types = events.map((event) => event.type);
    expect(types).toEqual(['start', 'part_start', 'delta', 'signature', 'part_end', 'finish', 'usage']);
  });
});

describe('endings', () => {
  it('a cut at any byte before the last event is whole is an error', () => {
    const sent: Sent[] = [
      CREATED,
      ADDED,
      ['response.output_text.delta', { ...PLACE, delta: 'Grüße 👋' }],
      ['response.output_item.done', { output_index: 0, item: message('Grüße 👋') }],
      completed(),
    ];
    const text = sent.map(([type, fields]) => sseEvent(JSON.stringify({ type, ...fields }), type)).join('');
    const bytes = new TextEncoder().encode(text);
    for (let size = 0; size < bytes.length - 2; size++) {
      const reader = createSseReader();
      const decoder = openaiResponses.streamDecoder({ quirks: {} });
      const frames = [...reader.push(bytes.subarray(0, size)), ...reader.end()];
      const events = [...frames.flatMap((frame) => [...decoder.push(frame)]), ...decoder.end()];
      expect(events.at(-1)?.type, `cut after ${size} bytes`).toBe('error');
      expect(events.filter((event) => event.type === 'error')).toHaveLength(1);
    }
  });

  it('a stream without a terminal event was cut', () => {
    const events = decode([CREATED, ADDED, ['response.output_text.delta', { ...PLACE, delta: 'Hel' }]]);
    const last = events.at(-1);
    expect(last?.type === 'error' ? last.error.code : '').toBe('upstream_cut');
  });

  it('incomplete names the limit', () => {
    const response = {
      ...RESPONSE,
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    };
    expect(collect([CREATED, ['response.incomplete', { response }]]).choices[0]?.finish).toEqual({
      reason: 'length',
      raw: 'max_output_tokens',
    });
  });

  it.each([
    ['flat', { code: 'rate_limit_exceeded', message: 'slow down, sk-secret' }],
    ['nested', { error: { code: 'rate_limit_exceeded', message: 'slow down, sk-secret' } }],
  ])('a %s error event ends the stream with our words', (_name, fields) => {
    const decoder = openaiResponses.streamDecoder({ quirks: {} });
    const [event] = decoder.push({ event: 'error', data: JSON.stringify({ type: 'error', ...fields }) });
    expect(event?.type === 'error' ? event.error.code : '').toBe('upstream_rate_limited');
    expect(event?.type === 'error' ? event.error.message : 'sk-secret').not.toContain('sk-secret');
    expect(decoder.push({ event: undefined, data: '{"type":"response.failed","response":{}}' })).toEqual([]);
    expect(decoder.end()).toEqual([]);
  });

  it('usage of a failed answer is not lost', () => {
    const response = {
      ...RESPONSE,
      status: 'failed',
      error: { code: 'server_error', message: 'x' },
      usage: USAGE,
    };
    const types = decode([CREATED, ['response.failed', { response }]]).map((event) => event.type);
    expect(types).toEqual(['start', 'usage', 'error']);
  });

  it.each(['{"type":', '[]', '"text"'])('%s is a malformed event', (data) => {
    const decoder = openaiResponses.streamDecoder({ quirks: {} });
    const [event] = decoder.push({ event: undefined, data });
    expect(event?.type === 'error' ? event.error.code : '').toBe('upstream_malformed');
  });

  it('ignores what it does not know, and [DONE]', () => {
    const events = decode([CREATED, ['response.new_thing.delta', { delta: 'x' }], completed()], false);
    expect(events.map((event) => event.type)).toEqual(['start', 'finish', 'usage']);
    expect(openaiResponses.streamDecoder({ quirks: {} }).push({ event: undefined, data: '[DONE]' })).toEqual(
      [],
    );
  });
});
