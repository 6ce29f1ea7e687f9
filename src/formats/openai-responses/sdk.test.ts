import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatResponse,
  type JsonObject,
  type OutputPart,
  type StreamEvent,
  UNKNOWN_USAGE,
} from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { Reply } from '../codec.ts';
import { openaiResponses } from './index.ts';

const BODY: JsonObject = {
  model: 'gpt-5',
  input: 'hello',
  instructions: 'be brief',
  tools: [{ type: 'function', name: 'look', parameters: { type: 'object', properties: {} }, strict: true }],
  temperature: 0.5,
  metadata: { team: 'a' },
};

const REPLY: Reply = {
  id: 'resp_0123456789abcdef',
  model: 'gpt-5',
  created: 1_800_000_000,
  includeUsage: false,
  request: openaiResponses.decodeRequest(BODY),
};

const USAGE = {
  ...UNKNOWN_USAGE,
  input: 10,
  cacheRead: 4,
  output: 7,
  reasoning: 2,
  source: 'reported',
} as const;

function answer(
  parts: readonly OutputPart[],
  reason: 'stop' | 'tool_calls' | 'length' = 'stop',
): ChatResponse {
  return { id: 'up-1', model: 'served', choices: [{ index: 0, parts, finish: { reason } }], usage: USAGE };
}

const ANSWERS: Readonly<Record<string, ChatResponse>> = {
  text: answer([{ type: 'text', text: 'Grüße 👋 und mehr' }]),
  empty: answer([]),
  'two texts': answer([
    { type: 'text', text: 'one ' },
    { type: 'text', text: 'two' },
  ]),
  cited: answer([
    {
      type: 'text',
      text: 'see 👋 there',
      citations: [
        { kind: 'url', url: 'https://a.example', title: 'A', start: 0, end: 3 },
        { kind: 'document', documentId: 'file-1', title: 'f.pdf', start: 2 },
        { kind: 'document', quote: 'from another vendor' },
      ],
    },
  ]),
  refusal: answer([{ type: 'refusal', text: 'I cannot.' }]),
  reasoning: answer([
    { type: 'reasoning', text: 'let me think', signature: { issuer: 'claude', value: 'c2ln' } },
    { type: 'reasoning', text: '', redacted: 'cmVkYWN0ZWQ=' },
    { type: 'text', text: 'done' },
  ]),
  calls: answer(
    [
      { type: 'reasoning', text: 'plan', id: 'rs_1', signature: { issuer: 'openai', value: 'enc' } },
      { type: 'text', text: 'calling' },
      {
        type: 'tool_call',
        id: 'call_1',
        name: 'look',
        arguments: '{"a": 1}',
        kind: 'function',
        itemId: 'fc_1',
        signature: { issuer: 'gemini', value: 'Z2Vt' },
      },
      { type: 'tool_call', id: 'call_2', name: 'look', arguments: '', kind: 'function' },
      { type: 'tool_call', id: 'call_3', name: 'patch', arguments: 'free text', kind: 'custom' },
    ],
    'tool_calls',
  ),
  'repeated ids': answer([
    { type: 'reasoning', text: 'a', id: 'rs_same' },
    { type: 'reasoning', text: 'b', id: 'rs_same' },
    { type: 'text', text: 'c' },
  ]),
  cut: answer([{ type: 'text', text: 'half a sent' }], 'length'),
  'vendor item': answer([
    {
      type: 'opaque',
      format: 'openai-responses',
      label: 'web_search_call',
      value: {
        id: 'ws_1',
        type: 'web_search_call',
        status: 'completed',
        action: { type: 'search', query: 'q' },
      },
    },
    { type: 'text', text: 'found' },
  ]),
};

/** A client whose every call gets `text`; nothing leaves the process. */
function clientFor(text: string, contentType: string, status = 200): OpenAI {
  return new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async () => new Response(text, { status, headers: { 'content-type': contentType } }),
  });
}

function streamOf(response: ChatResponse): string {
  const encoder = openaiResponses.streamEncoder(REPLY);
  let text = '';
  for (const event of replayResponse(response, 5)) text += encoder.push([event]);
  return text + encoder.end();
}

function eventsOf(text: string): JsonObject[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? '') as JsonObject);
}

/** What the SDK's type demands; `output_text` it derives itself. */
const REQUIRED = [
  'id',
  'access_programs',
  'created_at',
  'error',
  'incomplete_details',
  'instructions',
  'metadata',
  'model',
  'object',
  'output',
  'parallel_tool_calls',
  'temperature',
  'tool_choice',
  'tools',
  'top_p',
];

