import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import { type Attempts, nextAttempt } from '../../core/policy/attempts.ts';
import type { AttemptStore } from '../../ports/attempt-store.ts';
import type { Clock } from '../../ports/clock.ts';
import { AttemptLimiter, type AttemptPorts } from './attempt-limiter.ts';

/** Two processes would have a store in common; so have two limiters here. */
function at() {
  let now = 0;
  const clock = { monotonic: () => now, now: () => now, after: () => () => undefined } as Clock;
  const kept = new Map<string, Attempts>();
  const attempts: AttemptStore = {
    async begin(name, rule, at) {
      const next = nextAttempt(kept.get(name), rule, at);
      kept.set(name, next.attempts);
      return next.waitMs;
    },
    async forget(name) {
      kept.delete(name);
    },
  };
  const ports: AttemptPorts = { store: { attempts }, secrets: { hashKey: (text) => `#${text}` }, clock };
  return {
    ports,
    kept,
    pass(ms: number) {
      now += ms;
    },
  };
}

/** Seconds to wait; 0 for an attempt that is let through. */
async function wait(limiter: AttemptLimiter, name = 'ada'): Promise<number> {
  try {
    await limiter.begin(name);
    return 0;
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'rate_limited') throw error;
    return error.facts.retryAfterS ?? 0;
  }
}

async function waits(limiter: AttemptLimiter, times: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let n = 0; n < times; n++) found.push(await wait(limiter));
  return found;
}

test('so many in a minute, each name by itself, and a success forgets them', async () => {
  const time = at();
  const limiter = new AttemptLimiter(time.ports, 'password', { limit: 3, escalates: false });
  expect(await waits(limiter, 4)).toEqual([0, 0, 0, 60]);
  expect(await wait(limiter, 'bob')).toBe(0);
  time.pass(20_000);
  expect(await wait(limiter)).toBe(40);
  time.pass(40_000);
  expect(await wait(limiter)).toBe(0);
  await limiter.succeeded('ada');
  expect(await waits(limiter, 3)).toEqual([0, 0, 0]);
  // Names are not kept as they were typed, and each kind counts for itself.
  expect([...time.kept.keys()]).toEqual(['password/#bob', 'password/#ada']);
});

test('who goes on failing waits twice as long each time, up to an hour: six digits are not guessed', async () => {
  const time = at();
  const limiters = [1, 2].map(
    () => new AttemptLimiter(time.ports, 'code', { limit: 5, escalates: true }),
  ) as [AttemptLimiter, AttemptLimiter];
  const pauses: number[] = [];
  let tried = 0;
  for (let spent = 0; spent < 24 * 3_600_000; ) {
    const seconds = await wait(limiters[(tried % 2) as 0 | 1]);
    if (seconds === 0) tried += 1;
    else {
      pauses.push(seconds);
      time.pass(seconds * 1000);
      spent += seconds * 1000;
    }
  }
  expect(pauses.slice(0, 8)).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600]);
  // Three codes of a million are right at any time: less than one in a thousand a day.
  expect((tried * 3) / 1_000_000).toBeLessThan(0.001);
  const [limiter] = limiters;
  expect((await waits(limiter, 6)).at(-1)).toBe(3600);
  await limiter.succeeded('ada');
  expect(await waits(limiter, 6)).toEqual([0, 0, 0, 0, 0, 60]);
});

test('a pause from before the machine was started anew is none', () => {
  const before: Attempts = { count: 9, endsAt: 90 * 3_600_000, strikes: 7 };
  expect(nextAttempt(before, { limit: 5, escalates: true }, 1000)).toMatchObject({ waitMs: 0 });
});
