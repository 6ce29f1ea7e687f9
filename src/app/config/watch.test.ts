import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type LoadResult, loadConfig } from './load.ts';
import { type ConfigWatch, watchConfig } from './watch.ts';

let folder: string;
let path: string;
let results: LoadResult[];
let watch: ConfigWatch<LoadResult>;

const port = (value: number | string) => `server: { port: ${value} }\n`;
const ports = () => results.map((result) => result.config?.server.port);
const start = (pollMs = 60_000) =>
  watchConfig({
    path,
    load: () => loadConfig({ path, environment: {} }),
    onLoad: (result) => results.push(result),
    debounceMs: 30,
    pollMs,
  });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const reaches = (expected: readonly (number | undefined)[]) =>
  vi.waitFor(() => expect(ports()).toEqual(expected), { timeout: 30_000, interval: 20 });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-watch-'));
  path = join(folder, 'sluice.yaml');
  writeFileSync(path, port(1));
  results = [];
});
afterEach(() => {
  watch.close();
  rmSync(folder, { recursive: true, force: true });
});

it('sees a write in place and calls once for a burst', async () => {
  watch = start();
  for (const value of [2, 3, 4]) writeFileSync(path, port(value));
  await reaches([4]);
  await pause(150);
  expect(ports()).toEqual([4]);
});

it('sees atomic replacements, one after the other', async () => {
  watch = start();
  for (const value of [5, 6]) {
    writeFileSync(join(folder, '.new'), port(value));
    renameSync(join(folder, '.new'), path);
    await reaches(value === 5 ? [5] : [5, 6]);
  }
});

it('sees delete and create, and stays silent while the file is gone', async () => {
  watch = start();
  unlinkSync(path);
  await pause(150);
  expect(results).toEqual([]);
  writeFileSync(path, port(7));
  await reaches([7]);
});

it('sees the target of a link come back after it was gone', async () => {
  const real = join(folder, 'real.yaml');
  renameSync(path, real);
  symlinkSync('real.yaml', path);
  watch = start();
  unlinkSync(real);
  await pause(150);
  writeFileSync(real, port(8));
  await reaches([8]);
});

it('reports a broken file and then the mended one', async () => {
  watch = start();
  writeFileSync(path, port('many'));
  await reaches([undefined]);
  expect(results[0]?.problems[0]?.path).toBe('server.port');
  writeFileSync(path, port(8));
  await reaches([undefined, 8]);
});

it('lives through a link that leads to itself, tells of it once, and takes the file when it is back', async () => {
  watch = start(20);
  const kept = join(folder, 'kept.yaml');
  renameSync(path, kept);
  symlinkSync('sluice.yaml', path);
  await reaches([undefined]);
  expect(results[0]?.problems[0]?.problem).toContain('leads back to itself');
  await pause(150);
  expect(results).toHaveLength(1);
  unlinkSync(path);
  renameSync(kept, path);
  await reaches([undefined, 1]);
});

it('tells of a file that stays away, and takes the very same file when it is back', async () => {
  const real = join(folder, 'mounted');
  mkdirSync(real);
  renameSync(path, join(real, 'sluice.yaml'));
  symlinkSync(join('mounted', 'sluice.yaml'), path);
  watch = start(20);
  unlinkSync(path);
  await reaches([undefined]);
  expect(results[0]?.problems[0]?.problem).toContain('does not exist');
  symlinkSync(join('mounted', 'sluice.yaml'), path);
  await reaches([undefined, 1]);
});

it('ignores other files in the folder', async () => {
  watch = start();
  writeFileSync(join(folder, 'sluice.db'), 'x');
  await pause(150);
  expect(results).toEqual([]);
});

it('follows a swapped symbolic link, as orchestrators use', async () => {
  unlinkSync(path);
  for (const value of [1, 9]) {
    mkdirSync(join(folder, `v${value}`));
    writeFileSync(join(folder, `v${value}`, 'sluice.yaml'), port(value));
  }
  symlinkSync('v1', join(folder, '..data'));
  symlinkSync(join('..data', 'sluice.yaml'), path);
  watch = start();
  symlinkSync('v9', join(folder, '..tmp'));
  renameSync(join(folder, '..tmp'), join(folder, '..data'));
  await reaches([9]);
  writeFileSync(join(folder, 'v9', 'sluice.yaml'), port(10));
  await reaches([9, 10]);
});

it('finds a file again whose whole folder was replaced, by polling', async () => {
  const inner = join(folder, 'etc');
  mkdirSync(inner);
  path = join(inner, 'sluice.yaml');
  writeFileSync(path, port(1));
  watch = start(50);
  renameSync(inner, join(folder, 'old'));
  mkdirSync(inner);
  writeFileSync(path, port(11));
  await reaches([11]);
  writeFileSync(path, port(12));
  await reaches([11, 12]);
});

it('reloads on demand, changed or not', () => {
  watch = start();
  expect(watch.reload().config?.server.port).toBe(1);
  expect(ports()).toEqual([1]);
});

/** Folders this process watches, by the kernel's own account; `undefined` where it gives none. */
function watchedFolders(): number | undefined {
  if (!existsSync('/proc/self/fdinfo')) return undefined;
  const texts = readdirSync('/proc/self/fdinfo').map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    } catch {
      return ''; // The descriptor that listed the folder is gone by now.
    }
  });
  return texts.join('\n').match(/^inotify wd:/gm)?.length ?? 0;
}

it('is silent after close, and leaves no folder watched', async () => {
  const before = watchedFolders();
  watch = start(20);
  if (before !== undefined) expect(watchedFolders()).toBeGreaterThan(before);
  writeFileSync(path, port(13));
  watch.close();
  watch.close();
  await pause(150);
  expect(results).toEqual([]);
  expect(watchedFolders()).toBe(before);
});

it('does not keep the process alive', () => {
  watch = start();
  const module = new URL('./watch.ts', import.meta.url).href;
  const script = `import { watchConfig } from ${JSON.stringify(module)};
    watchConfig({ path: ${JSON.stringify(path)}, load: () => 1, onLoad: () => {} });`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
  expect([child.status, String(child.stderr)]).toEqual([0, '']);
});
