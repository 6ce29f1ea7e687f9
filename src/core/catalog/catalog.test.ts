import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { calcPrice } from '@pydantic/genai-prices';
import { describe, expect, it } from 'vitest';
import { OPEN_PROFILE } from '../model/index.ts';
import { createCatalog, OVERLAY, parseCatalog } from './index.ts';

const TEXT = readFileSync(new URL('./catalog.generated.json', import.meta.url), 'utf8');
const data = parseCatalog(TEXT);
const catalog = createCatalog(data);
const NOW = Date.parse('2026-11-21T12:00:00Z');

/** Hand-written from the vendors' price pages, US dollars per million tokens. */
const EXPECTED: readonly [
  provider: string,
  model: string,
  usd: { input: number; output: number; cacheRead?: number; cacheWrite5m?: number; cacheWrite1h?: number },
][] = [
  ['openai', 'gpt-4o', { input: 2.5, output: 10, cacheRead: 1.25 }],
  ['openai', 'gpt-4o-2024-05-13', { input: 5, output: 15 }],
  ['openai', 'gpt-4o-mini-2024-07-18', { input: 0.15, output: 0.6, cacheRead: 0.075 }],
  ['openai', 'gpt-4.1-nano', { input: 0.1, output: 0.4, cacheRead: 0.025 }],
  ['openai', 'o3-mini', { input: 1.1, output: 4.4, cacheRead: 0.55 }],
  ['openai', 'gpt-5', { input: 1.25, output: 10, cacheRead: 0.125 }],
  ['openai', 'gpt-6.1-terra', { input: 1, output: 5, cacheRead: 0.05, cacheWrite5m: 1.25 }],
  [
    'anthropic',
    'claude-sonnet-4-5-20250929',
    { input: 3, output: 15, cacheRead: 0.3, cacheWrite5m: 3.75, cacheWrite1h: 6 },
  ],
  [
    'anthropic',
    'claude-haiku-4-5',
    { input: 1, output: 5, cacheRead: 0.1, cacheWrite5m: 1.25, cacheWrite1h: 2 },
  ],
  [
    'anthropic',
    'claude-opus-5-5',
    { input: 4, output: 20, cacheRead: 0.2, cacheWrite5m: 5, cacheWrite1h: 8 },
  ],
  ['anthropic', 'claude-haiku-5-5', { input: 0.1, output: 0.5, cacheRead: 0.01, cacheWrite1h: 0.2 }],
  ['anthropic', 'claude-sonnet-5-5', { input: 2, output: 10, cacheRead: 0.1, cacheWrite1h: 4 }],
  ['google', 'models/gemini-2.5-flash', { input: 0.3, output: 2.5, cacheRead: 0.03 }],
  ['google', 'gemini-2.5-pro', { input: 1.25, output: 10, cacheRead: 0.125 }],
  ['google', 'gemini-2.5-flash-image', { input: 0.3, output: 30 }],
  ['mistral', 'codestral-2508', { input: 0.3, output: 0.9, cacheRead: 0.03 }],
  ['groq', 'llama-3.3-70b-versatile', { input: 0.59, output: 0.79 }],
  ['x-ai', 'grok-4', { input: 3, output: 15, cacheRead: 0.75 }],
  ['aws', 'amazon.nova-micro-v1:0', { input: 0.035, output: 0.14, cacheRead: 0.00875 }],
  ['cohere', 'command-r7b-12-2024', { input: 0.0375, output: 0.15 }],
];

