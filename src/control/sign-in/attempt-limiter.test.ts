import { expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import { AttemptLimiter } from './attempt-limiter.ts';

function at() {
  let now = 0;
  const clock = { monotonic: () => now, now: () => now, after: () => () => undefined } as Clock;
  return {
    clock,
    pass(ms: number) {
      now += ms;
    },
  };
}

/** Seconds to wait; 0 for an attempt that is let through. */
function wait(limiter: AttemptLimiter, name = 'ada'): number {
  try {
    limiter.begin(name);
    return 0;
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'rate_limited') throw error;
    return error.facts.retryAfterS ?? 0;
  }
}

test('so many in a minute, each name by itself, and a success forgets them', () => {
  const time = at();
  const limiter = new AttemptLimiter(time.clock, 3);
  expect([wait(limiter), wait(limiter), wait(limiter), wait(limiter)]).toEqual([0, 0, 0, 60]);
  expect(wait(limiter, 'bob')).toBe(0);
  time.pass(20_000);
  expect(wait(limiter)).toBe(40);
  time.pass(40_000);
  expect(wait(limiter)).toBe(0);
  limiter.succeeded('ada');
  expect([wait(limiter), wait(limiter), wait(limiter)]).toEqual([0, 0, 0]);
});

test('who goes on failing waits twice as long each time, up to an hour: six digits are not guessed', () => {
  const time = at();
  const limiter = new AttemptLimiter(time.clock, 5, true);
  const pauses: number[] = [];
  let tried = 0;
  for (let spent = 0; spent < 24 * 3_600_000; ) {
    const seconds = wait(limiter);
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
  // Others make room for themselves without making it be forgotten.
  expect(wait(limiter, 'bob')).toBe(0);
  for (let index = 0; index < 5; index += 1) wait(limiter);
  expect(wait(limiter)).toBe(3600);
  limiter.succeeded('ada');
  for (let index = 0; index < 5; index += 1) expect(wait(limiter)).toBe(0);
  expect(wait(limiter)).toBe(60);
});
