import { afterEach, describe, expect, it } from 'vitest';
import { openTrials, type Trials, type Wish } from '../support/trials.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  json,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

const limited = json(429, { error: { message: 'slow down' } }, { 'retry-after': '60' });
const overflow = json(400, { error: { code: 'context_length_exceeded', message: 'maximum context length' } });

const says =
  (text: string): Behaviour =>
  (seen, response) => {
    if (seen.body['stream'] !== true) return chatAnswer(text)(seen, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(chatChunk({ role: 'assistant', content: text }) + chatChunk({}, 'stop') + CHAT_END);
  };

interface Places {
  readonly trials: Trials;
  readonly main: TestUpstream;
  readonly sibling: TestUpstream;
  readonly cheap: TestUpstream;
  readonly dear: TestUpstream;
}

async function places(models: object): Promise<Places> {
  const started: TestUpstream[] = [];
  for (const name of ['main', 'sibling', 'cheap', 'dear'])
    started.push(await startUpstream(says(`from ${name}`)));
  const [main, sibling, cheap, dear] = started as [TestUpstream, TestUpstream, TestUpstream, TestUpstream];
  const provider = ({ url }: TestUpstream, usd: number) => ({
    type: 'openai-compatible',
    base_url: `${url}/v1`,
    api_key: 'k',
    price: { input_usd_per_mtok: usd, output_usd_per_mtok: usd },
  });
  const trials = openTrials({
    upstream: { retries: { attempts: 0 } },
    providers: {
      main: provider(main, 1),
      sibling: provider(sibling, 1),
      cheap: provider(cheap, 1),
      dear: provider(dear, 100),
      claude: { type: 'anthropic', base_url: cheap.url, api_key: 'k' },
    },
    models,
  } as never);
  open.push(...started, trials);
  return { trials, main, sibling, cheap, dear };
}

describe('fallbacks by cause', () => {
  it('on a rate limit: first the model’s other deployments, then its `rate_limit` models, then the generic ones', async () => {
    const { trials, main, sibling, cheap, dear } = await places({
      m: {
        deployments: ['main/m', 'sibling/m'],
        strategy: 'priority',
        fallbacks: ['generic'],
        fallbacks_on: { rate_limit: ['limits'] },
      },
      limits: { deployments: ['cheap/x'] },
      generic: { deployments: ['dear/y'] },
    });
    main.behave(limited);
    expect((await trials.ask()).provider).toBe('sibling');
    sibling.behave(limited);
    expect((await trials.ask()).provider).toBe('cheap');
    cheap.behave(limited);
    const told = await trials.ask();
    expect(told.provider).toBe('dear');
    expect(told.attempts.at(-1)).toMatchObject({ kind: 'fallback', provider: 'dear' });
    expect((await trials.ask({ fallback: false })).error?.code).toBe('upstream_rate_limited');
    expect(dear.seen).toHaveLength(1);
  });

  it('on an answer that is nothing but a filter’s verdict', async () => {
    const { trials, main } = await places({
      m: { deployments: ['main/m'], fallbacks_on: { content_filter: ['other'] } },
      bare: { deployments: ['main/m'] },
      other: { deployments: ['cheap/x'] },
    });
    const verdict = {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: null }, finish_reason: 'content_filter' }],
    };
    main.behave((seen, response) => {
      if (seen.body['stream'] !== true) return json(200, verdict)(seen, response);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(chatChunk({ role: 'assistant' }) + chatChunk({}, 'content_filter') + CHAT_END);
    });
    for (const stream of [false, true]) {
      expect((await trials.ask({ body: { stream } })).provider).toBe('cheap');
      const bare = await trials.ask({ model: 'bare', body: { stream } });
      expect([bare.error, bare.provider]).toEqual([undefined, 'main']);
    }
  });

  it('tries no sibling of a model whose window has overflowed', async () => {
    const { trials, main, sibling } = await places({
      m: {
        deployments: ['main/m', 'sibling/m'],
        strategy: 'priority',
        fallbacks_on: { context_overflow: ['big'] },
      },
      big: { deployments: ['cheap/big'] },
    });
    main.behave(overflow);
    expect((await trials.ask()).provider).toBe('cheap');
    expect(sibling.seen).toHaveLength(0);
  });
});

