import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const BOOTSTRAP = new URL('../../scripts/bootstrap.mjs', import.meta.url).href;
const SLUICE = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-npm-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(what: () => boolean, ms = 60_000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (what()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** Where a gateway says that it runs, read from what was printed so far. */
function readyLine(printed: string): { pid: number; url: string } {
  return JSON.parse(printed.split('\n').find((line) => line.startsWith('{')) ?? '') as {
    pid: number;
    url: string;
  };
}

/** Ends the process that a user sees and expects that the gateway behind it drains: one that was killed leaves a note of itself. */
async function expectDrained(seen: ChildProcess, pid: number): Promise<void> {
  seen.kill('SIGTERM');
  const ended = await until(() => !alive(pid), 30_000);
  if (!ended) process.kill(pid, 'SIGKILL');
  expect(ended).toBe(true);
  expect(existsSync(join(folder, 'data', 'running.json'))).toBe(false);
  expect(readFileSync(join(folder, 'data', 'admin.key'), 'utf8')).toMatch(/^sk-admin-/);
}

const ENVIRONMENT = { HOME: folder, SLUICE_FROM_SOURCE: '1', SLUICE_NO_PROBE: '1' };
// What `npm start` runs, without its installing and building.
const ARGV = [SLUICE, 'start', '--port', '0', '--json', '--data-dir', join(folder, 'data')];

test('SIGTERM to npm alone drains the gateway that `npm start` runs', async () => {
  const scripts = { start: 'node start.mjs' };
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'x', private: true, type: 'module', scripts }),
  );
  writeFileSync(
    join(folder, 'start.mjs'),
    `import { become } from ${JSON.stringify(BOOTSTRAP)};\nbecome(process.execPath, ${JSON.stringify(ARGV)});\n`,
  );
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: folder,
    env: { ...ENVIRONMENT, PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  npm.stdout.on('data', (chunk) => (said += chunk));
  expect(await until(() => said.includes('"pid"'))).toBe(true);
  const { pid, url } = readyLine(said);
  expect((await fetch(`${url}/health/live`)).status).toBe(200);
  await expectDrained(npm, pid);
});

test('SIGTERM to `bin/sluice start` on the Node of the machine drains the gateway that runs on the pinned one', async () => {
  const machine = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes('node_modules'));
  const sluice = spawn('node', ARGV, {
    env: { ...ENVIRONMENT, PATH: machine.join(delimiter) },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  sluice.stdout.on('data', (chunk) => (said += chunk));
  expect(await until(() => said.includes('"pid"'))).toBe(true);
  await expectDrained(sluice, readyLine(said).pid);
  expect(await until(() => sluice.exitCode !== null)).toBe(true);
  expect(sluice.exitCode).toBe(0);
});
