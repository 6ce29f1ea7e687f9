import { describe, expect, it } from 'vitest';
import {
  BIG,
  candidate,
  HARD,
  MID,
  MINI,
  plan,
  rule,
  score,
  situation,
} from '../../../../test/support/router-decisions.ts';
import { picoPerToken } from '../../cost/complete-price.ts';
import { decide } from './decide.ts';
import { DEFAULT_SESSIONS, DEFAULT_THRESHOLDS } from './defaults.ts';
import type { Candidate, Situation } from './types.ts';

describe('an interval from easy to hard', () => {
  const open = score(0.4, 0.7, { tier: 'needs_info' });
  const cold = { ...DEFAULT_THRESHOLDS };

  it('goes to the default model, of the tier or the baseline, while nothing is known of the route', () => {
    const { served, reason, tier, steps, needsInfo } = decide(
      plan({ thresholds: cold }),
      situation({ score: open }),
    );
    expect({ served, reason, tier, needsInfo }).toEqual({
      served: 'mid',
      reason: 'needs_info',
      tier: 'needs_info',
      needsInfo: undefined,
    });
    expect(steps.map(({ says }) => says)).toContain('could be easy as well as hard (weak 40 %, strong 70 %)');
    const byTier = { easy: 'mini', medium: 'mid', hard: 'big' };
    const bare = decide(plan({ thresholds: cold, byTier }), situation({ score: open, baseline: 'big' }));
    expect(bare).toMatchObject({ served: 'big', reason: 'needs_info' });
  });

  it('leaves the choice to chances where the route has evidence', () => {
    expect(decide(plan(), situation({ score: open }))).toMatchObject({ served: 'big', reason: 'prompt' });
  });
});

describe('the order of evidence', () => {
  it.each([
    ['an easy prompt goes to the cheapest model', {}, { served: 'mini', tier: 'easy', reason: 'prompt' }],
    [
      'a hard prompt goes to the strongest',
      { score: HARD },
      { served: 'big', tier: 'hard', reason: 'prompt' },
    ],
    ['a prompt in between goes in between', { score: score(0.84, 0.94) }, { served: 'mid', tier: 'medium' }],
    [
      'what lacks something goes to its tier',
      { score: { ...HARD, needsInfo: 'empty' as const } },
      { served: 'mid', tier: 'needs_info', reason: 'needs_info' },
    ],
    [
      'nobody asked the prompt model: the baseline',
      { score: undefined },
      { served: 'mid', reason: 'default' },
    ],
    [
      'the suffix :cost takes a greater loss',
      { score: score(0.85, 0.95), objective: 'cost' as const },
      { served: 'mini' },
    ],
    [
      'the suffix :quality takes none',
      { score: score(0.9, 0.95), objective: 'quality' as const },
      { served: 'big' },
    ],
    [
      'RouteLLM: strong from the threshold on',
      { score: HARD, threshold: 0.5 },
      { served: 'big', reason: 'threshold' },
    ],
    ['RouteLLM: weak below it', { score: HARD, threshold: 0.6 }, { served: 'mini', reason: 'threshold' }],
  ])('%s', (_, given, wanted) => {
    const { score: own, ...rest } = given as Partial<Situation>;
    const base = situation(rest);
    const { score: _none, ...bare } = base;
    const asked =
      'score' in given && own === undefined
        ? (bare as Situation)
        : { ...base, ...(own ? { score: own } : {}) };
    expect(decide(plan(), asked)).toMatchObject(wanted);
  });

  it('rules win over the prompt, the first one that holds counts, and the receipt names it', () => {
    const rules = [
      rule('tags.feature == "none"', 'mini'),
      rule('tags.feature == "legal" && tokens > 100', 'big', { name: 'legal' }),
      rule('true', 'mini'),
    ];
    const decision = decide(plan({ rules }), situation({ tags: { feature: 'legal' } }));
    expect(decision).toMatchObject({ served: 'big', reason: 'rule', rule: { index: 1, name: 'legal' } });
    // A missing tag is no error for the request: the rule just does not apply.
    expect(decide(plan({ rules }), situation()).rule).toMatchObject({ index: 2 });
  });

  it('a rule has a mode of its own', () => {
    const watched = plan({ rules: [rule('true', 'big', { mode: 'observe' })] });
    const decision = decide(watched, situation());
    expect(decision).toMatchObject({ served: 'mini', reason: 'prompt' });
    expect(decision.steps.find(({ step }) => step === 'rules')?.says).toContain('would use big');
    const followed = plan({ mode: 'observe', rules: [rule('true', 'big', { mode: 'on' })] });
    expect(decide(followed, situation())).toMatchObject({ served: 'big', mode: 'on', followed: true });
  });

  it.each([
    ['off', 0.01, 'mid', false],
    ['observe', 0.01, 'mid', false],
    ['canary', 0.09, 'mini', true],
    ['canary', 0.11, 'mid', false],
    ['on', 0.99, 'mini', true],
  ] as const)('mode %s at %d serves %s', (mode, draw, served, followed) => {
    expect(decide(plan({ mode }), situation({ draw }))).toMatchObject({ served, followed });
  });
});

