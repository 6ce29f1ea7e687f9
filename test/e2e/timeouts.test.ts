import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningDeadEnds, startDeadEnds } from '../../src/app/simulator/dead-ends.ts';
import { runtimeOf } from '../support/attempts.ts';
import { openTrials, type Trials, type Wish } from '../support/trials.ts';
import {
  type Behaviour,
  CHAT_END,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

const hello = chatChunk({ role: 'assistant', content: 'Hello' });
const streamed: Wish = { body: { stream: true } };

let slow: TestUpstream;
let dead: RunningDeadEnds;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  slow = await startUpstream(chatAnswer('hi'));
  dead = await startDeadEnds();
  open.push(dead, slow);
});

afterAll(async () => {
  while (open.length > 0) await open.pop()?.close();
});

type Timeouts = Readonly<Record<string, number>>;

/** One deployment with timers named at each level. */
function gate(
  behaviour: Behaviour | undefined,
  timeouts: {
    readonly model?: Timeouts;
    readonly provider?: Timeouts;
    readonly deployment?: Timeouts;
    readonly attempts?: number;
  },
): Trials {
  if (behaviour !== undefined) slow.behave(behaviour);
  const base_url = behaviour === undefined ? dead.urls.unaccepting : slow.url;
  const never = { failures: 1_000_000, failure_percent: 100, min_requests: 1_000_000 };
  const trials = openTrials({
    upstream: { circuit: never },
    providers: {
      p: {
        type: 'openai-compatible',
        base_url: `${base_url}/v1`,
        api_key: 'k',
        timeouts: timeouts.provider ?? {},
      },
    },
    models: {
      m: {
        deployments: [{ provider: 'p', model: 'm', timeouts: timeouts.deployment ?? {} }],
        retries: { attempts: timeouts.attempts ?? 0, backoff_ms: 1, max_backoff_ms: 2 },
        timeouts: timeouts.model ?? {},
      },
    },
  } as never);
  open.unshift(trials);
  return trials;
}

/** Fails with this code, not before and not long after. */
async function expectFailure(
  trials: Trials,
  wish: Wish,
  told: { code: string; fromMs: number; toMs: number },
) {
  const from = performance.now();
  const outcome = await trials.ask(wish);
  const ms = performance.now() - from;
  expect(outcome.error?.code).toBe(told.code);
  expect(ms).toBeGreaterThanOrEqual(told.fromMs);
  expect(ms).toBeLessThanOrEqual(told.toMs);
  return outcome;
}

