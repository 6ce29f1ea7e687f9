// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax under test.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { distance, nearest } from '../../core/nearest.ts';
import type { Provider } from '../../providers/provider.ts';
import { readDocument } from './document.ts';
import { environmentConfig } from './environment.ts';
import { interpolate } from './interpolate.ts';
import { matchesPattern } from './known.ts';
import { loadConfig } from './load.ts';
import { configHash, maskSecrets } from './mask.ts';
import { mergePatch } from './merge.ts';
import { formatPath, MASK } from './paths.ts';
import { referencePage, schemaFile } from './reference.ts';
import { configJsonSchema, walkSchema } from './schema-tree.ts';

describe('interpolate', () => {
  it.each([
    ['a${X}b', 'a1b', 0],
    ['${X}${X}', '11', 0],
    ['${NONE:-d:-e}', 'd:-e', 0],
    ['${EMPTY:-d}', 'd', 0],
    ['${NONE:-}', '', 0],
    ['$${X}', '${X}', 0],
    ['$X $', '$X $', 0],
    ['${NONE}', '', 1],
    ['${EMPTY}', '', 1],
    ['${toString}', '', 1],
    ['${', '', 1],
    ['${X', '', 1],
    ['${a b}', '', 1],
  ])('%s', (text, value, failures) => {
    const result = interpolate(text, { X: '1', EMPTY: '' });
    expect(result.failures).toHaveLength(failures);
    expect(result.value).toBe(value);
  });
});

describe('suggest', () => {
  it('counts swaps once and ignores case and dashes', () => {
    expect([
      distance('prot', 'port'),
      distance('', 'abc'),
      distance('Max-Mb', 'max_mb'),
      distance('ca', 'abc'),
    ]).toEqual([1, 3, 0, 3]);
  });
  it('stays silent when nothing is near', () => {
    expect(nearest('zebra', ['host', 'port'])).toBeUndefined();
    expect(nearest('timeout', ['timeouts', 'limits'])).toBe('timeouts');
    expect(nearest('x'.repeat(100_000), ['host'])).toBeUndefined();
  });
});

