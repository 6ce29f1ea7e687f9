import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { sluice } from './sluice-process.ts';

/** Stands in for a tool: reads its settings as the tool's documentation says, asks the gateway once, tells what came. */
const STAND_IN = `#!${process.execPath}
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
const name = basename(process.argv[1]);
const home = process.env.HOME;
const read = (...path) => { const file = join(home, ...path); return existsSync(file) ? readFileSync(file, 'utf8') : ''; };
const line = (text, key) => new RegExp('^' + key + '\\\\s*=\\\\s*"?([^"\\\\n#]*?)"?\\\\s*(?:#.*)?$', 'm').exec(text)?.[1];
let url, headers, body;
if (name === 'claude') {
  const named = process.argv.indexOf('--settings');
  const extra = named < 0 ? {} : JSON.parse(readFileSync(process.argv[named + 1], 'utf8'));
  const env = { ...process.env, ...JSON.parse(read('.claude', 'settings.json') || '{}').env, ...extra.env };
  url = env.ANTHROPIC_BASE_URL + '/v1/messages';
  headers = { authorization: 'Bearer ' + env.ANTHROPIC_AUTH_TOKEN, 'anthropic-version': '2023-06-01' };
  if (env.ANTHROPIC_API_KEY) headers['x-api-key'] = env.ANTHROPIC_API_KEY;
  body = { model: env.ANTHROPIC_MODEL ?? 'claude-x', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] };
} else if (name === 'codex') {
  const given = {};
  process.argv.forEach((word, at) => { if (word === '-c') { const [key, value] = process.argv[at + 1].split(/=(.*)/s); given[key] = JSON.parse(value); } });
  const config = read('.codex', 'config.toml');
  const provider = given.model_provider ?? line(config, 'model_provider');
  const table = config.split('[model_providers.' + provider + ']')[1] ?? '';
  const base = given['model_providers.' + provider + '.base_url'] ?? line(table, 'base_url');
  const variable = given['model_providers.' + provider + '.env_key'];
  url = base + '/responses';
  headers = { authorization: 'Bearer ' + (variable ? process.env[variable] : line(table, 'experimental_bearer_token')) };
  body = { model: given.model ?? line(config, 'model'), input: 'hi' };
} else {
  const dotenv = read('.gemini', '.env');
  const of = (key) => process.env[key] ?? line(dotenv, key);
  url = of('GOOGLE_GEMINI_BASE_URL') + '/v1beta/models/' + encodeURIComponent(of('GEMINI_MODEL')) + ':generateContent';
  headers = { 'x-goog-api-key': of('GEMINI_API_KEY') };
  body = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] };
}
const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
const rest = process.argv.slice(2).filter((word, at, all) => !['-c', '--settings'].includes(word) && !['-c', '--settings'].includes(all[at - 1]));
console.log(JSON.stringify({ status: answer.status, model: answer.headers.get('x-sluice-model'), rest }));
process.exit(answer.status === 200 ? 7 : 3);
`;

// Each call of the CLI is a process of its own, run from source.
vi.setConfig({ testTimeout: 120_000 });

let gateway: TestGateway;
let home: string;
let programs: string;

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'version: 1\naccess: { mode: keys }\n' });
  programs = mkdtempSync(join(tmpdir(), 'sluice-tools-'));
  writeFileSync(join(programs, 'package.json'), '{"type":"module"}');
  for (const name of ['claude', 'codex', 'gemini']) {
    writeFileSync(join(programs, name), STAND_IN);
    chmodSync(join(programs, name), 0o755);
  }
});
afterAll(async () => {
  await gateway.close();
  rmSync(programs, { recursive: true, force: true });
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-home-'));
  return () => rmSync(home, { recursive: true, force: true });
});

const run = (verb: string, ...argv: string[]) =>
  sluice([verb, '--url', gateway.url, '--data-dir', join(home, '.sluice'), ...argv], {
    folder: home,
    environment: { PATH: `${programs}:${process.env['PATH']}`, SLUICE_ADMIN_KEY: gateway.adminKey },
  });
const keys = async () => (await gateway.client.call('listKeys', { limit: 500 })).data.length;

/** Files a tool's user has already, and which settings of theirs must be there afterwards. */
const TOOLS = [
  {
    name: 'claude',
    file: '.claude/settings.json',
    earlier:
      '{\n    "permissions": { "allow": ["Bash(ls)"] },\n    "env": { "FOO": "1", "ANTHROPIC_API_KEY": "sk-ant-mine" },\n    "model": "opus"\n}\n',
    stays: ['"FOO": "1"', '"Bash(ls)"', '"model": "opus"'],
    gone: ['sk-ant-mine'],
  },
  {
    name: 'codex',
    file: '.codex/config.toml',
    earlier:
      '# mine\nmodel = "gpt-5"\nmodel_provider = "other"\nnotes = """\n[not.a.table]\n"""\n\n[model_providers.other]\nname = "Other"\nbase_url = "https://other.example/v1"\n\n[projects."/x"]\ntrust_level = "trusted"\n',
    stays: ['# mine', '[model_providers.other]', 'trust_level = "trusted"', '[not.a.table]'],
    gone: ['model = "gpt-5"', 'model_provider = "other"'],
  },
  {
    name: 'gemini',
    file: '.gemini/.env',
    earlier: '# mine\nexport GEMINI_API_KEY="AIzaMine"\nOTHER=1\n',
    stays: ['# mine', 'OTHER=1'],
    gone: ['AIzaMine'],
  },
] as const;

