import { describe, expect, it } from 'vitest';
import { LearnedLimits } from './learned-limits.ts';
import { type Allowance, readLimitHeaders } from './limit-headers.ts';

const openai = {
  'x-ratelimit-limit-requests': '60',
  'x-ratelimit-remaining-requests': '0',
  'x-ratelimit-reset-requests': '1m0s',
};

const told = (headers: Record<string, string>, wallNow = 0) => readLimitHeaders(headers, wallNow) ?? [];
const tokens = (count: number) => ({ prompt: count, output: 1 });

/** Without the name, which is only for telling several apart. */
function plain(allowances: readonly Allowance[]) {
  return allowances.map(({ kind, limit, remaining, resetMs }) => [kind, limit, remaining, resetMs]);
}

describe('limits told by headers', () => {
  it('reads OpenAI’s and Anthropic’s spelling', () => {
    expect(plain(told(openai))).toEqual([['requests', 60, 0, 60_000]]);
    const anthropic = {
      'anthropic-ratelimit-input-tokens-limit': '1000',
      'anthropic-ratelimit-input-tokens-remaining': '250',
      'anthropic-ratelimit-input-tokens-reset': '2026-01-01T00:00:30Z',
      'anthropic-ratelimit-output-tokens-limit': '500',
      'anthropic-ratelimit-output-tokens-remaining': '400',
      'anthropic-ratelimit-output-tokens-reset': '2026-01-01T00:00:10Z',
    };
    expect(plain(told(anthropic, Date.parse('2026-01-01T00:00:00Z')))).toEqual([
      ['input', 1000, 250, 30_000],
      ['output', 500, 400, 10_000],
    ]);
    expect(readLimitHeaders({ 'content-type': 'x' }, 0)).toBeUndefined();
  });

  it('takes what is odd for what it most likely means', () => {
    const odd = (remaining: string, reset: string) =>
      told({ 'x-ratelimit-remaining-requests': remaining, 'x-ratelimit-reset-requests': reset })[0];
    expect(odd('lots', '1s')).toBeUndefined();
    expect(odd('-1', '1s')).toBeUndefined();
    expect(odd('1', '120ms')?.resetMs).toBe(120);
    expect(odd('1', '2.5')?.resetMs).toBe(2500);
    expect(odd('1', 'soon')?.resetMs).toBe(1000);
    expect(odd('1', '1m59.56s')?.resetMs).toBeCloseTo(119_560);
  });

  it('leaves daily quotas to the upstream’s own 429', () => {
    expect(told({ ...openai, 'x-ratelimit-reset-requests': '23h' })).toEqual([]);
  });

  it('reads the spellings of other vendors', () => {
    const azure = {
      'x-ratelimit-limit-requests': '250',
      'x-ratelimit-remaining-requests': '200',
      'x-ratelimit-reset-requests': '0',
      'x-ratelimit-renewalperiod-requests': '60',
    };
    expect(plain(told(azure))).toEqual([['requests', 250, 200, 12_000]]);
    const azureOld = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-remaining-tokens': '119952' };
    expect(plain(told(azureOld))).toEqual([
      ['requests', undefined, 0, 1000],
      ['tokens', undefined, 119_952, 1000],
    ]);
    const mistral = {
      'x-ratelimit-limit-req-minute': '100',
      'x-ratelimit-remaining-req-minute': '87',
      'x-ratelimit-limit-req-10-second': '60',
      'x-ratelimit-remaining-req-10-second': '0',
      'x-ratelimitbysize-limit-minute': '500000',
      'x-ratelimitbysize-remaining-minute': '250000',
    };
    expect(plain(told(mistral))).toEqual([
      ['requests', 100, 87, 7800],
      ['requests', 60, 0, 10_000],
      ['tokens', 500_000, 250_000, 30_000],
    ]);
    const xai = { 'x-ratelimit-limit-requests': '1800', 'x-ratelimit-remaining-requests': '900' };
    expect(plain(told(xai))).toEqual([['requests', 1800, 900, 30_000]]);
    const together = {
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset': '2',
      'x-tokenlimit-limit': '2000',
      'x-tokenlimit-remaining': '0',
    };
    expect(plain(told(together))).toEqual([
      ['requests', 2, 1, 2000],
      ['tokens', 2000, 0, 60_000],
    ]);
    const openrouter = {
      'x-ratelimit-limit': '20',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '1767225605000',
    };
    expect(plain(told(openrouter, Date.parse('2026-01-01T00:00:00Z')))).toEqual([['requests', 20, 0, 5000]]);
  });
});

describe('limits learned from headers', () => {
  it('waits for one request’s share of the reset, as a token bucket fills up', () => {
    const limits = new LearnedLimits();
    limits.learn(told(openai), 0);
    expect(limits.waitFor(tokens(0), 0)).toBeCloseTo(1000);
    expect(limits.waitFor(tokens(0), 600)).toBeCloseTo(400);
    expect(limits.waitFor(tokens(0), 1000)).toBe(0);
    limits.take(tokens(0));
    expect(limits.waitFor(tokens(0), 1000)).toBeCloseTo(1000);
    expect(limits.waitFor(tokens(0), 60_000)).toBe(0);
  });

  it('waits for tokens, and for a wish above the limit only until all of it is there', () => {
    const limits = new LearnedLimits();
    limits.learn([{ kind: 'tokens', name: 't', limit: 1000, remaining: 500, resetMs: 10_000 }], 0);
    expect(limits.waitFor(tokens(400), 0)).toBe(0);
    expect(limits.waitFor(tokens(600), 0)).toBeCloseTo(2000);
    expect(limits.waitFor(tokens(50_000), 0)).toBeCloseTo(10_000);
  });

  it('keeps input and output apart, and knows how much of the tightest limit is left', () => {
    const limits = new LearnedLimits();
    expect(limits.headroom(0)).toBe(1);
    limits.learn(
      [
        { kind: 'input', name: 'i', limit: 1000, remaining: 900, resetMs: 6000 },
        { kind: 'output', name: 'o', limit: 100, remaining: 0, resetMs: 60_000 },
      ],
      0,
    );
    expect(limits.headroom(0)).toBe(0);
    expect(limits.waitFor({ prompt: 10, output: 1 }, 0)).toBeCloseTo(600);
    limits.learn([{ kind: 'output', name: 'o', limit: 100, remaining: 50, resetMs: 30_000 }], 0);
    expect(limits.headroom(0)).toBeCloseTo(0.5);
    limits.take({ prompt: 800, output: 1 });
    expect(limits.headroom(0)).toBeCloseTo(0.1);
    expect(limits.headroom(30_000)).toBe(1);
  });
});
