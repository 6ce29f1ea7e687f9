import { describe, expect, it } from 'vitest';
import { balance, type Place, type Strategy } from './balance.ts';
import { CredentialPool } from './credentials.ts';
import { FairQueue } from './fair-queue.ts';
import { DecayedLatency } from './latency.ts';
import { LearnedLimits, readLimitHeaders } from './learned-limits.ts';
import { RetryBudget } from './retry-budget.ts';
import { Sessions } from './sessions.ts';

/** Numbers in [0, 1) that repeat with the seed (Lehmer, modulus 2³¹ − 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state - 1) / 2_147_483_646;
  };
}

describe('retry budget (R6)', () => {
  it('allows three in any ten seconds however few requests came', () => {
    const budget = new RetryBudget();
    budget.request(0);
    expect([1, 2, 3, 4].map(() => budget.take(20, 0))).toEqual([true, true, true, false]);
    expect(budget.take(20, 9000)).toBe(false);
    expect(budget.take(20, 11_000)).toBe(true);
  });

  it('keeps attempts at 1.2 times the requests plus three under load', () => {
    const budget = new RetryBudget();
    let attempts = 0;
    const requests = 5000;
    for (let n = 0; n < requests; n++) {
      const now = n * 4;
      budget.request(now);
      attempts++;
      while (budget.take(20, now)) attempts++;
    }
    expect(attempts).toBeGreaterThan(requests * 1.15);
    expect(attempts).toBeLessThanOrEqual(requests * 1.2 + 3);
  });

  it('allows none when the configuration says 0 %', () => {
    expect(new RetryBudget().take(0, 0)).toBe(false);
  });
});

describe('credentials', () => {
  const none = () => false;

  it('takes the one with the least in flight, and among equals the longest unused', () => {
    const pool = new CredentialPool();
    pool.resize(3);
    const taken = [1, 2, 3].map(() => {
      const index = pool.choose(0, none) ?? -1;
      pool.begin(index);
      return index;
    });
    expect(taken).toEqual([0, 1, 2]);
    pool.end(1);
    expect(pool.choose(0, none)).toBe(1);
  });

  it('rests for a minute after a refusal, doubling to fifteen, and begins anew when it is let in', () => {
    const pool = new CredentialPool();
    pool.resize(1);
    const rest = (now: number) => {
      pool.refused(0, now);
      return (pool.view()[0]?.restsUntil ?? 0) - now;
    };
    expect([0, 1e6, 2e6, 3e6, 4e6, 5e6].map(rest)).toEqual([60e3, 120e3, 240e3, 480e3, 900e3, 900e3]);
    pool.accepted(0);
    expect(pool.rests(0, 6e6)).toBe(false);
    expect(rest(6e6)).toBe(60e3);
  });

  it('counts refusals of one moment once', () => {
    const pool = new CredentialPool();
    pool.resize(1);
    for (let n = 0; n < 20; n++) pool.refused(0, n);
    expect(pool.view()[0]?.restsUntil).toBe(60_000);
  });

  it('offers the one whose rest ends first when all rest, and none when there is none', () => {
    const pool = new CredentialPool();
    expect(pool.choose(0, none)).toBeUndefined();
    pool.resize(2);
    pool.refused(1, 0);
    pool.refused(0, 10);
    expect(pool.usable(20, none)).toBe(false);
    expect(pool.choose(20, none)).toBe(1);
  });
});

describe('fair queue', () => {
  it('takes tenants in turn, and first come, first served within one', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.push('a', item);
    queue.push('b', 'b1');
    queue.push('c', 'c1');
    queue.push('b', 'b2');
    const order = Array.from({ length: 7 }, () => queue.shift());
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
    expect(queue.length).toBe(0);
    expect(queue.shift()).toBeUndefined();
  });

  it('lets go of who leaves', () => {
    const queue = new FairQueue<string>();
    queue.push('a', 'a1');
    queue.push('a', 'a2');
    queue.remove('a', 'a1');
    queue.remove('a', 'a1');
    queue.remove('b', 'a2');
    expect(queue.length).toBe(1);
    expect(queue.peek()).toBe('a2');
  });
});

describe('limits learned from headers', () => {
  const openai = {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1m0s',
  };

  it('reads OpenAI’s and Anthropic’s spelling', () => {
    expect(readLimitHeaders(openai, 0)).toEqual({ requests: { limit: 60, remaining: 0, resetMs: 60_000 } });
    const anthropic = {
      'anthropic-ratelimit-tokens-limit': '1000',
      'anthropic-ratelimit-tokens-remaining': '250',
      'anthropic-ratelimit-tokens-reset': '2026-01-01T00:00:30Z',
    };
    expect(readLimitHeaders(anthropic, Date.parse('2026-01-01T00:00:00Z'))).toEqual({
      tokens: { limit: 1000, remaining: 250, resetMs: 30_000 },
    });
    expect(readLimitHeaders({ 'content-type': 'x' }, 0)).toBeUndefined();
    const odd = (remaining: string, reset: string) =>
      readLimitHeaders(
        { 'x-ratelimit-remaining-requests': remaining, 'x-ratelimit-reset-requests': reset },
        0,
      );
    expect(odd('lots', '1s')).toBeUndefined();
    expect(odd('1', '120ms')?.requests?.resetMs).toBe(120);
    expect(odd('1', '2.5')?.requests?.resetMs).toBe(2500);
    expect(odd('1', 'soon')?.requests?.resetMs).toBe(1000);
    // A daily quota is no matter for a queue.
    expect(odd('0', '23h')).toBeUndefined();
  });

  it('waits for one request’s share of the reset, as a token bucket fills up', () => {
    const limits = new LearnedLimits();
    limits.learn(readLimitHeaders(openai, 0) ?? {}, 0);
    expect(limits.waitFor(0, 0)).toBeCloseTo(1000);
    expect(limits.waitFor(0, 600)).toBeCloseTo(400);
    expect(limits.waitFor(0, 1000)).toBe(0);
    limits.take(0);
    expect(limits.waitFor(0, 1000)).toBeCloseTo(1000);
    expect(limits.waitFor(0, 60_000)).toBe(0);
  });

  it('waits for tokens, and for a wish above the limit only until all of it is there', () => {
    const limits = new LearnedLimits();
    limits.learn({ tokens: { limit: 1000, remaining: 500, resetMs: 10_000 } }, 0);
    expect(limits.waitFor(400, 0)).toBe(0);
    expect(limits.waitFor(600, 0)).toBeCloseTo(2000);
    expect(limits.waitFor(50_000, 0)).toBeCloseTo(10_000);
  });
});

describe('latency', () => {
  it('is 0 until measured, follows new samples and fades', () => {
    const latency = new DecayedLatency();
    expect(latency.expected(0)).toBe(0);
    latency.add(1000, 0);
    expect(latency.expected(0)).toBe(1000);
    for (let n = 1; n <= 50; n++) latency.add(100, n * 100);
    expect(latency.expected(5000)).toBeLessThan(110);
    expect(latency.expected(5000 + 120_000)).toBeCloseTo(latency.expected(5000) / 2);
  });
});

describe('sessions', () => {
  it('forgets after an hour and keeps at most 50,000', () => {
    const sessions = new Sessions();
    sessions.keep('s', 'a', 0);
    expect(sessions.find('s', 3_600_000)).toBe('a');
    expect(sessions.find('s', 3_600_001)).toBeUndefined();
    for (let n = 0; n < 50_010; n++) sessions.keep(`n${n}`, 'a', 1);
    expect(sessions.size).toBe(50_000);
    expect(sessions.find('n9', 1)).toBeUndefined();
    expect(sessions.find('n50009', 1)).toBe('a');
  });
});

describe('balance', () => {
  const place = (item: string, more: Partial<Place<string>> = {}): Place<string> => ({
    item,
    weight: 1,
    inFlight: 0,
    latencyMs: 0,
    cost: 1,
    ...more,
  });

  function shares(places: readonly Place<string>[], strategy: Strategy, rounds = 20_000) {
    const uniform = seeded(7);
    const counts: Record<string, number> = {};
    for (let n = 0; n < rounds; n++) {
      const first = balance(places, strategy, uniform)[0]?.item ?? '';
      counts[first] = (counts[first] ?? 0) + 1 / rounds;
    }
    return counts;
  }

  it('weighted: shares follow the weights', () => {
    const counts = shares([place('a', { weight: 3 }), place('b')], 'weighted');
    expect(counts['a']).toBeCloseTo(0.75, 1);
    expect(counts['b']).toBeCloseTo(0.25, 1);
  });

  it('least_busy: least in flight for its weight, ties by weight at random', () => {
    const busy = [place('a', { inFlight: 3 }), place('b', { inFlight: 4, weight: 2 })];
    expect(shares(busy, 'least_busy', 100)).toEqual({ b: expect.closeTo(1) });
    const idle = shares([place('a'), place('b')], 'least_busy');
    expect(idle['a']).toBeCloseTo(0.5, 1);
  });

  it('lowest_latency: the fastest, the unmeasured first, and one in a hundred elsewhere', () => {
    const measured = [place('a', { latencyMs: 200 }), place('b', { latencyMs: 100 })];
    const counts = shares(measured, 'lowest_latency');
    expect(counts['a']).toBeGreaterThan(0.003);
    expect(counts['a']).toBeLessThan(0.01);
    const fresh = shares([...measured, place('c')], 'lowest_latency');
    expect(fresh['c']).toBeGreaterThan(0.98);
  });

  it('lowest_cost and priority: in order, unknown prices last', () => {
    const places = [place('x', { cost: Number.POSITIVE_INFINITY }), place('a', { cost: 2 }), place('b')];
    const names = (strategy: Strategy) => balance(places, strategy, seeded(1)).map(({ item }) => item);
    expect(names('lowest_cost')).toEqual(['b', 'a', 'x']);
    expect(names('priority')).toEqual(['x', 'a', 'b']);
  });
});
