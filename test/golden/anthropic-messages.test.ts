import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import {
  type ChatResponse,
  isObject,
  type JsonObject,
  OPEN_PROFILE,
  type StreamEvent,
} from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { createCollector } from '../../src/core/translation/collect.ts';
import { replayResponse } from '../../src/core/translation/replay.ts';
import { anthropicMessages as codec } from '../../src/formats/anthropic-messages/index.ts';
import { createAwsEventStreamReader } from '../../src/formats/aws-event-stream.ts';
import type { FrameReader } from '../../src/formats/frame.ts';
import { openaiChat } from '../../src/formats/openai-chat/index.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import { collect, joined, readStream, TEST_REPLY, throughJson, withoutRaw } from './codec-golden.ts';
import { canonOf, neutral, splits, WIRE_PRESENT, type WireCase, wireBytes, wireCases } from './wire.ts';

const CASES = wireCases('anthropic');
const BEDROCK = wireCases('anthropic-bedrock-stream');
const WHOLE = CASES.filter((entry) => !entry.stream && entry.status < 400);
const STREAMS = [...CASES, ...BEDROCK].filter((entry) => entry.stream && entry.status < 400);
const ERRORS = CASES.filter((entry) => entry.status >= 400);

const named = (cases: readonly WireCase[]) => cases.map((entry) => [entry.id, entry] as const);
const reader = (entry: WireCase): FrameReader =>
  entry.response.endsWith('.bin') ? createAwsEventStreamReader() : createSseReader();

function bodyOf(file: string): JsonObject {
  const body = parseJson(wireBytes(file).toString('utf8'));
  if (!isObject(body)) throw new Error(`${file} is no JSON object`);
  return body;
}

const isDelta = (event: StreamEvent) => event.type === 'delta' || event.type === 'signature';

const partsOf = (response: ChatResponse) => response.choices[0]?.parts ?? [];

/** The reference counts signatures and citations, and gives what `neutral` gives. */
function compare(response: ChatResponse, id: string): void {
  const { text, reasoning, tools, stop, usage, refusal, choices, signatures, citations } = canonOf(id);
  expect(neutral(response)).toEqual({ text, reasoning, tools, stop, usage, refusal, choices });
  const parts = partsOf(response);
  const signed = parts.filter((part) => part.type === 'reasoning' && (part.signature ?? part.redacted));
  expect(signed.length).toBe(signatures);
  const cited = parts.map((part) => (part.type === 'text' ? (part.citations?.length ?? 0) : 0));
  expect(cited.reduce((sum, count) => sum + count, 0)).toBe(citations);
}

/** An answer as a client's trip keeps it: empty texts are not written, ids and names are ours. */
function kept(response: ChatResponse): unknown {
  const { id: _id, model: _model, choices, ...rest } = withoutRaw(response);
  const filled = choices.map((choice) => ({
    ...choice,
    parts: choice.parts.filter((part) => part.type !== 'text' || part.text !== '' || part.citations),
  }));
  return throughJson({ ...rest, choices: filled });
}

test('the recorded traffic is there, or this run says that it is not', () => {
  if (!WIRE_PRESENT)
    console.warn('recorded traffic is absent: golden tests of anthropic-messages saw no case');
  expect([CASES.length, BEDROCK.length]).toEqual(WIRE_PRESENT ? [90, 7] : [0, 0]);
});

