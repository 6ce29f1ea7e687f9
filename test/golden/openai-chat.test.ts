import { describe, expect, it } from 'vitest';
import type { ChatResponse, Json, JsonObject, StreamEvent } from '../../src/core/model/index.ts';
import { isObject, OPEN_PROFILE, UNKNOWN_USAGE } from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';
import { createCollector } from '../../src/core/translation/collect.ts';
import { replayResponse } from '../../src/core/translation/replay.ts';
import type { Quirks, Target } from '../../src/formats/codec.ts';
import { openaiChat } from '../../src/formats/openai-chat/index.ts';
import { createSseReader } from '../../src/formats/sse.ts';
import { createByteTap } from '../../src/formats/tap.ts';
import { canonOf, neutral, splits, WIRE_PRESENT, type WireCase, wireBytes, wireCases } from './wire.ts';

/** How each recorded vendor deviates from the format, as its provider data will say. */
const QUIRKS: Readonly<Record<string, Quirks>> = {
  avian: { reasoningReplay: 'reasoning_content' },
  alibaba: { reasoningReplay: 'reasoning_content' },
  deepseek: {
    reasoningReplay: 'reasoning_content',
    reasoningRequest: 'thinking',
    maxTokensField: 'max_tokens',
  },
  gpustack: { doneMarker: 'optional', reasoningReplay: 'reasoning_content' },
  groq: { reasoningReplay: 'reasoning' },
  cerebras: { reasoningReplay: 'reasoning' },
  huggingface: { maxTokensField: 'max_tokens', reasoningReplay: 'reasoning' },
  mistral: {
    audioOutsideInput: true,
    maxTokensField: 'max_tokens',
    reasoningReplay: 'thinking_parts',
    toolChoiceRequired: 'any',
  },
  moonshot: { reasoningReplay: 'reasoning_content' },
  ollama: { reasoningReplay: 'reasoning' },
  openrouter: { reasoningReplay: 'reasoning_details', reasoningRequest: 'openrouter', cacheControl: true },
  snowflake: { finishReason: 'absent', reasoningReplay: 'reasoning_details' },
  'vercel-gateway': {
    reasoningReplay: 'reasoning_details',
    reasoningRequest: 'openrouter',
    cacheControl: true,
  },
  writer: { doneMarker: 'optional' },
  xai: { reasoningOutsideOutput: true, reasoningReplay: 'reasoning_content' },
  zai: { reasoningReplay: 'reasoning_content', reasoningRequest: 'thinking' },
};

const quirksOf = (entry: WireCase): Quirks => QUIRKS[entry.provider] ?? {};
const cases = wireCases('openai-chat');
const answered = cases.filter((entry) => entry.status < 400);

function requestOf(entry: WireCase): JsonObject {
  return parseJson(wireBytes(entry.request).toString('utf8')) as JsonObject;
}

