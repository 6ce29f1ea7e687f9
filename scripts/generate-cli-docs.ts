/**
 * Writes docs/reference/cli.md from the command line's own definitions. With `--check` it writes nothing and exits 1 when
 * the page is stale. Run: node scripts/generate-cli-docs.ts
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { referencePage } from '../src/cli/reference.ts';

const folder = new URL('../docs/reference/', import.meta.url);
const file = new URL('cli.md', folder);
const page = referencePage();
const fresh = existsSync(file) && readFileSync(file, 'utf8') === page;

if (process.argv.includes('--check')) {
  if (!fresh) console.error('docs/reference/cli.md is stale. Run: node scripts/generate-cli-docs.ts');
  process.exitCode = fresh ? 0 : 1;
} else {
  mkdirSync(fileURLToPath(folder), { recursive: true });
  if (!fresh) writeFileSync(file, page);
  console.log(fresh ? 'Nothing to do.' : 'Wrote docs/reference/cli.md.');
}
