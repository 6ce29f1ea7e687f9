import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolders } from './paths.ts';

it('makes every missing folder for its owner alone', () => {
  const base = mkdtempSync(join(tmpdir(), 'sluice-paths-'));
  makeFolders(join(base, 'a/b/c'));
  expect(statSync(join(base, 'a/b/c')).mode & 0o777).toBe(0o700);
  expect(() => makeFolders(join(base, 'a/b/c'))).not.toThrow();
  rmSync(base, { recursive: true });
});

it.runIf(existsSync('/proc/self'))('says so where no folder can be made, instead of trying for ever', () => {
  expect(() => makeFolders('/proc/sluice-test/data')).toThrow('ENOENT');
});
