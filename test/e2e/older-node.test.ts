import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { alive, until } from '../support/process-life.ts';

const SLUICE = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
/** What `bin/sluice` sees on an older Node: it runs the pinned one as a child. */
const OLDER = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.0.0'}})`;
const folder = mkdtempSync(join(tmpdir(), 'sluice-older-'));
afterEach(() => rmSync(join(folder, 'data'), { recursive: true, force: true }));

async function start() {
  const argv = [
    '--import',
    OLDER,
    SLUICE,
    'start',
    '--port',
    '0',
    '--json',
    '--data-dir',
    join(folder, 'data'),
  ];
  const shell = spawn(process.execPath, argv, {
    env: { PATH: process.env['PATH'], HOME: folder, SLUICE_NO_PROBE: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  shell.stdout.on('data', (chunk) => (said += chunk));
  const ended = new Promise<number | null>((resolve) => shell.on('close', resolve));
  expect(await until(() => said.includes('"pid"'))).toBe(true);
  const line = said.split('\n').find((text) => text.startsWith('{')) ?? '';
  return { shell, ended, pid: (JSON.parse(line) as { pid: number }).pid };
}

test('on an older Node, SIGTERM drains the gateway and its exit code comes through', async () => {
  const { shell, ended, pid } = await start();
  expect(pid).not.toBe(shell.pid);
  shell.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(alive(pid)).toBe(false);
});

test('on an older Node, a gateway does not outlive the process that was started', async () => {
  const { shell, pid } = await start();
  shell.kill('SIGKILL');
  const gone = await until(() => !alive(pid), 10_000);
  if (!gone) process.kill(pid, 'SIGKILL');
  expect(gone).toBe(true);
});
