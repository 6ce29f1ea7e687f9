// Before the tests that start processes or threads: the program as users run it is built of the sources as they are, and the
// threads' programs, for gateways inside a test, in plain JavaScript (src/adapters/system/thread-entry.ts says why).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { ensureBuilt } from '../../scripts/bootstrap.mjs';
import { THREADS } from '../../scripts/threads.mjs';

export async function setup() {
  await ensureBuilt();
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
