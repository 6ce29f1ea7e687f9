import { describe, expect, it } from 'vitest';
import { plan, rule, score, situation } from '../../../../test/support/router-decisions.ts';
import { compileCondition, conditionFault, isCondition } from './conditions.ts';
import { decide } from './decide.ts';
import { drawOf } from './hash.ts';
import { receiptOf, replay } from './receipt.ts';

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
