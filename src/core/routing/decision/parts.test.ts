import { describe, expect, it } from 'vitest';
import type { ChatResponse } from '../../model/index.ts';
import { compareArms, summarise } from '../experiment.ts';
import { classify } from './classify.ts';
import { coldScore } from './cold-score.ts';
import { drawOf, hashText } from './hash.ts';
import { HASHED_EMBEDDER, IntentIndex } from './intents.ts';
import { schemaFault } from './json-schema.ts';
import { parseAskedName } from './names.ts';
import { readPreferences } from './preferences.ts';
import { SessionBook } from './sessions.ts';
import { findWeakness, type VerifyFacts, wrongSum } from './verify.ts';

describe('how sure a difficulty is', () => {
  it('goes by the score that tiers are cut from, not by the chances of the heads', () => {
    const score = coldScore({ text: 'hello there' });
    const confidence = (more: Partial<typeof score>) =>
      classify({ ...score, interval: { low: 0.5, high: 0.5 }, ...more }, '', ['difficulty']).difficulty
        ?.confidence;
    expect(confidence({ tier: 'hard', score: 0.3, pWeak: 0.5, pStrong: 0.5 })).toBe(0.8);
    expect(confidence({ tier: 'easy', score: 0.1, pWeak: 0.2, pStrong: 0.9 })).toBe(0.9);
  });
});

describe('names', () => {
  it.each([
    ['auto', { router: 'auto' }],
    ['auto:cost', { router: 'auto', objective: 'cost' }],
    ['dynamic/auto', { router: 'auto' }],
    ['dynamic/auto:quality', { router: 'auto', objective: 'quality' }],
    ['router-mf-0.11593', { router: undefined, threshold: 0.11593 }],
    ['router-bert-1', { router: undefined, threshold: 1 }],
    ['router-mf-1.5', { router: 'router-mf-1.5' }],
    ['router-mf-', { router: 'router-mf-' }],
    ['llama3:8b', { router: 'llama3:8b' }],
  ])('%s', (asked, wanted) => {
    expect(parseAskedName(asked)).toEqual(wanted);
  });
});

describe('OpenRouter’s fields', () => {
  it('are read as documented', () => {
    const read = readPreferences({
      models: ['a', 'b'],
      provider: {
        order: ['x'],
        sort: { by: 'latency' },
        max_price: { prompt: '1', completion: 2, request: 0.01 },
        zdr: false,
      },
    });
    expect(read).toMatchObject({ models: ['a', 'b'], order: ['x'], objective: 'fast', allowFallbacks: true });
    expect(read.maxPrice).toEqual({ input: 1e6, output: 2e6, requestNano: 1e7 });
  });

  it.each([
    [{ only: 'x' }, 'bad_request'],
    [{ only: Array.from({ length: 65 }, () => 'x') }, 'bad_request'],
    [{ max_price: { prompt: -1 } }, 'bad_request'],
    [{ allow_fallbacks: 'no' }, 'bad_request'],
    [{ quantizations: ['fp8'] }, 'unsupported_feature'],
    [{ data_collection: 'deny' }, 'unsupported_feature'],
    [{ unheard_of: true }, 'unsupported_feature'],
  ])('%j is refused', (provider, code) => {
    expect(() => readPreferences({ provider } as never)).toThrowError(expect.objectContaining({ code }));
  });
});

function answer(text: string, more: Partial<ChatResponse['choices'][number]> = {}): ChatResponse {
  return {
    choices: [
      { index: 0, parts: text === '' ? [] : [{ type: 'text', text }], finish: { reason: 'stop' }, ...more },
    ],
    usage: {} as never,
  };
}
const FACTS: VerifyFacts = {
  output: 'text',
  schema: undefined,
  tools: [
    {
      name: 'run',
      parameters: { type: 'object', required: ['cmd'], properties: { cmd: { type: 'string' } } },
    },
  ],
  causes: ['refusal', 'uncertainty', 'invalid_output', 'tool_failure'],
};
const call = (name: string, args: string) =>
  answer('', { parts: [{ type: 'tool_call', id: 'c', name, arguments: args, kind: 'function' }] });

