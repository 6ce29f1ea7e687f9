import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { ChatResponse, JsonObject, OutputPart, StreamEvent, Usage } from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { Quirks, Reply } from '../codec.ts';
import { createSseReader } from '../sse.ts';
import { anthropicMessages as codec } from './index.ts';

const REPLY: Reply = { id: 'msg_1', model: 'm', created: 0, includeUsage: false };

const START = {
  type: 'message_start',
  message: { id: 'msg_up', model: 'claude', content: [], usage: { input_tokens: 9, output_tokens: 1 } },
};
const TEXT = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
const DELTA = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } };
const BLOCK_STOP = { type: 'content_block_stop', index: 0 };
const MESSAGE_DELTA = {
  type: 'message_delta',
  delta: { stop_reason: 'end_turn', stop_sequence: null },
  usage: { output_tokens: 12 },
};
const STOP = { type: 'message_stop' };

function decode(frames: readonly JsonObject[], quirks: Quirks = {}): readonly StreamEvent[] {
  const decoder = codec.streamDecoder({ quirks });
  const events = frames.flatMap((frame) => [
    ...decoder.push({ event: String(frame['type']), data: JSON.stringify(frame) }),
  ]);
  return [...events, ...decoder.end()];
}

function decodeText(text: string): readonly StreamEvent[] {
  const decoder = codec.streamDecoder({ quirks: {} });
  const reader = createSseReader();
  const frames = [...reader.push(Buffer.from(text)), ...reader.end()];
  return [...frames.flatMap((frame) => [...decoder.push(frame)]), ...decoder.end()];
}

function collect(events: readonly StreamEvent[]): ChatResponse {
  const collector = createCollector();
  collector.push(events);
  return collector.response();
}

test('usage of message_delta is cumulative: the last value wins, nothing is added', () => {
  const { usage } = collect(decode([START, TEXT, DELTA, BLOCK_STOP, MESSAGE_DELTA, STOP]));
  expect(usage).toMatchObject({ input: 9, output: 12, source: 'reported' });
});

test('a null in a later usage overwrites nothing', () => {
  const delta = { ...MESSAGE_DELTA, usage: { input_tokens: null, output_tokens: 3 } };
  expect(collect(decode([START, delta, STOP])).usage).toMatchObject({ input: 9, output: 3 });
});

test('a second message_start, pings and unknown events change nothing', () => {
  const noisy = [
    START,
    { type: 'ping' },
    START,
    TEXT,
    { type: 'novelty' },
    DELTA,
    BLOCK_STOP,
    MESSAGE_DELTA,
    STOP,
  ];
  expect(decode(noisy)).toEqual(decode([START, TEXT, DELTA, BLOCK_STOP, MESSAGE_DELTA, STOP]));
});

test('missing pieces are tolerated: message_start, block start and block stop', () => {
  const events = decode([DELTA, MESSAGE_DELTA, STOP]);
  expect(events.map((event) => event.type)).toEqual([
    'start',
    'part_start',
    'delta',
    'part_end',
    'usage',
    'finish',
  ]);
});

test('the end before message_stop is a cut, unless the quirk says that it may be left out', () => {
  const frames = [START, TEXT, DELTA, BLOCK_STOP, MESSAGE_DELTA];
  expect(decode(frames).at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } });
  expect(decode(frames, { doneMarker: 'optional' }).at(-1)).toMatchObject({ type: 'finish' });
  const early = decode([START, TEXT, DELTA], { doneMarker: 'optional' });
  expect(early.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } });
});

test('an error event ends the stream; nothing follows, the upstream’s words stay inside', () => {
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'sk-secret is busy' } };
  const events = decode([START, TEXT, DELTA, error, DELTA, STOP]);
  const last = events.at(-1);
  expect(last).toMatchObject({ type: 'error', error: { code: 'upstream_overloaded' } });
  expect(last?.type === 'error' ? last.error.message : '').not.toContain('secret');
  expect(events.filter((event) => event.type === 'error')).toHaveLength(1);
});

