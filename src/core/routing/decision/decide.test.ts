import { describe, expect, it } from 'vitest';
import { completePrice, picoPerToken } from '../../cost/complete-price.ts';
import type { PromptScore } from '../model/index.ts';
import { compileCondition, conditionFault, isCondition } from './conditions.ts';
import { decide } from './decide.ts';
import { DEFAULT_SESSIONS, DEFAULT_THRESHOLDS, NO_PRIOR } from './defaults.ts';
import { drawOf } from './hash.ts';
import { receiptOf, replay } from './receipt.ts';
import type { Candidate, RouterPlan, Rule, Situation } from './types.ts';

const price = (input: number, output: number) =>
  completePrice({
    input: picoPerToken(input),
    output: picoPerToken(output),
    cacheRead: picoPerToken(input / 10),
  });

const candidate = (
  model: string,
  usd: readonly [number, number],
  more: Partial<Candidate> = {},
): Candidate => ({
  model,
  price: price(...usd),
  contextTokens: 128_000,
  maxOutputTokens: 16_000,
  tools: true,
  vision: true,
  structuredOutput: 'json_schema',
  reasoning: true,
  refuses: [],
  regions: [''],
  providers: ['openai'],
  ...more,
});

const MINI = candidate('mini', [0.15, 0.6], { tier: 'easy' });
const MID = candidate('mid', [2.5, 10], { tier: 'medium' });
const BIG = candidate('big', [15, 75], { tier: 'hard' });

const rule = (when: string, use: string, more: Partial<Rule> = {}): Rule => {
  const compiled = compileCondition(when);
  if (!isCondition(compiled)) throw new Error(compiled.problem);
  return { name: undefined, when, use, mode: undefined, interrupt: false, holds: compiled.holds, ...more };
};

const plan = (more: Partial<RouterPlan> = {}): RouterPlan => ({
  name: 'auto',
  version: 'v1',
  mode: 'on',
  canaryPercent: 10,
  objective: 'balanced',
  candidates: [MINI, MID, BIG],
  byTier: { easy: 'mini', medium: 'mid', hard: 'big', needs_info: 'mid' },
  rules: [],
  experiments: [],
  intents: [],
  cascade: undefined,
  maxPrice: undefined,
  minQuality: undefined,
  thresholds: { ...DEFAULT_THRESHOLDS, version: 'risk-1' },
  prior: NO_PRIOR,
  sessions: DEFAULT_SESSIONS,
  ...more,
});

const score = (pWeak: number, pStrong: number, more: Partial<PromptScore> = {}): PromptScore => ({
  heads: { weak: pWeak, strong: pStrong },
  pWeak,
  pStrong,
  score: pStrong - pWeak,
  interval: { low: pWeak - 0.1, high: pWeak + 0.1 },
  tier: 'medium',
  task: 'chat',
  needsInfo: undefined,
  language: 'en',
  ...more,
});
const EASY = score(0.94, 0.96);
const HARD = score(0.4, 0.9);