describe('the choice by chances', () => {
  it('chooses among any number of models by price and heads of their own', () => {
    const models = [1, 2, 3, 4, 5].map((n) => candidate(`m${n}`, [n, n * 4]));
    const heads = { weak: 0.5, strong: 0.9, m1: 0.5, m2: 0.88, m3: 0.89, m4: 0.9, m5: 0.6 };
    const decision = decide(
      plan({ candidates: models, byTier: {} }),
      situation({ score: { ...HARD, heads } }),
    );
    expect(decision.served).toBe('m2');
  });

  it('a route prior moves the choice', () => {
    const prior = {
      version: 'p',
      of: () => ({ mini: { mean: 0.95, labels: 500 }, big: { mean: 0.95, labels: 500 } }),
    };
    expect(decide(plan({ prior }), situation({ score: HARD })).served).toBe('mini');
  });

  it('min_quality lifts the choice, and an unreachable one takes the best', () => {
    expect(decide(plan({ minQuality: 0.955 }), situation()).served).toBe('big');
    expect(decide(plan({ minQuality: 0.999 }), situation()).served).toBe('big');
  });

  it('fast takes the quickest that will do', () => {
    const latencies = { mini: 900, mid: 200, big: 400 };
    expect(decide(plan(), situation({ objective: 'fast', latencies })).served).toBe('mid');
  });
});

describe('a cold route', () => {
  const cold = plan({ thresholds: DEFAULT_THRESHOLDS });
  it.each([
    ['easy', undefined, 'mini'],
    ['medium', undefined, 'mid'],
    ['hard', undefined, 'big'],
    ['hard', 'cost', 'mid'],
    ['easy', 'cost', 'mini'],
    ['medium', 'quality', 'big'],
  ] as const)('a %s prompt with objective %s goes to %s', (tier, objective, served) => {
    const asked = situation({
      score: score(0.7, 0.8, { tier }),
      ...(objective === undefined ? {} : { objective }),
    });
    expect(decide(cold, asked)).toMatchObject({ served, reason: 'prompt' });
  });

  it('takes the strongest left where the tier’s model is out, and keeps to min_quality', () => {
    expect(
      decide(cold, situation({ score: score(0.7, 0.8, { tier: 'hard' }), forbidden: ['big'] })).served,
    ).toBe('mid');
    expect(
      decide({ ...cold, minQuality: 0.79 }, situation({ score: score(0.7, 0.8, { tier: 'easy' }) })).served,
    ).toBe('big');
  });
});

describe('hard constraints', () => {
  it.each([
    ['tools', { tools: ['search'] }, { tools: false }],
    ['images', { images: 1 }, { vision: false }],
    ['a schema', { output: 'json_schema' as const }, { structuredOutput: 'json_object' as const }],
    ['JSON', { output: 'json_object' as const }, { structuredOutput: 'none' as const }],
    ['reasoning', { reasoning: true }, { reasoning: false }],
    ['the window', { tokens: 9000 }, { contextTokens: 8000 }],
    ['the length', { maxOutputTokens: 9000 }, { maxOutputTokens: 4000 }],
    ['the region', { regions: ['eu'] }, { regions: ['us'] }],
    ['providers', { onlyProviders: ['anthropic'] }, { providers: ['openai'] }],
    ['parameters', { parameters: ['seed'] }, { refuses: ['seed'] }],
  ])('%s', (_, asked, lacks) => {
    const able = { regions: ['eu'], providers: ['anthropic'] };
    const candidates = [
      { ...MINI, ...able, ...lacks },
      { ...MID, ...able },
      { ...BIG, ...able },
    ] as Candidate[];
    const decision = decide(plan({ candidates }), situation(asked as Partial<Situation>));
    expect(decision.judged[0]?.out).toBeDefined();
    expect(decision.served).not.toBe('mini');
  });

  it('budget, price caps, health and allow-lists', () => {
    const served = (more: Partial<Situation>) => decide(plan(), situation({ score: HARD, ...more })).served;
    expect(served({ budgetLeftNano: 200e6, maxOutputTokens: 1000 })).toBe('big');
    expect(served({ budgetLeftNano: 20e6, maxOutputTokens: 1000 })).toBe('mid');
    expect(served({ budgetLeftNano: 2e6, maxOutputTokens: 1000 })).toBe('mini');
    expect(served({ maxPrice: { input: picoPerToken(3) } })).toBe('mid');
    expect(served({ down: ['big'] })).toBe('mid');
    expect(served({ forbidden: ['big', 'mid'] })).toBe('mini');
  });

  it('a demand nobody meets is refused; a capability nobody has is left to the baseline', () => {
    expect(decide(plan(), situation({ forbidden: ['mini', 'mid', 'big'] })).refusal?.code).toBe(
      'model_forbidden',
    );
    expect(decide(plan(), situation({ onlyProviders: [] })).refusal?.code).toBe('unsupported_feature');
    const blind = [MINI, MID, BIG].map((one) => ({ ...one, vision: false }));
    expect(decide(plan({ candidates: blind }), situation({ images: 1 }))).toMatchObject({
      served: 'mid',
      refusal: undefined,
    });
  });

  it('no mode serves a baseline that may not be used', () => {
    expect(decide(plan({ mode: 'observe' }), situation({ forbidden: ['mid'] })).served).toBe('mini');
    expect(decide(plan({ mode: 'off' }), situation({ forbidden: ['mid'] })).refusal?.code).toBe(
      'model_forbidden',
    );
  });
});

