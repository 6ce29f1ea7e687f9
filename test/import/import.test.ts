import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readState } from '../../src/app/gitops/index.ts';
import { ImportFault, type ImportSource, importConfiguration } from '../../src/app/import/index.ts';

const fixture = (file: string) => readFileSync(new URL(`fixtures/${file}`, import.meta.url), 'utf8');
const of = (file: string) => {
  const [source = ''] = file.split('-');
  return importConfiguration({
    source: source as ImportSource,
    text: fixture(file),
    name: file.replace(/\..*/, ''),
  });
};
const note = (result: ReturnType<typeof of>, path: string) => result.notes.find((one) => one.path === path);

describe.each([
  'litellm-production.yaml',
  'litellm-tags.yaml',
  'litellm-odd.yaml',
  'portkey-fallback.json',
  'portkey-conditional.json',
  'portkey-many.json',
  'portkey-nested.json',
  'relayplane-cascade.json',
  'relayplane-complexity.json',
  'relayplane-strategies.json',
])('%s', (file) => {
  test('becomes a file that can be used, and no secret is copied', () => {
    const result = of(file);
    expect(result.problems).toEqual([]);
    expect(result.yaml).not.toContain('literal-secret');
    expect(JSON.stringify([result.notes, result.variables])).not.toContain('literal-secret');
    expect(result.notes.length).toBeGreaterThan(0);
  });
});

test('LiteLLM: deployments, limits, prices, fallbacks and settings map; what does not says why', () => {
  const result = of('litellm-production.yaml');
  expect(result.yaml).toContain('strategy: lowest_latency');
  expect(result.yaml).toMatch(/rpm: 600\n\s+tpm: 200000/);
  expect(result.yaml).toContain('input_usd_per_mtok: 3');
  expect(note(result, 'litellm_settings.fallbacks.gpt-4o')?.to).toBe('models.gpt-4o.fallbacks');
  expect(note(result, 'models.claude-sonnet.fallbacks')?.why).toContain('leads back to claude-sonnet');
  expect(note(result, 'model_list[7].litellm_params.model')).toMatchObject({ outcome: 'unmapped' });
  // The literal key is not mistaken for the variable another deployment reads.
  expect(result.variables.find(({ name }) => name === 'ANTHROPIC_API_KEY')?.valueAt).toBeUndefined();
  expect(result.variables.find(({ name }) => name === 'ANTHROPIC_API_KEY_2')?.valueAt).toBe(
    'model_list[2].litellm_params.api_key',
  );
});

test('LiteLLM: anchors, aliases, wildcards, callbacks and guardrails: everything maps or says why', () => {
  const result = of('litellm-odd.yaml');
  expect(result.yaml).toMatch(/gpt-4-hidden:/);
  expect(result.yaml).toMatch(/region: eu-central-1/);
  expect(note(result, 'litellm_settings.callbacks')?.why).toContain('/metrics');
  expect(note(result, 'litellm_settings.max_internal_user_budget')?.why).toContain('sluice apply');
  expect(note(result, 'general_settings.enforce_user_param')?.why).toContain('policy');
  expect(note(result, 'guardrails')?.outcome).toBe('unmapped');
  expect(note(result, 'x-defaults')).toBeUndefined();
  for (const one of result.notes.filter(({ outcome }) => outcome !== 'mapped'))
    expect(one.why, one.path).toMatch(/\.$/);
  const unknown = result.notes
    .filter(({ why }) => why?.includes('not known') === true)
    .map(({ path }) => path);
  expect(unknown).toEqual([
    'model_list[8].litellm_params.keep_alive',
    'model_list[10].litellm_params.api_key',
    'litellm_settings.cache_params.namespace',
    'unknown_top',
  ]);
});

test('Portkey: groups in groups keep their shares, and a target that falls away leaves no gap', () => {
  const result = of('portkey-nested.json');
  expect(result.yaml).toMatch(/provider: anthropic-prod\n.*\n\s+weight: 30\n\s+priority: 1/);
  expect(result.yaml).toMatch(/provider: bedrock\n.*\n\s+weight: 30\n\s+priority: 2/);
  expect(result.yaml).toMatch(/access_key_id: \$\{AWS_ACCESS_KEY_ID\}/);
  expect(note(result, 'targets[1].targets')).toMatchObject({ outcome: 'approximated' });
});

test('files that go in circles, or are none, are refused in a sentence', () => {
  const read = (text: string) => importConfiguration({ source: 'litellm', text, name: 'x' });
  for (const text of ['a: &a [*a]', 'a: &a { b: *a }', '', '{', 'model_list: [', '\u0000', '- 1', 'text'])
    expect(() => read(text), text).toThrow(ImportFault);
});

