// One bundle for the gateway and CLI and one for each thread; the catalog lies beside them.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { THREADS } from './threads.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * Asks node for `node:http` instead of importing it: an import reads every name a built-in exports, and three of this one's
 * (`WebSocket` among them) load a second HTTP client, which stays in memory with 4 MB.
 */
const httpWithoutItsClient = {
  name: 'http-without-its-client',
  resolveId: (id, _importer, { kind }) =>
    /^(?:node:)?http$/.test(id) && kind === 'import-statement' ? '\0http' : undefined,
  load(id) {
    if (id !== '\0http') return undefined;
    const names = Object.entries(Object.getOwnPropertyDescriptors(http)).filter(
      ([, { value }]) => value !== undefined,
    );
    return `const http = process.getBuiltinModule('node:http');
export default http;
export const { ${names.map(([name]) => name).join(', ')} } = http;`;
  },
};

mkdirSync(join(root, 'dist'), { recursive: true });
rmSync(join(root, 'dist/compile-cache'), { recursive: true, force: true });
for (const old of readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.mjs')))
  rmSync(join(root, 'dist', old));

await build({
  input: {
    sluice: join(root, 'src/main.ts'),
    ...THREADS,
  },
  platform: 'node',
  plugins: [httpWithoutItsClient],
  transform: { define: { __SLUICE_VERSION__: JSON.stringify(version) } },
  output: {
    dir: join(root, 'dist'),
    format: 'esm',
    entryFileNames: '[name].mjs',
    // Not in a folder of their own: what the program ships with is looked for beside the module that asks.
    chunkFileNames: '[name]-[hash].mjs',
    // Names stay, for stacks and profiles; white space and comments would be half of the text in memory.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  },
  logLevel: 'warn',
});
// V8 keeps the text of a module as long as its functions live, in two bytes per character if a single one is not Latin-1.
// Such characters stand only in strings, templates and patterns here, where an escape means the same.
for (const name of readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.mjs'))) {
  const path = join(root, 'dist', name);
  const escaped = readFileSync(path, 'utf8').replace(
    /[\u0100-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  writeFileSync(path, escaped);
}
copyFileSync(
  join(root, 'src/core/catalog/catalog.generated.json'),
  join(root, 'dist/catalog.generated.json'),
);
// Generated from the types of the configuration (`npm run generate`), which `npm run check` holds it against.
copyFileSync(join(root, 'docs/reference/sluice.schema.json'), join(root, 'dist/sluice.schema.json'));
copyFileSync(join(root, 'src/core/routing/model/router-prior.bin'), join(root, 'dist/router-prior.bin'));
