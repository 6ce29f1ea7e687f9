/**
 * Writes docs/reference/config.md and docs/reference/sluice.schema.json from the configuration schema.
 * With `--check` it writes nothing and exits 1 when one of them is stale. Run: node scripts/generate-config-docs.ts
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { referencePage, schemaFile } from '../src/app/config/reference.ts';

const folder = new URL('../docs/reference/', import.meta.url);
const files: readonly (readonly [name: string, content: string])[] = [
  ['config.md', referencePage()],
  ['sluice.schema.json', schemaFile()],
];

const stale = files.filter(([name, content]) => {
  const file = new URL(name, folder);
  return !existsSync(file) || readFileSync(file, 'utf8') !== content;
});

if (process.argv.includes('--check')) {
  for (const [name] of stale) {
    console.error(`docs/reference/${name} is stale. Run: node scripts/generate-config-docs.ts`);
  }
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  mkdirSync(fileURLToPath(folder), { recursive: true });
  for (const [name, content] of stale) writeFileSync(new URL(name, folder), content);
  console.log(stale.length === 0 ? 'Nothing to do.' : `Wrote ${stale.map(([name]) => name).join(', ')}.`);
}
