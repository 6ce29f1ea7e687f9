// Before the tests: the threads' programs in plain JavaScript (src/adapters/system/thread-entry.ts says why).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { THREADS } from '../../scripts/threads.mjs';

export async function setup() {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-threads-'));
  await build({
    input: THREADS,
    platform: 'node',
    output: { dir, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
    logLevel: 'warn',
  });
  process.env.SLUICE_THREADS = pathToFileURL(`${dir}/`).href;
  return () => rm(dir, { recursive: true, force: true });
}