describe('prices', () => {
  it.each(EXPECTED)('%s %s costs what its vendor says', (provider, model, usd) => {
    const price = catalog.price(provider, model, NOW)?.price;
    for (const [name, dollars] of Object.entries(usd))
      expect(price?.[name as keyof typeof usd], name).toBe(Math.round(dollars * 1e6));
  });

  it('are whole pico-dollars, and zero only where the model is free', () => {
    let priced = 0;
    for (const provider of Object.keys(data.providers)) {
      for (const entry of catalog.entries(provider)) {
        const price = catalog.price(provider, entry.id, NOW)?.price;
        if (price === undefined) continue;
        priced += 1;
        const { input, output, request, character = 0, audioSecond = 0 } = price;
        for (const rate of [input, output, request]) expect(Number.isSafeInteger(rate), entry.id).toBe(true);
        if (input + output + request + character + audioSecond === 0)
          expect(entry.id).toMatch(/:free$|^moderation$|^gemma-/);
      }
    }
    expect(priced).toBeGreaterThan(1400);
  });

  it('agree with the price library on a plain call of every model it prices', () => {
    let compared = 0;
    for (const provider of Object.keys(data.providers)) {
      if (provider === 'huggingface') continue;
      for (const entry of catalog.entries(provider)) {
        const theirs = calcPrice({ input_tokens: 1000, output_tokens: 0 }, entry.id, {
          providerId: provider,
          timestamp: new Date(NOW),
        });
        const ours = catalog.price(provider, entry.id, NOW);
        if (ours?.asOf !== data.source || theirs === null || ours === undefined) continue;
        // Classes we cannot bill (minutes of audio, pages) leave our price absent, checked above.
        const theirPico = theirs.input_price * 1e12 - ours.price.request;
        if (theirs.input_price > 0) {
          expect(Math.abs(ours.price.input * 1000 - theirPico), `${provider}/${entry.id}`).toBeLessThan(
            Math.max(1, theirPico * 1e-4) + ours.price.request,
          );
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(1200);
  });
});

describe('price lines', () => {
  it('follow tiers by prompt length', () => {
    const price = catalog.price('anthropic', 'claude-haiku-5-5', NOW)?.price;
    expect(price?.tiers).toHaveLength(1);
    expect(price?.tiers?.[0]).toMatchObject({
      above: 100_000,
      rates: { input: 500_000, cacheWrite1h: 1_000_000 },
    });
    expect(catalog.price('google', 'gemini-2.5-pro', NOW)?.price.tiers?.[0]).toMatchObject({
      above: 200_000,
      rates: { input: 2_500_000, output: 15_000_000 },
    });
  });

  it('follow dates and hours', () => {
    const input = (model: string, at: string) =>
      catalog.price('deepseek', model, Date.parse(at))?.price.input;
    expect(input('deepseek-v4-flash', '2026-08-16T12:00:00Z')).toBe(140_000);
    expect(input('deepseek-v4-flash', '2026-08-17T12:00:00Z')).toBe(220_000);
    expect(input('deepseek-v4-flash', '2026-08-17T02:00:00Z')).toBe(440_000);
    expect(input('deepseek-v4-flash', '2026-08-17T04:00:00Z')).toBe(220_000);
    const cacheRead = (at: string) =>
      catalog.price('anthropic', 'claude-sonnet-5-5', Date.parse(at))?.price.cacheRead;
    expect(cacheRead('2026-10-06T23:59:59Z')).toBe(200_000);
    expect(cacheRead('2026-10-07T00:00:00Z')).toBe(100_000);
  });

  it('carry requests, audio and the day they are from', () => {
    expect(catalog.price('perplexity', 'sonar-pro', NOW)?.price.request).toBe(14e9);
    expect(catalog.price('openai', 'gpt-audio', NOW)?.price).toMatchObject({
      audioInput: 32e6,
      audioOutput: 64e6,
    });
    expect(catalog.price('openai', 'gpt-4o', NOW)?.asOf).toBe(data.source);
    expect(catalog.price('openai', 'gpt-6.1-sol', NOW)?.asOf).toBe(`overlay ${OVERLAY.asOf}`);
  });

  it('are unknown, not free, for models nobody priced', () => {
    expect(catalog.price('openai', 'no-such-model', NOW)).toBeUndefined();
    expect(catalog.price('no-such-provider', 'gpt-4o', NOW)).toBeUndefined();
    expect(catalog.price('constructor', 'gpt-4o', NOW)).toBeUndefined();
    expect(catalog.price('openai', 'gpt-transcribe', NOW)).toBeUndefined();
    expect(catalog.price('cerebras', 'qwen-3-coder-480b', NOW)).toBeUndefined();
  });

  it('are zero on the own machine', () => {
    expect(catalog.price('local', 'qwen3:8b', NOW)?.price).toMatchObject({ input: 0, output: 0 });
  });

  it('fall back where a vendor resells another', () => {
    expect(catalog.price('azure', 'gpt-4o', NOW)?.price.input).toBe(2_500_000);
    expect(catalog.price('azure', 'claude-haiku-5-5', NOW)?.price.input).toBe(100_000);
    expect(catalog.price('google', 'claude-haiku-5-5', NOW)?.price.input).toBe(100_000);
  });

  it('of a new snapshot are those of its family', () => {
    expect(catalog.canonicalId('openai', 'gpt-5.2-2027-01-01')).toBe('gpt-5.2');
    expect(catalog.canonicalId('google', 'claude-3-7-sonnet@20250219')).toBe('claude-3-7-sonnet');
    expect(catalog.price('huggingface', 'meta-llama/Llama-3.3-70B-Instruct:groq', NOW)?.price.input).toBe(
      590_000,
    );
  });
});

describe('lookups', () => {
  it('are remembered: the same question has the same answer object', () => {
    const first = catalog.price('openai', 'gpt-4o', NOW);
    expect(catalog.price('openai', 'gpt-4o', NOW + 1000)).toBe(first);
    expect(catalog.profile('groq', 'openai/gpt-oss-120b')).toBe(
      catalog.profile('groq', 'openai/gpt-oss-120b'),
    );
  });

  it('of ever new or very long names stay cheap and bounded', () => {
    const fresh = createCatalog(data);
    const startedMs = performance.now();
    for (let n = 0; n < 20_000; n += 1) fresh.profile('local', `invented-${n}`);
    expect(fresh.profile('local', 'x'.repeat(100_000))).toBe(OPEN_PROFILE);
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect(fresh.profile('openai', 'gpt-4o').maxOutputTokens).toBe(16_384);
  });

  it('list a provider’s models once each, under names it accepts', () => {
    const entries = [...catalog.entries('openai')];
    const ids = entries.map((entry) => entry.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('gpt-6.1-sol');
    expect(ids).not.toContain('ft:gpt-3.5-turbo-');
    expect(entries.find((entry) => entry.id === 'gpt-4o')?.aliases).toContain('gpt-4o-2024-08-06');
    for (const entry of catalog.entries('aws')) expect(entry.id).not.toMatch(/^regional/);
    expect([...catalog.entries('no-such-provider')]).toEqual([]);
  });

  it('find every listed model again under its own name', () => {
    for (const provider of Object.keys(data.providers))
      for (const entry of catalog.entries(provider))
        expect(catalog.canonicalId(provider, entry.id), `${provider}/${entry.id}`).toBe(entry.id);
  });

  it('cost no noticeable time at start', () => {
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 10; run += 1) {
      const startedMs = performance.now();
      createCatalog(parseCatalog(TEXT)).price('openai', 'gpt-4o', NOW);
      best = Math.min(best, performance.now() - startedMs);
    }
    expect(best).toBeLessThan(15);
  });
});

describe('the generated file', () => {
  it('is what the price library in node_modules gives', () => {
    const script = fileURLToPath(new URL('../../../scripts/generate-catalog.ts', import.meta.url));
    const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });
});
