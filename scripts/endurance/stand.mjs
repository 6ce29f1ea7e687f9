// What the endurance runs have in common: starting the gateway and its upstream as processes of their own, and looking into
// them. Only what was started here is ended, by its process id.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { NODE_FLAGS } from '../../bin/node-flags.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const probe = pathToFileURL(join(root, 'scripts/endurance/probe.mjs')).href;

export const ADMIN_KEY = 'sk-admin-endurance-000000000000000000000000';
export const program = process.env.SLUICE_PROGRAM ?? join(root, 'bin/sluice');

const children = new Set();

function remember(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Ends what is left, at once. */
export function stopAllNow() {
  for (const child of children) child.kill('SIGKILL');
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopAllNow();
    process.exit(130);
  });
}

/** Ends a child and returns its exit code: asks, waits, insists. */
export function stop(child, { signal = 'SIGTERM', limitMs = 15_000 } = {}) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
    child.kill(signal);
  });
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A folder with `sluice.yaml` for one run. */
export function prepare(yaml) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-endurance-'));
  const config = join(folder, 'sluice.yaml');
  const write = (text) => writeFileSync(config, text, { mode: 0o600 });
  write(yaml);
  return { folder, config, write, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A TCP port that was free a moment ago. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
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
    spawn(process.execPath, [...(watched ? [...NODE_FLAGS, '--import', probe] : []), program, ...argv], {
      cwd: folder,
      env: { ...process.env, SLUICE_ADMIN_KEY: ADMIN_KEY, SLUICE_NO_PROBE: '1' },
      stdio: ['ignore', 'ignore', 'pipe', ...(watched ? ['ipc'] : [])],
    }),
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

/** The next message of a child; rejects when it ends first. */
export function message(child) {
  return new Promise((resolve, reject) => {
    const onExit = (code) =>
      reject(new Error(`a process of the run ended with code ${code}\n${child.errors ?? ''}`));
    child.once('exit', onExit);
    child.once('message', (value) => {
      child.off('exit', onExit);
      resolve(value);
    });
  });
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
export function residentMb(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

/** Open files and sockets of a process. */
export function openFiles(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

/** CPU time of all threads of a process, ms. */
export function cpuMs(pid) {
  let sum = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    }
  } catch {
    return Number.NaN;
  }
  return sum;
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

export function round(value, digits = 1) {
  return Number(value.toFixed(digits));
}

/** Load average of the last minute: what stands beside every figure. */
export const load = () => round(loadavg()[0]);

/** Prints figures in columns, then the bars that were missed; sets the exit code. */
export function conclude(figures, bars) {
  for (const [name, value] of Object.entries(figures)) {
    console.log(`${name.padEnd(34)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  const missed = bars.filter(([, met]) => !met).map(([bar]) => bar);
  console.log(missed.length === 0 ? '\nEvery bar is met.' : `\nMissed: ${missed.join('; ')}.`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}
