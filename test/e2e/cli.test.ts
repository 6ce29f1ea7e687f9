import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/process-life.ts';
import { type RunningSluice, sluice, spawnSluice } from './sluice-process.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'sluice-cli-'));

interface Started {
  readonly url: string;
  readonly demo: boolean;
  readonly sign_in_url: string;
  readonly access_mode: string;
  readonly example_model: string;
}

describe('a gateway driven from the command line', () => {
  const folder = newFolder();
  const data = join(folder, 'data');
  let gateway: RunningSluice;
  let started: Started;

  /** Asks the running gateway, with its address and the data folder that holds its admin key. */
  const ask = (...argv: string[]) => sluice([...argv, '--url', started.url, '--data-dir', data], { folder });

  /** A verb that must succeed, its JSON read. */
  async function answerOf<T>(...argv: string[]): Promise<T> {
    const { code, stdout, stderr } = await ask(...argv, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as T;
  }

  const call = (key: string | undefined) =>
    fetch(`${started.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({
        model: started.example_model,
        messages: [{ role: 'user', content: 'Say hello.' }],
      }),
    });

  beforeAll(async () => {
    gateway = spawnSluice(['start', '--port', '0', '--data-dir', data, '--json'], { folder });
    started = JSON.parse(await gateway.line((line) => line.startsWith('{'))) as Started;
  });

  afterAll(async () => {
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it('makes any call of the admin API', async () => {
    const calls = await answerOf<{ data: { name: string }[] }>('api');
    expect(calls.data.map(({ name }) => name)).toEqual(expect.arrayContaining(['createKey', 'deleteBudget']));
    const { id } = await answerOf<{ id: string }>('api', 'createKey', 'name=from-api', 'models=["sim/*"]');
    await answerOf('api', 'updateKey', `id=${id}`, 'name=renamed');
    expect(await answerOf('api', 'getKey', `id=${id}`)).toMatchObject({ name: 'renamed', models: ['sim/*'] });
    await answerOf('api', 'revokeKey', `id=${id}`);
    for (const wrong of [['nonsense'], ['createKey', 'models=1'], ['createKey', 'name']]) {
      expect(await ask('api', ...wrong)).toMatchObject({ code: 2 });
    }
  });

  it('says in one line that it runs, in demo mode', () => {
    expect(gateway.stdout().trim().split('\n')).toHaveLength(1);
    expect(started).toMatchObject({ demo: true, access_mode: 'open' });
    expect(started.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(started.sign_in_url).toContain(`${started.url}/sign-in#`);
    expect(statSync(data).mode & 0o777).toBe(0o700);
  });

  it('tells its status, and a new sign-in link', async () => {
    expect(await answerOf('status')).toMatchObject({ demo: true, ready: true, keys: 0, access_mode: 'open' });
    const people = await ask('status');
    expect(people.code).toBe(0);
    expect(people.stdout).toContain(`is up at ${started.url}`);
    expect(people.stdout).not.toContain('\u001b');
    const link = await ask('status', '--link');
    expect(link.stdout.trim()).toMatch(/\/sign-in#[\w-]{20,}$/);
    expect(link.stdout.trim()).not.toBe(started.sign_in_url);
  });

  it('makes a key, serves it, counts it, logs it, blocks it and revokes it', async () => {
    const limits = ['--rpm', '60', '--expires', '30d', '--models', `sim/*,${started.example_model}`];
    const made = await answerOf<{ id: string; key: string }>('keys', 'create', 'e2e', ...limits);
    expect(made.key).toMatch(/^sk-sluice-/);
    expect(made).toMatchObject({
      name: 'e2e',
      status: 'active',
      limits: { rpm: 60 },
      expires_at: expect.stringMatching(/Z$/),
    });
    const thrifty = await answerOf('keys', 'create', 'thrifty', '--budget', '0.50', '--window', 'day');
    expect(thrifty).toMatchObject({ budget: { limit_usd: '0.5', window: 'day', action: 'block' } });

    expect((await call(undefined)).status).toBe(401);
    const answer = await call(made.key);
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as { choices: { message: { content: string } }[] };
    expect(body.choices[0]?.message.content.length).toBeGreaterThan(0);

    const logged = await eventually(async () => {
      const { stdout } = await ask('logs', '--key', 'e2e', '--json');
      return stdout.trim() === ''
        ? undefined
        : stdout
            .trim()
            .split('\n')
            .map((row) => JSON.parse(row));
    });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({ status: 200, key_id: made.id, model: started.example_model });

    const usage = await answerOf<{ data: { requests: number; group: { key: string } }[] }>(
      'usage',
      '--group-by',
      'key',
    );
    expect(usage.data.find(({ group }) => group.key === made.id)).toMatchObject({ requests: 1 });
    expect((await ask('usage')).stdout).toContain('REQUESTS');

    expect(await answerOf('keys', 'show', 'e2e')).toMatchObject({ id: made.id });
    expect((await ask('keys', 'list')).stdout).toContain(made.id);
    expect((await ask('keys', 'list')).stdout).not.toContain(made.key);
    expect((await ask('keys', 'block', 'e2e')).stdout).toContain('blocked');
    expect((await call(made.key)).status).toBeGreaterThanOrEqual(401);
    expect(await answerOf('keys', 'unblock', 'e2e')).toMatchObject({ status: 'active' });
    expect((await call(made.key)).status).toBe(200);

    const rotated = await answerOf<{ key: string }>('keys', 'rotate', 'e2e');
    expect((await call(made.key)).status).toBe(401);
    expect((await call(rotated.key)).status).toBe(200);

    const unasked = await ask('keys', 'revoke', 'e2e');
    expect(unasked).toMatchObject({ code: 2, stdout: '' });
    expect(unasked.stderr).toContain('--yes');
    expect(await answerOf('keys', 'revoke', 'e2e', '--yes')).toMatchObject({ id: made.id, ok: true });
    expect((await call(rotated.key)).status).toBe(401);
  });

  it('follows the log', async () => {
    const { key } = await answerOf<{ key: string }>('keys', 'create', 'followed');
    const argv = ['logs', '-f', '-n', '0', '--json', '--url', started.url, '--data-dir', data];
    const following = spawnSluice(argv, { folder });
    const seen = following.line((line) => line.includes('"status":200'));
    const calls = setInterval(() => void call(key).then((answer) => answer.text()), 300);
    try {
      expect(JSON.parse(await seen)).toMatchObject({ model: started.example_model });
    } finally {
      clearInterval(calls);
      following.child.kill('SIGINT');
    }
    expect((await following.ended).code).toBe(0);
  });

  it('lists models, all or some', async () => {
    const all = await answerOf<{ data: { id: string }[] }>('models');
    expect(all.data.map(({ id }) => id)).toContain(started.example_model);
    const some = await answerOf<{ data: { id: string }[] }>('models', 'no-such-model-anywhere');
    expect(some.data).toEqual([]);
  });

  it('refuses in one sentence, and as JSON where asked', async () => {
    const wrong = await sluice(
      ['status', '--url', started.url, '--admin-key', 'wrong-key-000000', '--json'],
      {
        folder,
      },
    );
    expect(wrong.code).toBe(1);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'invalid_key' } });
    const missing = await ask('keys', 'show', 'nobody');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr.trim().split('\n')).toHaveLength(1);
    expect(missing.stderr).toContain('sluice keys list');
    const taken = await sluice(
      ['start', '--port', new URL(started.url).port, '--data-dir', join(folder, 'other'), '--json'],
      { folder },
    );
    expect(taken.code).toBe(1);
    expect(JSON.parse(taken.stdout).error.message).toContain('--port');
    expect(taken.stderr).not.toContain('share_failed');
    // An address for documentation (RFC 5737) is never one of this machine.
    const elsewhere = [
      'start',
      '--host',
      '203.0.113.9',
      '--port',
      '0',
      '--data-dir',
      join(folder, 'elsewhere'),
    ];
    const { code, stderr } = await sluice(elsewhere, { folder });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('Error: 203.0.113.9 is no address of this machine.'),
    ]);
  });

  it('keeps the stored admin key from other machines', async () => {
    const refused = await sluice(['status', '--url', 'http://192.0.2.1:4100', '--data-dir', data], {
      folder,
    });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('SLUICE_ADMIN_KEY');
  });

  it('goes on after SIGHUP, and SIGTERM ends it with exit code 0', async () => {
    gateway.child.kill('SIGHUP');
    expect(await answerOf('status')).toMatchObject({ ready: true });
    gateway.child.kill('SIGTERM');
    expect((await gateway.ended).code).toBe(0);
    const gone = await ask('status');
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('sluice start');
  });
});

