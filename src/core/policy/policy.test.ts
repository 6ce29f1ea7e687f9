import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBlock } from './cidr.ts';
import {
  allowsAddress,
  allowsModel,
  allowsOperation,
  allowsTool,
  type EffectivePolicy,
  narrow,
  type Policy,
  UNRESTRICTED,
} from './policy.ts';

const NAMES = ['gpt-4o', 'gpt-4o-mini', 'claude-opus', 'claude-haiku', 'x'];
const PATTERNS = [...NAMES, 'gpt-*', 'claude-*', '*', '*-mini'];
const ADDRESSES = ['10.0.0.1', '10.9.0.1', '192.0.2.7', '2001:db8::1', '::1', 'no address'];
const BLOCKS = ['10.0.0.0/8', '10.9.0.0/16', '192.0.2.7', '2001:db8::/32', '0.0.0.0/0', '::/0', 'nonsense'];

const list = (of: readonly string[]) => fc.option(fc.subarray([...of]), { nil: undefined });

const policies: fc.Arbitrary<Policy> = fc
  .record({
    models: list(PATTERNS),
    tools: list(PATTERNS),
    operations: list(['chat', 'embeddings']),
    providers: list(['a', 'b']),
    regions: list(['eu', 'us']),
    cidrs: list(BLOCKS),
    maxOutputTokens: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    parameters: fc.option(
      fc.constantFrom(
        { temperature: { max: 1 } },
        { temperature: { allowed: false } },
        { n: { min: 1, max: 2 } },
      ),
      { nil: undefined },
    ),
    requiredTags: list(['env', 'team=a']),
    systemPrompt: fc.option(fc.constantFrom('Be brief.', 'Be kind.'), { nil: undefined }),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Policy);

/** Everything a policy allows, out of the samples. */
function allowed(policy: EffectivePolicy): string[] {
  const { maxOutputTokens = 100, parameters } = policy;
  const temperature = parameters.get('temperature');
  return [
    ...NAMES.filter((name) => allowsModel(policy, name)).map((name) => `model ${name}`),
    ...NAMES.filter((name) => allowsTool(policy, name)).map((name) => `tool ${name}`),
    ...['chat', 'embeddings'].filter((name) => allowsOperation(policy, name)),
    ...['a', 'b'].filter((name) => policy.providers?.has(name) ?? true).map((name) => `provider ${name}`),
    ...['eu', 'us'].filter((name) => policy.regions?.has(name) ?? true).map((name) => `region ${name}`),
    ...ADDRESSES.filter((address) => allowsAddress(policy, address)),
    ...[1, 5, 9, 50].filter((tokens) => tokens <= maxOutputTokens).map((tokens) => `${tokens} tokens`),
    ...(temperature?.allowed === false
      ? []
      : [0, 1, 2].filter((value) => value <= (temperature?.max ?? 9)).map((value) => `temperature ${value}`)),
    ...(policy.requiredTags.includes('env') ? [] : ['without env']),
  ];
}

describe('narrow', () => {
  test('never allows what any place of the chain forbids', () => {
    fc.assert(
      fc.property(fc.array(policies, { maxLength: 5 }), (chain) => {
        const effective = chain.reduce(narrow, UNRESTRICTED);
        const alone = chain.map((policy) => new Set(allowed(narrow(UNRESTRICTED, policy))));
        for (const right of allowed(effective)) for (const rights of alone) expect(rights).toContain(right);
      }),
    );
  });

  test('only takes away on the way down', () => {
    fc.assert(
      fc.property(fc.array(policies, { maxLength: 4 }), policies, (chain, more) => {
        const outer = chain.reduce(narrow, UNRESTRICTED);
        const rights = new Set(allowed(outer));
        for (const right of allowed(narrow(outer, more))) expect(rights).toContain(right);
      }),
    );
  });

  test('is what each place would do alone, taken together', () => {
    fc.assert(
      fc.property(policies, policies, (a, b) => {
        const both = allowed(narrow(narrow(UNRESTRICTED, a), b));
        const second = new Set(allowed(narrow(UNRESTRICTED, b)));
        expect(both).toEqual(allowed(narrow(UNRESTRICTED, a)).filter((right) => second.has(right)));
      }),
    );
  });

  test('keeps the same object where a place says nothing', () => {
    expect(narrow(UNRESTRICTED, {})).toBe(UNRESTRICTED);
    expect(narrow(UNRESTRICTED, { limits: { rpm: 1 } })).toBe(UNRESTRICTED);
  });

  test('an empty list allows nothing, an unreadable block nobody', () => {
    expect(allowsModel(narrow(UNRESTRICTED, { models: [] }), 'gpt-4o')).toBe(false);
    expect(allowsAddress(narrow(UNRESTRICTED, { cidrs: ['10.0.0.0/99'] }), '10.0.0.1')).toBe(false);
  });

  test('puts every system prompt in, the widest place first', () => {
    const chain: Policy[] = [{ systemPrompt: 'one' }, { models: ['*'] }, { systemPrompt: 'two' }];
    expect(chain.reduce(narrow, UNRESTRICTED).systemPrompts).toEqual(['one', 'two']);
  });
});

describe('addresses', () => {
  const inside = (cidrs: readonly string[], address: string) =>
    allowsAddress(narrow(UNRESTRICTED, { cidrs }), address);

  test.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:a01:203', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1', '::1', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['10.0.0.0/8', '', false],
    ['10.0.0.0/8', '10.0.0', false],
    ['10.0.0.0/8', '010.0.0.1', false],
  ])('%s and %s: %s', (block, address, expected) => {
    expect(inside([block], address)).toBe(expected);
  });

  test.each([
    '10.0.0.7/8',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '1.2.3.4/',
    '::1/129',
    '1::2::3',
    'x',
    '',
    '1.2.3.4/8/8',
  ])('refuses the block %j', (text) => {
    expect(parseBlock(text)).toBeUndefined();
  });
});
