// `npm run generate`: every generated file of the repository, anew.
import { spawnSync } from 'node:child_process';
import { ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
for (const script of [
  'generate-catalog.ts',
  'generate-config-docs.ts',
  'generate-provider-docs.ts',
  'generate-cli-docs.ts',
  'generate-compatibility.ts',
]) {
  const { status } = spawnSync(nodeBinary(), [`${root}scripts/${script}`], { stdio: 'inherit', cwd: root });
  if (status !== 0) process.exit(1);
}