describe('the end of a gateway', () => {
  const folder = newFolder();
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A gateway that is in the middle of a streamed answer, `tokens` long at `tps` a second. */
  async function streaming(pace: string) {
    const gateway = spawnSluice(['start', '--port', '0', '--data-dir', join(folder, 'data'), '--json'], {
      folder,
    });
    const { url } = JSON.parse(await gateway.line((line) => line.startsWith('{'))) as Started;
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'sim/gpt',
        stream: true,
        messages: [{ role: 'user', content: `Tell a story. [[sim ${pace}]]` }],
      }),
    });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (reader === undefined) throw new Error('no body');
    const first = (await reader.read()).value ?? '';
    return { gateway, url, first, reader };
  }

  it('on SIGTERM lets a running stream finish, and exits 0', async () => {
    const { gateway, first, reader } = await streaming('tokens=30 tps=30 ttft_ms=0');
    gateway.child.kill('SIGTERM');
    let text = first;
    for (let step = await reader.read(); !step.done; step = await reader.read()) text += step.value;
    expect(text).toContain('data: [DONE]');
    expect((await gateway.ended).code).toBe(0);
  });

  it('on a second SIGINT ends at once, with exit code 1', async () => {
    const { gateway, reader } = await streaming('tokens=600 tps=5 ttft_ms=0');
    const started = Date.now();
    const again = setInterval(() => gateway.child.kill('SIGINT'), 200);
    const { code, stderr } = await gateway.ended;
    clearInterval(again);
    expect(code).toBe(1);
    expect(stderr).toContain('Ended at once');
    expect(Date.now() - started).toBeLessThan(5000);
    await reader.cancel().catch(() => undefined);
  });
});

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const ends = Date.now() + 30_000;
  while (Date.now() < ends) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error('it never came');
}

