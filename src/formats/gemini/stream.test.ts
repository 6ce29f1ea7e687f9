import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { ChatResponse, Json, OutputPart, StreamEvent, Usage } from '../../core/model/index.ts';
import { createCollector } from '../../core/translation/collect.ts';
import type { FrameReader } from '../frame.ts';
import { createSseReader } from '../sse.ts';
import { gemini, geminiJsonArray } from './index.ts';

const REPLY = { id: 'r1', model: 'gemini-x', created: 0, includeUsage: true };

function events(chunks: readonly Json[]): StreamEvent[] {
  const decoder = gemini.streamDecoder({ quirks: {} });
  const out = chunks.flatMap((chunk) => [...decoder.push({ event: undefined, data: JSON.stringify(chunk) })]);
  return [...out, ...decoder.end()];
}

function collect(list: readonly StreamEvent[]): ChatResponse {
  const collector = createCollector();
  collector.push(list);
  return collector.response();
}

function chunk(parts: Json[], more: { [key: string]: Json } = {}): Json {
  return { candidates: [{ content: { role: 'model', parts }, ...more }], modelVersion: 'm', responseId: 'r' };
}

function failure(list: readonly StreamEvent[]): SluiceError | undefined {
  const last = list.at(-1);
  return last?.type === 'error' ? last.error : undefined;
}

function call(functionCall: { [key: string]: Json }, more: { [key: string]: Json } = {}): Json {
  return chunk([{ functionCall }], more);
}

test('partial arguments by JSON path become the exact text', () => {
  const response = collect(
    events([
      call({ name: 'f', willContinue: true }),
      call({
        partialArgs: [
          { jsonPath: '$.city.name', stringValue: 'Mün', willContinue: true },
          { jsonPath: '$.list[0]', numberValue: 1 },
        ],
        willContinue: true,
      }),
      call({
        partialArgs: [
          { jsonPath: '$.city.name', stringValue: 'chen' },
          { jsonPath: "$['odd.key'][0].deep", boolValue: false },
          { jsonPath: '$.list[1]', nullValue: 'NULL_VALUE' },
          { jsonPath: '$.__proto__', stringValue: 'data' },
        ],
        willContinue: true,
      }),
      call({}, { finishReason: 'STOP' }),
    ]),
  );
  const part = response.choices[0]?.parts[0] as Extract<OutputPart, { type: 'tool_call' }>;
  expect(part.arguments).toBe(
    '{"city":{"name":"München"},"list":[1,null],"odd.key":[{"deep":false}],"__proto__":"data"}',
  );
  expect(response.choices[0]?.finish.reason).toBe('tool_calls');
});

test('broken partial arguments are errors, and a call cut by the limit never looks whole', () => {
  const piece = (partialArgs: Json) => [call({ name: 'f', partialArgs: partialArgs, willContinue: true })];
  const bad: Json[] = [
    [{ jsonPath: '$.a[5]', numberValue: 1 }],
    [{ jsonPath: '$.a..b', numberValue: 1 }],
    [{ jsonPath: '$', numberValue: 1 }],
    [
      { jsonPath: '$.a', numberValue: 1 },
      { jsonPath: '$.a.b', numberValue: 1 },
    ],
    [{ jsonPath: `$${'.a'.repeat(200)}`, numberValue: 1 }],
  ];
  for (const one of bad)
    expect(failure(events(piece(one)))?.code, JSON.stringify(one)).toBe('upstream_malformed');
  const open = piece([{ jsonPath: '$.a', stringValue: 'x', willContinue: true }]);
  expect(failure(events(open))?.code).toBe('upstream_cut');
  expect(failure(events([...open, chunk([], { finishReason: 'STOP' })]))?.code).toBe('upstream_malformed');
  const cut = collect(events([...open, chunk([], { finishReason: 'MAX_TOKENS' })]));
  expect(cut.choices[0]?.parts[0]).toMatchObject({ arguments: '{"a":"x"' });
  expect(cut.choices[0]?.finish.reason).toBe('length');
});

test('error objects, alone or in a list, end the stream as what they are', () => {
  const error = { error: { code: 503, message: 'overloaded: key AIzaSECRET', status: 'UNAVAILABLE' } };
  for (const body of [error, [error]]) {
    const list = events([chunk([{ text: 'a' }]), body, chunk([{ text: 'b' }], { finishReason: 'STOP' })]);
    expect(failure(list)?.code).toBe('upstream_overloaded');
    expect(failure(list)?.message).not.toContain('SECRET');
  }
});

test('no end, no answer and no JSON are errors; a refused prompt is not', () => {
  expect(failure(events([chunk([{ text: 'a' }])]))?.code).toBe('upstream_cut');
  expect(failure(events([]))?.code).toBe('upstream_cut');
  expect(failure(events([3]))?.code).toBe('upstream_malformed');
  const decoder = gemini.streamDecoder({ quirks: {} });
  expect(failure([...decoder.push({ event: undefined, data: '{"candidates":[' })])?.code).toBe(
    'upstream_malformed',
  );
  expect(decoder.end()).toEqual([]);
  const blocked = collect(
    events([{ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 3 } }]),
  );
  expect(blocked.choices[0]).toMatchObject({
    parts: [],
    finish: { reason: 'content_filter', raw: 'SAFETY' },
  });
  expect(blocked.usage.input).toBe(3);
});

