import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a gateway listens that runs on a data folder. */
export interface RunningNote {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
}

const FILE = 'running.json';

/**
 * Notes in the data folder where this gateway listens, so that the CLI finds it whatever port it was given and whatever has
 * become of its configuration file. The answer takes the note away again, unless another gateway has put its own there.
 */
export function noteRunning(dataDir: string, note: RunningNote): () => void {
  const path = join(dataDir, FILE);
  writeFileSync(path, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  return () => {
    if (read(dataDir)?.pid === note.pid) rmSync(path, { force: true });
  };
}

function read(dataDir: string): RunningNote | undefined {
  try {
    const { pid, host, port } = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as Partial<RunningNote>;
    const whole = Number.isInteger(pid) && Number.isInteger(port) && typeof host === 'string';
    return whole ? { pid: Number(pid), host: String(host), port: Number(port) } : undefined;
  } catch {
    // None, or one that a crash left half written: the configuration says where to look.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs as somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The gateway that runs on a data folder; `undefined` when none does. */
export function readRunning(dataDir: string): RunningNote | undefined {
  const note = read(dataDir);
  return note !== undefined && isAlive(note.pid) ? note : undefined;
}