describe.each(Object.entries(ANSWERS))('the official SDK takes %s', (_name, response) => {
  const whole = openaiResponses.encodeResponse(response, REPLY);

  it('whole', async () => {
    const client = clientFor(JSON.stringify(whole), 'application/json');
    const got = await client.responses.create({ model: 'gpt-5', input: 'hello' });
    const texts = response.choices[0]?.parts.map((part) => (part.type === 'text' ? part.text : ''));
    expect(got.output_text).toBe(texts?.join(''));
    expect(Object.keys(whole)).toEqual(expect.arrayContaining(REQUIRED));
    expect(got.usage).toMatchObject({ input_tokens: 14, output_tokens: 7, total_tokens: 21 });
    expect(got.instructions).toBe('be brief');
    expect(got.metadata).toEqual({ team: 'a' });
  });

  it('streamed through the helper, and ends with the same answer', async () => {
    const client = clientFor(streamOf(response), 'text/event-stream');
    const stream = client.responses.stream({ model: 'gpt-5', input: 'hello' });
    let deltas = '';
    stream.on('response.output_text.delta', (event) => {
      deltas += event.delta;
    });
    const final = await stream.finalResponse();
    expect(deltas).toBe(final.output_text);
    // Fields the helper adds by itself.
    const derived = new Set(['output_text', 'output_parsed', 'parsed', 'parsed_arguments']);
    const plain = JSON.parse(JSON.stringify(final, (key, value) => (derived.has(key) ? undefined : value)));
    expect(plain).toEqual(whole);
  });

  it('as a lawful sequence of events', () => {
    const events = eventsOf(streamOf(response));
    expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, index) => index));
    const types = events.map((event) => event['type']);
    expect(types.slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
    expect(types.at(-1)).toMatch(/^response\.(completed|incomplete)$/);
    const added = events.filter((event) => event['type'] === 'response.output_item.added');
    const done = events.filter((event) => event['type'] === 'response.output_item.done');
    expect(added.map((event) => event['output_index'])).toEqual(added.map((_, index) => index));
    expect(done.map((event) => event['output_index'])).toEqual(added.map((_, index) => index));
    const ids = added.map((event) => (event['item'] as JsonObject)['id']);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('the official SDK takes parallel calls whose pieces come mixed', async () => {
  const encoder = openaiResponses.streamEncoder(REPLY);
  const call = (part: number): StreamEvent => ({
    type: 'part_start',
    choice: 0,
    part,
    head: { type: 'tool_call', id: `call_${part}`, name: 'look', kind: 'function' },
  });
  const delta = (part: number, text: string): StreamEvent => ({ type: 'delta', choice: 0, part, text });
  const text = [
    encoder.push([{ type: 'start' }, call(0), delta(0, '{"a"'), call(1), delta(1, '{"b"')]),
    encoder.push([delta(0, ':1}'), delta(1, ':2}')]),
    encoder.push([{ type: 'finish', choice: 0, finish: { reason: 'tool_calls' } }]),
    encoder.end(),
  ].join('');
  const client = clientFor(text, 'text/event-stream');
  const { output } = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse();
  expect(output).toMatchObject([
    { type: 'function_call', call_id: 'call_0', arguments: '{"a":1}', status: 'completed' },
    { type: 'function_call', call_id: 'call_1', arguments: '{"b":2}', status: 'completed' },
  ]);
});

describe('errors reach the official SDK', () => {
  const error = new SluiceError('upstream_cut', 'The provider closed the stream. Send the request again.');

  it('inside a stream', async () => {
    const encoder = openaiResponses.streamEncoder(REPLY);
    const head = replayResponse(ANSWERS['text'] as ChatResponse, 5).slice(0, 3);
    const text = [encoder.push(head), encoder.push([{ type: 'error', error }]), encoder.end()].join('');
    const client = clientFor(text, 'text/event-stream');
    await expect(client.responses.stream({ model: 'm', input: 'x' }).finalResponse()).rejects.toThrow(
      /closed the stream/,
    );
    const types = eventsOf(text).map((event) => event['type']);
    expect(types.slice(-2)).toEqual(['error', 'response.failed']);
    expect(types).not.toContain('response.completed');
  });

  it('as an answer', async () => {
    const { status, body } = openaiResponses.encodeError(
      new SluiceError('rate_limited', 'Too many requests for this key. Wait a moment.'),
      'req_1',
    );
    const client = clientFor(JSON.stringify(body), 'application/json', status);
    await expect(client.responses.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
    });
  });

  it('when the pipeline ends a stream without a finish', () => {
    const encoder = openaiResponses.streamEncoder(REPLY);
    encoder.push([{ type: 'start' }]);
    expect(encoder.end()).toContain('"type":"response.failed"');
  });
});
