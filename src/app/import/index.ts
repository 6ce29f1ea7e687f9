import { parseDocument, stringify } from 'yaml';
import { loadConfig, type Problem } from '../config/index.ts';
import type { KnownNames } from '../config/known.ts';
import { knownNames } from '../configuration.ts';
import { loadCatalog } from '../gateway.ts';
import type { NeededVariable, Tree } from './draft.ts';
import { type Imported, importLitellm } from './litellm.ts';
import { importPortkey } from './portkey.ts';
import { importRelayplane } from './relayplane.ts';
import { ImportFault, type ImportNote } from './source.ts';
import { vendorOf } from './vendors.ts';

export { ImportFault, type ImportNote } from './source.ts';

/** Products whose configurations can be read. */
export const IMPORT_SOURCES = ['litellm', 'portkey', 'relayplane'] as const;
export type ImportSource = (typeof IMPORT_SOURCES)[number];

/** What to read. */
export interface ImportInput {
  readonly source: ImportSource;
  readonly text: string;
  /** What the file is called, without folder and ending; names what has no name of its own. */
  readonly name: string;
  /** `slug=vendor`, for virtual keys whose name does not tell. */
  readonly vendors?: readonly string[];
}

/** What came of it. */
export interface ImportResult {
  /** Text of a `sluice.yaml`; absent when the file held keys and teams only. */
  readonly yaml: string | undefined;
  /** Text of a file for `sluice apply`: teams, users and keys. */
  readonly state: string | undefined;
  readonly notes: readonly ImportNote[];
  /** Environment variables to set before the gateway starts. */
  readonly variables: readonly NeededVariable[];
  /** What `sluice check` says of the result once the variables are set; empty when it can be used. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const MAX_BYTES = 8 * 1024 * 1024;

/** Reads YAML, of which JSON is a part. Throws {@link ImportFault} with the line of the first fault. */
function parseText(text: string): unknown {
  if (text.length > MAX_BYTES) throw new ImportFault('The file is larger than 8 MB.');
  if (text.trim() === '') throw new ImportFault('The file is empty.');
  let fault: { readonly line: number } | undefined;
  try {
    const document = parseDocument(text, { prettyErrors: true, merge: true, uniqueKeys: true });
    const [error] = document.errors;
    if (error === undefined) {
      const tree: unknown = document.toJS({ maxAliasCount: 100 });
      // An anchor that stands inside what it names goes round for ever.
      JSON.stringify(tree);
      return tree;
    }
    fault = { line: error.linePos?.[0].line ?? 1 };
  } catch {
    throw new ImportFault(
      'The file is nested too deeply, refers to itself too often, or is neither YAML nor JSON.',
    );
  }
  throw new ImportFault(`The file is neither YAML nor JSON; the first fault is in line ${fault.line}.`);
}

function hintsOf(vendors: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    vendors.map((pair) => {
      const [slug = '', name = ''] = pair.split('=', 2);
      const vendor = vendorOf(name.trim());
      if (slug.trim() === '' || vendor === undefined) {
        throw new ImportFault(
          `--provider takes SLUG=VENDOR with a vendor Sluice has, not "${pair.slice(0, 100)}".`,
        );
      }
      return [slug.trim(), vendor];
    }),
  );
}

function read(input: ImportInput): Imported {
  const tree = parseText(input.text);
  switch (input.source) {
    case 'litellm':
      return importLitellm(tree);
    case 'portkey':
      return importPortkey(tree, input.name, hintsOf(input.vendors ?? []));
    case 'relayplane':
      return importRelayplane(tree);
  }
}

const PLACEHOLDERS = {
  secret: 'sk-placeholder-0123456789',
  url: 'https://placeholder.example/v1',
  text: 'placeholder',
};

/** References to models that nothing serves are taken out, so that the file can be used; each is noted. */
function mend(imported: Imported, known: KnownNames): void {
  const { draft, ledger } = imported;
  const serves = (name: string) =>
    Object.hasOwn(draft.models, name) ||
    known.hasModel(name) ||
    Object.hasOwn(draft.providers, name.slice(0, Math.max(0, name.indexOf('/'))));
  for (const [index, budget] of ((draft.sections['budgets'] ?? []) as Tree[]).entries()) {
    const model = budget['downgrade_to'];
    if (typeof model !== 'string' || serves(model)) continue;
    delete budget['downgrade_to'];
    budget['action'] = 'block';
    ledger.approximated(`budgets[${index}]`, 'budgets', 'blocks instead: nothing serves the cheaper model.');
  }
}

/**
 * Translates another product's configuration. Nothing is written; secrets are not copied but moved into environment
 * variables. Throws {@link ImportFault} for what is no such configuration.
 */
export function importConfiguration(input: ImportInput): ImportResult {
  const imported = read(input);
  const { draft, ledger, state } = imported;
  const stateText = state === undefined ? undefined : stringify(state, { lineWidth: 0 });
  if (state !== undefined) {
    return {
      yaml: undefined,
      state: stateText,
      notes: ledger.notes,
      variables: [],
      problems: [],
      warnings: [],
    };
  }
  const known = knownNames(loadCatalog());
  mend(imported, known);
  const empty = Object.keys(draft.tree()).length <= 1;
  if (empty) ledger.unmapped('(file)', 'nothing in it could be mapped.');
  const yaml = `# Imported from ${input.source} by \`sluice import\`.\n${stringify(draft.tree(), { lineWidth: 0, aliasDuplicateObjects: false })}`;
  const environment = Object.fromEntries(draft.variables.map(({ name, use }) => [name, PLACEHOLDERS[use]]));
  const { problems, warnings } = loadConfig({ text: yaml, environment, known });
  return { yaml, state: undefined, notes: ledger.notes, variables: draft.variables, problems, warnings };
}
