import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Lease, RateLimiter } from './rate.ts';

const ask = (now: number, tokens = 0) => ({ now, tokens, expiresAt: now + 3_600_000 });

test('exactly rpm requests pass, the next is told when to come back', () => {
  const limiter = new RateLimiter();
  for (let index = 0; index < 3; index += 1) {
    const decision = limiter.acquire('k', { rpm: 3 }, ask(1000));
    expect(decision).toMatchObject({ granted: true, requests: { limit: 3, remaining: 2 - index } });
  }
  const refused = limiter.acquire('k', { rpm: 3 }, ask(1000));
  if (refused.granted) throw new Error('passed');
  expect(refused).toMatchObject({ refusedBy: 'rpm', requests: { remaining: 0 } });
  expect(refused.retryAfterMs).toBeGreaterThan(59_000);
  expect(limiter.acquire('k', { rpm: 3 }, ask(1000 + refused.retryAfterMs - 1)).granted).toBe(false);
  expect(limiter.acquire('k', { rpm: 3 }, ask(1000 + refused.retryAfterMs)).granted).toBe(true);
});

test('identities do not share a limit', () => {
  const limiter = new RateLimiter();
  expect(limiter.acquire('a', { rpm: 1 }, ask(0)).granted).toBe(true);
  expect(limiter.acquire('b', { rpm: 1 }, ask(0)).granted).toBe(true);
  expect(limiter.acquire('a', { rpm: 1 }, ask(0)).granted).toBe(false);
});

test('tokens estimated too high are given back, too low are added', () => {
  const limiter = new RateLimiter();
  const first = limiter.acquire('k', { tpm: 100 }, ask(0, 80));
  expect(limiter.acquire('k', { tpm: 100 }, ask(0, 30))).toMatchObject({ granted: false, refusedBy: 'tpm' });
  if (first.granted) first.lease.release(10, 20);
  const second = limiter.acquire('k', { tpm: 100 }, ask(10, 30));
  expect(second).toMatchObject({ granted: true, tokens: { remaining: 50 } });
  if (second.granted) second.lease.release(20, 75);
  expect(limiter.acquire('k', { tpm: 100 }, ask(20, 6)).granted).toBe(false);
  expect(limiter.acquire('k', { tpm: 100 }, ask(20, 5)).granted).toBe(true);
});

test('a wish above the limit is served when nothing else ran', () => {
  const limiter = new RateLimiter();
  expect(limiter.acquire('k', { tpm: 100 }, ask(0, 5000)).granted).toBe(true);
  expect(limiter.acquire('k', { tpm: 100 }, ask(0, 1)).granted).toBe(false);
  expect(limiter.acquire('k', { tpm: 100 }, ask(63_000, 5000)).granted).toBe(true);
});

test('concurrency counts leases, each given back once', () => {
  const limiter = new RateLimiter();
  const first = limiter.acquire('k', { concurrency: 2 }, ask(0));
  limiter.acquire('k', { concurrency: 2 }, ask(0));
  expect(limiter.acquire('k', { concurrency: 2 }, ask(0))).toMatchObject({
    granted: false,
    refusedBy: 'concurrency',
    retryAfterMs: 0,
  });
  if (first.granted) {
    first.lease.release(5);
    first.lease.release(6);
  }
  expect(limiter.inFlight('k')).toBe(1);
  expect(limiter.acquire('k', { concurrency: 2 }, ask(7)).granted).toBe(true);
});

test('a lease that was never given back expires', () => {
  const limiter = new RateLimiter();
  limiter.acquire('k', { concurrency: 1 }, { now: 0, tokens: 0, expiresAt: 1000 });
  expect(limiter.acquire('k', { concurrency: 1 }, ask(999)).granted).toBe(false);
  expect(limiter.acquire('k', { concurrency: 1 }, ask(1000)).granted).toBe(true);
});

test('a refusal takes nothing', () => {
  const limiter = new RateLimiter();
  const limits = { rpm: 10, tpm: 100, concurrency: 10 };
  limiter.acquire('k', limits, ask(0, 100));
  for (let index = 0; index < 50; index += 1) limiter.acquire('k', limits, ask(0, 1));
  expect(limiter.acquire('k', limits, ask(0, 0))).toMatchObject({
    granted: true,
    requests: { remaining: 8 },
  });
  expect(limiter.inFlight('k')).toBe(2);
});

test('identities at rest are forgotten, those with a lease are not', () => {
  const limiter = new RateLimiter();
  const decision = limiter.acquire('k', { rpm: 5 }, ask(0));
  limiter.sweep(100_000);
  expect(limiter.size).toBe(1);
  if (decision.granted) decision.lease.release(100_000);
  limiter.sweep(100_001);
  expect(limiter.size).toBe(1);
  limiter.sweep(200_000);
  expect(limiter.size).toBe(0);
});

test('no 60 seconds ever hold more than the limits, and nothing leaks', () => {
  const move = fc.record({ wait: fc.nat(20_000), tokens: fc.nat(60), end: fc.boolean(), used: fc.nat(60) });
  const limits = { rpm: 10, tpm: 200, concurrency: 4 };
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
      const limiter = new RateLimiter();
      const passed: { at: number; tokens: number }[] = [];
      const open: { lease: Lease; entry: { tokens: number } }[] = [];
      let now = 0;
      for (const { wait, tokens, end, used } of moves) {
        now += wait;
        const oldest = end ? open.shift() : undefined;
        if (oldest) {
          const less = Math.min(used, oldest.entry.tokens);
          oldest.lease.release(now, less);
          oldest.entry.tokens = less;
        }
        const decision = limiter.acquire('k', limits, ask(now, tokens));
        if (decision.granted) {
          const entry = { at: now, tokens };
          passed.push(entry);
          open.push({ lease: decision.lease, entry });
        } else {
          expect(decision.retryAfterMs).toBeLessThanOrEqual(63_000);
        }
        const recent = passed.filter((entry) => entry.at > now - 60_000);
        expect(recent.length).toBeLessThanOrEqual(limits.rpm);
        expect(recent.reduce((sum, entry) => sum + entry.tokens, 0)).toBeLessThanOrEqual(limits.tpm);
        expect(limiter.inFlight('k')).toBe(open.length);
        expect(open.length).toBeLessThanOrEqual(limits.concurrency);
      }
      for (const { lease } of open) lease.release(now);
      limiter.sweep(now + 200_000);
      expect(limiter.size).toBe(0);
    }),
  );
});

test('time that runs backwards frees nothing', () => {
  const limiter = new RateLimiter();
  limiter.acquire('k', { rpm: 1 }, ask(100_000));
  expect(limiter.acquire('k', { rpm: 1 }, ask(5)).granted).toBe(false);
  expect(limiter.acquire('k', { rpm: 1 }, ask(100_001)).granted).toBe(false);
});