const situation = (more: Partial<Situation> = {}): Situation => ({
  model: 'auto',
  asked: 'auto',
  reached: 'name',
  baseline: 'mid',
  tags: {},
  headers: {},
  metadata: {},
  key: { id: 'key_1', name: 'web', team: 'team_a' },
  time: { hour: 10, minute: 5, weekday: 3 },
  tokens: 500,
  tools: [],
  images: 0,
  stream: false,
  systemHash: 'abc',
  output: 'text',
  reasoning: false,
  toolsHash: '',
  routeKey: 'route',
  toolLoop: false,
  callsPerTurn: 1,
  draw: 0.5,
  sessionHash: 's',
  forbidden: [],
  down: [],
  score: EASY,
  ...more,
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

describe('receipts', () => {
  it('replay from JSON gives the same decision and explanation', () => {
    const plans = [
      plan(),
      plan({ mode: 'canary', rules: [rule('tags.a == "1" || tools.size() > 0', 'big')] }),
      plan({ objective: 'quality' }),
    ];
    for (const [index, one] of plans.entries()) {
      for (let n = 0; n < 200; n++) {
        const draw = drawOf(`${index}-${n}`);
        const made = situation({
          draw,
          sessionHash: `s${n}`,
          tokens: Math.floor(draw * 50_000),
          tags: draw > 0.5 ? { a: '1' } : {},
          tools: draw > 0.8 ? ['t'] : [],
          score: score(draw * 0.8, 0.85 + draw * 0.1),
          ...(n % 3 === 0 ? { session: { model: 'big', tokens: 5000, ageMs: n * 1000 } } : {}),
          toolLoop: n % 7 === 0,
        });
        const receipt = receiptOf(one, { situation: made, decision: decide(one, made) }, 'm1');
        const again = replay(one, JSON.parse(JSON.stringify(receipt)));
        expect(again).toMatchObject({ sameVersion: true, sameDecision: true });
      }
    }
  });

  it('hold no score where they go to callers, and no text of the prompt anywhere', () => {
    const made = situation();
    const receipt = receiptOf(plan(), { situation: made, decision: decide(plan(), made) }, 'm1');
    expect(receipt.candidates.map(({ model }) => model)).toEqual(['mini', 'mid', 'big']);
    expect(receipt.forecast.cost_usd).toBe('0.000315');
    expect(receipt.steps.map(({ step }) => step)).toEqual([
      'constraints',
      'prompt_model',
      'threshold',
      'mode',
    ]);
  });
});

describe('conditions', () => {
  it.each([
    ['toknes > 5', /Unknown variable: toknes \(at character 1\)/],
    ['tokens > "5"', /no such overload/],
    ['tokens', /type int/],
    ['tags.feature ==', /Unexpected token/],
    ['key.nmae == "x"', /No such key: nmae \(at character 5\)/],
    ['model.matches("(")', /pattern/],
    ['model.matches(team)', /in quotes/],
    ['cel.bind(a, model + model, a.size() > 3)', /bind/],
    ['tools.exists(a, tools.exists(b, tools.exists(c, a == b)))', /loops/],
    [`${'('.repeat(40)}true${')'.repeat(40)}`, /./],
    ['x'.repeat(5000), /characters/],
  ])('%s is refused', (source, wanted) => {
    const fault = conditionFault(source);
    expect(fault?.problem).toMatch(wanted);
    expect(fault?.remedy).not.toBe('');
  });

  it('reads every fact', () => {
    const facts = {
      ...situation({
        tags: { feature: 'x' },
        headers: { 'x-a': 'b' },
        metadata: { plan: 'pro', n: 3 },
        tools: ['search'],
      }),
      task: 'code',
      language: 'de',
    };
    for (const source of [
      'model == "auto" && tags.feature == "x" && headers["x-a"] == "b" && metadata.plan == "pro"',
      'key.id == "key_1" && key.name == "web" && key.team == "team_a" && team == "team_a"',
      'time.hour >= 9 && time.hour < 18 && time.weekday <= 5 && tokens < 1000 && "search" in tools',
      'system_hash == "abc" && task == "code" && language == "de" && !stream && images == 0',
      'has(tags.feature) && !has(tags.other) && tools.exists(t, t.startsWith("sea"))',
      'model.matches("^au.o$")',
    ]) {
      const compiled = compileCondition(source);
      if (!isCondition(compiled)) throw new Error(compiled.problem);
      expect(compiled.holds(facts), source).toBe(true);
    }
  });

  it('matches in linear time', () => {
    const compiled = compileCondition('tags.a.matches("(a+)+$")');
    if (!isCondition(compiled)) throw new Error(compiled.problem);
    const facts = { ...situation({ tags: { a: `${'a'.repeat(5000)}!` } }), task: 'chat', language: 'en' };
    const before = performance.now();
    expect(compiled.holds(facts)).toBe(false);
    expect(performance.now() - before).toBeLessThan(500);
  });
});