test('an AWS exception is an error of its kind', () => {
  const decoder = codec.streamDecoder({ quirks: {} });
  const events = decoder.push({ event: 'exception:throttlingException', data: '{"message":"slow down"}' });
  expect(events).toMatchObject([{ type: 'error', error: { code: 'upstream_rate_limited' } }]);
});

test('what is no JSON is malformed', () => {
  const decoder = codec.streamDecoder({ quirks: {} });
  expect(decoder.push({ event: 'message_start', data: '{"type":' })).toMatchObject([
    { type: 'error', error: { code: 'upstream_malformed' } },
  ]);
  expect(decoder.end()).toEqual([]);
});

test('a block nobody knows is kept whole, with what its deltas brought', () => {
  const events = decode([
    START,
    { type: 'content_block_start', index: 0, content_block: { type: 'novel_use', id: 'n', input: {} } },
    { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"q":1' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '2}' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'novel_delta', note: 'x' } },
    BLOCK_STOP,
    MESSAGE_DELTA,
    STOP,
  ]);
  const [part] = collect(events).choices[0]?.parts ?? [];
  expect(part).toMatchObject({
    type: 'opaque',
    label: 'novel_use',
    value: { type: 'novel_use', id: 'n', input: { q: 12 }, note: 'x' },
  });
});

test('a tool’s input that came with its start is not lost', () => {
  const block = { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } };
  const events = decode([
    START,
    { type: 'content_block_start', index: 0, content_block: block },
    BLOCK_STOP,
    MESSAGE_DELTA,
    STOP,
  ]);
  const [choice] = collect(events).choices;
  expect(choice?.parts[0]).toMatchObject({ arguments: '{"a":1}' });
  expect(choice?.finish).toEqual({ reason: 'tool_calls', raw: 'end_turn' });
});

test('message_start carries the prompt’s counts when they came with the start', () => {
  const usage: Usage = {
    input: 5,
    cacheRead: 3,
    cacheWrite5m: 0,
    cacheWrite1h: 2,
    output: 0,
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
  };
  const text = String(codec.streamEncoder(REPLY).push([{ type: 'start' }, { type: 'usage', usage }]));
  expect(text.match(/message_start/g)).toHaveLength(2);
  expect(text).toContain('"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3');
});

test('a custom call streams its text inside a JSON string', () => {
  const events: StreamEvent[] = [
    { type: 'start' },
    {
      type: 'part_start',
      choice: 0,
      part: 0,
      head: { type: 'tool_call', id: 't', name: 'sql', kind: 'custom' },
    },
    { type: 'delta', choice: 0, part: 0, text: 'SELECT "' },
    { type: 'delta', choice: 0, part: 0, text: 'é\n"' },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'finish', choice: 0, finish: { reason: 'tool_calls' } },
  ];
  const encoder = codec.streamEncoder(REPLY);
  const [part] = collect(decodeText(`${encoder.push(events)}${encoder.end()}`)).choices[0]?.parts ?? [];
  const args = part?.type === 'tool_call' ? part.arguments : '';
  expect(JSON.parse(args)).toEqual({ input: 'SELECT "é\n"' });
});

test('a refusal is text with the stop reason that says so', () => {
  const refusal: ChatResponse = {
    choices: [{ index: 0, parts: [{ type: 'refusal', text: 'No.' }], finish: { reason: 'stop' } }],
    usage: collect(decode([START, MESSAGE_DELTA, STOP])).usage,
  };
  expect(codec.encodeResponse(refusal, REPLY)).toMatchObject({
    content: [{ type: 'text', text: 'No.' }],
    stop_reason: 'refusal',
    stop_details: { type: 'refusal', explanation: 'No.' },
  });
  const encoder = codec.streamEncoder(REPLY);
  const text = `${encoder.push(replayResponse(refusal))}${encoder.end()}`;
  expect(collect(decodeText(text)).choices[0]?.finish.reason).toBe('refusal');
});

