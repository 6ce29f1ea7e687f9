import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What `src/cli/terminal.ts` writes where there is no terminal. */
const PROGRESS = /^(?:Asking \S+|Looking around|Starting) …\n/gm;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a verb left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  /** Without lines of progress, which appear after a second: whether they do is the machine's affair. */
  readonly stderr: string;
}

/** Surroundings of a child: nothing of the operator's own environment but what Node.js needs, and no provider key. */
export interface Surroundings {
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A child that is still running. */
export interface RunningSluice {
  readonly child: ChildProcess;
  /** Standard output so far. */
  stdout(): string;
  /** Standard error so far, with lines of progress. */
  stderr(): string;
  /** Resolves with the first whole line of standard output that `wanted` takes. */
  line(wanted: (line: string) => boolean): Promise<string>;
  readonly ended: Promise<Outcome>;
}

/** Runs `bin/sluice` as it was built before the tests. */
export function spawnSluice(argv: readonly string[], { folder, environment }: Surroundings): RunningSluice {
  const child = spawn(process.execPath, [`${ROOT}bin/sluice`, ...argv], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      SLUICE_NO_PROBE: '1',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    for (const listener of listeners) listener();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr: stderr.replaceAll(PROGRESS, '') }));
  });
  const line = (wanted: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = stdout.split('\n').slice(0, -1).find(wanted);
        if (found === undefined) return;
        listeners.delete(look);
        resolve(found);
      };
      listeners.add(look);
      look();
      void ended.then(({ code }) => reject(new Error(`ended with ${code} before the line came: ${stderr}`)));
    });
  return { child, stdout: () => stdout, stderr: () => stderr, line, ended };
}

/** Runs a verb to its end. */
export function sluice(argv: readonly string[], surroundings: Surroundings): Promise<Outcome> {
  return spawnSluice(argv, surroundings).ended;
}
