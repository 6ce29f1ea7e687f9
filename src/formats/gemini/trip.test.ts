import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChatResponse, JsonObject, OutputPart, Usage } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { FrameReader } from '../frame.ts';
import { createJsonArrayReader } from '../json-array.ts';
import { createSseReader } from '../sse.ts';
import { gemini, geminiJsonArray } from './index.ts';

const REPLY = { id: 'r1', model: 'gemini-x', created: 0, includeUsage: true };

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

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const signature = fc.option(
  fc.record({
    issuer: fc.constantFrom('gemini', 'claude', 'openai', 'other'),
    value: fc.base64String({ minLength: 4 }),
  }),
  { nil: undefined },
);
const args = fc.oneof(
  fc
    .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
    .map((value) => JSON.stringify(value)),
  fc.constant('{"big":12345678901234567890,"exact":1.0}'),
);
const part = fc.oneof(
  fc.record({ type: fc.constant('text'), text, signature }),
  fc.record({ type: fc.constant('reasoning'), text, signature }),
  fc.record({
    type: fc.constant('reasoning'),
    text: fc.constant(''),
    redacted: fc.base64String({ minLength: 4 }),
  }),
  fc.record({
    type: fc.constant('tool_call'),
    id: fc.stringMatching(/^call_[a-z0-9]{8}$/),
    name: fc.stringMatching(/^[a-z_]{1,12}$/),
    kind: fc.constant('function'),
    arguments: args,
    signature,
  }),
  fc.record({
    type: fc.constant('image'),
    source: fc.record({
      kind: fc.constant('base64'),
      mediaType: fc.constant('image/png'),
      data: fc.base64String({ minLength: 4 }),
    }),
  }),
  fc.record({
    type: fc.constant('opaque'),
    format: fc.constant('gemini'),
    label: fc.constant('executableCode'),
    value: fc.constant({ executableCode: { code: 'x' } }),
  }),
);

/** Two texts in a row are one part on this wire unless a signature stands between them. */
function mergeable(parts: readonly OutputPart[]): boolean {
  return parts.some((one, i) => {
    const before = parts[i - 1];
    if (one.type !== before?.type || (one.type !== 'text' && one.type !== 'reasoning')) return false;
    return !('signature' in before) && !('redacted' in before) && !('redacted' in one);
  });
}

const answer = fc
  .record({
    parts: fc.array(part, { maxLength: 6 }),
    reason: fc.constantFrom('stop', 'length', 'content_filter', 'error', 'pause', 'unknown'),
    tokens: fc.tuple(fc.nat(5000), fc.nat(5000)),
  })
  .map(({ parts, reason, tokens }): ChatResponse => {
    const clean = JSON.parse(JSON.stringify(parts)) as OutputPart[];
    const calls = clean.some((one) => one.type === 'tool_call');
    return {
      id: 'r1',
      model: 'gemini-x',
      choices: [
        {
          index: 0,
          parts: clean,
          finish: { reason: calls && reason === 'stop' ? 'tool_calls' : reason } as never,
        },
      ],
      usage: { ...usageOf(tokens[0], tokens[1]), images: clean.filter((one) => one.type === 'image').length },
    };
  });

/** What the trip adds: Google's own words and objects. */
function bare(response: ChatResponse): unknown {
  const choices = response.choices.map((choice) => ({
    ...choice,
    finish: choice.finish.reason,
    extensions: undefined,
  }));
  return JSON.parse(
    JSON.stringify({ ...response, choices, usage: { ...response.usage, raw: undefined } }),
  ) as unknown;
}

function readBack(textOut: string, reader: FrameReader): ChatResponse {
  const decoder = gemini.streamDecoder({ quirks: {} });
  const frames = [...reader.push(Buffer.from(textOut)), ...reader.end()];
  const collector = createCollector();
  collector.push([...frames.flatMap((frame) => [...decoder.push(frame)]), ...decoder.end()]);
  return collector.response();
}

test('whole answers: decode ∘ encode is the identity', () => {
  fc.assert(
    fc.property(answer, (response) => {
      const body = parseJson(JSON.stringify(gemini.encodeResponse(response, REPLY))) as JsonObject;
      const again = gemini.decodeResponse(body, { quirks: {} });
      expect(bare(again)).toEqual(bare(response));
    }),
    { numRuns: 300 },
  );
});

test('streams: decode ∘ encode is the identity, in both framings and any piece size', () => {
  fc.assert(
    fc.property(answer, fc.integer({ min: 1, max: 9 }), (response, size) => {
      fc.pre(!mergeable(response.choices[0]?.parts ?? []));
      const list = replayResponse(response, size);
      for (const [codec, reader] of [
        [gemini, createSseReader()],
        [geminiJsonArray, createJsonArrayReader()],
      ] as const) {
        const encoder = codec.streamEncoder(REPLY);
        const out = list.map((event) => String(encoder.push([event]))).join('') + String(encoder.end());
        expect(bare(readBack(out, reader))).toEqual(bare(response));
      }
    }),
    { numRuns: 300 },
  );
});

test('citations survive the trip through byte offsets', () => {
  const cited = 'Grüße 🙂 aus 東京. Ende.';
  const citation = { kind: 'url', url: 'https://h/x', title: 't', start: 6, end: 14 } as const;
  const response: ChatResponse = {
    choices: [
      {
        index: 0,
        parts: [
          { type: 'text', text: 'Vorher ü. ' },
          { type: 'opaque', format: 'gemini', label: 'executableCode', value: { executableCode: {} } },
          {
            type: 'text',
            text: cited,
            citations: [citation, { kind: 'document', title: 'd', documentId: 'i' }],
          },
        ],
        finish: { reason: 'stop' },
      },
    ],
    usage: usageOf(1, 1),
  };
  const again = gemini.decodeResponse(gemini.encodeResponse(response, REPLY), { quirks: {} });
  expect(again.choices[0]?.parts).toEqual(response.choices[0]?.parts);
  const encoder = gemini.streamEncoder(REPLY);
  const out = String(encoder.push(replayResponse(response, 3))) + String(encoder.end());
  expect(readBack(out, createSseReader()).choices[0]?.parts).toEqual(response.choices[0]?.parts);
});