describe('what a fallback must be able to do', () => {
  const down = json(500, {});
  const long: Wish = { body: { messages: [{ role: 'user', content: 'word '.repeat(5000) }] } };

  it('hold the prompt: others are skipped with a note', async () => {
    const { trials, main, cheap, dear } = await places({
      m: { deployments: ['main/m'], fallbacks: ['small', 'large'] },
      small: { deployments: ['cheap/s'], context_window_tokens: 2000 },
      large: { deployments: ['dear/l'], context_window_tokens: 200_000 },
    });
    main.behave(down);
    const told = await trials.ask(long);
    expect(told.provider).toBe('dear');
    expect(cheap.seen).toHaveLength(0);
    expect(told.skipped).toMatchObject([{ provider: 'cheap', kind: 'skipped', error: 'context_overflow' }]);
    expect(told.attempts).toHaveLength(2);
    expect(dear.seen).toHaveLength(1);
    expect((await trials.ask()).provider).toBe('cheap');
  });

  it('hold what did not fit elsewhere', async () => {
    const { trials, main, cheap } = await places({
      m: {
        deployments: ['main/m'],
        context_window_tokens: 1000,
        fallbacks_on: { context_overflow: ['small', 'large'] },
      },
      small: { deployments: ['cheap/s'], context_window_tokens: 900 },
      large: { deployments: ['dear/l'], context_window_tokens: 2000 },
    });
    main.behave(overflow);
    expect((await trials.ask()).provider).toBe('dear');
    expect(cheap.seen).toHaveLength(0);
  });

  it('answer as long as was asked, or its own limit is sent and said', async () => {
    const { trials, main, cheap } = await places({
      m: { deployments: ['main/m'], fallbacks: ['short'] },
      short: { deployments: ['cheap/s'], max_output_tokens: 100 },
    });
    main.behave(down);
    const told = await trials.ask({ body: { max_tokens: 5000 } });
    expect(told.provider).toBe('cheap');
    expect(cheap.seen[0]?.body['max_tokens'] ?? cheap.seen[0]?.body['max_completion_tokens']).toBe(100);
    // The model itself is sent what the client wrote.
    expect(main.seen[0]?.body['max_tokens']).toBe(5000);
  });

  it('be paid by the budget: the hold grows, or it is skipped with a note', async () => {
    const { trials, main, dear } = await places({
      m: { deployments: ['main/m'], fallbacks: ['costly', 'thrifty'] },
      costly: { deployments: ['dear/c'] },
      thrifty: { deployments: ['cheap/t'] },
    });
    main.behave(down);
    const body = { max_tokens: 1000 };
    const poor = await trials.ask({ body, budget: { limitNano: 3_000_000, heldNano: 1_200_000 } });
    expect(poor.provider).toBe('cheap');
    expect(poor.skipped).toMatchObject([{ provider: 'dear', error: 'budget_exceeded' }]);
    expect(dear.seen).toHaveLength(0);
    const rich = await trials.ask({ body, budget: { limitNano: 300_000_000, heldNano: 1_200_000 } });
    expect(rich.provider).toBe('dear');
  });

  it('have a known price where a budget has to pay', async () => {
    const { trials, main } = await places({
      m: { deployments: ['main/m'], fallbacks: ['unknown', 'thrifty'] },
      unknown: { deployments: ['claude/some-model'] },
      thrifty: { deployments: ['cheap/t'] },
    });
    main.behave(down);
    const told = await trials.ask({ budget: { limitNano: 300_000_000, heldNano: 100_000_000 } });
    expect(told.provider).toBe('cheap');
    expect(told.skipped).toMatchObject([{ provider: 'claude', error: 'price_unknown' }]);
  });

  it('understand the request in its own format', async () => {
    const { trials, main, cheap } = await places({
      m: { deployments: ['main/m'], fallbacks: ['claude'] },
      claude: { deployments: ['claude/claude-3-5-haiku-20241022'] },
    });
    main.behave(down);
    cheap.behave(
      json(200, {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'c',
        content: [{ type: 'text', text: 'Bonjour' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 3, output_tokens: 1 },
      }),
    );
    const told = await trials.ask({
      body: {
        messages: [
          { role: 'system', content: 'Speak French.' },
          { role: 'user', content: 'Hello' },
        ],
      },
    });
    expect(told.text).toBe('Bonjour');
    expect(cheap.seen[0]?.path).toBe('/v1/messages');
    expect(JSON.stringify(cheap.seen[0]?.body['system'])).toContain('Speak French.');
  });
});