const silent: Behaviour = () => undefined;
const headersOnly: Behaviour = (_seen, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
};
const stallAfterContent = sse((send) => send(hello));
const pingAfterContent = sse((send, response) => {
  send(hello);
  const timer = setInterval(() => send(': ping\n\n'), 30);
  response.on('close', () => clearInterval(timer));
});
/** Steady progress for longer than any of the timers. */
const steady = sse(async (send, response) => {
  for (let n = 0; n < 12; n++) {
    send(chatChunk({ role: 'assistant', content: `${n} ` }));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  send(chatChunk({}, 'stop') + CHAT_END);
  response.end();
});

describe('each phase has its timer', () => {
  it('connect: a queue that is full', async () => {
    const trials = gate(undefined, { model: { connect_ms: 200 } });
    await expectFailure(trials, {}, { code: 'upstream_unreachable', fromMs: 150, toMs: 2500 });
  });

  it('first byte: no headers', async () => {
    const trials = gate(silent, { model: { first_byte_ms: 200 } });
    const { error } = await expectFailure(trials, streamed, {
      code: 'upstream_timeout',
      fromMs: 190,
      toMs: 1500,
    });
    expect(error?.status).toBe(504);
  });

  it('first byte: headers, and then nothing of the body', async () => {
    const trials = gate(headersOnly, { model: { first_byte_ms: 200 } });
    const { error, begun } = await expectFailure(trials, streamed, {
      code: 'upstream_timeout',
      fromMs: 190,
      toMs: 800,
    });
    expect(error?.message).toContain('first_byte_ms');
    expect(begun).toBe(false);
  });

  it('byte idle: silence after content', async () => {
    const trials = gate(stallAfterContent, { model: { idle_ms: 200 } });
    const told = await expectFailure(trials, streamed, { code: 'upstream_timeout', fromMs: 190, toMs: 1500 });
    expect(told.begun).toBe(true);
    expect(told.text + told.wire).toContain('Hello');
  });

  it('progress idle: pings alone do not keep a stream alive', async () => {
    const trials = gate(pingAfterContent, { model: { idle_ms: 10_000, progress_idle_ms: 250 } });
    const told = await expectFailure(trials, streamed, { code: 'upstream_timeout', fromMs: 240, toMs: 1500 });
    expect(told.error?.message).toContain('progress_idle_ms');
  });

  it('total: a whole answer that never comes', async () => {
    const trials = gate(silent, { model: { total_ms: 200 } });
    await expectFailure(trials, {}, { code: 'upstream_timeout', fromMs: 190, toMs: 1500 });
  });

  it('total: a whole answer that comes drop by drop', async () => {
    const drip: Behaviour = (_seen, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    };
    const trials = gate(drip, { model: { total_ms: 250 } });
    await expectFailure(trials, {}, { code: 'upstream_timeout', fromMs: 240, toMs: 1500 });
  });

  it('a stream that makes progress has no total limit', async () => {
    const trials = gate(steady, {
      model: { total_ms: 150, first_byte_ms: 150, idle_ms: 150, progress_idle_ms: 150 },
    });
    const told = await trials.ask(streamed);
    expect(told.error).toBeUndefined();
    expect(told.wire).toContain('11 ');
  });
});

describe('where timers are set', () => {
  it.each([
    ['provider', { provider: { total_ms: 200 } }],
    ['model', { provider: { total_ms: 5000 }, model: { total_ms: 200 } }],
    [
      'deployment',
      { provider: { total_ms: 5000 }, model: { total_ms: 5000 }, deployment: { total_ms: 200 } },
    ],
  ] as const)('on the %s', async (_level, timeouts) => {
    await expectFailure(gate(silent, timeouts), {}, { code: 'upstream_timeout', fromMs: 190, toMs: 1500 });
  });

  it('by the request: all attempts together', async () => {
    const trials = gate(
      (_seen, response) => {
        setTimeout(() => response.writeHead(503).end('{}'), 150);
      },
      { attempts: 8 },
    );
    const { attempts } = await expectFailure(
      trials,
      { timeoutMs: 400 },
      { code: 'upstream_timeout', fromMs: 390, toMs: 900 },
    );
    expect(attempts.length).toBeGreaterThanOrEqual(2);
    expect(attempts.length).toBeLessThanOrEqual(4);
  });

  it('by the request: a stream that makes progress, too', async () => {
    const told = await expectFailure(
      gate(steady, {}),
      { ...streamed, timeoutMs: 300 },
      { code: 'upstream_timeout', fromMs: 290, toMs: 700 },
    );
    expect(told.begun).toBe(true);
  });

  it('by the request: no wait for a retry that would come too late', async () => {
    const trials = gate((_seen, response) => void response.writeHead(503, { 'retry-after': '5' }).end('{}'), {
      attempts: 3,
    });
    const from = performance.now();
    const told = await trials.ask({ timeoutMs: 1000 });
    expect(told.error?.code).toBe('upstream_overloaded');
    expect(performance.now() - from).toBeLessThan(500);
  });

  it('has the defaults of R5', () => {
    const { resolve } = runtimeOf({ providers: { openai: { api_key: 'k' } } });
    const usual = resolve('openai/gpt-4o')?.deployments[0]?.timeouts;
    expect(usual).toEqual({
      connectMs: 5000,
      firstByteMs: 60_000,
      idleMs: 120_000,
      progressIdleMs: 600_000,
      totalMs: 600_000,
    });
    expect(resolve('openai/gpt-5')?.deployments[0]?.timeouts.firstByteMs).toBe(300_000);
  });
});
