import fc from 'fast-check';
import { expect, test } from 'vitest';
import { narrow, type Policy, UNRESTRICTED } from './policy.ts';
import { checkPolicy, mayReach, type PolicyFacts, whoForbids } from './policy-check.ts';
import { ScopeIndex } from './scope-index.ts';

const facts = (change: Partial<PolicyFacts> = {}): PolicyFacts => ({
  chat: true,
  opaque: false,
  parameters: {},
  maxOutputTokens: undefined,
  tools: [],
  tags: {},
  reach: [{ provider: 'one', region: 'eu-west-1' }],
  ...change,
});
const check = (policy: Policy, change: Partial<PolicyFacts> = {}) =>
  checkPolicy(narrow(UNRESTRICTED, policy), facts(change));

test('regions and providers allow what they name and nothing else', () => {
  const policy = narrow(UNRESTRICTED, { regions: ['eu', 'us-east-1'], providers: ['one'] });
  const reach = (provider: string, region: string | undefined) => mayReach(policy, { provider, region });
  expect([
    reach('one', 'eu'),
    reach('one', 'eu-central-1'),
    reach('one', 'us-east-1'),
    reach('one', 'us-east-2'),
    reach('one', 'europe'),
    reach('one', undefined),
    reach('two', 'eu'),
  ]).toEqual([true, true, true, false, false, false, false]);
  expect(check({ regions: ['us'] })).toMatchObject({ allowed: false, field: 'model' });
  expect(check({ regions: [] })).toMatchObject({ allowed: false });
});

test('each rule names its field', () => {
  const cases: [Policy, Partial<PolicyFacts>, string | undefined][] = [
    [{ requiredTags: ['team'] }, {}, 'x-sluice-tags'],
    [{ requiredTags: ['team=a'] }, { tags: { team: 'b' } }, 'x-sluice-tags'],
    [{ requiredTags: ['team=a'] }, { tags: { team: 'a' } }, undefined],
    [{ requiredTags: ['toString'] }, {}, 'x-sluice-tags'],
    [{ parameters: { seed: { allowed: false } } }, { parameters: { seed: 1 } }, 'seed'],
    [
      { parameters: { temperature: { min: 0, max: 1 } } },
      { parameters: { temperature: '2' } },
      'temperature',
    ],
    [{ parameters: { temperature: { max: 1 } } }, { parameters: { temperature: 1 } }, undefined],
    [{ tools: ['get_*'] }, { tools: ['get_x', 'rm'] }, 'tools'],
    [{ tools: [] }, { tools: ['a'] }, 'tools'],
    [{ maxOutputTokens: 5 }, { maxOutputTokens: 6 }, 'max_tokens'],
    [{ maxOutputTokens: 5 }, { opaque: true }, 'max_tokens'],
    [{ systemPrompt: 'x' }, { opaque: true }, 'path'],
  ];
  for (const [policy, change, field] of cases) {
    const verdict = check(policy, change);
    expect(verdict.allowed ? undefined : verdict.field).toBe(field);
  }
  expect(check({ maxOutputTokens: 5, systemPrompt: 'x' })).toEqual({
    allowed: true,
    maxOutputTokens: 5,
    systemPrompt: 'x',
  });
});

test('a narrower policy never allows what a wider one forbids, and who forbids is found', () => {
  const policy = fc.record(
    {
      regions: fc.subarray(['eu', 'us']),
      providers: fc.subarray(['one', 'two']),
      tools: fc.subarray(['a', 'b*']),
      maxOutputTokens: fc.integer({ min: 1, max: 20 }),
      requiredTags: fc.subarray(['x', 'y=1']),
    },
    { requiredKeys: [] },
  );
  const request = fc.record({
    maxOutputTokens: fc.integer({ min: 1, max: 20 }),
    tools: fc.subarray(['a', 'bc', 'd']),
    tags: fc.constantFrom<Record<string, string>>({}, { x: '1' }, { x: '1', y: '1' }),
    reach: fc.constantFrom([{ provider: 'one', region: 'eu-1' }], [{ provider: 'two', region: 'us' }]),
  });
  fc.assert(
    fc.property(policy, policy, request, (outer, inner, change) => {
      const wide = narrow(UNRESTRICTED, outer);
      const both = narrow(wide, inner);
      const asked = facts(change);
      if (!checkPolicy(wide, asked).allowed) {
        expect(checkPolicy(both, asked).allowed).toBe(false);
        const sources = [
          { scope: { kind: 'organization' as const, id: 'o' }, policy: outer },
          { scope: { kind: 'team' as const, id: 't' }, policy: inner },
        ];
        expect(whoForbids(sources, asked)).toEqual({ kind: 'organization', id: 'o' });
      }
    }),
  );
});

test('rules are found by scope, members count for themselves, organizations stay apart', () => {
  const rule = (
    id: string,
    kind: 'team' | 'tag' | 'model' | 'end_user',
    of: string,
    organizationId?: string,
  ) => ({
    id,
    scope: { kind, id: of },
    organizationId,
  });
  const index = new ScopeIndex([
    rule('1', 'team', 't'),
    rule('2', 'tag', 'f=*', 'o'),
    rule('3', 'model', 'm'),
    rule('4', 'end_user', '*', 'other'),
    rule('5', 'end_user', '*', 'o'),
  ]);
  const places = [
    { kind: 'organization' as const, id: 'o' },
    { kind: 'team' as const, id: 't' },
  ];
  const found = index.find(places, {
    tags: { f: 'x' },
    models: ['m', 'one/m'],
    endUser: 'ann',
    session: undefined,
  });
  expect(found.map(({ account }) => account)).toEqual(['1', '2/x', '3', '5/ann']);
  expect(
    index.find([{ kind: 'organization', id: 'z' }], {
      tags: {},
      models: [],
      endUser: 'ann',
      session: undefined,
    }),
  ).toEqual([]);
});
