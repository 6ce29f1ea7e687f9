import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import {
  type ChatResponse,
  type JsonObject,
  OPEN_PROFILE,
  type StreamEvent,
} from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { createCollector } from '../../src/core/translation/collect.ts';
import type { Target } from '../../src/formats/codec.ts';
import type { FrameReader } from '../../src/formats/frame.ts';
import { gemini } from '../../src/formats/gemini/index.ts';
import { createJsonArrayReader } from '../../src/formats/json-array.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import {
  type Canon,
  canonOf,
  neutral,
  splits,
  WIRE_PRESENT,
  type WireCase,
  wireBytes,
  wireCases,
} from './wire.ts';

const CASES = wireCases('gemini');
const SOURCE = { quirks: {} };

function decodeStream(chunks: readonly Uint8Array[], reader: FrameReader): StreamEvent[] {
  const decoder = gemini.streamDecoder(SOURCE);
  const events: StreamEvent[] = [];
  for (const chunk of chunks) for (const frame of reader.push(chunk)) events.push(...decoder.push(frame));
  for (const frame of reader.end()) events.push(...decoder.push(frame));
  events.push(...decoder.end());
  return events;
}

function collect(events: readonly StreamEvent[]): ChatResponse {
  const collector = createCollector();
  collector.push(events);
  return collector.response();
}

function dataOf(bytes: Uint8Array): string[] {
  return createSseReader()
    .push(bytes)
    .map((frame) => frame.data);
}

function arrayBytes(bytes: Uint8Array): Uint8Array {
  return Buffer.from(`[${dataOf(bytes).join('\n,\r\n')}\n]`);
}

function decodeCase(entry: WireCase): ChatResponse {
  const bytes = wireBytes(entry.response);
  if (entry.stream) return collect(decodeStream([bytes], createSseReader()));
  return gemini.decodeResponse(parseJson(bytes.toString('utf8')) as JsonObject, SOURCE);
}

function signaturesOf(response: ChatResponse): number {
  const parts = response.choices[0]?.parts ?? [];
  return parts.filter((part) => {
    if (part.type === 'opaque') return 'thoughtSignature' in (part.value as JsonObject);
    return 'signature' in part && part.signature !== undefined;
  }).length;
}

/** Canon has no id where Google gave none; ours are made up and must only be there and differ. */
function comparable(found: ReturnType<typeof neutral>, canon: Canon) {
  const tools = found.tools.map((tool, i) => ({ ...tool, id: canon.tools[i]?.id == null ? null : tool.id }));
  return JSON.parse(JSON.stringify({ ...found, tools })) as unknown;
}

function expected(canon: Canon): unknown {
  const { text, reasoning, tools, stop, refusal, usage, choices } = canon;
  return { text, reasoning, refusal, tools, stop, usage, choices };
}

/** The recordings stand beside the repository; without them only the hand-made case runs. */
function onRecordings(name: string, body: () => void): void {
  if (WIRE_PRESENT) describe(name, body);
}

const ANSWERS = CASES.filter((entry) => entry.status < 400);
const STREAMS = ANSWERS.filter((entry) => entry.stream);

onRecordings('recorded Gemini answers', () => {
  test('there are cases', () => {
    expect(ANSWERS.length).toBeGreaterThan(50);
    expect(STREAMS.length).toBeGreaterThan(20);
  });

  test.each(ANSWERS.map((entry) => [entry.id, entry] as const))(
    '%s reads as the reference says',
    (id, entry) => {
      const response = decodeCase(entry);
      const canon = canonOf(id);
      expect(comparable(neutral(response), canon)).toEqual(expected(canon));
      expect(signaturesOf(response)).toBe(canon.signatures);
      const ids = neutral(response).tools.map((tool) => tool.id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.every((one) => typeof one === 'string' && one !== '')).toBe(true);
    },
  );

  test.each(STREAMS.map((entry) => [entry.id, entry] as const))(
    '%s reads alike in every split',
    (_id, entry) => {
      const bytes = wireBytes(entry.response);
      const whole = decodeStream([bytes], createSseReader());
      for (const [name, chunks] of splits(bytes)) {
        expect(decodeStream(chunks, createSseReader()), name).toEqual(whole);
      }
      for (const [name, chunks] of splits(arrayBytes(bytes))) {
        expect(decodeStream(chunks, createJsonArrayReader()), `array, ${name}`).toEqual(whole);
      }
    },
  );

  test('every cut before the end of the last event is an error', () => {
    for (const entry of STREAMS) {
      const bytes = wireBytes(entry.response);
      const end = bytes.toString('latin1').trimEnd().length;
      // Every byte of short streams, a spread of the long ones.
      const step = Math.max(1, Math.floor(end / 97));
      for (let at = 0; at < end; at += step) {
        const events = decodeStream([bytes.subarray(0, at)], createSseReader());
        expect(events.at(-1)?.type, `${entry.id} cut at ${at}`).toBe('error');
      }
      const array = arrayBytes(bytes);
      const last = Buffer.from(array).toString('latin1').trimEnd().slice(0, -1).trimEnd().length;
      for (let at = 0; at < last; at += step) {
        const events = decodeStream([array.subarray(0, at)], createJsonArrayReader());
        expect(events.at(-1)?.type, `${entry.id} array cut at ${at}`).toBe('error');
      }
    }
  });

  test('citations lie where their segment says', () => {
    let placed = 0;
    for (const entry of ANSWERS) {
      const response = decodeCase(entry);
      const choice = response.choices[0];
      const supports = (choice?.extensions?.gemini?.['groundingMetadata'] as JsonObject | undefined)?.[
        'groundingSupports'
      ];
      if (!Array.isArray(supports)) continue;
      const texts = new Set(supports.map((one) => ((one as JsonObject)['segment'] as JsonObject)['text']));
      for (const part of choice?.parts ?? []) {
        if (part.type !== 'text') continue;
        for (const { start, end } of part.citations ?? []) {
          if (start === undefined || end === undefined) continue;
          expect(texts).toContain([...part.text].slice(start, end).join(''));
          placed++;
        }
      }
    }
    expect(placed).toBeGreaterThan(10);
  });

  test.each(CASES.filter((entry) => entry.status >= 400).map((entry) => [entry.id, entry] as const))(
    '%s is classified',
    (_id, entry) => {
      const text = wireBytes(entry.response).toString('utf8');
      const failure = gemini.decodeError(entry.status, JSON.parse(text), entry.headers);
      const known = [
        [/API key not valid/, 'upstream_auth'],
        [/input token count/, 'context_overflow'],
        [/exceeded your current quota/, 'upstream_rate_limited'],
        [/Cannot fetch content/, 'upstream_refused'],
      ] as const;
      expect(failure.code).toBe(known.find(([pattern]) => pattern.test(text))?.[1]);
      if (/RetryInfo/.test(text)) expect(failure.retryAfterS).toBeGreaterThan(0);
    },
  );
});