describe('sessions', () => {
  const session = (model: string, tokens = 20_000, ageMs = 10_000) => ({ model, tokens, ageMs });

  it('never switches inside a tool loop, whatever rules and prompt say', () => {
    const rules = [rule('true', 'mini', { interrupt: true })];
    const decision = decide(
      plan({ rules }),
      situation({ toolLoop: true, session: session('big'), tokens: 30_000 }),
    );
    expect(decision).toMatchObject({ served: 'big', reason: 'tool_loop' });
  });

  it('leaves a warm cache only when that saves more than the cache is worth', () => {
    // 20k cached tokens at big cost 0.03 + output 0.03; at mini the whole request costs under 0.004. The cache is worth 0.27.
    const stays = decide(plan(), situation({ tokens: 20_500, session: session('big') }));
    expect(stays).toMatchObject({ served: 'big', reason: 'session' });
    // With little cached and much that is new, moving pays.
    const moves = decide(plan(), situation({ tokens: 60_000, session: session('big', 1500) }));
    expect(moves).toMatchObject({ served: 'mini', reason: 'prompt' });
  });

  it('is free where nothing is cached: cold, too short, or gone', () => {
    const served = (own: ReturnType<typeof session>) =>
      decide(plan(), situation({ tokens: 20_500, session: own })).served;
    expect(served(session('big', 20_000, 301_000))).toBe('mini');
    expect(served(session('big', 900))).toBe('mini');
    expect(served(session('gone'))).toBe('mini');
  });

  it('moves up from a warm cheap model only where that is allowed', () => {
    const asked = situation({ score: HARD, tokens: 20_500, session: session('mini') });
    expect(decide(plan(), asked).served).toBe('mini');
    expect(decide(plan({ sessions: { ...DEFAULT_SESSIONS, upgrade: true } }), asked).served).toBe('big');
  });
});

describe('cascade, experiments, intents', () => {
  const cascade = { models: ['mini', 'mid', 'big'], escalateOn: ['refusal' as const], maxEscalations: 1 };

  it('climbs from the chosen model on, as often as allowed', () => {
    expect(decide(plan({ cascade }), situation()).cascade).toEqual(['mini', 'mid']);
    expect(decide(plan({ cascade: { ...cascade, maxEscalations: 2 } }), situation()).cascade).toEqual([
      'mini',
      'mid',
      'big',
    ]);
    expect(decide(plan({ cascade }), situation({ score: HARD })).cascade).toBeUndefined();
    expect(decide(plan({ cascade, mode: 'observe' }), situation()).cascade).toBeUndefined();
    expect(decide(plan({ cascade, rules: [rule('true', 'mini')] }), situation()).cascade).toBeUndefined();
    expect(decide(plan({ cascade }), situation({ forbidden: ['mid'] })).cascade).toEqual(['mini', 'big']);
  });

  it('splits sessions by percent, the same arm for a session every time', () => {
    const experiments = [
      {
        name: 'x',
        arms: [
          { model: 'mini', percent: 30 },
          { model: 'big', percent: 20 },
        ],
        holds: undefined,
      },
    ];
    const arms = Array.from(
      { length: 4000 },
      (_, n) => decide(plan({ experiments }), situation({ sessionHash: `s${n}` })).arm?.model,
    );
    const share = (model: string | undefined) => arms.filter((one) => one === model).length / arms.length;
    expect(share('mini')).toBeCloseTo(0.3, 1);
    expect(share('big')).toBeCloseTo(0.2, 1);
    expect(share(undefined)).toBeCloseTo(0.5, 1);
    expect(decide(plan({ experiments }), situation({ sessionHash: 's7' })).arm).toEqual(
      decide(plan({ experiments }), situation({ sessionHash: 's7' })).arm,
    );
  });

  it('an intent decides from its similarity on', () => {
    const intents = [{ name: 'refund', model: 'big', threshold: 0.6 }];
    expect(
      decide(plan({ intents }), situation({ intent: { name: 'refund', similarity: 0.7 } })),
    ).toMatchObject({ served: 'big', reason: 'intent' });
    expect(decide(plan({ intents }), situation({ intent: { name: 'refund', similarity: 0.5 } })).reason).toBe(
      'prompt',
    );
  });
});
