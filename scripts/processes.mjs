// Starting, pinning, watching and ending the processes of a run. Only what was started here is ended, by its process id.
import { fork, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus } from 'node:os';

const children = new Set();

/** Whether processes can be pinned to cores: Linux with `taskset` and two cores. */
export const canPin = cpus().length >= 2 && spawnSync('taskset', ['-c', '0', 'true']).status === 0;

function pinned(core, command) {
  return canPin ? ['taskset', '-c', String(core), ...command] : command;
}

/** Keeps a child in mind until it ends, for {@link stopAllNow}. */
export function remember(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Starts a program on a core. Its standard error is kept in `errors` for a sentence when it fails. */
export function start(core, command, environment = {}) {
  const [file, ...args] = pinned(core, command);
  const child = spawn(file, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.errors = '';
  child.output = '';
  child.stdout.on('data', (text) => {
    child.output = (child.output + text).slice(-100_000);
  });
  child.stderr.on('data', (text) => {
    child.errors = (child.errors + text).slice(-10_000);
  });
  return remember(child);
}

/** Starts a module with a message channel on a core. */
export function startModule(core, path) {
  const [execPath, ...execArgv] = pinned(core, [process.execPath]);
  return remember(canPin ? fork(path, { execPath, execArgv }) : fork(path));
}

/** The next message of a child; rejects when it ends first. */
export function message(child) {
  return new Promise((resolve, reject) => {
    const onExit = (code) =>
      reject(new Error(`${child.spawnargs.at(-1)} ended with code ${code}\n${child.errors ?? ''}`));
    child.once('exit', onExit);
    child.once('message', (value) => {
      child.off('exit', onExit);
      resolve(value);
    });
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

export async function stopAll() {
  await Promise.all([...children].map((child) => stop(child)));
}

/** Ends what is left, at once. */
export function stopAllNow() {
  for (const child of children) child.kill('SIGKILL');
}

/** When the run itself is ended, what it started is ended too. */
export function stopWithUs() {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      stopAllNow();
      process.exit(130);
    });
  }
}

const NO_CPU = { total: 0, main: 0, waited: 0 };

/**
 * CPU time a process has used, in µs: in all, and by its main thread; `waited`: how long its main thread was ready to run
 * and had no core, because other threads or other processes had it. Zero where it cannot be read.
 */
export function cpuOf(pid) {
  if (pid === undefined) return NO_CPU;
  try {
    const sum = { ...NO_CPU };
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
      sum.total += Number(ran) / 1000;
      if (task === String(pid)) {
        sum.main = Number(ran) / 1000;
        sum.waited = Number(waited) / 1000;
      }
    }
    return sum;
  } catch {
    return NO_CPU;
  }
}

/** Resident memory in MB; `undefined` where it cannot be read. */
export function memoryOf(pid) {
  try {
    const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kb === undefined ? undefined : Number(kb) / 1024;
  } catch {
    return undefined;
  }
}

/** A TCP port that was free a moment ago. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a process rests (less than 3 % of a core for 200 ms), so that what one run left does not slow the next. */
export async function untilIdle(pid, limitMs = 15_000) {
  const deadline = Date.now() + limitMs;
  let quiet = 0;
  let before = cpuOf(pid).total;
  while (quiet < 2 && Date.now() < deadline) {
    await sleep(100);
    const now = cpuOf(pid).total;
    quiet = now - before < 3000 ? quiet + 1 : 0;
    before = now;
  }
}
