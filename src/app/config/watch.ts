import { type BigIntStats, type FSWatcher, readlinkSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

/** What to watch, and what to do then. */
export interface WatchInput<Result> {
  readonly path: string;
  /** Loads afresh; called with the file in whatever state it is, so it must not throw for bad content. */
  readonly load: () => Result;
  /** Called after every load that a change or `reload` caused, never for the state at opening. */
  readonly onLoad: (result: Result) => void;
  /** How long the file must be quiet before it is read. Milliseconds, default 100. */
  readonly debounceMs?: number;
  /** How often the file is compared even without a notice (network disks, replaced folders). Milliseconds, default 5000. */
  readonly pollMs?: number;
}

/** A watch that runs until `close`. */
export interface ConfigWatch<Result> {
  /** Loads now, changed or not; for SIGHUP. */
  reload(): Result;
  /** Stops; no callback follows. Idempotent. */
  close(): void;
}

/**
 * Watches a file by its folder, since editors and orchestrators replace files rather than write into them: rename over
 * it, delete and create, and a swapped symbolic link are all seen. A file that is gone for a moment is left alone; one
 * that two comparisons in a row miss is loaded once, so that it is told, and again when it is back.
 * Holds no handle that keeps the process alive.
 */
export function watchConfig<Result>(input: WatchInput<Result>): ConfigWatch<Result> {
  const path = resolve(input.path);
  let watchers = new Map<string, FSWatcher>();
  let seen = signature(path);
  let timer: NodeJS.Timeout | undefined;
  let missed = 0;
  let closed = false;

  const load = (): Result => {
    // A file that is gone leaves nothing to compare with: whatever comes back is news, the very same file too.
    seen = signature(path);
    const result = input.load();
    if (!closed) input.onLoad(result);
    return result;
  };
  const settle = (): void => {
    timer = undefined;
    if (closed) return;
    watchers = rewatch(path, watchers, notice);
    const now = signature(path);
    if (now !== undefined && now !== seen) load();
  };
  const notice = (): void => {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(settle, input.debounceMs ?? 100);
    timer.unref();
  };
  watchers = rewatch(path, watchers, notice);
  const compare = (): void => {
    const now = signature(path);
    missed = now === undefined ? missed + 1 : 0;
    if (missed === MISSES_TO_TELL) load();
    // What was noticed already is not put off again.
    else if (now !== seen && timer === undefined) notice();
  };
  const poll = setInterval(compare, input.pollMs ?? 5000);
  poll.unref();

  return {
    reload: load,
    close: () => {
      closed = true;
      clearTimeout(timer);
      clearInterval(poll);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

/** Replacing a file may take a moment; what two comparisons miss is gone. */
const MISSES_TO_TELL = 2;

/** What stands at a path; `undefined` where nothing does, or where it cannot be reached (links in a circle, rights, network disks). */
function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/** Identity, size and times of the file behind the path; `undefined` while there is none. */
function signature(path: string): string | undefined {
  const stat = look(path);
  return stat?.isFile() ? [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':') : undefined;
}

/**
 * Keeps one watcher for the path's folder and, behind a symbolic link, one for the real file's folder. A watcher of a
 * folder that was itself replaced goes stale silently, so folders are told apart by their inode.
 */
function rewatch(path: string, before: Map<string, FSWatcher>, notice: () => void): Map<string, FSWatcher> {
  const after = new Map<string, FSWatcher>();
  for (const target of new Set([path, realPath(path)])) {
    const folder = dirname(target);
    const inode = look(folder)?.ino;
    if (inode === undefined) continue;
    const key = `${folder}:${inode}:${basename(target)}`;
    const watcher = before.get(key) ?? open(folder, basename(target), notice);
    if (watcher !== undefined) after.set(key, watcher);
  }
  for (const [key, watcher] of before) if (!after.has(key)) watcher.close();
  return after;
}

/** The file behind the path; where a link's target is gone, the place it points to, since it may come back there. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return linkTarget(path) ?? path;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return undefined;
  }
}

/** Watches one folder for one name, and for `..data`, the link that Kubernetes swaps. `undefined`: polling must do. */
function open(folder: string, name: string, notice: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, (_, changed) => {
      if (changed === null || changed === name || changed === '..data') notice();
    });
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
