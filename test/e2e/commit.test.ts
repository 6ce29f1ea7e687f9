import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FormatId } from '../../src/core/model/index.ts';
import { awsEventMessage } from '../../src/formats/aws-event-stream.ts';
import { openTrials, type Trials } from '../support/trials.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

/** How one upstream format begins a stream without saying anything, and what it says when it fails. */
interface Format {
  readonly format: FormatId;
  /** A name under `providers`. */
  readonly provider: string;
  readonly type: string;
  /** Client dialects that are tried: its own where bytes are forwarded, another where they are decoded. */
  readonly dialects: readonly FormatId[];
  readonly contentType: string;
  /** Frames before any content, by what they are. */
  readonly starts: Readonly<Record<string, readonly Chunk[]>>;
  readonly ping: Chunk;
  /** An error event. */
  readonly failure: Chunk;
  /** What a whole answer of a failing vendor looks like although its status is 200. */
  readonly error200: object;
  /** A terminator without content before it. */
  readonly end: Chunk | undefined;
}

type Chunk = string | Uint8Array;

const event = (data: object): string =>
  `event: ${(data as { type: string }).type}\ndata: ${JSON.stringify(data)}\n\n`;
const plain = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const aws = (name: string, data: object): Uint8Array => awsEventMessage(name, JSON.stringify(data));

const CREATED = { id: 'resp_1', object: 'response', status: 'in_progress', model: 'm', output: [] };
const MESSAGE_START = event({
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 9, output_tokens: 1 },
  },
});
const geminiChunk = (parts: object[]) =>
  plain({
    candidates: [{ content: { role: 'model', parts }, index: 0 }],
    usageMetadata: { promptTokenCount: 9 },
  });

const FORMATS: readonly Format[] = [
  {
    format: 'openai-chat',
    provider: 'chat',
    type: 'openai-compatible',
    dialects: ['openai-chat', 'anthropic-messages'],
    contentType: 'text/event-stream',
    starts: {
      nothing: [],
      'the role alone': [chatChunk({ role: 'assistant' }), chatChunk({ role: 'assistant', content: '' })],
      'reasoning that is empty': [chatChunk({ role: 'assistant', content: null, reasoning_content: '' })],
    },
    ping: ': OPENROUTER PROCESSING\n\n',
    failure: plain({ error: { message: 'broken', type: 'server_error' } }),
    error200: { error: { message: 'broken', type: 'server_error' } },
    end: CHAT_END,
  },
  {
    format: 'openai-responses',
    provider: 'responses',
    type: 'openai',
    dialects: ['openai-responses'],
    contentType: 'text/event-stream',
    starts: {
      nothing: [],
      'its lifecycle': [
        event({ type: 'response.created', response: CREATED }),
        event({ type: 'response.in_progress', response: CREATED }),
      ],
      'an open message': [
        event({ type: 'response.created', response: CREATED }),
        event({
          type: 'response.output_item.added',
          output_index: 0,
          item: { id: 'msg_1', type: 'message', role: 'assistant', content: [] },
        }),
        event({
          type: 'response.content_part.added',
          item_id: 'msg_1',
          output_index: 0,
          content_index: 0,
          part: { type: 'output_text', text: '' },
        }),
      ],
      'open reasoning': [
        event({ type: 'response.created', response: CREATED }),
        event({
          type: 'response.output_item.added',
          output_index: 0,
          item: { id: 'rs_1', type: 'reasoning', summary: [] },
        }),
      ],
    },
    ping: ': keep-alive\n\n',
    failure: event({
      type: 'response.failed',
      response: { ...CREATED, status: 'failed', error: { code: 'server_error', message: 'broken' } },
    }),
    error200: { error: { message: 'broken', type: 'server_error' } },
    end: undefined,
  },
  {
    format: 'anthropic-messages',
    provider: 'messages',
    type: 'anthropic',
    dialects: ['anthropic-messages', 'openai-chat'],
    contentType: 'text/event-stream',
    starts: {
      nothing: [],
      'its lifecycle': [MESSAGE_START],
      'an open text': [
        MESSAGE_START,
        event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      ],
      'open thinking': [
        MESSAGE_START,
        event({
          type: 'content_block_start',
          index: 0,
          content_block: { type: 'thinking', thinking: '', signature: '' },
        }),
      ],
    },
    ping: event({ type: 'ping' }),
    failure: event({ type: 'error', error: { type: 'overloaded_error', message: 'broken' } }),
    error200: { type: 'error', error: { type: 'overloaded_error', message: 'broken' } },
    end: event({ type: 'message_stop' }),
  },
  {
    format: 'gemini',
    provider: 'google',
    type: 'gemini',
    dialects: ['gemini', 'openai-chat'],
    contentType: 'text/event-stream',
    starts: { nothing: [], 'an empty text': [geminiChunk([{ text: '' }])], 'no parts': [geminiChunk([])] },
    ping: ': ping\n\n',
    failure: plain({ error: { code: 503, message: 'broken', status: 'UNAVAILABLE' } }),
    error200: { error: { code: 503, message: 'broken', status: 'UNAVAILABLE' } },
    end: undefined,
  },
  {
    format: 'bedrock-converse',
    provider: 'aws',
    type: 'bedrock',
    dialects: ['openai-chat', 'anthropic-messages'],
    contentType: 'application/vnd.amazon.eventstream',
    starts: { nothing: [], 'its lifecycle': [aws('messageStart', { role: 'assistant' })] },
    ping: aws('messageStart', { role: 'assistant' }),
    failure: awsEventMessage('internalServerException', '{"message":"broken"}', 'exception'),
    error200: { nothing: 'of use' },
    end: undefined,
  },
  {
    format: 'cohere',
    provider: 'cohere',
    type: 'cohere',
    dialects: ['openai-chat'],
    contentType: 'text/event-stream',
    starts: {
      nothing: [],
      'its lifecycle': [
        event({ type: 'message-start', id: '1', delta: { message: { role: 'assistant', content: [] } } }),
        event({
          type: 'content-start',
          index: 0,
          delta: { message: { content: { type: 'text', text: '' } } },
        }),
      ],
    },
    ping: ': ping\n\n',
    failure: event({ type: 'message-end', delta: { finish_reason: 'ERROR', error: 'broken' } }),
    error200: { message: 'broken' },
    end: undefined,
  },
  {
    format: 'ollama',
    provider: 'ollama',
    type: 'ollama',
    dialects: ['openai-chat'],
    contentType: 'application/x-ndjson',
    starts: {
      nothing: [],
      'an empty message': [
        `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: '' }, done: false })}\n`,
      ],
      'empty thinking': [
        `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: '', thinking: '' }, done: false })}\n`,
      ],
    },
    ping: '\n',
    failure: `${JSON.stringify({ error: 'broken' })}\n`,
    error200: { error: 'broken' },
    end: undefined,
  },
];

