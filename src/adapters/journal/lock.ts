import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { SluiceError } from '../../core/errors/error.ts';

/** Makes a directory (and those above it) that only its owner can enter. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
}

/** Makes a file that only its owner can read, unless it is there; an existing one is narrowed to that. */
export function makePrivateFile(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

const START_POLL_MS = 50;
const START_WAIT_MS = 30_000;

/**
 * Waits until no other process starts on this data directory: two that migrate the same database, or make the same key,
 * would be in each other's way. Resolves to a function that lets go.
 * @throws SluiceError `conflict` when another one does not come to an end
 */
export async function lockStart(dataDir: string): Promise<() => void> {
  const directory = join(dataDir, 'starting');
  makePrivateDirectory(directory);
  for (let left = START_WAIT_MS / START_POLL_MS; ; left--) {
    try {
      return lockDirectory(directory);
    } catch (error) {
      if (left <= 0 || !(error instanceof SluiceError)) throw error;
      await setTimeout(START_POLL_MS);
    }
  }
}

/**
 * Keeps other processes out of a directory for as long as this one lives: two processes that recover the same journal
 * would charge the same hold twice. Node has no `flock`, but SQLite's exclusive lock is one of the operating system's:
 * it is gone with the process, also after `kill -9`.
 * @returns a function that lets go
 * @throws SluiceError `conflict` when another process is there
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  // Closing a file gives up every lock the process has on it: one that is there is not opened for its mode.
  if (existsSync(path)) chmodSync(path, 0o600);
  else makePrivateFile(path);
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new SluiceError(
      'conflict',
      'Another Sluice process uses this data directory. Stop it, or start with another --data-dir.',
      { cause: error },
    );
  }
  return () => database.close();
}
