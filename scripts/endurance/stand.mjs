// What the endurance runs have in common: starting the gateway and its upstream as processes of their own, and looking into
// them. Only what was started here is ended, by its process id.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nodeFlags } from '../../bin/node-flags.mjs';
import {
  cpuOf,
  freePort,
  memoryOf,
  message,
  remember,
  sleep,
  stopAllNow,
  stopWithUs,
} from '../processes.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const probe = pathToFileURL(join(root, 'scripts/endurance/probe.mjs')).href;

export const ADMIN_KEY = 'sk-admin-endurance-000000000000000000000000';
export const program = process.env.SLUICE_PROGRAM ?? join(root, 'bin/sluice');

/** A folder with `sluice.yaml` for one run. */
export function prepare(yaml) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-endurance-'));
  const config = join(folder, 'sluice.yaml');
  const write = (text) => writeFileSync(config, text, { mode: 0o600 });
  write(yaml);
  return { folder, config, write, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

async function isReady(port) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** Starts the gateway and waits until it is ready; `readyMs` counts from the start of the process. */
export async function startGateway({ folder, config }, { watched = true } = {}) {
  const port = await freePort();
  const began = performance.now();
  const data = join(folder, 'data');
  const argv = ['start', '--json', '--config', config, '--data-dir', data, '--port', String(port)];
  const child = remember(
    spawn(
      process.execPath,
      [...(watched ? [...nodeFlags(process.versions.node), '--import', probe] : []), program, ...argv],
      {
        cwd: folder,
        env: { ...process.env, SLUICE_ADMIN_KEY: ADMIN_KEY, SLUICE_NO_PROBE: '1' },
        stdio: ['ignore', 'ignore', 'pipe', ...(watched ? ['ipc'] : [])],
      },
    ),
  );
  child.errors = '';
  child.stderr.on('data', (text) => {
    child.errors = (child.errors + text).slice(-20_000);
  });
  while (!(await isReady(port))) {
    if (child.exitCode !== null || performance.now() - began > 30_000) {
      throw new Error(`the gateway did not start:\n${child.errors}`);
    }
    await sleep(10);
  }
  return { child, port, pid: child.pid, readyMs: performance.now() - began };
}

/** Starts a module with a message channel; resolves with its first message. */
export async function startModule(name, environment = {}) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const child = remember(fork(path, { env: { ...process.env, ...environment } }));
  return { child, told: await message(child) };
}

/** Starts the simulator as an upstream. */
export async function startSimulator() {
  const child = remember(
    spawn(process.execPath, [program, 'simulate', '--port', '0', '--latency', 'none', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const line = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.once('exit', (code) => reject(new Error(`the simulator ended with code ${code}`)));
  });
  return { child, url: JSON.parse(line).url };
}

/** What the gateway's process says of itself (see probe.mjs). */
export function ask(child, what = {}) {
  const told = message(child);
  child.send(what);
  return told;
}

/** Calls the control plane. */
export async function control(port, path, { method = 'GET', body } = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(told)}`);
  return told;
}

/** A virtual key; returns `{ id, key }`. */
export function createKey(port, fields) {
  return control(port, '/api/keys', { method: 'POST', body: fields });
}

/** Resident memory in MB; not a number where the system does not tell. */
export const residentMb = (pid) => memoryOf(pid) ?? Number.NaN;

/** CPU time of all threads of a process, ms. */
export const cpuMs = (pid) => cpuOf(pid).total / 1000;

/** Open files and sockets of a process. */
export function openFiles(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

/** How many files a process may open here. */
export function fileLimit() {
  try {
    return Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    return Number.NaN;
  }
}

/** Progress on standard error, one line that is written over on a terminal. */
export function say(text) {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

/** Prints figures in columns, then the bars that were missed; sets the exit code. */
export function conclude(figures, bars) {
  for (const [name, value] of Object.entries(figures)) {
    console.log(`${name.padEnd(34)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  const missed = bars.filter(([, met]) => !met).map(([bar]) => bar);
  console.log(missed.length === 0 ? '\nEvery bar is met.' : `\nMissed: ${missed.join('; ')}.`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}

/** A run from its beginning to the exit of this process: says why it broke, if it did, and ends whatever it started. */
export async function carryOut(run) {
  stopWithUs();
  try {
    await run();
  } catch (error) {
    console.error(`\nThe run broke: ${error.message}`);
    process.exitCode = 1;
  } finally {
    stopAllNow();
  }
  process.exit();
}
