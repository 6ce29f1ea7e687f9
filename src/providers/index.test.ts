import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../core/catalog/index.ts';
import { FORMATS } from '../core/model/index.ts';
import { PROVIDERS } from './index.ts';
import type { Endpoint, Provider } from './provider.ts';

const HERE = new URL('./', import.meta.url);
const SIMULATOR = 'simulator';
const folders = readdirSync(HERE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== SIMULATOR)
  .map((entry) => entry.name)
  .sort();
const all = [...PROVIDERS.values()];
const source = (path: string) => readFileSync(new URL(path, HERE), 'utf8');
const endpointsOf = ({ endpoints: { chat, ...others } }: Provider): Endpoint[] => [
  ...chat,
  ...Object.values(others).filter((endpoint) => endpoint !== undefined),
];

describe('the registry', () => {
  it('has every folder, once, in alphabetical order', () => {
    const ids = [...PROVIDERS.keys()].filter((id) => PROVIDERS.get(id)?.id !== 'sim');
    expect(ids).toEqual(folders);
    expect(ids.length).toBeGreaterThanOrEqual(45);
    const listed = [...source('index.ts').matchAll(/from '\.\/([\w-]+)\/provider\.ts'/g)].map(
      (match) => match[1],
    );
    expect(listed.filter((id) => id !== SIMULATOR)).toEqual(folders);
  });

  it('finds no two vendors by the same variable or key', () => {
    const variables = all.flatMap(({ env }) => env);
    expect(new Set(variables).size).toBe(variables.length);
    const prefixes = all.flatMap(({ keyPrefix }) => keyPrefix ?? []);
    for (const prefix of prefixes)
      expect(prefixes.filter((other) => other.startsWith(prefix))).toEqual([prefix]);
  });

  it('names catalog providers that exist, or none', () => {
    const catalog = parseCatalog(source('../core/catalog/catalog.generated.json'));
    for (const { id, catalogId } of all) {
      if (catalogId === undefined || catalogId === 'local') continue;
      expect(Object.keys(catalog.providers), id).toContain(catalogId);
    }
    const priced = all.filter(({ id, catalogId }) => Object.hasOwn(catalog.providers, catalogId ?? id));
    expect(priced.length).toBeGreaterThanOrEqual(25);
  });
});

describe.each(all.filter(({ id }) => folders.includes(id)))('$id', (provider) => {
  it('is data in at most 30 lines, without another vendor’s', () => {
    const text = source(`${provider.id}/provider.ts`);
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
    for (const [, path] of text.matchAll(/from '([^']+)'/g))
      expect(path).toMatch(/^\.\.\/(?:provider|openai-like|hosted-claude)\.ts$/);
  });

  it('has an id, a name, variables and an address in the right form', () => {
    expect(provider.id).toMatch(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/);
    expect(provider.name).not.toBe('');
    for (const name of [...provider.env, provider.baseUrlEnv ?? 'NONE'])
      expect(name).toMatch(/^[A-Z][A-Z0-9_]*$/);
    for (const base of [provider.baseUrl, provider.globalBaseUrl]) {
      if (base === undefined) continue;
      expect(base).not.toMatch(/\/$/);
      const url = new URL(base.replace('{region}', 'region'));
      expect(url.protocol).toBe(provider.local ? 'http:' : 'https:');
      if (provider.local) expect(url.hostname).toBe('127.0.0.1');
    }
    if (provider.baseUrl?.includes('{region}')) expect(provider.regions?.length).toBeGreaterThan(0);
    if (provider.console !== undefined) expect(new URL(provider.console).protocol).toBe('https:');
    for (const name of Object.keys(provider.headers ?? {})) expect(name).toBe(name.toLowerCase());
    if (provider.auth.type === 'header')
      expect(provider.auth.header).toBe(provider.auth.header.toLowerCase());
  });

  it('has endpoints in known formats at absolute paths', () => {
    const endpoints = endpointsOf(provider);
    expect(endpoints.length).toBeGreaterThan(0);
    for (const endpoint of endpoints) {
      expect([...FORMATS, 'openai', 'cohere', 'jina', 'voyage', 'gemini-embeddings']).toContain(
        endpoint.format,
      );
      for (const path of [endpoint.path, endpoint.streamPath ?? endpoint.path]) {
        expect(path).toMatch(/^\/[^\s]*[^/\s]$/);
        expect([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])).toSatisfy((names: string[]) =>
          names.every((name) => ['model', 'region', 'project'].includes(name)),
        );
      }
      if (endpoint.models !== undefined) expect(() => new RegExp(endpoint.models ?? '', 'i')).not.toThrow();
    }
    for (const endpoint of provider.endpoints.chat) expect(FORMATS).toContain(endpoint.format);
    const unrestricted = provider.endpoints.chat.filter(({ models }) => models === undefined);
    const formats = unrestricted.map(({ format }) => format);
    expect(new Set(formats).size).toBe(formats.length);
  });
});

describe('quirks', () => {
  const quirksSource = source('../formats/quirks.ts');

  it('in use are documented where they are declared', () => {
    const used = new Set(all.flatMap(({ quirks = {} }) => Object.keys(quirks)));
    for (const name of used)
      expect(quirksSource, name).toMatch(new RegExp(`/\\*\\*[^/]+\\*/\\s+readonly ${name}\\?:`));
  });

  it('repair the streams that recordings show to be broken', () => {
    for (const id of [
      'azure',
      'mistral',
      'groq',
      'xai',
      'perplexity',
      'avian',
      'snowflake',
      'writer',
      'gpustack',
      'together',
    ])
      expect(PROVIDERS.get(id)?.quirks?.repairStream, id).toBe(true);
    for (const id of ['writer', 'gpustack'])
      expect(PROVIDERS.get(id)?.quirks?.doneMarker, id).toBe('optional');
    expect(PROVIDERS.get('snowflake')?.quirks?.finishReason).toBe('absent');
    expect(PROVIDERS.get('xai')?.quirks?.reasoningOutsideOutput).toBe(true);
    expect(PROVIDERS.get('deepseek')?.quirks?.reasoningReplay).toBe('reasoning_content');
  });

  it('leave alone what needs no repair, so that bytes can pass', () => {
    for (const id of ['openai', 'anthropic', 'gemini', 'deepseek', 'openrouter', 'vllm', 'openai-compatible'])
      expect(PROVIDERS.get(id)?.quirks?.repairStream, id).toBeUndefined();
  });
});

describe('docs/providers.md', () => {
  it('says what the registry says', () => {
    const script = fileURLToPath(new URL('../../scripts/generate-provider-docs.ts', HERE));
    const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });
});
