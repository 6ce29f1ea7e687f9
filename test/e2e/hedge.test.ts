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

const later =
  (ms: number, behaviour: Behaviour): Behaviour =>
  async (seen, response) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (!response.destroyed) await behaviour(seen, response);
  };

const says =
  (text: string): Behaviour =>
  (seen, response) => {
    if (seen.body['stream'] !== true) return chatAnswer(text)(seen, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(chatChunk({ role: 'assistant', content: text }) + chatChunk({}, 'stop') + CHAT_END);
  };

interface Pair {
  readonly trials: Trials;
  readonly a: TestUpstream;
  readonly b: TestUpstream;
}

async function pair(first: Behaviour, second: Behaviour, hedge: object): Promise<Pair> {
  const [a, b] = [await startUpstream(first), await startUpstream(second)];
  const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 1 };
  const trials = openTrials({
    upstream: { max_retry_percent: 20 },
    providers: {
      a: { type: 'openai-compatible', base_url: `${a.url}/v1`, api_key: 'k', price },
      b: { type: 'openai-compatible', base_url: `${b.url}/v1`, api_key: 'k', price },
    },
    models: {
      m: { deployments: ['a/m', 'b/m'], strategy: 'priority', retries: { attempts: 0 }, hedge },
      plain: { deployments: ['a/m', 'b/m'], strategy: 'priority' },
    },
  } as never);
  open.push(a, b, trials);
  return { trials, a, b };
}

const kindsOf = ({ attempts }: Awaited<ReturnType<Trials['ask']>>) =>
  attempts.map(({ provider, kind, error }) => [provider, kind, error]);

describe.each([
  ['stream', { body: { stream: true } } as Wish],
  ['whole', {} as Wish],
])('a hedged %s', (_name, wish) => {
  it('asks a second deployment when the first is slow; the loser is hung up on and billed', async () => {
    const { trials, a } = await pair(later(2000, says('slow')), says('fast'), {
      after_ms: 60,
      max_percent: 100,
    });
    const told = await trials.ask(wish);
    expect(told.provider).toBe('b');
    expect(told.text + told.wire).toContain('fast');
    expect(told.beganMs).toBeGreaterThan(50);
    expect(told.beganMs).toBeLessThan(1000);
    expect(kindsOf(told)).toEqual([
      ['a', undefined, 'superseded'],
      ['b', 'hedge', undefined],
    ]);
    await expect.poll(() => a.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
    // 9 + 12 of the winner, and the loser's prompt.
    expect(told.usage.output).toBe(12);
    expect(told.usage.input).toBeGreaterThan(9);
    expect(told.cost?.total).toBe((told.usage.input + told.usage.output) * 1000);
  });

  it('keeps the first when that begins after all before the second', async () => {
    const { trials, b } = await pair(later(150, says('first')), later(2000, says('second')), {
      after_ms: 40,
      max_percent: 100,
    });
    const told = await trials.ask(wish);
    expect(told.provider).toBe('a');
    expect(kindsOf(told)).toEqual([
      ['a', undefined, undefined],
      ['b', 'hedge', 'superseded'],
    ]);
    await expect.poll(() => b.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
    expect(told.usage.input).toBeGreaterThan(9);
  });

  it('makes one call when the first is quick, and none of this by default', async () => {
    const { trials, a, b } = await pair(says('quick'), says('never'), { after_ms: 300, max_percent: 100 });
    expect((await trials.ask(wish)).provider).toBe('a');
    a.behave(later(200, says('slow')));
    expect((await trials.ask({ ...wish, model: 'plain' })).provider).toBe('a');
    expect(b.seen).toHaveLength(0);
  });

  it('waits for the other when one of the two fails', async () => {
    const down = json(503, { error: { message: 'down' } });
    const { trials } = await pair(later(200, says('made it')), down, { after_ms: 30, max_percent: 100 });
    const told = await trials.ask(wish);
    expect(told.error).toBeUndefined();
    expect(told.provider).toBe('a');
    expect(kindsOf(told)).toContainEqual(['b', 'hedge', 'upstream_overloaded']);
  });

  it('says the first failure when both fail', async () => {
    const { trials } = await pair(later(100, json(500, {})), json(503, {}), {
      after_ms: 30,
      max_percent: 100,
    });
    const told = await trials.ask(wish);
    expect(told.error?.code).toBe('upstream_error');
    expect(told.attempts).toHaveLength(2);
    expect(told.cost?.total).toBe(0);
  });

  it('gives both up when the client leaves, and owes for both prompts', async () => {
    const { trials, a, b } = await pair(later(3000, says('a')), later(3000, says('b')), {
      after_ms: 30,
      max_percent: 100,
    });
    const controller = new AbortController();
    const asked = trials.ask({ ...wish, signal: controller.signal });
    await expect.poll(() => b.seen.length).toBe(1);
    controller.abort();
    const told = await asked;
    expect(told.error?.code).toBe('client_closed');
    await expect.poll(() => a.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
    await expect.poll(() => b.seen[0]?.closedEarlyAfterMs).toBeGreaterThan(0);
    expect(told.usage.input).toBeGreaterThan(0);
    expect(told.usage.input % 2).toBe(0);
    expect(told.cost?.total).toBe(told.usage.input * 1000);
  });
});

describe('bounds of hedging', () => {
  it('is a share of the model’s requests', async () => {
    const { trials, b } = await pair(later(80, says('slow')), later(500, says('slower')), {
      after_ms: 20,
      max_percent: 20,
    });
    await Promise.all(Array.from({ length: 10 }, () => trials.ask()));
    // One that is always allowed, and 20 % of ten.
    expect(b.seen.length).toBeGreaterThanOrEqual(1);
    expect(b.seen.length).toBeLessThanOrEqual(2);
  });

  it('counts in the retry budget', async () => {
    const { trials, b } = await pair(later(80, says('slow')), later(500, says('slower')), {
      after_ms: 20,
      max_percent: 100,
    });
    await Promise.all(Array.from({ length: 10 }, () => trials.ask()));
    // 20 % of ten are two, and three are always allowed.
    expect(b.seen.length).toBeLessThanOrEqual(3);
  });

  it('leaves out what the budget cannot pay and what belongs to one account', async () => {
    const { trials, b } = await pair(later(120, says('slow')), says('never'), {
      after_ms: 20,
      max_percent: 100,
    });
    await trials.ask({ body: { max_tokens: 1000 }, budget: { limitNano: 1_200_000, heldNano: 1_100_000 } });
    await trials.ask({ body: { previous_response_id: 'resp_1' } });
    expect(b.seen).toHaveLength(0);
  });

  it('learns from a percentile of the deployment’s own times', async () => {
    const { trials, a, b } = await pair(says('quick'), says('second'), { percentile: 90, max_percent: 100 });
    a.behave(later(100, says('early')));
    await trials.ask();
    expect(b.seen).toHaveLength(0);
    a.behave(says('quick'));
    // As many as are needed to know a percentile: with more, one of these might be a little late and use up the retry budget.
    for (let n = 0; n < 9; n++) await trials.ask();
    expect(b.seen).toHaveLength(0);
    a.behave(later(1500, says('slow')));
    const told = await trials.ask();
    expect(told.provider).toBe('b');
    expect(told.beganMs).toBeLessThan(1000);
  });
});
