// Shared by the entry scripts. Plain JavaScript without dependencies: it runs before anything is installed, on any Node.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** What was installed, and what was built of which sources: each note lies beside what it speaks of. */
const notes = {
  installed: join(root, 'node_modules', '.sluice', 'installed'),
  server: join(root, 'dist', '.server'),
  portal: join(root, 'dist', '.portal'),
};

/** The Node.js this project is developed on; npm scripts of an installed tree run it. */
export const pinnedNode = join(root, 'node_modules', '.bin', 'node');

const isTerminal = process.stderr.isTTY === true;

/** Runs a command with a line on standard error that counts the seconds. Exits with its output when it fails. */
export async function step(label, command, args) {
  const started = Date.now();
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(0)} s`;
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment(),
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const ticker = isTerminal
    ? setInterval(() => process.stderr.write(`\r${label} … ${seconds()} `), 500)
    : undefined;
  if (!isTerminal) process.stderr.write(`${label} …\n`);
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(127));
    child.on('close', resolve);
  });
  clearInterval(ticker);
  process.stderr.write(
    `${isTerminal ? '\r' : ''}${label} ${code === 0 ? 'done' : 'failed'} after ${seconds()}\n`,
  );
  if (code !== 0) {
    process.stderr.write(output.slice(-8000));
    process.exit(1);
  }
}

/** The environment with the project's binaries, the pinned Node among them, first on PATH. */
export function childEnvironment() {
  return { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` };
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(join(root, path)));
  return hash.digest('hex');
}

function filesUnder(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && !entry.parentPath.includes('node_modules') && !entry.name.endsWith('.test.ts'),
    )
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();
}

/** Cheap fingerprint of sources: names, sizes and times, not contents. */
function fingerprint(folders) {
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const path of statSync(join(root, folder)).isFile() ? [folder] : filesUnder(folder)) {
      const { size, mtimeMs } = statSync(join(root, path));
      hash.update(`${path}:${size}:${mtimeMs};`);
    }
  }
  return hash.digest('hex');
}

function isFresh(name, value) {
  const path = notes[name];
  return existsSync(path) && readFileSync(path, 'utf8') === value;
}

function stamp(name, value) {
  mkdirSync(dirname(notes[name]), { recursive: true });
  writeFileSync(notes[name], value);
}

/** Installs the locked dependencies unless they are there. `scope`: `run` leaves out what only development needs. */
export async function ensureInstalled(scope) {
  // The lockfile repeats what every package.json depends on; a new script in one of them is no reason to install.
  const wanted = hashOf(['package-lock.json']);
  if (isFresh('installed', `all ${wanted}`) || (scope === 'run' && isFresh('installed', `run ${wanted}`)))
    return;
  // Who develops here goes on developing: a start after another lockfile does not take the tools away.
  const kept = existsSync(notes.installed) ? readFileSync(notes.installed, 'utf8') : '';
  const isAll = scope !== 'run' || kept.startsWith('all ');
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  // Never --omit=optional: the pinned Node and the bundler's binary are optional dependencies.
  await step('Installing dependencies', 'npm', isAll ? args : [...args, '--omit=dev']);
  checkNode();
  stamp('installed', `${isAll ? 'all' : 'run'} ${wanted}`);
}

function checkNode() {
  const { stdout } = spawnSync(existsSync(pinnedNode) ? pinnedNode : process.execPath, ['--version'], {
    encoding: 'utf8',
  });
  const [major = 0, minor = 0] = String(stdout).replace('v', '').split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 15)) return;
  process.stderr.write(
    'Sluice needs Node.js 24.15 or newer. It is fetched by npm on Linux (x64 and arm64); elsewhere install it from nodejs.org and run this again.\n',
  );
  process.exit(1);
}

/** The Node to run the project with. */
export function nodeBinary() {
  return existsSync(pinnedNode) ? pinnedNode : process.execPath;
}

/** Builds bundle and portal where their sources changed. */
export async function ensureBuilt() {
  const server = fingerprint(['src', 'package-lock.json', 'scripts/build-server.mjs']);
  const portal = fingerprint(['web', 'src/control', 'src/core/policy', 'package-lock.json']);
  const work = [];
  if (!isFresh('server', server) || !existsSync(join(root, 'dist/sluice.mjs'))) {
    work.push(
      step('Building the gateway', nodeBinary(), ['scripts/build-server.mjs']).then(() =>
        stamp('server', server),
      ),
    );
  }
  if (!isFresh('portal', portal) || !existsSync(join(root, 'dist/portal/index.html'))) {
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    work.push(
      step('Building the portal', nodeBinary(), [vite, 'build', 'web', '--logLevel', 'error']).then(() =>
        stamp('portal', portal),
      ),
    );
  }
  await Promise.all(work);
}

/** How often it is looked whether npm still runs. */
const PARENT_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs a command in the foreground and passes signals on. npm that is told to end ends the shell between us and leaves us
 * behind: then the command is told to end as well. Gives the exit code; a command that a signal ended takes us with it.
 */
export function run(command, args, environment = {}) {
  const env = { ...childEnvironment(), ...environment };
  const child = spawn(command, args, { cwd: process.cwd(), stdio: 'inherit', env });
  const pass = (signal) => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, pass);
  // Without npm in between a parent may go, as a shell does whose user logs out; that ends nothing.
  const parent = process.env.npm_lifecycle_event === undefined ? undefined : process.ppid;
  const watch = setInterval(() => {
    if (parent === undefined || process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, PARENT_MS);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearInterval(watch);
      for (const name of SIGNALS) process.off(name, pass);
      if (signal) process.kill(process.pid, signal);
      resolve(code ?? 1);
    });
  });
}

/** Runs a command in the foreground and ends as it does. */
export async function become(command, args) {
  process.exit(await run(command, args));
}
