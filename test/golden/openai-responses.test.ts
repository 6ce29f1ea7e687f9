import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { SluiceError } from '../../src/core/errors/error.ts';
import {
  type ChatResponse,
  type JsonObject,
  OPEN_PROFILE,
  type StreamEvent,
} from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { createCollector } from '../../src/core/translation/collect.ts';
import { replayResponse } from '../../src/core/translation/replay.ts';
import type { Target } from '../../src/formats/codec.ts';
import { openaiResponses } from '../../src/formats/openai-responses/index.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import { canonOf, neutral, splits, WIRE_PRESENT, type WireCase, wireBytes, wireCases } from './wire.ts';

const ALL = wireCases('openai-responses');
const STREAMS = ALL.filter((entry) => entry.stream && entry.status < 400);
const WHOLE = ALL.filter((entry) => !entry.stream && entry.status < 400);
const REFUSED = ALL.filter((entry) => entry.status >= 400);

/**
 * A file of four answers one after another, which no server sends in one body; the reference reads the last one. An answer
 * is over at its terminal event, so the first one counts here.
 */
const FOUR_IN_ONE = 'azure-responses-s-005';

/** Vendors that want earlier reasoning back without opaque state. */
function targetFor(entry: WireCase): Target {
  const replay = entry.provider === 'deepseek' || entry.provider === 'xai';
  return {
    model: entry.model,
    profile: OPEN_PROFILE,
    quirks: replay ? { reasoningReplay: 'reasoning_content' } : {},
    defaultMaxOutputTokens: 4096,
  };
}