/** What happens to a stream after its beginning. */
const ENDS: Readonly<Record<string, (format: Format, response: ServerResponse) => void>> = {
  'reports an error': ({ failure }, response) => void response.end(failure),
  'ends without a word': (_format, response) => void response.end(),
  'is reset': (_format, response) => void setTimeout(() => response.destroy(), 10),
  stalls: () => undefined,
  'only pings': ({ ping }, response) => {
    const timer = setInterval(() => response.write(ping), 40);
    response.on('close', () => clearInterval(timer));
  },
};

const streamOf =
  (
    format: Format,
    start: readonly Chunk[],
    end: (format: Format, response: ServerResponse) => void,
  ): Behaviour =>
  (_seen, response) => {
    response.writeHead(200, { 'content-type': format.contentType });
    response.flushHeaders();
    for (const chunk of start) response.write(chunk);
    end(format, response);
  };

const good: Behaviour = (seen, response) => {
  if (seen.body['stream'] !== true) return chatAnswer('from the other')(seen, response);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chatChunk({ role: 'assistant', content: 'from the other' }));
  response.end(chatChunk({}, 'stop') + CHAT_END);
};

let broken: TestUpstream;
let other: TestUpstream;
let trials: Trials;

beforeAll(async () => {
  broken = await startUpstream(good);
  other = await startUpstream(good);
  const keys = { api_key: 'k', allow_private_network: true };
  const base = (type: string) => (type.startsWith('openai') ? `${broken.url}/v1` : broken.url);
  const never = { failures: 1_000_000, failure_percent: 100, min_requests: 1_000_000 };
  const timeouts = { first_byte_ms: 150, first_byte_reasoning_ms: 150, idle_ms: 200, progress_idle_ms: 150 };
  trials = openTrials({
    upstream: { max_retry_percent: 100, circuit: never, retries: { attempts: 0 } },
    providers: {
      ...Object.fromEntries(
        FORMATS.map(({ provider, type }) => [provider, { type, base_url: base(type), ...keys }]),
      ),
      other: { type: 'openai-compatible', base_url: `${other.url}/v1`, ...keys },
    },
    models: Object.fromEntries(
      FORMATS.map(({ provider }) => [
        provider,
        { deployments: [`${provider}/m`, 'other/m'], strategy: 'priority', timeouts },
      ]),
    ),
  } as never);
});

afterAll(async () => {
  await trials.close();
  await broken.close();
  await other.close();
});

async function expectOther(format: Format, dialect: FormatId, stream: boolean): Promise<void> {
  const geminiStream = dialect === 'gemini' && stream ? { stream: true } : {};
  const body = dialect === 'gemini' ? geminiStream : { stream };
  const told = await trials.ask({ dialect: dialect as never, model: format.provider, body });
  expect(told.error).toBeUndefined();
  expect(told.provider).toBe('other');
  expect(told.attempts).toHaveLength(2);
  expect(told.text + told.wire).toContain('from the other');
  // Nothing of the first went out.
  expect(told.text + told.wire).not.toMatch(/msg_1|resp_1/);
  expect(told.attempts[0]?.error).toMatch(/^upstream_/);
}

describe.each(FORMATS.map((format) => [format.format, format] as const))('%s', (_name, format) => {
  const cases = format.dialects.flatMap((dialect) =>
    Object.keys(format.starts).flatMap((start) =>
      Object.keys(ENDS).map((end) => [dialect, start, end] as const),
    ),
  );

  it.each(cases)('for %s: sends %s, then %s', async (dialect, start, end) => {
    broken.behave(streamOf(format, format.starts[start] ?? [], ENDS[end] ?? (() => undefined)));
    await expectOther(format, dialect, true);
  });

  it.each(format.dialects)('for %s: a terminator alone is no answer', async (dialect) => {
    const { end } = format;
    if (end === undefined) return;
    broken.behave(streamOf(format, [], (_format, response) => void response.end(end)));
    await expectOther(format, dialect, true);
  });

  it.each(format.dialects)('for %s: a whole answer that is an error, nothing or a page', async (dialect) => {
    const bodies = [JSON.stringify(format.error200), '', '<html>down</html>', 'null', '{'];
    for (const body of bodies) {
      broken.behave((_seen, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(body);
      });
      await expectOther(format, dialect, false);
    }
  });
});
