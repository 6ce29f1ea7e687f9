import { afterEach, describe, expect, it } from 'vitest';
import { openTrials, type Trials, type Wish } from '../support/trials.ts';
import {
  type Behaviour,
  CHAT_END,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 1 };

const cutAfter = (...chunks: string[]): Behaviour =>
  sse((send, response) => {
    for (const chunk of chunks) send(chunk);
    setTimeout(() => response.destroy(), 15);
  });

const says = (text: string): Behaviour =>
  sse((send, response) => {
    send(chatChunk({ role: 'assistant', content: text }) + chatChunk({}, 'stop') + CHAT_END);
    response.end();
  });

const claudeEvent = (data: object): string =>
  `event: ${(data as { type: string }).type}\ndata: ${JSON.stringify(data)}\n\n`;
const claudeSays = (text: string): Behaviour =>
  sse((send, response) => {
    send(
      claudeEvent({
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          content: [],
          model: 'c',
          usage: { input_tokens: 20, output_tokens: 1 },
        },
      }),
    );
    send(claudeEvent({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }));
    send(claudeEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }));
    send(claudeEvent({ type: 'content_block_stop', index: 0 }));
    send(
      claudeEvent({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }),
    );
    send(claudeEvent({ type: 'message_stop' }));
    response.end();
  });

async function setUp(
  first: Behaviour,
  second: Behaviour,
  more: object = {},
): Promise<{ trials: Trials; a: TestUpstream; b: TestUpstream }> {
  const [a, b] = [await startUpstream(first), await startUpstream(second)];
  open.push(a, b);
  const trials = openTrials({
    providers: {
      a: { type: 'openai-compatible', base_url: `${a.url}/v1`, api_key: 'k', price },
      b: { type: 'openai-compatible', base_url: `${b.url}/v1`, api_key: 'k', price },
      c: { type: 'anthropic', base_url: b.url, api_key: 'k', price },
    },
    models: {
      m: { deployments: ['a/m', 'b/m'], strategy: 'priority', on_cut: 'restart', ...more },
      prefill: {
        deployments: ['a/m', 'c/claude-3-5-haiku-20241022'],
        strategy: 'priority',
        on_cut: 'restart',
      },
      plain: { deployments: ['a/m', 'b/m'], strategy: 'priority' },
    },
  } as never);
  open.unshift(trials);
  return { trials, a, b };
}

const stream: Wish = { body: { stream: true } };
const beginning = chatChunk({ role: 'assistant', content: 'Once upon ' });

describe('on_cut: restart', () => {
  it('starts again at the next deployment, behind a marker, and bills both calls', async () => {
    const { trials, a, b } = await setUp(
      cutAfter(beginning, chatChunk({ content: 'a time' })),
      says('The whole story.'),
    );
    const told = await trials.ask(stream);
    expect(told.error).toBeUndefined();
    expect(told.text).toMatch(
      /^Once upon a time\n\n\[The provider broke off here\. .*beginning\.\]\n\nThe whole story\.$/,
    );
    expect([a.seen.length, b.seen.length]).toEqual([1, 1]);
    expect(told.attempts.map(({ kind }) => kind)).toEqual([undefined, 'restart']);
    expect(told.provider).toBe('b');
    // 9 and 12 of the second call as reported, the first one's prompt and 16 delivered bytes estimated.
    expect(told.usage.source).toBe('estimated');
    expect(told.usage.output).toBe(12 + 4);
    expect(told.usage.input).toBeGreaterThan(9 + 4);
    expect(told.cost?.total).toBe((told.usage.input + told.usage.output) * 1000);
  });

  it('lets the next model continue where its format allows a beginning', async () => {
    const { trials, b } = await setUp(cutAfter(beginning), claudeSays('a time.'));
    const told = await trials.ask({ ...stream, model: 'prefill' });
    expect(told.error).toBeUndefined();
    expect(told.text).toMatch(/^Once upon \n\n\[.*continues the answer\.\]\n\na time\.$/);
    const messages = b.seen[0]?.body['messages'] as { role: string; content: unknown }[];
    expect(messages.at(-1)).toMatchObject({ role: 'assistant' });
    expect(JSON.stringify(messages.at(-1))).toContain('Once upon');
  });

  it('is off by default: the stream ends with an error', async () => {
    const { trials, b } = await setUp(cutAfter(beginning), says('never'));
    const told = await trials.ask({ ...stream, model: 'plain' });
    expect(told.error?.code).toBe('upstream_cut');
    expect(b.seen).toHaveLength(0);
    expect(told.cost?.total).toBeGreaterThan(0);
  });

  it('never resumes once a tool call has begun', async () => {
    const call = {
      index: 0,
      id: 'call_1',
      type: 'function',
      function: { name: 'pay', arguments: '{"usd":' },
    };
    const { trials, b } = await setUp(cutAfter(beginning, chatChunk({ tool_calls: [call] })), says('never'));
    const told = await trials.ask({
      body: { stream: true, tools: [{ type: 'function', function: { name: 'pay', parameters: {} } }] },
    });
    expect(told.error?.code).toBe('upstream_cut');
    expect(b.seen).toHaveLength(0);
  });

  it('never resumes a JSON document', async () => {
    const { trials, b } = await setUp(
      cutAfter(chatChunk({ role: 'assistant', content: '{"a":' })),
      says('{}'),
    );
    const told = await trials.ask({ body: { stream: true, response_format: { type: 'json_object' } } });
    expect(told.error?.code).toBe('upstream_cut');
    expect(b.seen).toHaveLength(0);
  });

  it('resumes once: the second cut is an error, and both calls are billed', async () => {
    const { trials } = await setUp(
      cutAfter(beginning),
      cutAfter(chatChunk({ role: 'assistant', content: 'Again' })),
    );
    const told = await trials.ask(stream);
    expect(told.error?.code).toBe('upstream_cut');
    expect(told.text).toContain('Again');
    expect(told.attempts).toHaveLength(2);
    expect(told.usage.output).toBeGreaterThanOrEqual(3 + 2);
  });

  it('says the first failure when nothing else answers', async () => {
    const { trials } = await setUp(
      cutAfter(beginning),
      (_seen, response) => void response.writeHead(500).end('{}'),
    );
    const told = await trials.ask(stream);
    expect(told.error?.code).toBe('upstream_cut');
    expect(told.attempts.some(({ kind, error }) => kind === 'restart' && error === 'upstream_error')).toBe(
      true,
    );
  });

  it('does not restart what the budget cannot pay', async () => {
    const { trials, b } = await setUp(cutAfter(beginning), says('never'));
    const told = await trials.ask({
      body: { stream: true, max_tokens: 1000 },
      budget: { limitNano: 1_200_000, heldNano: 1_100_000 },
    });
    expect(told.error?.code).toBe('upstream_cut');
    expect(b.seen).toHaveLength(0);
  });
});