describe('small parts', () => {
  it('matches patterns', () => {
    const cases: [string, string, boolean][] = [
      ['gpt-*', 'gpt-4o', true],
      ['gpt-*', 'xgpt-4o', false],
      ['*', 'anything', true],
      ['a*b*c', 'a1b2c', true],
      ['a*b*c', 'ac', false],
      ['ab*ba', 'aba', false],
      ['a.c', 'abc', false],
    ];
    for (const [pattern, name, expected] of cases)
      expect([pattern, name, matchesPattern(pattern, name)]).toEqual([pattern, name, expected]);
  });
  it('merges as RFC 7396 says', () => {
    expect(mergePatch({ a: { b: 1, c: [1, 2] }, d: 2 }, { a: { b: null, c: [3] }, e: 4 })).toEqual({
      a: { c: [3] },
      d: 2,
      e: 4,
    });
    const merged = mergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
  it('writes paths that can be read back', () => {
    expect(formatPath(['models', 'gpt-4o', 'deployments', 0, 'provider'])).toBe(
      'models.gpt-4o.deployments[0].provider',
    );
    expect(formatPath(['models', 'gpt-4.1'])).toBe('models["gpt-4.1"]');
    expect(formatPath(['server', 'sk-proj-abc'])).toBe('server[(a name of 11 characters)]');
  });
});

const provider = (id: string, more: Partial<Provider>): [string, Provider] => [
  id,
  {
    id,
    name: id,
    env: [`${id.toUpperCase()}_API_KEY`],
    baseUrl: `https://${id}.example/v1`,
    auth: { type: 'bearer' },
    endpoints: { chat: [] },
    ...more,
  },
];
const PROVIDERS = new Map<string, Provider>([
  provider('openai', { baseUrlEnv: 'OPENAI_BASE_URL' }),
  provider('google', { env: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'] }),
  provider('private', { baseUrl: undefined, baseUrlEnv: 'PRIVATE_URL' }),
  provider('signed', {
    env: ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID'],
    auth: { type: 'sigv4', service: 's' },
  }),
  provider('ollama', {
    env: [],
    baseUrl: 'http://127.0.0.1:11434/v1',
    baseUrlEnv: 'OLLAMA_HOST',
    local: true,
    auth: { type: 'none' },
  }),
]);

describe('a file that is nested deeply', () => {
  const nested = (levels: number) => `a: ${'{ a: '.repeat(levels)}1${' }'.repeat(levels)}`;

  it('is read up to a hundred levels and refused in one sentence beyond', () => {
    expect(readDocument(nested(98), {}).syntax).toEqual([]);
    for (const levels of [100, 500, 5000]) {
      expect(readDocument(nested(levels), {}).syntax.map(({ problem }) => problem)).toEqual([
        'is nested too deeply.',
      ]);
    }
  });
});

describe('zero configuration', () => {
  const found = (environment: Record<string, string>, reachable?: ReadonlySet<string>) => {
    const { config } = environmentConfig(environment, PROVIDERS, reachable);
    const loaded = loadConfig({
      environment: {},
      discovered: config,
      known: { providers: PROVIDERS, hasModel: () => true },
    });
    expect(loaded.problems).toEqual([]);
    return config.providers;
  };
  it('takes the first variable that is set', () => {
    expect(found({})).toEqual({});
    expect(found({ OPENAI_API_KEY: ' k ', GOOGLE_API_KEY: 'g', GEMINI_API_KEY: '' })).toEqual({
      openai: { api_key: 'k' },
      google: { api_key: 'g' },
    });
  });
  it('needs an address where the vendor has none', () => {
    expect(found({ PRIVATE_API_KEY: 'k' })).toEqual({});
    expect(found({ PRIVATE_API_KEY: 'k', PRIVATE_URL: 'http://10.0.0.1/v1' })).toEqual({
      private: { api_key: 'k', base_url: 'http://10.0.0.1/v1', allow_private_network: true },
    });
  });
  it('adds a local provider when its variable is set or it was reached', () => {
    const at = (host: string) => found({ OLLAMA_HOST: host })?.['ollama']?.base_url;
    expect(at('0.0.0.0')).toBe('http://127.0.0.1:11434/v1');
    expect(at('box:9999')).toBe('http://box:9999/v1');
    expect(at(':9999')).toBe('http://127.0.0.1:9999/v1');
    expect(at('https://box.example/ollama')).toBe('https://box.example/ollama');
    expect(found({}, new Set(['ollama']))).toEqual({ ollama: {} });
  });
  it('reads the parts of a signing key', () => {
    expect(found({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'eu-west-1' })).toEqual({
      signed: { credentials: { access_key_id: 'a', secret_access_key: 'b' }, region: 'eu-west-1' },
    });
    expect(found({ AWS_BEARER_TOKEN_BEDROCK: 't' })).toEqual({ signed: { api_key: 't' } });
  });
});

describe('showing a configuration', () => {
  const text = `
storage: { url: "postgres://user:pass-secret@db.example/x" }
access: { admin_key: admin-secret-0123456789 }
providers:
  openai: { api_keys: [one-secret, two-secret], headers: { x-a: header-secret } }
  signed: { credentials: { secret_access_key: aws-secret, project: shown } }
keys: [{ name: shown-too, key: sk-sluice-secret }]
guardrails: [{ name: g, type: webhook, url: "https://x.example", secret: hook-secret }]
telemetry: { otlp_headers: { authorization: otlp-secret } }
`;
  const { config, problems } = loadConfig({ text, environment: {} });
  it('masks every secret and nothing else', () => {
    expect(problems).toEqual([]);
    const shown = JSON.stringify(maskSecrets(config ?? expect.fail()));
    expect(shown).not.toMatch(/(one|two|header|aws|admin|pass|hook|otlp|sluice)-secret/);
    expect(shown).toContain(`postgres://${MASK}@db.example/x`);
    expect(shown).toContain('"project":"shown"');
    expect(shown).toContain('shown-too');
  });
  it('marks every key of the schema that is named like a secret', () => {
    const unmarked: string[] = [];
    walkSchema((place, node) => {
      const named = /^(.*_)?(key|secret|token|password)$/.test(place.at(-1) ?? '');
      if (named && node.type === 'string' && node.writeOnly !== true) unmarked.push(place.join('.'));
    });
    expect(unmarked).toEqual([]);
  });
  it('gives equal configurations an equal hash and others another', () => {
    const hash = (yaml: string) =>
      configHash(loadConfig({ text: yaml, environment: {} }).config ?? expect.fail());
    expect(hash('server: { port: 1, host: localhost }')).toBe(
      hash('server:\n  host: localhost\n  port: 1\n'),
    );
    expect(hash('providers: { openai: { api_key: a } }')).not.toBe(
      hash('providers: { openai: { api_key: b } }'),
    );
    expect(hash('')).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('the generated reference', () => {
  it.each([
    ['config.md', referencePage],
    ['sluice.schema.json', schemaFile],
  ])('%s is up to date', (name, make) => {
    const file = new URL(`../../../docs/reference/${name}`, import.meta.url);
    expect(existsSync(file) && readFileSync(file, 'utf8') === make()).toBe(true);
  });
  it('describes every key', () => {
    const bare: string[] = [];
    walkSchema((place, node) => {
      const last = place.at(-1);
      if (last !== '*' && last !== '[]' && node.description === undefined) bare.push(place.join('.'));
    });
    expect(bare).toEqual([]);
    expect(configJsonSchema().properties).toHaveProperty('server');
  });
});