function decodeChunks(entry: WireCase, chunks: readonly Uint8Array[]): StreamEvent[] {
  const reader = createSseReader();
  const decoder = openaiChat.streamDecoder({ quirks: quirksOf(entry) });
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

function decodeCase(entry: WireCase): ChatResponse {
  const bytes = wireBytes(entry.response);
  if (entry.response.endsWith('.sse')) return collect(decodeChunks(entry, [bytes]));
  const body = parseJson(bytes.toString('utf8')) as JsonObject;
  return openaiChat.decodeResponse(body, { quirks: quirksOf(entry) });
}

/**
 * Where the reference decoding is believed wrong, with the reason. Anything else that differs fails.
 */
const DISPUTED: Readonly<Record<string, string>> = {
  'azure-foundry-chat-006 usage': 'more cached (157) than prompt tokens (29): they cannot be a part of them',
  'azure-foundry-chat-s-001 usage': 'more cached (161) than prompt tokens (7): they cannot be a part of them',
  'gemini-chat-001 usage': 'WIRE §1.1: thoughts only in the total, output = total − prompt',
  'gemini-chat-002 usage': 'WIRE §1.1: thoughts only in the total, output = total − prompt',
  'gemini-chat-001 tools': 'the vendor sends an empty id; ours is made up, since a result must name it',
  'snowflake-chat-s-002 reasoning': 'the thoughts stand in reasoning_details only, which the reference skips',
  'vercel-gateway-chat-s-005 usage':
    'WIRE §1.1: more reasoning (43) than output (14) tokens is outside of it',
};

const FIELDS = ['text', 'reasoning', 'tools', 'stop', 'refusal', 'usage', 'choices'] as const;

describe('recorded Chat answers', () => {
  if (!WIRE_PRESENT) {
    it('are absent: ../shared/wire is not there, only hand-made cases run', () => {
      expect(cases).toEqual([]);
    });
    return;
  }

  it('all 210 decode as the reference says', () => {
    expect(answered.length).toBeGreaterThanOrEqual(210);
    const wrong: string[] = [];
    for (const entry of answered) {
      const mine = neutral(decodeCase(entry));
      const canon = canonOf(entry.id);
      for (const field of FIELDS) {
        const isEqual = JSON.stringify(mine[field]) === JSON.stringify(canon[field]);
        const isDisputed = Object.hasOwn(DISPUTED, `${entry.id} ${field}`);
        if (isEqual === isDisputed) wrong.push(`${entry.id} ${field}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('streams decode alike however they are split', () => {
    for (const entry of answered.filter(({ response }) => response.endsWith('.sse'))) {
      const bytes = wireBytes(entry.response);
      const whole = decodeChunks(entry, [bytes]);
      for (const [name, chunks] of splits(bytes)) {
        expect(decodeChunks(entry, chunks), `${entry.id} ${name}`).toEqual(whole);
      }
    }
  });

  it('a stream cut anywhere is an error, never a finish', () => {
    for (const entry of answered.filter(({ response }) => response.endsWith('.sse'))) {
      if (quirksOf(entry).doneMarker === 'optional') continue;
      const bytes = wireBytes(entry.response);
      const end = bytes.lastIndexOf('[DONE]') + '[DONE]'.length;
      // Every byte of short streams; of long ones every byte near both ends, and a spread of places between.
      const step = end < 1200 ? 1 : Math.max(1, Math.floor(Math.min(end, 200_000) / 40));
      for (let at = 0; at < end; at += at < 20 || at > end - 80 ? 1 : step) {
        const events = decodeChunks(entry, [bytes.subarray(0, at)]);
        expect(events.at(-1)?.type, `${entry.id} cut at ${at}`).toBe('error');
        expect(events.some((event) => event.type === 'finish')).toBe(false);
      }
    }
  });

  it('a stream without [DONE] that is cut before its finish reason is an error', () => {
    for (const entry of answered.filter((one) => quirksOf(one).doneMarker === 'optional')) {
      const bytes = wireBytes(entry.response);
      if (!entry.response.endsWith('.sse')) continue;
      const finish = bytes.indexOf('"finish_reason":"');
      for (let at = 0; at < finish; at += 97) {
        expect(decodeChunks(entry, [bytes.subarray(0, at)]).at(-1)?.type, `${entry.id} at ${at}`).toBe(
          'error',
        );
      }
    }
  });

  it('come out for clients as they were read', () => {
    for (const entry of answered) {
      const response = decodeCase(entry);
      const reply = { id: 'chatcmpl-1', model: 'm', created: 1, includeUsage: true };
      const body = JSON.parse(JSON.stringify(openaiChat.encodeResponse(response, reply))) as JsonObject;
      const again = openaiChat.decodeResponse(body, { quirks: {} });
      expect(comparable(again), entry.id).toEqual(comparable(response));
      const encoder = openaiChat.streamEncoder(reply);
      const text = String(encoder.push(replayResponse(response, 40))) + String(encoder.end());
      const streamed = collect(decodeChunks({ ...entry, provider: 'sluice' }, [Buffer.from(text)]));
      expect(comparable(streamed), `${entry.id} streamed`).toEqual(comparable(response));
    }
  });

  it('the byte tap sees the usage and the ending that the decoder sees', () => {
    for (const entry of answered.filter(({ response }) => response.endsWith('.sse'))) {
      const tap =
        openaiChat.tap === undefined
          ? undefined
          : createByteTap(openaiChat.tap, quirksOf(entry), { hideUsage: false });
      if (tap === undefined) throw new Error('openai-chat has no tap');
      const bytes = wireBytes(entry.response);
      for (let at = 0; at < bytes.length; at += 1000) tap.push(bytes.subarray(at, at + 1000));
      tap.end();
      const decoded = collect(decodeChunks(entry, [bytes]));
      expect(tap.state.error, entry.id).toBeUndefined();
      expect(tap.state.usage ?? UNKNOWN_USAGE, entry.id).toEqual(decoded.usage);
      expect(tap.state.finish?.raw, entry.id).toBe(decoded.choices[0]?.finish.raw);
    }
  });
});

/** What a client can see of an answer. */
function comparable(response: ChatResponse): unknown {
  const { usage, ...seen } = neutral(response);
  return {
    ...seen,
    stop: seen.stop ?? (seen.tools.length > 0 ? 'tool' : 'end'),
    input: usage?.input,
    output: usage?.output,
    cacheRead: usage?.cacheRead,
    signatures: response.choices[0]?.parts.flatMap((part) => ('signature' in part ? [part.signature] : [])),
    citations: response.choices[0]?.parts.flatMap((part) =>
      'citations' in part ? (part.citations ?? []) : [],
    ),
  };
}

describe('recorded Chat errors', () => {
  const refused = cases.filter((entry) => entry.status >= 400);

  it('are classified', () => {
    const codes = Object.fromEntries(
      refused.map((entry) => {
        const body = parseJson(wireBytes(entry.response).toString('utf8'));
        return [entry.id, openaiChat.decodeError(entry.status, body, entry.headers).code];
      }),
    );
    if (!WIRE_PRESENT) return expect(codes).toEqual({});
    expect(codes).toEqual({
      'deepseek-chat-006': 'upstream_auth',
      'groq-chat-003': 'upstream_not_found',
      'ollama-cloud-chat-003': 'upstream_auth',
      'openai-chat-026': 'upstream_auth',
      'openai-chat-046': 'upstream_refused',
      'openai-chat-051': 'upstream_not_found',
      'openai-chat-055': 'upstream_refused',
      'openai-chat-070': 'upstream_refused',
      'openrouter-chat-009': 'upstream_rate_limited',
      'openrouter-chat-015': 'upstream_auth',
      'perplexity-chat-004': 'context_overflow',
    });
  });
});

/** A part in its documented short form. */
function plainContent(
  value: Json | undefined,
  cache: Json | undefined,
  keepsCache: boolean,
): Json | undefined {
  let parts: Json[] =
    typeof value === 'string' ? [{ type: 'text', text: value }] : Array.isArray(value) ? value : [];
  if (cache !== undefined && parts.length > 0) {
    const last = parts.at(-1) as JsonObject;
    parts = [...parts.slice(0, -1), { ...last, cache_control: cache }];
  }
  parts = parts.map((part) => {
    const { cache_control: mark, ...rest } = part as JsonObject;
    if (typeof rest['image_url'] === 'string') rest['image_url'] = { url: rest['image_url'] };
    if (mark === undefined || !keepsCache) return rest;
    const ttl = isObject(mark) && mark['ttl'] === '1h' ? { ttl: '1h' } : {};
    return { ...rest, cache_control: { type: 'ephemeral', ...ttl } };
  });
  const [first] = parts as JsonObject[];
  if (first === undefined) return '';
  const isPlain = parts.length === 1 && first['type'] === 'text' && Object.keys(first).length === 2;
  return isPlain ? first['text'] : parts;
}

function withoutNulls(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined),
  );
}

/** Removes what two ways of saying the same differ in; the list is the list of documented equivalences. */
function normalMessage(value: Json, keepsCache: boolean): JsonObject {
  const { cache_control, reasoning, reasoning_content, reasoning_details, reasoning_signature, ...rest } =
    withoutNulls(value as JsonObject);
  void [reasoning, reasoning_content, reasoning_details, reasoning_signature];
  const message: JsonObject = { ...rest };
  const content = (Array.isArray(rest['content']) ? rest['content'] : [rest['content'] ?? '']).filter(
    (part) => !(isObject(part) && part['type'] === 'thinking'),
  );
  message['content'] = plainContent(
    content.length === 1 && typeof content[0] === 'string' ? content[0] : content,
    cache_control,
    keepsCache,
  );
  if (Array.isArray(message['annotations']) && message['annotations'].length === 0)
    delete message['annotations'];
  const calls = message['tool_calls'];
  if (Array.isArray(calls)) {
    message['tool_calls'] = calls.map((call) => {
      const { index: _, ...kept } = call as JsonObject;
      const inner = kept['function'] as JsonObject;
      return { ...kept, function: { ...inner, arguments: inner['arguments'] || '{}' } };
    });
  }
  return message;
}

function normalTool(value: Json, keepsCache: boolean): JsonObject {
  const { cache_control, ...tool }: JsonObject = { type: 'function', ...(value as JsonObject) };
  if (isObject(tool['function'])) {
    const inner = withoutNulls(tool['function']);
    tool['function'] = { ...inner, parameters: inner['parameters'] ?? { type: 'object', properties: {} } };
  }
  return cache_control === undefined || !keepsCache || tool['type'] !== 'function'
    ? tool
    : { ...tool, cache_control: { type: 'ephemeral' } };
}

function normalRequest(body: JsonObject, quirks: Quirks): JsonObject {
  const {
    messages,
    tools,
    max_tokens,
    max_completion_tokens,
    stream_options,
    stream,
    stop,
    reasoning,
    reasoning_effort,
    thinking,
    ...rest
  } = withoutNulls(body);
  void [reasoning, reasoning_effort, thinking];
  const keepsCache = quirks.cacheControl === true;
  const limit = max_completion_tokens ?? max_tokens;
  if (!Array.isArray(tools)) {
    delete rest['tool_choice'];
    delete rest['parallel_tool_calls'];
  }
  return withoutNulls({
    ...rest,
    messages: (messages as Json[]).map((message) => normalMessage(message, keepsCache)),
    tools:
      Array.isArray(tools) && tools.length > 0
        ? tools.map((tool) => normalTool(tool, keepsCache))
        : undefined,
    limit,
    stop: typeof stop === 'string' ? [stop] : stop,
    ...(stream === true
      ? { stream, stream_options: { ...(stream_options as JsonObject), include_usage: true } }
      : {}),
  });
}

describe('recorded Chat requests', () => {
  it('go out to the same format with the same meaning', () => {
    for (const entry of cases) {
      const quirks = quirksOf(entry);
      const body = requestOf(entry);
      const target: Target = {
        model: String(body['model']),
        profile: { ...OPEN_PROFILE, family: 'other' },
        quirks,
        defaultMaxOutputTokens: 4096,
      };
      const request = openaiChat.decodeRequest(body);
      const encoded = openaiChat.encodeRequest(request, target).body;
      const sent = JSON.parse(JSON.stringify(encoded)) as JsonObject;
      expect(normalRequest(sent, quirks), entry.id).toEqual(
        normalRequest(JSON.parse(JSON.stringify(body)) as JsonObject, quirks),
      );
      const envelope = openaiChat.envelope(body);
      expect(envelope.stream).toBe(request.stream);
      expect(envelope.maxOutputTokens).toBe(request.maxOutputTokens);
    }
  });
});
