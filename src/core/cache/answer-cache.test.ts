import { expect, test } from 'vitest';
import type { ChatResponse } from '../model/index.ts';
import { UNKNOWN_USAGE } from '../model/index.ts';
import { AnswerCache } from './answer-cache.ts';

const answer = (text: string): ChatResponse => ({
  choices: [{ index: 0, parts: [{ type: 'text', text }], finish: { reason: 'stop' } }],
  usage: UNKNOWN_USAGE,
});
const keeping = { now: 0, ttlMs: 1000, bytes: 100, maxBytes: 1500 };

test('an answer is found until its time is over', () => {
  const cache = new AnswerCache();
  cache.put('a', answer('one'), keeping);
  expect(cache.find('a', 999)?.response).toEqual(answer('one'));
  expect(cache.find('a', 500, 400)).toBeUndefined();
  expect(cache.find('a', 1000)).toBeUndefined();
  expect([cache.size, cache.bytes]).toEqual([0, 0]);
});

test('the least used goes first, and the bytes stay bounded', () => {
  const cache = new AnswerCache();
  for (const key of ['a', 'b', 'c']) cache.put(key, answer(key), keeping);
  cache.find('a', 1);
  cache.put('d', answer('d'), keeping);
  expect(cache.find('b', 1)).toBeUndefined();
  expect(cache.find('a', 1)).toBeDefined();
  for (let n = 0; n < 100; n++) cache.put(`k${n}`, answer('x'), { ...keeping, bytes: n * 10 });
  expect(cache.bytes).toBeLessThanOrEqual(keeping.maxBytes);
});

test('what is larger than the cache is not kept, and replaces what was there', () => {
  const cache = new AnswerCache();
  cache.put('a', answer('one'), keeping);
  cache.put('a', answer('two'), { ...keeping, bytes: 2000 });
  expect(cache.find('a', 1)).toBeUndefined();
  expect(cache.bytes).toBe(0);
});