test('LiteLLM: tags become a router over models', () => {
  const { yaml } = of('litellm-tags.yaml');
  expect(yaml).toContain('when: tags.tag == "free"');
  expect(yaml).toContain('use: chat.paid');
});

test('LiteLLM: keys and teams become a file that apply reads', async () => {
  const { state, yaml, notes } = of('litellm-keys.json');
  expect(yaml).toBeUndefined();
  const { parse } = await import('yaml');
  const read = readState(parse(state ?? ''), 'state.yaml');
  expect(read.problems).toEqual([]);
  expect(read.state?.organizations?.[0]?.keys?.map(({ name, team }) => [name, team])).toEqual([
    ['search-prod', 'Search'],
    ['search-prod 2', 't-2'],
  ]);
  expect(
    notes.filter(({ outcome }) => outcome === 'unmapped').every(({ why }) => (why ?? '').length > 0),
  ).toBe(true);
});

test('Portkey: nested targets keep weights and order', () => {
  const { yaml } = of('portkey-fallback.json');
  expect(yaml).toMatch(/weight: 0.7\n\s+priority: 1/);
  expect(yaml).toMatch(/claude-sonnet-4-5\n\s+weight: 1\n\s+priority: 2/);
});

test('Portkey: a slug that tells no vendor can be told', () => {
  const text = JSON.stringify({ virtual_key: 'prod-llm', override_params: { model: 'house-model' } });
  const input = { source: 'portkey', text, name: 'x' } as const;
  expect(
    importConfiguration(input).notes.some(({ why }) => why?.includes('--provider prod-llm=VENDOR')),
  ).toBe(true);
  expect(importConfiguration({ ...input, vendors: ['prod-llm=groq'] }).yaml).toContain('type: groq');
});

const SOURCES: readonly ImportSource[] = ['litellm', 'portkey', 'relayplane'];

describe.each(SOURCES)('%s: what is no configuration', (source) => {
  test.each([
    ['nothing', ''],
    ['a list of numbers', '[1, 2]'],
    ['text', 'just words'],
    ['broken YAML', 'a: [1\nb: }'],
    ['another product', 'services: { web: { image: nginx } }'],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
        .split('')
        .map((c, i) => `${c}: &${c} [${`*${'abcdefgh'[i]},`.repeat(9)}]`)
        .join('\n')}`,
    ],
    ['deep nesting', `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['duplicate keys', 'model_list: []\nmodel_list: []'],
  ])('%s is refused in one sentence', (_, text) => {
    expect(() => importConfiguration({ source, text, name: 'x' })).toThrow(ImportFault);
  });
});

describe('hostile values', () => {
  const hostile = [
    'model_list: [1, null, "x", { model_name: 5 }, { model_name: a, litellm_params: [] }]',
    'model_list: [{ model_name: "__proto__", litellm_params: { model: gpt-4o } }, { model_name: "a b\\n", litellm_params: { model: gpt-4o } }]',
    'model_list: [{ model_name: a, litellm_params: { model: "openai/x y", rpm: -5, tpm: 1e99, weight: .inf, timeout: -1 } }]',
    'model_list: [{ model_name: a, litellm_params: { model: "openai/gpt-4o", api_key: "${HOME}", api_base: "javascript:alert(1)" } }]',
    'model_list: []\nlitellm_settings: { fallbacks: "no", num_retries: 99999, request_timeout: "abc", cache: 1 }',
    'model_list: [{ model_name: a, litellm_params: { model: gpt-4o } }]\nrouter_settings: { model_group_alias: { "x:fast": a, "a": a }, fallbacks: [{ a: [a, a, 7] }] }',
  ];
  test.each(hostile)('%s', (text) => {
    const result = importConfiguration({ source: 'litellm', text, name: 'x' });
    // Either it can be used or its problems are told; nothing is thrown and nothing is silent.
    expect(result.notes.length + result.problems.length).toBeGreaterThan(0);
    expect(({} as Record<string, unknown>)['deployments']).toBeUndefined();
  });
});

test('RelayPlane: what its mode leaves unused is not said to map', () => {
  const routing = (mode: string) => ({
    mode,
    complexity: { simple: 'claude-haiku-4-5', complex: 'claude-opus-4-5' },
    cascade: { models: ['claude-haiku-4-5', 'claude-opus-4-5'] },
  });
  for (const [mode, unused, used] of [
    ['complexity', 'routing.cascade', 'tiers:'],
    ['cascade', 'routing.complexity', 'cascade:'],
  ] as const) {
    const text = JSON.stringify({ routing: routing(mode) });
    const result = importConfiguration({ source: 'relayplane', text, name: 'relay' });
    expect(note(result, unused)).toMatchObject({ outcome: 'unmapped', why: expect.stringContaining(mode) });
    expect(result.yaml).toContain(used);
  }
});
