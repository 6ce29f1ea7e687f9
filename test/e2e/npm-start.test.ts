import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { alive, until } from '../support/process-life.ts';

const BOOTSTRAP = new URL('../../scripts/bootstrap.mjs', import.meta.url).href;
const FLAGS = new URL('../../bin/node-flags.mjs', import.meta.url).href;
const SLUICE = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-npm-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('SIGTERM to npm alone drains the gateway that `npm start` runs', async () => {
  const scripts = { start: 'node start.mjs' };
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'x', private: true, type: 'module', scripts }),
  );
  // What `npm start` runs, without its installing and building.
  const argv = [SLUICE, 'start', '--port', '0', '--json', '--data-dir', join(folder, 'data')];
  writeFileSync(
    join(folder, 'start.mjs'),
    `import { become } from ${JSON.stringify(BOOTSTRAP)};\nbecome(process.execPath, ${JSON.stringify(argv)});\n`,
  );
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, SLUICE_NO_PROBE: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  npm.stdout.on('data', (chunk) => (said += chunk));
  expect(await until(() => said.includes('"pid"'))).toBe(true);
  const { pid, url } = JSON.parse(said.split('\n').find((line) => line.startsWith('{')) ?? '') as {
    pid: number;
    url: string;
  };
  expect((await fetch(`${url}/health/live`)).status).toBe(200);
  if (process.platform === 'linux') {
    const { nodeFlags } = (await import(FLAGS)) as { nodeFlags(version: string): string[] };
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    expect(words).toEqual(expect.arrayContaining(nodeFlags(process.versions.node)));
  }
  npm.kill('SIGTERM');
  const ended = await until(() => !alive(pid), 30_000);
  if (!ended) process.kill(pid, 'SIGKILL');
  expect(ended).toBe(true);
  // It was drained, not killed: a gateway that ends in order leaves no note of itself behind.
  expect(existsSync(join(folder, 'data', 'running.json'))).toBe(false);
  expect(readFileSync(join(folder, 'data', 'admin.key'), 'utf8')).toMatch(/^sk-admin-/);
});
