// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax under test.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { accessMode, deploymentSettings } from './defaults.ts';
import type { KnownNames } from './known.ts';
import { type LoadInput, loadConfig } from './load.ts';
import { formatProblem } from './paths.ts';

const vendor = (id: string, baseUrl: string | undefined = 'https://api.example') => [
  id,
  { id, baseUrl, auth: { type: 'bearer' as const }, env: [`${id.toUpperCase()}_API_KEY`] },
];
const KNOWN: KnownNames = {
  providers: new Map([
    vendor('openai'),
    vendor('anthropic'),
    ['openai-compatible', { id: 'openai-compatible', baseUrl: undefined, auth: { type: 'bearer' }, env: [] }],
    [
      'ollama',
      { id: 'ollama', baseUrl: 'http://127.0.0.1:11434', auth: { type: 'none' }, env: [], local: true },
    ],
  ] as [string, KnownNames['providers'] extends ReadonlyMap<string, infer P> ? P : never][]),
  hasModel: (name) => ['claude-sonnet', 'gpt-4.1', 'gpt-4o-mini', 'claude-opus'].includes(name),
  checkCondition: (text) => (text.includes('===') ? 'unexpected =' : undefined),
};
const load = (text: string, more: Partial<LoadInput> = {}) =>
  loadConfig({ text, environment: {}, known: KNOWN, ...more });
const sound = (text: string) => load(text).config ?? expect.fail('not a sound file');
const only = (text: string, more: Partial<LoadInput> = {}) => {
  const { problems } = load(text, more);
  expect(problems.map(formatProblem)).toHaveLength(1);
  return problems[0] ?? expect.fail('no problem');
};

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const UNBUILT_SHOWN = ['guardrails'];

