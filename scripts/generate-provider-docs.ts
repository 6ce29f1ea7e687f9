/* Writes docs/providers.md from the provider registry. `--check` writes nothing and fails when the page is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseCatalog } from '../src/core/catalog/index.ts';
import { PROVIDERS } from '../src/providers/index.ts';
import type { AuthScheme, Provider } from '../src/providers/provider.ts';

const TARGET = fileURLToPath(new URL('../docs/providers.md', import.meta.url));
const CATALOG = new URL('../src/core/catalog/catalog.generated.json', import.meta.url);
const catalog = parseCatalog(readFileSync(CATALOG, 'utf8'));
const vendors = [...PROVIDERS.values()].filter(({ id }) => id !== 'sim');

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;
const listed = (texts: readonly string[]): string => (texts.length === 0 ? '–' : texts.map(code).join(', '));

function authText(auth: AuthScheme): string {
  switch (auth.type) {
    case 'header':
      return code(auth.header);
    case 'sigv4':
      return 'AWS SigV4 or bearer';
    case 'google-oauth':
      return 'Google OAuth';
    default:
      return auth.type;
  }
}

function prices({ id, catalogId, local }: Provider): string {
  if (local) return 'free';
  const models = catalog.providers[catalogId ?? id]?.models;
  return models === undefined ? '–' : `${models.filter(({ p }) => p !== undefined).length} models`;
}

function addressRow(provider: Provider): string {
  const { id, name, env, baseUrl, auth, console: page } = provider;
  const label = page === undefined ? name : `[${name}](${page})`;
  const base = baseUrl === undefined ? 'yours' : code(baseUrl);
  return `| ${code(id)} | ${label} | ${listed(env)} | ${authText(auth)} | ${base} | ${prices(provider)} |`;
}

function serviceRow({ id, endpoints: { chat, ...others } }: Provider): string {
  const formats = [...new Set(chat.map(({ format }) => format))];
  return `| ${code(id)} | ${listed(formats)} | ${listed(Object.keys(others).sort())} |`;
}

/** The defaults of `openaiLike` are left out: nearly everybody has them. */
function quirkRow({ id, quirks = {} }: Provider): string | undefined {
  const { maxTokensField: _, systemRole: __, ...telling } = quirks;
  const texts = Object.entries(telling).map(([name, value]) =>
    code(value === true ? name : `${name}: ${Array.isArray(value) ? value.join(' ') : String(value)}`),
  );
  return texts.length === 0 ? undefined : `| ${code(id)} | ${texts.join(', ')} |`;
}

function render(): string {
  return [
    '<!-- Written by scripts/generate-provider-docs.ts from src/providers; do not edit. -->',
    '',
    '# Providers',
    '',
    `Sluice knows ${vendors.length} vendors. Anything else that speaks OpenAI's format works as \`openai-compatible\` with a`,
    '`base_url`, or as a folder of its own: see [Add a provider in 20 minutes](guides/add-a-provider.md).',
    '',
    '## Addresses, keys, prices',
    '',
    'Without a config file, a vendor is used when one of its key variables is set. "Prices" counts the models whose price',
    `the catalog knows (${catalog.source}, plus our overlay); for others set \`price\` in the config.`,
    '',
    '| id | vendor | key variables | key sent as | base URL | prices |',
    '|---|---|---|---|---|---|',
    ...vendors.map(addressRow),
    '',
    '## What each serves',
    '',
    "A client's own dialect is preferred where the vendor speaks it; otherwise the first chat format is used.",
    '',
    '| id | chat formats | other operations |',
    '|---|---|---|',
    ...vendors.map(serviceRow),
    '',
    '## Deviations handled',
    '',
    'The words are those of `Quirks` in `src/formats/quirks.ts`, which explains each.',
    '',
    '| id | quirks |',
    '|---|---|',
    ...vendors.map(quirkRow).filter((row) => row !== undefined),
    '',
  ].join('\n');
}

function main(): void {
  const fresh = render();
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, fresh);
    console.log(`wrote ${TARGET}`);
    return;
  }
  let current = '';
  try {
    current = readFileSync(TARGET, 'utf8');
  } catch {
    // A missing page is stale too.
  }
  if (current === fresh) return;
  console.error(
    'docs/providers.md is stale: run `node scripts/generate-provider-docs.ts` and commit the result.',
  );
  process.exitCode = 1;
}

main();