describe('weak answers', () => {
  it.each([
    ['a plain one', answer('Paris.'), {}, undefined],
    ['a refusal in words', answer('I’m sorry, but I can’t help with that.'), {}, 'refusal'],
    ['a refusal in German', answer('Es tut mir leid, das kann ich leider nicht tun.'), {}, 'refusal'],
    ['a refusal by reason', answer('x', { finish: { reason: 'refusal' } }), {}, 'refusal'],
    [
      'sorry, but helpful',
      answer(`Sorry for the delay. ${'Here is the answer in full. '.repeat(30)}`),
      {},
      undefined,
    ],
    ['doubt', answer('I’m not sure, maybe 4.'), {}, 'uncertainty'],
    [
      'low probabilities',
      answer('x', { logprobs: { content: [{ logprob: -2 }, { logprob: -1 }] } }),
      {},
      'uncertainty',
    ],
    ['high probabilities', answer('x', { logprobs: { content: [{ logprob: -0.01 }] } }), {}, undefined],
    ['a verifier’s doubt', answer('42'), { doubt: () => 0.9 }, 'uncertainty'],
    ['nothing', answer(''), {}, 'invalid_output'],
    ['broken JSON', answer('{"a":'), { output: 'json_object' as const }, 'invalid_output'],
    [
      'a broken schema',
      answer('{"a":"x"}'),
      { output: 'json_schema' as const, schema: { type: 'object', properties: { a: { type: 'integer' } } } },
      'invalid_output',
    ],
    [
      'a kept schema',
      answer('{"a":1}'),
      { output: 'json_schema' as const, schema: { type: 'object', properties: { a: { type: 'integer' } } } },
      undefined,
    ],
    ['a good call', call('run', '{"cmd":"ls"}'), {}, undefined],
    ['an invented tool', call('delete', '{}'), {}, 'tool_failure'],
    ['missing arguments', call('run', '{}'), {}, 'tool_failure'],
    ['broken arguments', call('run', '{"cmd"'), {}, 'tool_failure'],
    ['what nobody asked about', answer('I’m not sure.'), { causes: ['refusal' as const] }, undefined],
  ])('%s', (_, response, more, cause) => {
    expect(findWeakness(response, { ...FACTS, ...more } as VerifyFacts)?.cause).toBe(cause);
  });

  it.each([
    ['2 + 2 = 4', undefined],
    ['12 * 12 = 154', '12 * 12 = 154'],
    ['1,200 + 300 = 1,500', undefined],
    ['7 / 2 = 3.5', undefined],
    ['10 ÷ 3 = 3.33', undefined],
    ['10 / 5 = 5', '10 / 5 = 5'],
    ['2 + 3 * 4 = 14', undefined],
    ['$5 x 3 = $16', '5 x 3 = 16'],
    ['In 2024 - 25 we', undefined],
  ])('%s', (text, wanted) => {
    expect(wrongSum(text)).toBe(wanted);
  });

  it('reads long answers in bounded time', () => {
    const before = performance.now();
    findWeakness(answer('1 + 1 = 2 i am '.repeat(200_000)), FACTS);
    expect(performance.now() - before).toBeLessThan(300);
  });
});

describe('schemas', () => {
  it('are followed as far as they are known', () => {
    const schema = {
      $defs: { n: { type: 'integer' } },
      type: 'object',
      properties: {
        a: { $ref: '#/$defs/n' },
        b: { enum: [1, 'x'] },
        c: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
      },
      required: ['a'],
      additionalProperties: false,
    };
    expect(schemaFault(schema, { a: 1, b: 'x', c: ['s', null] })).toBeUndefined();
    expect(schemaFault(schema, { a: 1.5 })).toContain('$.a');
    expect(schemaFault(schema, { b: 1 })).toContain('$.a is missing');
    expect(schemaFault(schema, { a: 1, b: 2 })).toContain('$.b');
    expect(schemaFault(schema, { a: 1, c: [3] })).toContain('$.c[0]');
    expect(schemaFault(schema, { a: 1, d: 0 })).toContain('$.d');
  });
});