test('an error event is the last thing written', () => {
  const encoder = codec.streamEncoder(REPLY);
  const error = new SluiceError('upstream_overloaded', 'Busy.');
  const text = String(encoder.push([{ type: 'start' }, { type: 'error', error }]));
  expect(text).toContain('event: error\ndata: {"type":"error","error":{"type":"overloaded_error"');
  expect(encoder.end()).toBe('');
});

const textPart = fc.record({
  type: fc.constant('text' as const),
  text: fc.string({ unit: 'binary', minLength: 1 }),
});
const reasoningPart = fc.oneof(
  fc.record({
    type: fc.constant('reasoning' as const),
    text: fc.string({ minLength: 1 }),
    signature: fc.record({
      issuer: fc.constant('claude' as const),
      value: fc.base64String({ minLength: 4 }),
    }),
  }),
  fc.record({
    type: fc.constant('reasoning' as const),
    text: fc.constant(''),
    redacted: fc.base64String({ minLength: 4 }),
  }),
);
const callPart = fc.record({
  type: fc.constant('tool_call' as const),
  id: fc.stringMatching(/^toolu_[a-z0-9]{8}$/),
  name: fc.stringMatching(/^[a-z_]{1,20}$/),
  arguments: fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  kind: fc.constant('function' as const),
});
const opaquePart = fc.record({ query: fc.string() }).map(
  (input): OutputPart => ({
    type: 'opaque',
    format: 'anthropic-messages',
    label: 'server_tool_use',
    value: { type: 'server_tool_use', id: 's', name: 'web_search', input },
  }),
);
const parts = fc.array(fc.oneof(textPart, reasoningPart, callPart, opaquePart), { maxLength: 6 });

function answerOf(list: readonly OutputPart[]): ChatResponse {
  const called = list.some((part) => part.type === 'tool_call');
  const finish = called ? { reason: 'tool_calls', raw: 'tool_use' } : { reason: 'stop', raw: 'end_turn' };
  return {
    id: 'msg_1',
    model: 'm',
    choices: [{ index: 0, parts: list, finish: finish as ChatResponse['choices'][0]['finish'] }],
    usage: collect(decode([START, MESSAGE_DELTA, STOP])).usage,
  };
}

/** Numbers and spacing of arguments are the encoder's in a whole answer, so they compare as values. */
function comparable(response: ChatResponse): unknown {
  return response.choices.map((choice) => ({
    ...choice,
    parts: choice.parts.map((part) =>
      part.type === 'tool_call'
        ? { ...part, arguments: JSON.parse(part.arguments || '{}') as unknown }
        : part,
    ),
  }));
}

test('decode after encode is the identity, whole and streamed in any pieces', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 9 }), (list, size) => {
      const answer = answerOf(list);
      const whole = codec.decodeResponse(
        JSON.parse(JSON.stringify(codec.encodeResponse(answer, REPLY))) as JsonObject,
        { quirks: {} },
      );
      expect(comparable(whole)).toEqual(comparable(answer));
      const encoder = codec.streamEncoder(REPLY);
      const text = `${encoder.push(replayResponse(answer, size))}${encoder.end()}`;
      expect(comparable(collect(decodeText(text)))).toEqual(comparable(answer));
    }),
    { numRuns: 200 },
  );
});

test('a request of an earlier answer gives the same parts back', () => {
  fc.assert(
    fc.property(parts, (list) => {
      const content = codec.encodeResponse(answerOf(list), REPLY)['content'] ?? [];
      const messages = [
        { role: 'user', content: 'go' },
        { role: 'assistant', content },
      ];
      const body = JSON.parse(JSON.stringify({ model: 'm', messages })) as JsonObject;
      const decoded = codec.decodeRequest(body).messages[1]?.parts ?? [];
      expect(comparable({ ...answerOf(decoded as OutputPart[]) })).toEqual(comparable(answerOf(list)));
    }),
    { numRuns: 100 },
  );
});
