import { describe, expect, it } from 'vitest';
import {
  acceptCredential,
  type Credential,
  CredentialPool,
  refuseCredential,
  type Standing,
} from './credentials.ts';
import { DecayedLatency } from './latency.ts';
import { RetryBudget } from './retry-budget.ts';
import { Sessions } from './sessions.ts';

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

const NOTHING_KNOWN: Standing = { waitMs: () => 0, headroom: () => 1 };

describe('credentials', () => {
  const KEYS = ['secret-number-one', 'secret-number-two', 'secret-number-three'];

  function pool(count: number) {
    const made = new CredentialPool();
    const list = made.of(KEYS.slice(0, count));
    const at = (index: number): Credential => list[index] ?? expect.fail('no such credential');
    const choose = (now = 0, standing = NOTHING_KNOWN) => made.choose(list, now, standing);
    return { made, at, choose };
  }

  it('takes the one with the least in flight, and among equals the longest unused', () => {
    const { made, at, choose } = pool(3);
    const taken = [1, 2, 3].map(() => {
      const index = choose() ?? -1;
      made.begin(at(index));
      return index;
    });
    expect(taken).toEqual([0, 1, 2]);
    at(1).inFlight--;
    expect(choose()).toBe(1);
  });

  it('prefers the one with most of its limits left, in steps of ten percent', () => {
    const { made, at, choose } = pool(3);
    const headroom = [0.31, 0.82, 0.87];
    const standing = (credential: Credential) => headroom[[at(0), at(1), at(2)].indexOf(credential)] ?? 0;
    expect(choose(0, { waitMs: () => 0, headroom: standing })).toBe(1);
    made.begin(at(1));
    // 82 and 87 percent are the same: the idle one.
    expect(choose(0, { waitMs: () => 0, headroom: standing })).toBe(2);
    made.begin(at(2));
    made.begin(at(2));
    expect(choose(0, { waitMs: () => 0, headroom: standing })).toBe(1);
    expect(choose(0, { waitMs: (one) => (one === at(0) ? 0 : 500), headroom: standing })).toBe(0);
  });

  it('rests for a minute after a refusal, doubling to fifteen, and begins anew when it is let in', () => {
    const { at } = pool(1);
    const rest = (now: number) => {
      refuseCredential(at(0), now);
      return at(0).restsUntil - now;
    };
    expect([0, 1e6, 2e6, 3e6, 4e6, 5e6].map(rest)).toEqual([60e3, 120e3, 240e3, 480e3, 900e3, 900e3]);
    acceptCredential(at(0));
    expect(at(0).restsUntil).toBe(0);
    expect(rest(6e6)).toBe(60e3);
  });

  it('counts refusals of one moment once, and offers none when all rest', () => {
    const { at, choose } = pool(1);
    for (let n = 0; n < 20; n++) refuseCredential(at(0), n);
    expect(at(0).restsUntil).toBe(60_000);
    expect(choose(20)).toBeUndefined();
    expect(pool(0).choose()).toBeUndefined();
  });

  it('knows a credential by itself, wherever a newer configuration lists it', () => {
    const made = new CredentialPool();
    const before = made.of(['bad-key-of-old', 'good-key-of-old']);
    refuseCredential(before[0] ?? expect.fail(), 0);
    const after = made.of(['good-key-of-old', 'mended-key']);
    expect(after[0]).toBe(before[1]);
    expect(after.map(({ restsUntil }) => restsUntil)).toEqual([0, 0]);
    expect(made.of(['bad-key-of-old', 'good-key-of-old'])[1]).toBe(before[1]);
  });

  it('shows the last four characters of a long one and nothing of a short one', () => {
    const [long, short] = new CredentialPool().of(['sk-proj-abcdefgh1234', 'hunter2']);
    expect([long?.hint, short?.hint]).toEqual(['1234', '']);
    expect(JSON.stringify([long, short])).not.toMatch(/abcdefgh|hunter/);
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
    const home = (deployment: string) => ({ deployment, credential: undefined });
    sessions.keep('s', home('a'), 0);
    expect(sessions.find('s', 3_600_000)).toBe('a');
    expect(sessions.find('s', 3_600_001)).toBeUndefined();
    for (let n = 0; n < 50_010; n++) sessions.keep(`n${n}`, home('a'), 1);
    expect(sessions.size).toBe(50_000);
    expect(sessions.find('n9', 1)).toBeUndefined();
    expect(sessions.find('n50009', 1)).toBe('a');
  });
});
