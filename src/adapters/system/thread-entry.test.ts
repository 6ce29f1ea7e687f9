import { afterEach, expect, test, vi } from 'vitest';
import { threadEntry } from './thread-entry.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('a thread is found beside the sources, beside a bundle, and where the tests built it', () => {
  vi.stubEnv('SLUICE_THREADS', undefined);
  expect(threadEntry('sqlite-worker', 'file:///a/src/channel.ts').href).toBe('file:///a/src/worker.ts');
  vi.stubEnv('SLUICE_THREADS', 'file:///built/');
  expect(threadEntry('sqlite-worker', 'file:///a/src/channel.ts').href).toBe(
    'file:///built/sqlite-worker.mjs',
  );
  expect(threadEntry('sqlite-worker', 'file:///a/dist/main.mjs').href).toBe(
    'file:///a/dist/sqlite-worker.mjs',
  );
});
