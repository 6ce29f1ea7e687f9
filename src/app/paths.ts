import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `~/x` and relative paths as absolute ones. */
export function expandPath(path: string): string {
  if (path === '~') return homedir();
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(path);
}

/**
 * Makes a folder and those above it, for its owner alone. Throws what the first that cannot be made fails with: Node's own
 * `recursive` never comes back where a folder refuses children with `ENOENT`, as `/proc` does.
 */
export function makeFolders(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolders(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/**
 * A file that ships with the program, found both beside the bundle (`dist/`) and in the source tree. Returns the first
 * that exists, or `undefined`.
 */
export function shippedFile(...candidates: readonly string[]): string | undefined {
  return candidates
    .map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)))
    .find((path) => existsSync(path));
}
