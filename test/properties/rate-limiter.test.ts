import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lease, RateLimiter } from '../../src/core/policy/rate.ts';

const LEASE_MS = 5000;
const MINUTE_MS = 60_000;

const step = fc.record({
  passed: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 30_000 })),
  act: fc.constantFrom('ask', 'ask', 'ask', 'release', 'cancel', 'sweep'),
  id: fc.constantFrom('x', 'y'),
  tokens: fc.integer({ min: 0, max: 80 }),
  used: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
});

interface Held {
  readonly id: string;
  readonly lease: Lease;
  readonly expiresAt: number;
}

describe('rate limiter, whatever happens', () => {
  it('never runs more at once than the limit, whatever is given back, cancelled or lost', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200 }),
        fc.record({
          rpm: fc.integer({ min: 1, max: 20 }),
          tpm: fc.integer({ min: 20, max: 300 }),
          concurrency: fc.integer({ min: 1, max: 5 }),
        }),
        (steps, limits) => {
          const limiter = new RateLimiter();
          const held: Held[] = [];
          let now = 1000;
          for (const { passed, act, id, tokens, used } of steps) {
            now += passed;
            if (act === 'sweep') limiter.sweep(now);
            const [one] = act === 'release' || act === 'cancel' ? held.splice(0, 1) : [];
            if (act === 'release') one?.lease.release(now, used);
            if (act === 'cancel') one?.lease.cancel(now);
            if (act !== 'ask') continue;
            // Those that were never given back count until their time is over.
            const live = held.filter((other) => other.id === id && other.expiresAt > now).length;
            const decision = limiter.acquire(id, limits, { tokens, now, expiresAt: now + LEASE_MS });
            if (decision.granted) {
              expect(live).toBeLessThan(limits.concurrency);
              held.push({ id, lease: decision.lease, expiresAt: now + LEASE_MS });
            } else if (decision.refusedBy === 'concurrency') {
              expect(live).toBe(limits.concurrency);
              expect(decision.retryAfterMs).toBe(0);
            } else {
              expect(decision.retryAfterMs).toBeGreaterThan(0);
              expect(decision.retryAfterMs).toBeLessThanOrEqual(MINUTE_MS + 3000);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps requests and tokens of any minute within their limits', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ passed: fc.integer({ min: 0, max: 9000 }), tokens: fc.integer({ min: 0, max: 90 }) }),
          { maxLength: 150 },
        ),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 50, max: 200 }),
        (asks, rpm, tpm) => {
          const limiter = new RateLimiter();
          const granted: { at: number; tokens: number }[] = [];
          let now = 0;
          for (const { passed, tokens } of asks) {
            now += passed;
            const decision = limiter.acquire('x', { rpm, tpm }, { tokens, now, expiresAt: now + LEASE_MS });
            if (!decision.granted) continue;
            decision.lease.release(now);
            // A wish above the limit counts as the whole limit.
            granted.push({ at: now, tokens: Math.min(tokens, tpm) });
            const minute = granted.filter(({ at }) => now - at < MINUTE_MS);
            expect(minute.length).toBeLessThanOrEqual(rpm);
            expect(minute.reduce((sum, one) => sum + one.tokens, 0)).toBeLessThanOrEqual(tpm);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('frees the place of a lease that was never given back, at its time and not before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 100_000 }),
        (concurrency, lifeMs) => {
          const limiter = new RateLimiter();
          const ask = (now: number) =>
            limiter.acquire('x', { concurrency }, { tokens: 0, now, expiresAt: now + lifeMs }).granted;
          for (let n = 0; n < concurrency; n++) expect(ask(0)).toBe(true);
          expect(ask(0)).toBe(false);
          expect(ask(lifeMs - 1)).toBe(false);
          for (let n = 0; n < concurrency; n++) expect(ask(lifeMs)).toBe(true);
          expect(ask(lifeMs)).toBe(false);
        },
      ),
    );
  });

  it('is honest: what is asked again after `retryAfterMs` is let in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 100 }),
        (gaps, rpm, tokens) => {
          const limiter = new RateLimiter();
          const limits = { rpm, tpm: 250 };
          let now = 0;
          for (const gap of gaps) {
            now += gap;
            const decision = limiter.acquire('x', limits, { tokens, now, expiresAt: now + LEASE_MS });
            if (decision.granted) {
              decision.lease.release(now);
              continue;
            }
            now += decision.retryAfterMs;
            const again = limiter.acquire('x', limits, { tokens, now, expiresAt: now + LEASE_MS });
            expect(again.granted).toBe(true);
            if (again.granted) again.lease.release(now);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('forgets who is gone', () => {
    const limiter = new RateLimiter();
    for (let n = 0; n < 50; n++)
      limiter.acquire(`k${n}`, { rpm: 5, concurrency: 2 }, { tokens: 1, now: 0, expiresAt: LEASE_MS });
    limiter.sweep(LEASE_MS);
    expect(limiter.size).toBe(50);
    limiter.sweep(MINUTE_MS + 4000);
    expect(limiter.size).toBe(0);
  });
});