describe.runIf(WIRE_PRESENT)('recorded answers', () => {
  test.each(named(WHOLE))('%s decodes as the reference', (id, entry) => {
    compare(codec.decodeResponse(bodyOf(entry.response), { quirks: {} }), id);
  });

  test.each(named(WHOLE))('%s loses nothing when written again, whole or as a stream', (_id, entry) => {
    const body = bodyOf(entry.response);
    const response = codec.decodeResponse(body, { quirks: {} });
    const again = codec.encodeResponse(response, TEST_REPLY);
    const content = (body['content'] as JsonObject[]).filter((block) => block['text'] !== '');
    expect(throughJson(again['content'])).toEqual(throughJson(content));
    expect(again).toMatchObject({
      stop_reason: body['stop_reason'],
      stop_sequence: body['stop_sequence'],
      stop_details: body['stop_details'] ?? null,
      usage: body['usage'],
    });
    const encoder = codec.streamEncoder(TEST_REPLY);
    const text = `${encoder.push(replayResponse(response, 7))}${encoder.end()}`;
    const streamed = collect(readStream(codec, createSseReader(), [Buffer.from(text)]));
    expect(kept(streamed)).toEqual(kept(response));
  });

  test.each(named(STREAMS))('%s decodes as the reference in every split', (id, entry) => {
    let first: readonly StreamEvent[] | undefined;
    for (const [name, pieces] of splits(wireBytes(entry.response))) {
      const events = readStream(codec, reader(entry), pieces);
      if (first === undefined) compare(collect(events), id);
      first ??= events;
      expect(events, name).toEqual(first);
    }
  });

  test.each(named(STREAMS))('%s says the same when streamed to a client', (_id, entry) => {
    const events = readStream(codec, reader(entry), [wireBytes(entry.response)]);
    const encoder = codec.streamEncoder(TEST_REPLY);
    let text = '';
    for (const event of events) text += encoder.push([event]);
    text += encoder.end();
    const again = readStream(codec, createSseReader(), [Buffer.from(text)]);
    expect(kept(collect(again))).toEqual(kept(collect(events)));
    expect(joined(again).filter(isDelta)).toEqual(joined(events).filter(isDelta));
  });

  test.each(named(STREAMS))('%s cut anywhere is an error and never a finish', (_id, entry) => {
    const bytes = wireBytes(entry.response);
    const stop = bytes.lastIndexOf(entry.response.endsWith('.bin') ? ':event-type' : '"message_stop"');
    // Every byte of the end, where the finish is, and a sample of the rest (bounded: each cut is a whole decode).
    const step = Math.max(97, Math.floor(stop / 80));
    for (let at = 1; at <= stop; at += at > stop - 160 ? 1 : step) {
      let events: readonly StreamEvent[];
      try {
        events = readStream(codec, reader(entry), [bytes.subarray(0, at)]);
      } catch (error) {
        expect(error).toBeInstanceOf(SluiceError);
        continue;
      }
      expect(events.some((event) => event.type === 'finish')).toBe(false);
      expect(events.at(-1)).toMatchObject({ type: 'error' });
    }
  });

  test.each(named(ERRORS))('%s is classified', (_id, entry) => {
    const failure = codec.decodeError(entry.status, bodyOf(entry.response), {});
    expect(failure).toMatchObject({ code: 'upstream_not_found', upstreamCode: 'not_found_error' });
  });
});

/** Spelling that means the same: strings for single texts, defaults written out, order of results. */
function meaning(body: JsonObject): unknown {
  const blocks = (content: unknown): unknown =>
    (typeof content === 'string' ? [{ type: 'text', text: content }] : ((content ?? []) as JsonObject[])).map(
      (block) => ({
        ...block,
        ...(block['cache_control'] ? { cache_control: cache(block['cache_control'] as JsonObject) } : {}),
        ...(block['type'] === 'tool_result' ? { content: blocks(block['content']) } : {}),
      }),
    );
  const cache = (mark: JsonObject) => ({ type: 'ephemeral', ttl: mark['ttl'] ?? '5m' });
  const choice = body['tool_choice'] as JsonObject | undefined;
  const messages = (body['messages'] as JsonObject[]).map((message) => ({
    ...message,
    content: blocks(message['content']),
  }));
  const joinedTurns: { role: unknown; content: unknown }[] = [];
  for (const message of messages) {
    const before = joinedTurns.at(-1) as { role: unknown; content: unknown[] } | undefined;
    const content = message.content as unknown[];
    if (before !== undefined && before.role === (message as JsonObject)['role']) {
      before.content.push(...content);
    } else joinedTurns.push({ ...message, content: [...content] } as never);
  }
  const { system, ...rest } = body;
  return {
    ...rest,
    model: 'any',
    stream: body['stream'] ?? false,
    messages: joinedTurns,
    ...(system === undefined || (system as unknown[]).length === 0 ? {} : { system: blocks(system) }),
    ...(choice === undefined
      ? {}
      : {
          tool_choice: {
            ...choice,
            disable_parallel_tool_use: choice['disable_parallel_tool_use'] ?? false,
          },
        }),
  };
}

describe.runIf(WIRE_PRESENT)('recorded requests', () => {
  const requests = CASES.filter((entry) => entry.endpoint === 'messages');

  test.each(named(requests))('%s means the same after decode and encode', (_id, entry) => {
    const body = bodyOf(entry.request);
    const decoded = codec.decodeRequest(body);
    const profile = { ...OPEN_PROFILE, family: 'claude', systemAnywhere: true };
    const target = { model: 'any', profile, quirks: {}, defaultMaxOutputTokens: 4096 };
    const { body: again, dropped } = codec.encodeRequest(decoded, target);
    expect(dropped).toEqual([]);
    expect(throughJson(meaning(again))).toEqual(throughJson(meaning(body)));
    const twice = codec.encodeRequest(codec.decodeRequest(throughJson(again)), target);
    expect(throughJson(twice.body)).toEqual(throughJson(again));
  });

  test.each(named(requests))('%s has the envelope its decode has', (_id, entry) => {
    const body = bodyOf(entry.request);
    const envelope = codec.envelope(body);
    const decoded = codec.decodeRequest(body);
    expect(envelope).toMatchObject({
      model: decoded.model,
      stream: decoded.stream,
      choices: 1,
      tools: decoded.tools.length,
    });
    expect(envelope.maxOutputTokens).toBe(decoded.maxOutputTokens);
  });
});