function decodeStream(chunks: readonly Uint8Array[]): StreamEvent[] {
  const reader = createSseReader();
  const decoder = openaiResponses.streamDecoder({ quirks: {} });
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

function errorOf(events: readonly StreamEvent[]): SluiceError | undefined {
  return events.find((event) => event.type === 'error')?.error;
}

function bodyOf(file: string): JsonObject {
  return parseJson(wireBytes(file).toString('utf8')) as JsonObject;
}

function expectCanon(response: ChatResponse, id: string): void {
  const { citations, signatures, text, reasoning, refusal, tools, stop, usage, choices } = canonOf(id);
  expect(neutral(response)).toEqual({ text, reasoning, refusal, tools, stop, usage, choices });
  const parts = response.choices[0]?.parts ?? [];
  expect(parts.flatMap((part) => (part.type === 'text' ? (part.citations ?? []) : []))).toHaveLength(
    citations,
  );
  expect(parts.filter((part) => part.type === 'reasoning' && part.signature !== undefined)).toHaveLength(
    signatures,
  );
}

/** A request body without what does not change its meaning. */
function meaning(body: JsonObject): unknown {
  // `null` says the same as an absent field.
  const normal = JSON.parse(JSON.stringify(body), (_key, value) => value ?? undefined) as Record<
    string,
    unknown
  >;
  if (normal['stream'] === false) delete normal['stream'];
  if (typeof normal['input'] === 'string') normal['input'] = [{ role: 'user', content: normal['input'] }];
  normal['input'] = (normal['input'] as Record<string, unknown>[]).map((item) => {
    const { status, type, content, ...rest } = item;
    const parts =
      typeof content === 'string'
        ? [{ type: item['role'] === 'assistant' ? 'output_text' : 'input_text', text: content }]
        : (content as Record<string, unknown>[] | undefined)?.map(({ annotations, logprobs, ...part }) => ({
            ...part,
            ...(Array.isArray(annotations) && annotations.length > 0 ? { annotations } : {}),
            ...(Array.isArray(logprobs) && logprobs.length > 0 ? { logprobs } : {}),
          }));
    return {
      ...rest,
      type: type ?? 'message',
      ...(status === 'completed' || status === undefined ? {} : { status }),
      ...(parts === undefined || parts.length === 0 ? {} : { content: parts }),
    };
  });
  // Asked for by the gateway where the client stores nothing and reasoning goes back and forth.
  if (normal['store'] === false) delete normal['include'];
  return normal;
}

it('recorded traffic is beside the repository, or the cases below are absent', () => {
  console.info(WIRE_PRESENT ? `${ALL.length} recorded cases` : 'no recorded traffic: hand-made cases only');
  expect(ALL.length > 0).toBe(WIRE_PRESENT);
});

function recordedTraffic(): void {
  it.each(WHOLE.map((entry) => [entry.id, entry] as const))('decodes whole answer %s', (id, entry) => {
    expectCanon(openaiResponses.decodeResponse(bodyOf(entry.response), { quirks: {} }), id);
  });

  it.each(STREAMS.map((entry) => [entry.id, entry] as const))(
    'decodes stream %s, however it is cut',
    (id, entry) => {
      const bytes = wireBytes(entry.response);
      const whole = decodeStream([bytes]);
      for (const chunks of splits(bytes).values()) expect(decodeStream(chunks)).toEqual(whole);
      const canon = canonOf(id);
      if (id === FOUR_IN_ONE) expect(neutral(collect(whole)).tools).toHaveLength(1);
      else if (canon.error === null) expectCanon(collect(whole), id);
      else expect(errorOf(whole)?.blame).toBe('upstream');
    },
  );

  it.each(REFUSED.map((entry) => [entry.id, entry] as const))('classifies refusal %s', (_id, entry) => {
    const body = bodyOf(entry.response);
    const failure = openaiResponses.decodeError(entry.status, body, {});
    const { code } = body['error'] as JsonObject;
    const expected: Readonly<Record<string, string>> = {
      model_not_found: 'upstream_not_found',
      context_length_exceeded: 'context_overflow',
    };
    expect(failure.code).toBe(expected[String(code)] ?? 'upstream_refused');
  });

  it.each(STREAMS.map((entry) => [entry.id, entry] as const))('a cut of %s is an error', (_id, entry) => {
    const bytes = wireBytes(entry.response);
    const terminal = /response\.(completed|incomplete|failed)"|"type":\s*"error"/;
    const end = bytes.toString('latin1').search(terminal);
    const step = Math.max(1, Math.floor(end / 40));
    for (let at = 0; at < end; at += step) {
      const events = decodeStream([bytes.subarray(0, at)]);
      expect(errorOf(events), `cut at byte ${at}`).toBeDefined();
      expect(events.at(-1)?.type).toBe('error');
    }
  });

  it.each([...WHOLE, ...STREAMS].map((entry) => [entry.id, entry] as const))(
    'the official SDK takes %s as this codec writes it',
    async (id, entry) => {
      if (canonOf(id).error !== null) return;
      const request = openaiResponses.decodeRequest(bodyOf(entry.request));
      const answer = entry.stream
        ? collect(decodeStream([wireBytes(entry.response)]))
        : openaiResponses.decodeResponse(bodyOf(entry.response), { quirks: {} });
      const reply = { id: 'resp_abc', model: entry.model, created: 1, includeUsage: false, request };
      const whole = openaiResponses.encodeResponse(answer, reply);
      expect(neutral(openaiResponses.decodeResponse(whole, { quirks: {} }))).toEqual(neutral(answer));

      const encoder = openaiResponses.streamEncoder(reply);
      const text = [encoder.push(replayResponse(answer, 11)), encoder.end()].join('');
      const client = new OpenAI({
        apiKey: 'test',
        maxRetries: 0,
        fetch: async () => new Response(text, { headers: { 'content-type': 'text/event-stream' } }),
      });
      const final = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse();
      const got = openaiResponses.decodeResponse(JSON.parse(JSON.stringify(final)), { quirks: {} });
      expect(neutral(got)).toEqual(neutral(answer));
      expect(neutral(collect(decodeStream([new TextEncoder().encode(text)])))).toEqual(neutral(answer));
    },
  );

  it.each(ALL.map((entry) => [entry.id, entry] as const))('request %s survives the codec', (_id, entry) => {
    const body = bodyOf(entry.request);
    const request = openaiResponses.decodeRequest(body);
    const encoded = openaiResponses.encodeRequest(request, targetFor(entry));
    expect(meaning(encoded.body)).toEqual(meaning(body));
    expect(encoded.dropped).toEqual([]);
    expect(openaiResponses.envelope(body).model).toBe(entry.model);
  });
}

// Without the data there is nothing to run, and the test above has said so.
if (WIRE_PRESENT) describe('recorded openai-responses traffic', recordedTraffic);