describe('verbs that need no gateway', () => {
  let folder = '';
  beforeEach(() => {
    folder = newFolder();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('check names path, problem and remedy, and exits 1', async () => {
    writeFileSync(join(folder, 'sluice.yaml'), 'version: 1\nserver:\n  prot: 4100\n', { mode: 0o600 });
    const people = await sluice(['check'], { folder });
    expect(people.code).toBe(1);
    expect(people.stdout).toContain('server.prot');
    expect(people.stdout).toContain('line 3');
    expect(people.stdout).toContain('Did you mean "port"?');
    const json = JSON.parse((await sluice(['check', '--json'], { folder })).stdout);
    expect(json).toMatchObject({ valid: false, problems: [{ path: 'server.prot', line: 3 }] });
    expect(json.problems[0].remedy).toContain('port');
    const start = await sluice(['start', '--json'], { folder });
    expect(start.code).toBe(1);
    expect(JSON.parse(start.stdout).error).toMatchObject({
      code: 'bad_configuration',
      details: { problems: [{ path: 'server.prot' }] },
    });
  });

  it('shows what is waited for, when it takes more than a second', async () => {
    let answer: (() => void) | undefined;
    const slow = createServer((_request, response) => {
      answer = () => response.writeHead(503).end();
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const verb = spawnSluice(['models', '--url', url], { folder, environment: { SLUICE_ADMIN_KEY: 'k' } });
    const shown = await until(() => verb.stderr().includes(`Asking ${url} …\n`));
    const asked = await until(() => answer !== undefined);
    answer?.();
    expect({ shown, asked, code: (await verb.ended).code }).toEqual({ shown: true, asked: true, code: 1 });
    slow.close();
  });

  it('check and start refuse a file that is not there', async () => {
    expect(await sluice(['check', 'none.yaml'], { folder })).toMatchObject({ code: 1 });
    const { code, stderr } = await sluice(['start', '--config', 'none.yaml'], { folder });
    expect(code).toBe(1);
    expect(stderr).toContain('sluice init');
  });

  it.each([
    [['start', '--prot', '4100'], '--port'],
    [['strat'], 'start'],
    [['keys', 'crate', 'x'], 'create'],
    [['keys', 'create'], 'name'],
    [['start', '--port', '70000'], '65535'],
    [['usage', '--interval', 'week'], 'hour, day'],
    [['init'], '--yes'],
  ])('%j is bad usage', async (argv, hint) => {
    const { code, stdout, stderr } = await sluice(argv, { folder });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(hint);
    const json = await sluice([...argv, '--json'], { folder });
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'bad_usage' } });
  });

  it('init --yes writes a clean file, with references to keys, and replaces nothing unasked', async () => {
    const secret = 'sk-test-0123456789abcdef';
    const environment = { OPENAI_API_KEY: secret };
    const made = await sluice(['init', '--yes'], { folder, environment });
    expect(made.code).toBe(0);
    expect(made.stdout).toContain('sluice start');
    expect(made.stdout).not.toContain(secret);
    expect(statSync(join(folder, 'sluice.yaml')).mode & 0o777).toBe(0o600);
    const checked = await sluice(['check', '--json'], { folder, environment });
    expect(checked.code).toBe(0);
    expect(JSON.parse(checked.stdout)).toMatchObject({ valid: true, problems: [], warnings: [] });
    const again = await sluice(['init', '--yes', '--json'], { folder });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout).error.message).toContain('--force');
  });

  it('init --yes without any key is clean, too', async () => {
    expect((await sluice(['init', '--yes', '--json'], { folder })).code).toBe(0);
    expect(await sluice(['check'], { folder })).toMatchObject({ code: 0 });
  });

  it('doctor finds what is wrong and says what to do', async () => {
    const stranger = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as AddressInfo;
    const environment = { SLUICE_PORT: String(port) };
    const sick = await sluice(['doctor', '--json'], { folder, environment });
    expect(sick.code).toBe(1);
    const failed = JSON.parse(sick.stdout).checks.filter((one: { result: string }) => one.result === 'fail');
    expect(failed).toMatchObject([{ check: 'Port', remedy: expect.stringContaining('--port') }]);
    stranger.closeAllConnections();
    await new Promise((resolve) => stranger.close(resolve));
    expect(await sluice(['doctor'], { folder, environment })).toMatchObject({ code: 0 });
  });

  it('simulate answers as a provider would, until it is told to stop', async () => {
    const simulator = spawnSluice(['simulate', '--port', '0', '--latency', 'none', '--json'], { folder });
    const { url, models } = JSON.parse(await simulator.line((line) => line.startsWith('{')));
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer any' },
      body: JSON.stringify({ model: models[0], messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    simulator.child.kill('SIGTERM');
    expect((await simulator.ended).code).toBe(0);
  });

  it('every verb explains itself with an example', async () => {
    for (const argv of [
      ['start'],
      ['init'],
      ['check'],
      ['status'],
      ['doctor'],
      ['keys', 'create'],
      ['logs'],
    ]) {
      const { code, stdout, stderr } = await sluice([...argv, '--help'], { folder });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/Examples?:\n {2}\$ sluice /);
    }
  });
});