test('a stream and a whole answer of the same parts decode alike', () => {
  const collector = createCollector();
  const response = codec.decodeResponse(
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'eA==' },
        { type: 'text', text: 'Grüße 🙂' },
        { type: 'tool_use', id: 'toolu_1', name: 'f', input: { n: 1 }, caller: { type: 'direct' } },
        { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 5, cache_creation_input_tokens: 7 },
    },
    { quirks: {} },
  );
  const encoder = codec.streamEncoder({ ...TEST_REPLY, id: 'msg_1', model: 'claude' });
  const text = `${encoder.push(replayResponse(response, 2))}${encoder.end()}`;
  collector.push(readStream(codec, createSseReader(), [Buffer.from(text)]));
  expect(withoutRaw(collector.response())).toEqual(withoutRaw(response));
});

/** The order the official clients enforce (WIRE §2.3): one open block, rising numbers, start first, stop last. */
function expectStrict(text: string): void {
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? '') as JsonObject);
  expect(events[0]?.['type']).toBe('message_start');
  expect(events.at(-1)?.['type']).toBe('message_stop');
  expect(events.at(-2)?.['type']).toBe('message_delta');
  let open: number | undefined;
  let next = 0;
  for (const event of events.slice(1, -2)) {
    if (event['type'] === 'content_block_start') {
      expect([open, event['index']]).toEqual([undefined, next]);
      open = next++;
    } else {
      expect(['content_block_delta', 'content_block_stop']).toContain(event['type']);
      expect(event['index']).toBe(open);
      if (event['type'] === 'content_block_stop') open = undefined;
    }
  }
  expect(open).toBeUndefined();
}

/** What the official streaming helper makes of a stream; the beta one, because it also knows MCP calls. */
function official(text: string): Promise<Anthropic.Beta.BetaMessage> {
  const client = new Anthropic({
    apiKey: 'test',
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(text, { headers: { 'content-type': 'text/event-stream' } })),
  });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  return client.beta.messages.stream({ model: 'm', max_tokens: 1, messages }).finalMessage();
}

function written(events: readonly StreamEvent[]): string {
  const encoder = codec.streamEncoder(TEST_REPLY);
  let text = '';
  for (const event of events) text += encoder.push([event]);
  return text + encoder.end();
}

describe.runIf(WIRE_PRESENT)('streams written for the official client', () => {
  const CHAT = wireCases('openai-chat').filter((entry) => entry.stream && entry.status < 400);

  test.each(named(STREAMS))('%s is read by the helper as it was meant', async (_id, entry) => {
    const response = collect(readStream(codec, reader(entry), [wireBytes(entry.response)]));
    const text = written(replayResponse(response, 11));
    expectStrict(text);
    const message = await official(text);
    const expected = codec.encodeResponse(response, TEST_REPLY);
    // Containers come with message_delta; the helper leaves other new top-level fields out.
    expect(throughJson(message.content.map(withoutNull))).toEqual(
      throughJson((expected['content'] as JsonObject[]).map(withoutNull)),
    );
    expect(message.stop_reason).toBe(expected['stop_reason']);
    expect(message.usage.output_tokens).toBe((expected['usage'] as JsonObject)['output_tokens']);
  });

  test.each(named(CHAT))('%s of another format is strict', async (_id, entry) => {
    const quirks = { doneMarker: 'optional', finishReason: 'absent' } as const;
    const decoder = openaiChat.streamDecoder({ quirks });
    const frames = createSseReader();
    const bytes = wireBytes(entry.response);
    const events = [...frames.push(bytes), ...frames.end()].flatMap((frame) => [...decoder.push(frame)]);
    events.push(...decoder.end());
    expect(events.at(-1)?.type).not.toBe('error');
    const text = written(events);
    expectStrict(text);
    const message = await official(text);
    const canon = canonOf(entry.id);
    const texts = message.content.map((block) => (block.type === 'text' ? block.text : ''));
    expect(texts.join('')).toBe(canon.text + canon.refusal);
    const calls = message.content.flatMap((block) => (block.type === 'tool_use' ? [block.input] : []));
    expect(calls).toEqual(canon.tools.map((tool) => tool.args));
    expect(message.stop_reason === 'tool_use').toBe(canon.tools.length > 0 && canon.stop !== 'length');
  });
});

function withoutNull(block: unknown): unknown {
  return Object.fromEntries(Object.entries(block as object).filter(([, value]) => value !== null));
}