test('the last usage snapshot replaces the ones before, empty ones replace nothing', () => {
  const usage = (usageMetadata: Json) => ({ ...(chunk([{ text: 'a' }]) as object), usageMetadata }) as Json;
  const response = collect(
    events([
      usage({ promptTokenCount: 5, candidatesTokenCount: 9 }),
      usage({
        promptTokenCount: 50,
        toolUsePromptTokenCount: 7,
        thoughtsTokenCount: 4,
        cachedContentTokenCount: 10,
      }),
      usage({ trafficType: 'ON_DEMAND' }),
      chunk([], { finishReason: 'STOP' }),
    ]),
  );
  expect(response.usage).toMatchObject({
    input: 47,
    cacheRead: 10,
    output: 4,
    reasoning: 4,
    source: 'reported',
  });
});

test('signatures stay on their part and late fields come back', () => {
  const first = collect(
    events([
      chunk([{ text: 'a' }]),
      chunk([{ text: 'b' }, { text: '', thoughtSignature: 'SIG' }]),
      {
        ...(chunk([{ text: 'c' }], { finishReason: 'STOP', avgLogprobs: -1 }) as object),
        modelStatus: { s: 1 },
      } as Json,
    ]),
  );
  expect(first.choices[0]?.parts).toEqual([
    { type: 'text', text: 'ab', signature: { issuer: 'gemini', value: 'SIG' } },
    { type: 'text', text: 'c' },
  ]);
  const body = gemini.encodeResponse(first, REPLY);
  expect(body['modelStatus']).toEqual({ s: 1 });
  expect(body['candidates']).toMatchObject([{ avgLogprobs: -1, finishReason: 'STOP' }]);
});

test('after an error nothing is written, and the array is still closed', () => {
  const error = new SluiceError('upstream_cut', 'It broke off.');
  const start: StreamEvent[] = [
    { type: 'start' },
    { type: 'error', error },
    { type: 'usage', usage: usageOf(1, 1) },
  ];
  const sse = gemini.streamEncoder(REPLY);
  expect(sse.push(start)).toBe(
    'data: {"error":{"code":502,"message":"It broke off.","status":"INTERNAL"}}\r\n\r\n',
  );
  expect(sse.end()).toBe('');
  const array = geminiJsonArray.streamEncoder(REPLY);
  expect(JSON.parse(String(array.push(start)) + String(array.end()))).toMatchObject([
    { error: { code: 502 } },
  ]);
});

function usageOf(input: number, output: number): Usage {
  const none = { cacheWrite5m: 0, cacheWrite1h: 0, audioOutput: 0, images: 0 };
  return {
    ...none,
    input,
    output,
    cacheRead: 3,
    reasoning: Math.min(2, output),
    audioInput: 4,
    source: 'reported',
  };
}

function readBack(textOut: string, reader: FrameReader): ChatResponse {
  const decoder = gemini.streamDecoder({ quirks: {} });
  const frames = [...reader.push(Buffer.from(textOut)), ...reader.end()];
  return collect([...frames.flatMap((frame) => [...decoder.push(frame)]), ...decoder.end()]);
}

test('interleaved calls go out whole and in order', () => {
  const start = (partNumber: number): StreamEvent => ({
    type: 'part_start',
    choice: 0,
    part: partNumber,
    head: { type: 'tool_call', id: `c${partNumber}`, name: `f${partNumber}`, kind: 'function' },
  });
  const delta = (partNumber: number, piece: string): StreamEvent => ({
    type: 'delta',
    choice: 0,
    part: partNumber,
    text: piece,
  });
  const end = (partNumber: number): StreamEvent => ({ type: 'part_end', choice: 0, part: partNumber });
  const encoder = gemini.streamEncoder(REPLY);
  const out =
    String(
      encoder.push([
        start(0),
        start(1),
        delta(0, '{"a"'),
        delta(1, '{"b":'),
        delta(0, ':1}'),
        delta(1, '2}'),
        end(1),
        end(0),
      ]),
    ) +
    String(encoder.push([{ type: 'finish', choice: 0, finish: { reason: 'tool_calls' } }])) +
    String(encoder.end());
  const parts = readBack(out, createSseReader()).choices[0]?.parts;
  expect(parts?.map((one) => (one.type === 'tool_call' ? [one.id, one.arguments] : []))).toEqual([
    ['c0', '{"a":1}'],
    ['c1', '{"b":2}'],
  ]);
});

test('whatever an upstream sends, the decoder answers with events', () => {
  const noise = fc.jsonValue({ maxDepth: 4 });
  const shaped = fc
    .record({
      parts: noise,
      functionCall: noise,
      finishReason: noise,
      groundingMetadata: noise,
      index: noise,
    })
    .map(({ parts, functionCall, ...rest }) => ({
      candidates: [{ content: { parts: [{ functionCall }, parts] }, ...rest }],
    }));
  fc.assert(
    fc.property(fc.array(fc.oneof(noise, shaped), { maxLength: 4 }), (chunks) => {
      const last = events(chunks as Json[]).at(-1);
      expect(last?.type === 'error' || last?.type === 'finish' || last?.type === 'usage').toBe(true);
    }),
    { numRuns: 300 },
  );
});