const TARGET: Target = { model: 'm', profile: OPEN_PROFILE, quirks: {}, defaultMaxOutputTokens: 4096 };

function withPath(entry: WireCase): JsonObject {
  const body = parseJson(wireBytes(entry.request).toString('utf8')) as JsonObject;
  return { ...body, model: entry.model, stream: entry.stream };
}

onRecordings('recorded Gemini requests', () => {
  test.each(CASES.map((entry) => [entry.id, entry] as const))(
    '%s means the same after a trip',
    (_id, entry) => {
      const first = gemini.decodeRequest(withPath(entry));
      const surface = entry.provider === 'vertex' ? 'vertex' : 'ai-studio';
      const { body, dropped } = gemini.encodeRequest(first, {
        ...TARGET,
        quirks: { geminiSurface: surface },
      });
      expect(dropped).toEqual([]);
      const again = gemini.decodeRequest({
        ...(parseJson(JSON.stringify(body)) as JsonObject),
        model: entry.model,
        stream: entry.stream,
      });
      expect(again).toEqual(first);
    },
  );

  test('envelopes read without decoding', () => {
    for (const entry of CASES) {
      const envelope = gemini.envelope(withPath(entry));
      expect(envelope.model).toBe(entry.model);
      expect(envelope.tools).toBe(gemini.decodeRequest(withPath(entry)).tools.length);
    }
  });
});

onRecordings('recorded answers for a Gemini client', () => {
  const reply = { id: 'resp-1', model: 'served', created: 0, includeUsage: false };

  test.each(ANSWERS.map((entry) => [entry.id, entry] as const))(
    '%s survives being written and read',
    (_id, entry) => {
      const first = decodeCase(entry);
      const body = gemini.encodeResponse(first, reply);
      const again = gemini.decodeResponse(parseJson(JSON.stringify(body)) as JsonObject, SOURCE);
      const named = { ...first, id: 'resp-1', model: 'served' };
      const usage = first.usage.source === 'unknown' ? again.usage : first.usage;
      expect(withoutMadeIds(again)).toEqual(withoutMadeIds({ ...named, usage }));
    },
  );
});

/** Made ids depend on the answer's id, which the trip replaces. */
function withoutMadeIds(response: ChatResponse): unknown {
  return JSON.parse(JSON.stringify(response).replaceAll(/call_gem_[A-Za-z0-9]+/g, 'made')) as unknown;
}

test('a hand-made answer reads, with or without the recordings', () => {
  if (!WIRE_PRESENT) console.log('gemini golden: ../shared/wire is not there, only hand-made cases ran');
  const part = { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'S' };
  const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 2, thoughtsTokenCount: 3 };
  const body = { candidates: [{ content: { parts: [part] }, finishReason: 'STOP' }], usageMetadata };
  expect(neutral(gemini.decodeResponse(body, SOURCE))).toMatchObject({
    tools: [{ name: 'f', args: { a: 1 } }],
    stop: 'tool',
    usage: { input: 5, output: 5, reasoning: 3 },
  });
  expect(() => gemini.decodeResponse({}, SOURCE)).toThrow(SluiceError);
});
