import { expect, test } from 'vitest';
import {
  collect,
  OPEN_TARGET,
  readStream,
  TEST_REPLY,
  throughJson,
} from '../../../test/golden/codec-golden.ts';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type JsonObject,
  type Message,
  OPEN_PROFILE,
  UNKNOWN_USAGE,
} from '../../core/model/index.ts';
import { createNdjsonReader, ndjsonLine } from '../ndjson.ts';
import { ollama } from './index.ts';

function request(fields: Partial<ChatRequest>): ChatRequest {
  const messages: Message[] = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }];
  const fixed = { output: { type: 'text' }, stream: false, includeUsage: false } as const;
  return { model: 'm', messages, tools: [], sampling: {}, ...fixed, ...fields };
}

function sent(fields: Partial<ChatRequest>): JsonObject {
  return throughJson(ollama.encodeRequest(request(fields), OPEN_TARGET).body);
}

function stream(...lines: readonly JsonObject[]) {
  return readStream(ollama, createNdjsonReader(), [Buffer.from(lines.map(ndjsonLine).join(''))]);
}

const line = (message: JsonObject): JsonObject => ({
  model: 'm',
  created_at: '2026-01-02T03:04:05.678Z',
  message: { role: 'assistant', content: '', ...message },
  done: false,
});
const DONE: JsonObject = { ...line({}), done: true, done_reason: 'stop', total_duration: 7, eval_count: 3 };

test('thinking, text and calls of one stream become parts in order', () => {
  const answer = collect(
    stream(
      line({ thinking: 'I ' }),
      line({ thinking: 'think' }),
      line({ content: 'Let ' }),
      line({ content: 'me' }),
      line({ tool_calls: [{ function: { name: 'f', arguments: { n: 1 } } }] }),
      DONE,
    ),
  );
  expect(answer).toMatchObject({ model: 'm', created: 1_767_323_045 });
  expect(answer.choices[0]).toMatchObject({
    parts: [
      { type: 'reasoning', text: 'I think' },
      { type: 'text', text: 'Let me' },
      { type: 'tool_call', name: 'f', arguments: '{"n":1}' },
    ],
    // Ollama says stop; the calls say otherwise.
    finish: { reason: 'tool_calls', raw: 'stop' },
    extensions: { ollama: { total_duration: 7 } },
  });
  // A fully cached prompt is not counted, and that is a report.
  expect(answer.usage).toMatchObject({ input: 0, output: 3, source: 'reported' });
});

test('made ids are deterministic and differ within an answer', () => {
  const call = { function: { name: 'f', arguments: {} } };
  const ids = () =>
    collect(stream(line({ tool_calls: [call, call] }), DONE)).choices[0]?.parts.map((part) =>
      part.type === 'tool_call' ? part.id : '',
    );
  expect(ids()).toEqual(ids());
  expect(new Set(ids()).size).toBe(2);
});

test('an error line ends the stream, a missing last line is a cut', () => {
  const events = stream(line({ content: 'a' }), { error: 'secret words' }, DONE);
  expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_error' } });
  expect(JSON.stringify(events)).not.toContain('secret');
  expect(stream(line({ content: 'a' })).at(-1)).toMatchObject({ error: { code: 'upstream_cut' } });
});

test('a finish without a reason is not invented', () => {
  const { done_reason: _, ...silent } = DONE;
  expect(collect(stream(silent)).choices[0]?.finish).toEqual({ reason: 'unknown' });
});

test('results are linked by name, then by order, where no id is given', () => {
  const call = (name: string) => ({ function: { name, arguments: {} } });
  const { messages } = ollama.decodeRequest({
    model: 'm',
    messages: [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: '', tool_calls: [call('f'), call('g'), call('f')] },
      { role: 'tool', tool_name: 'g', content: 'of g' },
      { role: 'tool', content: 'first' },
      { role: 'tool', content: 'second' },
    ],
  });
  const calls = messages[1]?.parts.map((part) => (part.type === 'tool_call' ? part.id : ''));
  expect(messages).toHaveLength(3);
  expect(messages[2]?.parts).toMatchObject([
    { callId: calls?.[0], name: 'f', content: [{ text: 'first' }] },
    { callId: calls?.[1], name: 'g', content: [{ text: 'of g' }] },
    { callId: calls?.[2], name: 'f', content: [{ text: 'second' }] },
  ]);
});

test('streaming is the default, and options and unknown fields return to where they stood', () => {
  const body = {
    model: 'upstream-model',
    messages: [{ role: 'user', content: 'hi', images: ['iVBORw0KGgo='] }],
    think: 'high',
    options: { num_ctx: 8192, temperature: 0.5, num_predict: -1, stop: ['a'] },
    keep_alive: '5m',
    a_new_field: [1],
  };
  const decoded = ollama.decodeRequest(body);
  expect(decoded).toMatchObject({ stream: true, reasoning: { enabled: true, effort: 'high' } });
  expect(decoded.maxOutputTokens).toBeUndefined();
  expect(throughJson(ollama.encodeRequest(decoded, OPEN_TARGET).body)).toEqual({ ...body, stream: true });
});

test('a level is sent only to models that are known to have levels', () => {
  const reasoning = { enabled: true, effort: 'high' } as const;
  const plain = ollama.encodeRequest(request({ reasoning }), OPEN_TARGET);
  expect(plain.body['think']).toBe(true);
  expect(plain.dropped).toEqual(['reasoning effort']);
  const profile = {
    ...OPEN_PROFILE,
    family: 'gpt',
    reasoning: { kind: 'effort', levels: ['low', 'medium', 'high'] },
  } as const;
  expect(ollama.encodeRequest(request({ reasoning }), { ...OPEN_TARGET, profile }).body['think']).toBe(
    'high',
  );
  expect(sent({ reasoning: { enabled: false } })['think']).toBe(false);
});

test('a call cannot be forced, and none leaves the tools out', () => {
  const tools = [{ type: 'function', name: 'f' }] as const;
  expect(() => sent({ tools, toolChoice: { type: 'required' } })).toThrow(SluiceError);
  expect(sent({ tools, toolChoice: { type: 'none' } })).not.toHaveProperty('tools');
});

test('images are bytes: a reference is refused', () => {
  const image = { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } } as const;
  expect(() => sent({ messages: [{ role: 'user', parts: [image] }] })).toThrow('base64');
});

test('format is json, a schema or nothing', () => {
  expect(sent({ output: { type: 'json_object' } })['format']).toBe('json');
  const schema = { type: 'object' };
  expect(sent({ output: { type: 'json_schema', schema } })['format']).toEqual(schema);
  expect(sent({})).not.toHaveProperty('format');
});

test('our own errors are a line, and nothing follows', () => {
  const encoder = ollama.streamEncoder(TEST_REPLY);
  const error = new SluiceError('upstream_error', 'It broke.');
  expect(encoder.push([{ type: 'start' }, { type: 'error', error }])).toBe('{"error":"It broke."}\n');
  expect(encoder.end()).toBe('');
});

test('an answer with media is written, not refused', () => {
  const source = { kind: 'url', url: 'https://example.com/a.mp4' } as const;
  const odd = { kind: 'base64', mediaType: 'image/x-odd', data: 'AA==' } as const;
  const parts = [
    { type: 'video', source },
    { type: 'image', source: odd },
    { type: 'text', text: 'seen' },
  ] as const;
  const choices = [{ index: 0, parts, finish: { reason: 'stop' } as const }];
  const body = ollama.encodeResponse({ choices, usage: UNKNOWN_USAGE }, TEST_REPLY);
  expect(JSON.stringify(body)).toContain('seen');
});
