// One bundle for the gateway and CLI and one for each thread; the catalog lies beside them.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { THREADS } from './threads.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

mkdirSync(join(root, 'dist'), { recursive: true });
for (const old of readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.mjs')))
  rmSync(join(root, 'dist', old));

await build({
  input: {
    sluice: join(root, 'src/main.ts'),
    ...THREADS,
  },
  platform: 'node',
  transform: { define: { __SLUICE_VERSION__: JSON.stringify(version) } },
  output: {
    dir: join(root, 'dist'),
    format: 'esm',
    entryFileNames: '[name].mjs',
    // Not in a folder of their own: what the program ships with is looked for beside the module that asks.
    chunkFileNames: '[name]-[hash].mjs',
    minify: false,
  },
  logLevel: 'warn',
});
copyFileSync(
  join(root, 'src/core/catalog/catalog.generated.json'),
  join(root, 'dist/catalog.generated.json'),
);
copyFileSync(join(root, 'src/core/routing/model/router-prior.bin'), join(root, 'dist/router-prior.bin'));