describe('a sound file', () => {
  it('fills every default and is frozen', () => {
    const { config, problems } = load('');
    expect(problems).toEqual([]);
    expect(config?.server).toMatchObject({
      host: '127.0.0.1',
      port: 4100,
      max_body_mb: 32,
      max_json_depth: 64,
    });
    expect(config?.upstream.timeouts).toEqual({
      connect_ms: 5000,
      first_byte_ms: 60_000,
      first_byte_reasoning_ms: 300_000,
      idle_ms: 120_000,
      progress_idle_ms: 600_000,
      total_ms: 600_000,
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config?.upstream.timeouts)).toBe(true);
    expect(Object.isFrozen(config?.server.allowed_hosts)).toBe(true);
  });

  it('is what the example file is', () => {
    const text = readFileSync(new URL('../../../sluice.example.yaml', import.meta.url), 'utf8');
    const names = [...text.matchAll(/"\$\{([A-Z_]+)\}"/g)].map((match) => match[1] ?? '');
    const key = `sk-sluice-${'a1'.repeat(20)}`;
    const environment = Object.fromEntries(
      names.map((name, at) => [name, name === 'SUPPORT_BOT_KEY' ? key : `key-${at}`]),
    );
    const { config, problems, warnings } = load(text, { environment });
    expect(problems.map(formatProblem)).toEqual([]);
    // What it shows before it is built has to say so.
    expect(warnings.map(({ path }) => path).sort()).toEqual(UNBUILT_SHOWN);
    expect(config?.models['gpt-4o-mini']?.deployments[0]).toMatchObject({
      provider: 'openai',
      model: 'gpt-4o-mini',
      weight: 1,
    });
  });

  it('is what the specification shows', () => {
    const page = new URL('../../../../shared/SURFACE.md', import.meta.url);
    // Without the specification beside the repository, the same keys are covered by the example file above.
    const blocks = existsSync(page)
      ? [...readFileSync(page, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
      : ['version: 1\nproviders: { openai: { api_key: "${OPENAI_API_KEY}" } }\n'];
    expect(blocks.length).toBeGreaterThan(0);
    const environment = { OPENAI_API_KEY: 'a', ANTHROPIC_API_KEY: 'b', KEY_A: 'c', KEY_B: 'd' };
    for (const block of blocks) {
      const { problems } = load(block.replaceAll('…', 'host'), { environment });
      expect(problems.map(formatProblem)).toEqual([]);
    }
  });

  it('merges the settings of a deployment from the nearest place', () => {
    const config = sound(
      'providers: { openai: { api_key: k, timeouts: { idle_ms: 1, connect_ms: 2 }, price: { input_usd_per_mtok: 1 } } }\n' +
        'models: { a: { timeouts: { idle_ms: 3 }, deployments: [{ provider: openai, model: b, timeouts: { total_ms: 90000 }, ' +
        'price: { output_usd_per_mtok: "2" } }] } }',
    );
    const model = config.models['a'];
    const settings = deploymentSettings(config, model?.deployments[0] ?? expect.fail(), model);
    expect(settings.timeouts).toMatchObject({
      idle_ms: 3,
      connect_ms: 2,
      total_ms: 90_000,
      first_byte_ms: 60_000,
    });
    expect(settings.price).toEqual({ input_usd_per_mtok: 1, output_usd_per_mtok: '2' });
  });

  it('takes an empty section as absent', () => {
    expect(load('models:\n# gpt: …\nproviders:\n').config?.models).toEqual({});
  });

  it('chooses the access mode by host and keys', () => {
    expect(accessMode(sound(''), false)).toBe('open');
    expect(accessMode(sound(''), true)).toBe('keys');
    expect(accessMode(sound('server: { host: 0.0.0.0 }'), false)).toBe('keys');
  });
});

describe('problems', () => {
  it('names the nearest key, with its line and column', () => {
    expect(only('server:\n  host: 127.0.0.1\n  prot: 4100\n')).toEqual({
      path: 'server.prot',
      line: 3,
      column: 3,
      problem: 'is not a known key.',
      remedy: 'Did you mean "port"?',
      source: 'sluice.yaml',
    });
    expect(only('server: { max_body: 3 }').remedy).toBe('Did you mean "max_body_mb"?');
    expect(only('provider: { openai: {} }').remedy).toBe('Did you mean "providers"?');
  });

  it('says where a key belongs', () => {
    expect(only('server: { retention_days: 3 }').remedy).toContain('belongs in log');
    expect(only('providers: { openai: { rpm: 3 } }').remedy).toContain('providers.NAME.limits');
  });

  it('finds unknown keys in a deployment, not in the other way of writing it', () => {
    const found = load(
      'models:\n  a:\n    deployments:\n      - { provider: openai, model: x, wieght: 2 }',
    ).problems;
    expect(found.map(({ path, line, remedy }) => ({ path, line, remedy }))).toEqual([
      { path: 'models.a.deployments[0].wieght', line: 4, remedy: 'Did you mean "weight"?' },
    ]);
    expect(only('models: { a: { deployments: [gpt] } }').remedy).toContain('provider/model');
    expect(only('models: { a: { deployments: [7] } }').path).toBe('models.a.deployments[0]');
  });

  it.each([
    ['a: "x\nb: 1', 'closing quote'],
    ['server:\n\tport: 1', 'tab'],
    ['server: { port: 1 }\nserver: { port: 2 }', 'twice'],
    ['server: { port: 1', 'bracket'],
    ['access: { admin_key: ${X} }', 'without quotes'],
    ['access: { admin_key: *x }', 'alias'],
    ['version: 1\n---\nversion: 1', 'second document'],
    ['server: !!js 1', '!tag'],
    ['just text', 'does not fit'],
    ['- 1', 'list'],
  ])('says what is wrong with broken YAML: %s', (text, word) => {
    const { problems, config } = load(text);
    expect(config).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.problem).toContain(word);
    expect(problems[0]?.line).toBeGreaterThan(0);
  });

  it.each([
    ['deep', `server: ${'['.repeat(60_000)}`],
    [
      'wide when its aliases are followed',
      `a: &a [x]\n${Array.from({ length: 30 }, (_, at) => `b${at}: &b${at} [${'*a, '.repeat(9)}*a]`).join('\n')}`,
    ],
  ])('says so of YAML that is too %s', (_, text) => {
    const { problems, config } = load(text);
    expect(config).toBeUndefined();
    expect(problems[0]?.line).toBeGreaterThan(0);
  });

  it('names an unset variable and nothing else', () => {
    const problem = only('providers:\n  openai:\n    api_key: "${OPENAI_KEY}"', {
      environment: { OPENAI_KEY: '' },
    });
    expect(problem).toMatchObject({ path: 'providers.openai.api_key', line: 3, column: 14 });
    expect(problem.problem).toContain('OPENAI_KEY');
    expect(problem.remedy).toContain('${OPENAI_KEY:-…}');
  });
});

describe('a file that is unfit', () => {
  it('refuses a missing file, a folder and other encodings plainly', () => {
    const at = (path: string) => loadConfig({ path, environment: {} }).problems[0]?.problem;
    writeFileSync(join(folder, 'latin.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
    writeFileSync(join(folder, 'empty.yaml'), '\n');
    expect(at(join(folder, 'empty.yaml'))).toContain('empty');
    expect(at(join(folder, 'none.yaml'))).toContain('does not exist');
    expect(at(folder)).toContain('folder');
    expect(at(join(folder, 'latin.yaml'))).toContain('UTF-8');
  });

  it('opens no pipe and no huge file, and follows no circle of links', () => {
    const at = (path: string) => loadConfig({ path, environment: {} }).problems[0]?.problem;
    spawnSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe.yaml')]);
    symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
    writeFileSync(join(folder, 'huge.yaml'), 'version: 1');
    truncateSync(join(folder, 'huge.yaml'), 3_000_000_000);
    expect(at(join(folder, 'pipe.yaml'))).toContain('pipe');
    expect(at('/dev/zero')).toContain('device');
    expect(at(join(folder, 'loop.yaml'))).toContain('leads back to itself');
    expect(at(join(folder, 'huge.yaml'))).toContain('4 MB');
  });

  it('prints nothing of a map that stands in the place of a name', () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const problem = only('providers: { openai: { api_key: {{ sk-proj-verysecret }} } }');
    expect(problem.path).toBe('providers.openai.api_key');
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });

  it('names what a merge key may stand before', () => {
    expect(only('providers: { openai: { <<: 5 } }').problem).toContain('`<<`');
  });
});

const UNFIT: readonly (readonly [text: string, path: string])[] = [
  ['server: { host: 0.0.0.0 }\naccess: { mode: open }', 'access.mode'],
  ['server: { port: 70000 }', 'server.port'],
  ['server: { trusted_proxies: [10.0.0.0/64] }', 'server.trusted_proxies[0]'],
  ['providers: { mine: { type: openai-compatible } }', 'providers.mine'],
  ['providers: { mine: { base_url: "https://x.example" } }', 'providers.mine'],
  ['providers: { mine: { type: opnai } }', 'providers.mine.type'],
  ['providers: { openai: { api_key: $OPENAI_API_KEY } }', 'providers.openai'],
  ['providers: { openai: { base_url: "ftp://x.example" } }', 'providers.openai.base_url'],
  ['providers: { openai: { base_url: "https://u:p@x.example" } }', 'providers.openai.base_url'],
  ['providers: { openai: { base_url: "http://[fd00::1]:1" } }', 'providers.openai.base_url'],
  ['providers: { openai: { api_key: a, api_keys: [b] } }', 'providers.openai.api_keys'],
  ['providers: { openai: { timeouts: { connect_ms: 700000 } } }', 'providers.openai.timeouts.connect_ms'],
  [
    'models: { a: { retries: { backoff_ms: 6000 }, deployments: [openai/x] } }',
    'models.a.retries.backoff_ms',
  ],
  ['models: { a: { deployments: [opena/x] } }', 'models.a.deployments[0].provider'],
  [
    'models: { a: { deployments: [{ provider: openai, model: x, weight: 0 }] } }',
    'models.a.deployments[0].weight',
  ],
  ['models: { a: { deployments: [] } }', 'models.a.deployments'],
  ['models: { "a:fast": { deployments: [openai/x] } }', 'models.a:fast'],
  ['models: { a: { deployments: [openai/x], fallbacks: [nope] } }', 'models.a.fallbacks[0]'],
  ['models: { a: { deployments: [openai/x], fallbacks: [a] } }', 'models.a.fallbacks[0]'],
  ['models: { a: { deployments: [openai/x], fallbacks: ["a*"] } }', 'models.a.fallbacks[0]'],
  [
    'models: { a: { deployments: [openai/x] } }\nrouters: { r: { baseline: a, models: [a, s] }, s: { baseline: a, models: [a, openai/b] } }',
    'routers.r.models[1]',
  ],
  ['routers: { r: { baseline: nope, tiers: { easy: openai/a, hard: openai/b } } }', 'routers.r.baseline'],
  [
    'routers: { r: { baseline: openai/a, tiers: { easy: openai/a, hard: openai/b }, rules: [{ when: "a === b", use: openai/a }] } }',
    'routers.r.rules[0].when',
  ],
  ['cache: { semantic: { mode: on } }', 'cache.semantic.mode'],
  [
    'guardrails: [{ name: a, type: words, words: [x] }, { name: a, type: words, words: [y] }]',
    'guardrails[1].name',
  ],
  ['guardrails: [{ name: a, type: pi }]', 'guardrails[0].type'],
  ['guardrails: [{ name: a, type: webhook, url: "http://10.0.0.1/x" }]', 'guardrails[0].url'],
  ['keys: [{ name: a, key: hello }]', 'keys[0].key'],
  [
    'keys: [{ name: a, key: sk-sluice-aaaaaaaaaaaaaaaaaaaaaaaaaaaa, budget: { limit_usd: -1 } }]',
    'keys[0].budget.limit_usd',
  ],
  [
    'keys: [{ name: a, key: sk-sluice-aaaaaaaaaaaaaaaaaaaaaaaaaaaa, expires_at: tomorrow }]',
    'keys[0].expires_at',
  ],
  ['budgets: [{ name: a, scope: team, scope_id: x, limit_usd: 1, action: downgrade }]', 'budgets[0]'],
];

describe('what does not fit together', () => {
  it.each(UNFIT)('%s', (text, path) => {
    const problem = only(text);
    expect(problem.path).toBe(path);
    expect(problem.line).toBeGreaterThan(0);
    expect(problem.remedy).not.toBe('');
  });

  it('names the whole circle of fallbacks, once', () => {
    const model = (name: string, next: string) =>
      `  ${name}: { deployments: [openai/x], fallbacks: [${next}] }\n`;
    const problem = only(`models:\n${model('a', 'b')}${model('b', 'c')}${model('c', 'a')}${model('d', 'a')}`);
    expect(problem).toMatchObject({ path: 'models.c.fallbacks[0]', line: 4 });
    expect(problem.problem).toContain('"a" → "b" → "c" → "a"');
  });

  it('allows private addresses where they are meant', () => {
    expect(load('providers: { ollama: { base_url: "http://127.0.0.1:1" } }').problems).toEqual([]);
    expect(
      load('providers: { openai: { base_url: "http://10.1.1.1", allow_private_network: true } }').problems,
    ).toEqual([]);
  });

  it('says of each setting that does nothing yet that it does nothing', () => {
    const idle = [
      'storage: { url: "sqlite:/elsewhere/other.db" }',
      'storage: { batch_max_rows: 7 }',
      'storage: { batch_max_wait_ms: 7 }',
      'storage: { buffer_max_mb: 7 }',
      'log: { content: full }',
      'log: { content: none }',
      'telemetry: { otlp_endpoint: "http://127.0.0.1:4318" }',
    ];
    const warned = idle.map((text) => load(text).warnings.map(({ path }) => path));
    expect(warned).toEqual([
      ['storage.url'],
      ['storage.batch_max_rows'],
      ['storage.batch_max_wait_ms'],
      ['storage.buffer_max_mb'],
      ['log.content'],
      ['log.content'],
      ['telemetry.otlp_endpoint'],
    ]);
    expect(load('storage: { data_dir: /data, url: "sqlite:/data/sluice.db" }').warnings).toEqual([]);
  });

  it('warns without refusing', () => {
    const text = 'keys: [{ name: a, key: sk-sluice-short, expires_at: "2020-01-01T00:00:00Z" }]';
    const { config, warnings } = load(text, { now: Date.UTC(2026, 0) });
    expect(config).toBeDefined();
    expect(warnings.map((one) => one.path)).toEqual(['keys[0].key', 'keys[0].expires_at']);
  });
});

describe('layers', () => {
  it('lets later layers win, and says which one is at fault', () => {
    const layers = {
      environment: {
        SLUICE_PORT: '4200',
        SLUICE_HOST: 'localhost',
        SLUICE_PROMETHEUS: 'false',
        SLUICE_ALLOWED_HOSTS: 'a, b',
      },
      flags: { port: '4300' },
      overrides: { server: { max_body_mb: 8 }, models: { a: null } },
    };
    const { config } = load(
      'server: { port: 4150, max_body_mb: 4 }\nmodels: { a: { deployments: [openai/x] } }',
      layers,
    );
    expect(config?.server).toMatchObject({
      port: 4300,
      host: 'localhost',
      max_body_mb: 8,
      allowed_hosts: ['a', 'b'],
    });
    expect(config?.telemetry.prometheus).toBe(false);
    expect(config?.models).toEqual({});
    expect(only('', { environment: { SLUICE_PORT: 'many' } })).toMatchObject({
      path: 'server.port',
      line: undefined,
      source: 'environment variable SLUICE_PORT',
    });
    expect(only('', { flags: { port: 'x' } }).source).toBe('--port');
    expect(only('', { overrides: { server: { prt: 1 } } })).toMatchObject({ source: 'admin overrides' });
  });

  it('warns about a mistyped variable', () => {
    expect(load('', { environment: { SLUICE_PROT: '1' } }).warnings[0]?.remedy).toContain('SLUICE_PORT');
  });

  it('takes numbers and truth from variables in the file', () => {
    const { config } = load('server: { port: "${P}" }\ntelemetry: { prometheus: "${Q:-no}" }', {
      environment: { P: '81' },
    });
    expect(config?.server.port).toBe(81);
    expect(config?.telemetry.prometheus).toBe(false);
    expect(only('server: { port: "81" }').path).toBe('server.port');
  });

  it('uses discovered providers only when none is named', () => {
    const discovered = { providers: { openai: { api_key: 'k' } } };
    expect(load('', { discovered }).config?.providers).toHaveProperty('openai');
    expect(
      Object.keys(load('providers: { anthropic: { api_key: k } }', { discovered }).config?.providers ?? {}),
    ).toEqual(['anthropic']);
  });

  it('expands ~ and puts the database into the data folder', () => {
    const environment = { HOME: '/home/me', SLUICE_DATA_DIR: '~/data' };
    expect(load('', { environment }).config?.storage).toMatchObject({
      data_dir: '/home/me/data',
      url: 'sqlite:/home/me/data/sluice.db',
    });
  });

  it('notices plain secrets in a file that others may read', () => {
    const path = join(folder, 'open.yaml');
    writeFileSync(path, 'providers: { openai: { api_key: plain-secret } }');
    chmodSync(path, 0o644);
    expect(
      loadConfig({ path, environment: {} })
        .warnings.map((one) => one.remedy)
        .join(),
    ).toContain('chmod 600');
    expect(loadConfig({ path, environment: {}, strictPermissions: true }).config).toBeUndefined();
    chmodSync(path, 0o600);
    expect(loadConfig({ path, environment: {}, strictPermissions: true }).warnings).toEqual([]);
  });
});
