import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Effort, OPEN_PROFILE } from '../model/index.ts';
import { createCatalog, OVERLAY, parseCatalog } from './index.ts';
import { familyName, lookupNames } from './names.ts';

const catalog = createCatalog(
  parseCatalog(readFileSync(new URL('./catalog.generated.json', import.meta.url), 'utf8')),
);

/** Compact notation: `none`, `fixed`, `budget 1024-63999 on|off`, `adaptive`, `adaptive!` (cannot be switched off), levels. */
function reasoning(provider: string, model: string): string {
  const control = catalog.profile(provider, model).reasoning;
  switch (control.kind) {
    case 'effort':
      return control.levels.join(' ') + (control.default === undefined ? '' : ` (${control.default})`);
    case 'budget':
      return `budget ${control.min}-${control.max} ${control.canDisable ? 'off' : 'on'}`;
    case 'adaptive':
      return `adaptive${control.alwaysOn ? '!' : ''} ${control.levels.join(' ')}${control.acceptsBudget ? ' budget' : ''}`;
    default:
      return control.kind;
  }
}

describe('reasoning control', () => {
  it.each([
    ['openai', 'gpt-4o-2024-08-06', 'none'],
    ['openai', 'ft:gpt-4o-mini-2024-07-18:acme::abc', 'none'],
    ['openai', 'gpt-4.1-2025-04-14', 'none'],
    ['openai', 'gpt-4-1106-preview', 'none'],
    ['openai', 'o1-mini-2024-09-12', 'fixed'],
    ['openai', 'o3-mini-2025-01-31', 'low medium high (medium)'],
    ['openai', 'gpt-5-2025-08-07', 'minimal low medium high (medium)'],
    ['openai', 'gpt-5-pro', 'high (high)'],
    ['openai', 'gpt-5-chat-latest', 'none'],
    ['openai', 'gpt-5.1', 'none low medium high (none)'],
    ['openai', 'gpt-5.1-codex-max', 'low medium high xhigh (medium)'],
    ['azure', 'gpt-5.2-2025-12-11', 'none low medium high xhigh (none)'],
    ['openrouter', 'openai/gpt-5.6-luna', 'none low medium high xhigh max (medium)'],
    ['openai', 'gpt-6-astra', 'low medium high xhigh max (medium)'],
    ['cerebras', 'gpt-oss-120b', 'low medium high (medium)'],
    ['anthropic', 'claude-3-5-sonnet-20241022', 'none'],
    ['anthropic', 'claude-3-opus-20240229', 'none'],
    ['google', 'claude-3-7-sonnet@20250219', 'budget 1024-63999 off'],
    ['anthropic', 'claude-opus-4-20250514', 'budget 1024-31999 off'],
    ['anthropic', 'claude-sonnet-4-5-20250929', 'budget 1024-63999 off'],
    ['openrouter', 'anthropic/claude-sonnet-4.5', 'budget 1024-63999 off'],
    ['aws', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', 'budget 1024-63999 off'],
    ['aws', 'us.anthropic.claude-opus-4-6-v1', 'adaptive low medium high max budget'],
    ['anthropic', 'claude-opus-4-7', 'adaptive low medium high xhigh max'],
    ['anthropic', 'claude-opus-5', 'adaptive low medium high xhigh max'],
    ['anthropic', 'claude-opus-5-5', 'adaptive! low medium high xhigh max'],
    ['anthropic', 'claude-fable-5-1', 'adaptive! low medium high xhigh max'],
    ['google', 'gemini-1.5-pro-002', 'none'],
    ['google', 'models/gemini-2.5-flash', 'budget 1-24576 off'],
    ['google', 'gemini-2.5-flash-lite', 'budget 512-24576 off'],
    ['google', 'gemini-2.5-pro-preview-06-05', 'budget 128-32768 on'],
    ['google', 'gemini-3-pro-preview', 'low high (high)'],
    ['google', 'gemini-3.5-flash', 'minimal low medium high (medium)'],
    ['mistral', 'magistral-medium-2509', 'fixed'],
    ['mistral', 'mistral-small-latest', 'none high (none)'],
    ['deepseek', 'deepseek-chat', 'none'],
    ['fireworks', 'accounts/fireworks/models/deepseek-r1-0528', 'fixed'],
    ['deepseek', 'deepseek-v4-pro', 'none low high max (high)'],
    ['x-ai', 'grok-3-mini', 'low high (low)'],
    ['x-ai', 'grok-4-fast-non-reasoning', 'none'],
    ['x-ai', 'grok-4-0709', 'fixed'],
    ['groq', 'llama-3.3-70b-versatile', 'none'],
    ['moonshotai', 'kimi-k2.5', 'none high (high)'],
    ['zai', 'glm-5.3', 'none high (high)'],
    ['cohere', 'command-a-03-2025', 'none'],
    ['local', 'qwen3:8b', 'fixed'],
  ])('%s %s: %s', (provider, model, expected) => {
    expect(reasoning(provider, model)).toBe(expected);
  });
});

describe('refusals and abilities', () => {
  const profile = (provider: string, model: string) => catalog.profile(provider, model);

  it('reasoning models refuse what the recordings show refused', () => {
    expect(profile('openai', 'gpt-5-mini').refuses).toEqual(
      expect.arrayContaining(['max_tokens', 'temperature']),
    );
    expect(profile('openai', 'o4-mini').refuses).toContain('parallel_tool_calls');
    expect(profile('openai', 'gpt-4o').refuses).toEqual([]);
    // gpt-5.2 does not think unless told to, and takes a temperature then.
    expect(profile('openai', 'gpt-5.2').refuses).not.toContain('temperature');
    expect(profile('x-ai', 'grok-4').refuses).toEqual(expect.arrayContaining(['stop', 'presence_penalty']));
  });

  it('Claude loses prefill with 4.6 and sampling with 4.7', () => {
    expect(profile('anthropic', 'claude-sonnet-4-5').refuses).toEqual([]);
    expect(profile('anthropic', 'claude-sonnet-4-6').refuses).toEqual(['prefill']);
    expect(profile('anthropic', 'claude-opus-4-7').refuses).toEqual([
      'temperature',
      'top_p',
      'top_k',
      'prefill',
    ]);
  });

  it('tools with effort need Responses from gpt-5.4 on', () => {
    expect(profile('openai', 'gpt-5.4-mini').toolsNeedResponses).toBe(true);
    expect(profile('openai', 'gpt-6-luna').toolsNeedResponses).toBe(true);
    expect(profile('openai', 'gpt-5.2').toolsNeedResponses).toBeUndefined();
  });

  it('output limits, modalities and structured output follow the family', () => {
    expect(profile('openai', 'gpt-4o-mini')).toMatchObject({
      maxOutputTokens: 16_384,
      contextTokens: 128_000,
    });
    expect(profile('anthropic', 'claude-3-haiku-20240307')).toMatchObject({
      maxOutputTokens: 4096,
      structuredOutput: 'none',
      input: ['text', 'image'],
    });
    expect(profile('google', 'gemini-2.0-flash').input).toContain('video');
    expect(profile('deepseek', 'deepseek-chat').structuredOutput).toBe('json_object');
    expect(profile('perplexity', 'sonar-pro').tools).toBe(false);
  });

  it('an open model has the window of whoever serves it, the maker’s own the documented one', () => {
    expect(profile('cerebras', 'llama3.1-8b').contextTokens).toBe(32_768);
    expect(profile('groq', 'qwen/qwen3-32b').contextTokens).toBe(131_072);
    expect(profile('openai', 'gpt-4.1').contextTokens).toBe(1_047_576);
  });

  it('an unknown model may try everything', () => {
    expect(profile('local', 'my-own-finetune')).toBe(OPEN_PROFILE);
    expect(profile('azure', 'team-deployment-7')).toBe(OPEN_PROFILE);
  });

  it('newer versions of a known line are taken for its newest', () => {
    expect(profile('anthropic', 'claude-sonnet-6').family).toBe('claude');
    expect(profile('openai', 'gpt-7-sol').toolsNeedResponses).toBe(true);
    expect(profile('google', 'gemini-4-pro').reasoning.kind).toBe('effort');
  });
});

describe('families', () => {
  it('are consistent in themselves', () => {
    const order: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
    for (const { match, profile } of OVERLAY.families) {
      const where = String(match);
      const control = profile.reasoning;
      if (control.kind === 'effort') {
        expect(control.levels.length, where).toBeGreaterThan(0);
        if (control.default !== undefined) expect(control.levels, where).toContain(control.default);
      }
      if (control.kind === 'effort' || control.kind === 'adaptive')
        expect(
          [...control.levels].sort((a, b) => order.indexOf(a) - order.indexOf(b)),
          where,
        ).toEqual(control.levels);
      if (control.kind === 'budget') {
        expect(control.min, where).toBeLessThan(control.max);
        if (profile.maxOutputTokens !== undefined)
          expect(control.max, where).toBeLessThan(profile.maxOutputTokens);
      }
      expect(profile.input[0], where).toBe('text');
      expect(new Set(profile.refuses).size, where).toBe(profile.refuses.length);
      // A global or sticky pattern would remember its last match.
      expect(match.flags, where).toBe('');
    }
  });
});

describe('names', () => {
  it('come down to one spelling', () => {
    expect(familyName('us.anthropic.claude-3-7-sonnet-20250219-v1:0')).toBe(
      'claude-sonnet-3-7-20250219-v1:0',
    );
    expect(familyName('claude-3-opus-20240229')).toBe('claude-opus-3-20240229');
    expect(familyName('openai/gpt-4.1')).toBe('gpt-4-1');
    expect(familyName('arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-lite-v1:0')).toBe(
      'nova-lite-v1:0',
    );
  });

  it('are looked up as asked first, without their date last', () => {
    expect(lookupNames('gpt-5.4-20260305')).toEqual(['gpt-5.4-20260305', 'gpt-5.4-2026-03-05', 'gpt-5.4']);
    expect(lookupNames(' Models/Gemini-2.5-Flash ')).toEqual(['models/gemini-2.5-flash', 'gemini-2.5-flash']);
    expect(lookupNames('claude-3-7-sonnet@20250219')).toEqual([
      'claude-3-7-sonnet@20250219',
      'claude-3-7-sonnet',
    ]);
  });
});
