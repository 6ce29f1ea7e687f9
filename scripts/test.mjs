// `npm test`: sets itself up, then runs every test; the few files that failed get one second go.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, nodeBinary, root, run, step } from './bootstrap.mjs';

/** Debian packages the tests drive, and the file that shows each is there. */
const PACKAGES = [
  ['chromium', '/usr/bin/chromium'],
  ['openssl', '/usr/bin/openssl'],
];
/** More files than these are no accident of the machine. */
const MOST_SECOND_GOES = 3;

async function ensurePackages() {
  const missing = PACKAGES.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (missing.length === 0) return;
  const sentence = `The tests need ${missing.join(', ')}. Install with: apt-get update && apt-get install -y ${missing.join(' ')}`;
  const hasApt = spawnSync('apt-get', ['--version']).status === 0;
  if (process.getuid?.() !== 0 || !hasApt) {
    console.error(`${sentence}\n(This user cannot do it: it takes root and Debian's apt-get.)`);
    process.exit(1);
  }
  await step('Updating the package list', 'apt-get', ['update']);
  await step(`Installing ${missing.join(', ')}`, 'apt-get', [
    'install',
    '-y',
    '--no-install-recommends',
    ...missing,
  ]);
}

/** Runs vitest; gives its exit code, and the failed files that may go again (`test/support/second-goes.ts` writes them). */
async function runTests(args, folder) {
  const note = join(folder, 'failed.json');
  rmSync(note, { force: true });
  const code = await run(nodeBinary(), [`${root}node_modules/vitest/vitest.mjs`, 'run', ...args], {
    SLUICE_FAILED_FILES: note,
  });
  return { code, failed: existsSync(note) ? JSON.parse(readFileSync(note, 'utf8')) : [] };
}

/**
 * Files that start processes, browsers and disks wait for a machine that may stand still. A file that failed runs again from
 * its beginning, alone: a single test that runs again meets what its first run left behind.
 */
async function testTwice(args) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-tests-'));
  try {
    const { code, failed } = await runTests(args, folder);
    if (code === 0 || failed.length === 0) return code;
    if (failed.length > MOST_SECOND_GOES) {
      console.log(`${failed.length} files failed; no more than ${MOST_SECOND_GOES} get a second go.`);
      return code;
    }
    console.log(`\nsecond go, alone: ${failed.join(', ')}\n`);
    const again = await runTests(['--no-file-parallelism', ...failed], folder);
    if (again.code === 0) console.log(`passed at the second go only: ${failed.join(', ')}`);
    return again.code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await ensureInstalled('all');
await ensurePackages();
await ensureBuilt();
process.exit(await testTwice(process.argv.slice(2)));