describe('experiments', () => {
  const stream = (rate: number, seed: string, count: number) =>
    Array.from({ length: count }, (_, n) => drawOf(`${seed}-${n}`) < rate);

  it('find a real difference and stop', () => {
    const verdict = compareArms(
      { arm: 'a', outcomes: stream(0.9, 'a', 400) },
      { arm: 'b', outcomes: stream(0.6, 'b', 400) },
      0.05,
    );
    expect(verdict).toMatchObject({ decided: true, winner: 'a' });
  });

  it('err at most as often as permitted where there is none, however often one looks', () => {
    let wrong = 0;
    for (let n = 0; n < 400; n++) {
      const verdict = compareArms(
        { arm: 'a', outcomes: stream(0.8, `x${n}`, 300) },
        { arm: 'b', outcomes: stream(0.8, `y${n}`, 300) },
        0.05,
      );
      if (verdict.decided) wrong++;
    }
    // 5 % and two standard errors of 400 runs.
    expect(wrong / 400).toBeLessThanOrEqual(0.05 + 2 * Math.sqrt((0.05 * 0.95) / 400));
  });

  it('sum up by arm', () => {
    const outcomes = [
      { arm: 'a', good: true, costNano: 10, latencyMs: 100 },
      { arm: 'a', good: false, costNano: undefined, latencyMs: 300 },
    ];
    expect(summarise(['a', 'b'], outcomes)).toEqual([
      { arm: 'a', count: 2, good: 1, meanCostNano: 10, meanLatencyMs: 200 },
      { arm: 'b', count: 0, good: 0, meanCostNano: undefined, meanLatencyMs: 0 },
    ]);
  });
});

describe('hashes, intents, sessions', () => {
  it('draws are even and hashes differ', () => {
    const draws = Array.from({ length: 10_000 }, (_, n) => drawOf(`session-${n}`));
    const tenth = draws.filter((draw) => draw < 0.1).length;
    expect(tenth).toBeGreaterThan(900);
    expect(tenth).toBeLessThan(1100);
    expect(new Set(draws.map((_, n) => hashText(`text ${n}`))).size).toBe(10_000);
  });

  it('an intent is found by spelling', () => {
    const index = new IntentIndex([
      { name: 'refund', utterances: ['I want my money back', 'refund please'] },
      { name: 'login', utterances: ['I cannot log in', 'my password does not work'] },
    ]);
    expect(index.nearest('can I get my money back?')?.name).toBe('refund');
    expect(index.nearest('password not working')?.name).toBe('login');
    expect(index.nearest('')?.similarity).toBe(0);
    expect(HASHED_EMBEDDER.embed('x'.repeat(1e6))).toHaveLength(1024);
  });

  it('sessions are forgotten after their time, and never too many are kept', () => {
    const book = new SessionBook();
    book.keep('s', { model: 'm', tokens: 5, at: 100 });
    expect(book.find('s', 1000, 200)).toEqual({ model: 'm', tokens: 5, ageMs: 100 });
    expect(book.find('s', 1000, 1200)).toBeUndefined();
    for (let n = 0; n < 50_010; n++) book.keep(`s${n}`, { model: 'm', tokens: 1, at: 1 });
    expect(book.size).toBe(50_000);
  });
});

describe('the cold scorer', () => {
  it.each([
    ['What is the capital of France?', 'easy', 'en'],
    [
      'Prove rigorously the theorem step by step and derive the complexity of this distributed algorithm',
      'hard',
      'en',
    ],
    ['', 'needs_info', 'und'],
    ['fix this', 'needs_info', 'und'],
    ['Was ist die Hauptstadt und wie heißt der Fluss?', 'easy', 'de'],
  ])('%s', (text, tier, language) => {
    expect(coldScore({ text })).toMatchObject({ tier, language });
  });

  it.each([
    '',
    '\u0000\ud800'.repeat(100_000),
    'a'.repeat(3_000_000),
    '('.repeat(500_000),
    'prove '.repeat(400_000),
  ])('bears anything in bounded time (%#)', (text) => {
    const before = performance.now();
    const { pWeak, pStrong } = coldScore({ text });
    expect(pWeak).toBeGreaterThan(0);
    expect(pStrong).toBeLessThan(1);
    expect(
      classify(coldScore({ text }), text, ['difficulty', 'ambiguity', 'domain']).difficulty,
    ).toBeDefined();
    expect(performance.now() - before).toBeLessThan(200);
  });
});
