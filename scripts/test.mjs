// `npm test`: sets itself up, then runs every test.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { become, ensureBuilt, ensureInstalled, nodeBinary, root, step } from './bootstrap.mjs';

/** Debian packages the tests drive, and the file that shows each is there. */
const PACKAGES = [
  ['chromium', '/usr/bin/chromium'],
  ['openssl', '/usr/bin/openssl'],
];

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

await ensureInstalled('all');
await ensurePackages();
await ensureBuilt();
become(nodeBinary(), [`${root}node_modules/vitest/vitest.mjs`, 'run', ...process.argv.slice(2)]);
