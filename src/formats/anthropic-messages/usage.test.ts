import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../core/model/index.ts';
import { decodeUsage, encodeUsage, mergeUsage } from './usage.ts';

const entry = (type: string, input: number, output: number, model?: string | null): JsonObject => ({
  type,
  input_tokens: input,
  output_tokens: output,
  ...(model === undefined ? {} : { model }),
});
const told = (input: number, output: number, iterations: readonly JsonObject[]): JsonObject => ({
  input_tokens: input,
  output_tokens: output,
  iterations: [...iterations],
});
/** Who took what besides the answer. */
const helpers = (raw: JsonObject) =>
  decodeUsage(raw).helpers?.map(({ model, usage }) => [model, usage.input, usage.output]);

describe('iterations of other models', () => {
  it('an advisor is kept apart, and the client is told what the vendor told', () => {
    const raw = told(2390, 121, [
      entry('message', 1128, 110),
      { ...entry('advisor_message', 2518, 22, 'opus'), cache_read_input_tokens: 7 },
      entry('message', 1262, 11),
    ]);
    const usage = decodeUsage(raw);
    expect(usage).toMatchObject({ input: 2390, output: 121 });
    expect(usage.servedBy).toBeUndefined();
    expect(usage.helpers).toMatchObject([
      { model: 'opus', usage: { input: 2518, output: 22, cacheRead: 7, source: 'reported' } },
    ]);
    expect(encodeUsage(usage)).toMatchObject(raw);
  });

  it('are what the last event of a stream says', () => {
    const start = { input_tokens: 1128, output_tokens: 1, iterations: null };
    const end = told(2390, 121, [entry('advisor_message', 2518, 22, 'opus')]);
    expect(helpers(mergeUsage(mergeUsage(undefined, start), end) ?? {})).toEqual([['opus', 2518, 22]]);
  });

  it('beside a compaction, which is of the model itself', () => {
    const raw = told(10, 5, [entry('compaction', 100, 50), entry('advisor_message', 20, 2, 'opus')]);
    expect(decodeUsage(raw)).toMatchObject({ input: 110, output: 55 });
    expect(helpers(raw)).toEqual([['opus', 20, 2]]);
  });

  it('a fallback served: the counts are its own, declined tries are billed once they said something', () => {
    const raw = told(430, 90, [
      entry('message', 412, 200, 'fable'),
      entry('message', 412, 0, 'haiku'),
      entry('message', 5, 6, 'opus'),
      entry('fallback_message', 425, 84, 'opus'),
    ]);
    expect(decodeUsage(raw)).toMatchObject({ input: 430, output: 90, servedBy: 'opus' });
    expect(helpers(raw)).toEqual([['fable', 412, 200]]);
  });

  it.each([undefined, null])('a try that names no model (%s) is one of the called model', (model) => {
    const raw = told(30, 9, [entry('message', 20, 3, model), entry('fallback_message', 30, 9, 'opus')]);
    expect(helpers(raw)).toEqual([[undefined, 20, 3]]);
  });

  it('all declined: the last refusal is the answer, those before it are billed', () => {
    const raw = told(20, 4, [entry('message', 20, 3, 'fable'), entry('message', 20, 4, 'opus')]);
    expect(decodeUsage(raw)).toMatchObject({ input: 20, output: 4, servedBy: 'opus' });
    expect(helpers(raw)).toEqual([['fable', 20, 3]]);
  });

  it('turns of one model are nobody else’s, whatever it is called there', () => {
    const turns = [entry('message', 1, 1, 'sonnet-20260101'), entry('message', 2, 2, 'sonnet-20260101')];
    for (const raw of [told(3, 3, turns), told(3, 3, []), told(3, 3, [entry('other', 9, 9, 'x')])]) {
      const usage = decodeUsage(raw);
      expect([usage.input, usage.helpers, usage.servedBy]).toEqual([3, undefined, undefined]);
    }
  });

  it('what is no entry is passed over', () => {
    const raw = { ...told(3, 3, []), iterations: [null, 'x', { type: 'advisor_message' }, 7] };
    expect(decodeUsage(raw).helpers).toBeUndefined();
  });
});

it('keeps the terms of the answer beside iterations of any kind', () => {
  const iterations = [entry('compaction', 50, 5), entry('advisor_message', 7, 3, 'claude-opus-4-8')];
  const usage = decodeUsage({ ...told(10, 1, iterations), speed: 'fast', inference_geo: 'us' });
  expect(usage).toMatchObject({ input: 60, output: 6, terms: ['fast', 'us'] });
  expect(usage.helpers).toHaveLength(1);
});