describe.each(TOOLS)('$name', ({ name, file, earlier, stays, gone }) => {
  const read = () => readFileSync(join(home, file), 'utf8');
  const put = () => {
    mkdirSync(join(home, file, '..'), { recursive: true });
    writeFileSync(join(home, file), earlier);
  };

  test('a dry run shows the difference and writes nothing', async () => {
    put();
    const before = await keys();
    const { code, stdout } = await run('configure', name, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toContain(gateway.url);
    expect(stdout).toMatch(/^ {2}\+ /m);
    expect(stdout).toContain('Nothing was written.');
    expect(read()).toBe(earlier);
    expect(await keys()).toBe(before);
  });

  test('is configured, asks the gateway, is the same twice, and goes back to the byte', async () => {
    put();
    const first = await run('configure', name, '--json');
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
    const made = JSON.parse(first.stdout);
    expect(made).toMatchObject({ tool: name, url: gateway.url, key: { source: 'new' }, notice: null });
    // The key stands in the file, and nowhere on the screen.
    expect(first.stdout).not.toMatch(/sk-sluice-[\w-]{12,}/);
    expect(read()).toMatch(/sk-sluice-[\w-]{12,}/);
    expect(statSync(join(home, file)).mode & 0o777).toBe(0o600);
    for (const text of stays) expect(read()).toContain(text);
    for (const text of gone) expect(read()).not.toContain(text);

    const called = await runTool(name);
    expect(called).toEqual({ status: 200, model: expect.stringMatching(/^sim\//) });

    const configured = read();
    const before = await keys();
    const again = JSON.parse((await run('configure', name, '--json')).stdout);
    expect(again.key.source).toBe('kept');
    expect(again.files.every((one: { changed: boolean }) => !one.changed)).toBe(true);
    expect(read()).toBe(configured);
    expect(await keys()).toBe(before);

    expect((await run('configure', name, '--undo')).code).toBe(0);
    if (name === 'claude') expect(JSON.parse(read())).toEqual(JSON.parse(earlier));
    else if (name === 'gemini')
      expect(read()).toBe(earlier.replace('export GEMINI_API_KEY="AIzaMine"', 'GEMINI_API_KEY=AIzaMine'));
    else expect(read()).toBe(earlier);
    expect(existsSync(join(home, `${file}.before-sluice`))).toBe(false);
    expect((await run('configure', name, '--undo')).stdout).toContain('nothing to take back');
  });

  test('where there was no file, none is left behind', async () => {
    expect((await run('configure', name)).code).toBe(0);
    expect(existsSync(join(home, file))).toBe(true);
    expect((await run('configure', name, '--undo')).code).toBe(0);
    expect(existsSync(join(home, file))).toBe(false);
  });

  test('what the user set afterwards outlives the way back', async () => {
    put();
    await run('configure', name);
    const added = name === 'codex' ? '\n[tui]\ntheme = "x"\n' : '';
    if (name === 'claude') writeFileSync(join(home, file), read().replace('"FOO": "1"', '"FOO": "2"'));
    else if (name === 'codex') writeFileSync(join(home, file), read() + added);
    else writeFileSync(join(home, file), `${read()}LATER=1\n`);
    await run('configure', name, '--undo');
    expect(read()).toContain({ claude: '"FOO": "2"', codex: '[tui]', gemini: 'LATER=1' }[name]);
    expect(read()).not.toContain('sk-sluice-');
  });

  test('is launched with its own arguments, its exit code comes back, its settings stay', async () => {
    put();
    const { code, stdout } = await run('launch', name, '--', '--flag', 'two words');
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toEqual({
      status: 200,
      model: expect.stringMatching(/^sim\//),
      rest: ['--flag', 'two words'],
    });
    expect(read()).toBe(earlier);
    const before = await keys();
    await run('launch', name);
    expect(await keys()).toBe(before);
    const dry = await run('launch', name, '--dry-run', '--json');
    expect(JSON.parse(dry.stdout)).toMatchObject({ tool: name, dry_run: true, url: gateway.url });
    expect(dry.stdout).not.toMatch(/sk-sluice-[\w-]{12,}/);
  });

  /** As its user would start it; the gateway runs in this process, so it must not be blocked. */
  async function runTool(tool: string) {
    const env = { HOME: home, PATH: process.env['PATH'] };
    // The stand-in ends with 7 after a good answer.
    const { stdout } = await promisify(execFile)(join(programs, tool), [], { env }).catch((error) => error);
    const { status, model } = JSON.parse(stdout);
    return { status, model };
  }
});

test('bad usage, broken files and foreign keys are refused, and nothing is written', async () => {
  expect(await run('configure', 'cursor')).toMatchObject({ code: 2 });
  expect(await run('configure')).toMatchObject({ code: 2 });
  mkdirSync(join(home, '.claude'));
  writeFileSync(join(home, '.claude/settings.json'), '{ // a comment\n}');
  const broken = await run('configure', 'claude', '--json');
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.stdout).error).toMatchObject({
    code: 'bad_file',
    message: expect.stringContaining('nothing was changed'),
  });
  expect(readFileSync(join(home, '.claude/settings.json'), 'utf8')).toBe('{ // a comment\n}');
  const wrong = await run('configure', 'codex', '--key', 'sk-sluice-nobody', '--json');
  expect({ code: wrong.code, error: JSON.parse(wrong.stdout).error.code }).toEqual({
    code: 1,
    error: 'invalid_key',
  });
  expect(existsSync(join(home, '.codex'))).toBe(false);
});

test('a tool that is not there is named with how to get it', async () => {
  const { code, stderr } = await sluice(
    ['launch', 'claude', '--url', gateway.url, '--data-dir', join(home, '.sluice')],
    { folder: home, environment: { PATH: join(home, 'nothing'), SLUICE_ADMIN_KEY: gateway.adminKey } },
  );
  expect(code).toBe(1);
  expect(stderr).toContain('npm install -g @anthropic-ai/claude-code');
});
