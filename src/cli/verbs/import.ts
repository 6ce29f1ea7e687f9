import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { ImportNote, ImportResult } from '../../app/import/index.ts';
import { problemJson, problemLines } from '../configuration-problems.ts';
import { badUsage, CliFailure, EXIT } from '../failure.ts';
import { parseChoice } from '../parse.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type CommonOptions, printJson } from '../verb.ts';

interface ImportOptions extends CommonOptions {
  readonly write?: boolean;
  readonly out?: string;
  readonly force?: boolean;
  readonly provider?: readonly string[];
}

function readFile(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof TypeError) throw new CliFailure('bad_file', `${path} is no UTF-8 text.`);
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a folder' : 'cannot be read';
    throw new CliFailure('bad_file', `${path} ${why}; name the file to import.`);
  }
}

function count(notes: readonly ImportNote[], outcome: ImportNote['outcome']): number {
  return notes.filter((note) => note.outcome === outcome).length;
}

function printReport(result: ImportResult, terminal: Terminal): void {
  const { notes, variables, problems } = result;
  const marks = { mapped: 'maps', approximated: 'differs', unmapped: 'left out' } as const;
  const table = {
    columns: [
      { title: '' },
      { title: 'THEIRS', shrinks: true },
      { title: 'OURS', shrinks: true },
      { title: 'WHY', shrinks: true },
    ],
    rows: notes.map(({ path, outcome, to, why }) => [marks[outcome], path, to ?? '–', why ?? '']),
  };
  for (const line of tableLines(table, { paint: terminal.paint, width: undefined })) terminal.print(line);
  terminal.print('');
  if (variables.length > 0) terminal.print('Set these environment variables before the start:');
  for (const { name, valueAt } of variables) {
    terminal.print(
      valueAt === undefined ? `  ${name}` : `  ${name}   (its value stands at ${clean(valueAt)})`,
    );
  }
  for (const problem of problems) problemLines(problem, 'problem', terminal.paint).forEach(terminal.print);
  terminal.print(
    `${count(notes, 'mapped')} settings map, ${count(notes, 'approximated')} differ, ${count(notes, 'unmapped')} are left out.`,
  );
}

/** Writes without replacing anything unasked. */
function writeOut(path: string, text: string, force: boolean): void {
  if (existsSync(path) && !force) {
    throw new CliFailure('conflict', `${path} exists already; choose another with --out, or add --force.`);
  }
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}

async function runImport(
  file: string,
  options: ImportOptions & { readonly source: string },
  terminal: Terminal,
): Promise<void> {
  const { IMPORT_SOURCES, ImportFault, importConfiguration } = await import('../../app/import/index.ts');
  const source = parseChoice(options.source, 'The first argument', IMPORT_SOURCES);
  if (options.out !== undefined && options.write !== true) throw badUsage('--out goes with --write.');
  const text = readFile(file);
  let result: ImportResult;
  try {
    const name = basename(file).replace(/\.[^.]*$/, '');
    result = importConfiguration({ source, text, name, vendors: options.provider ?? [] });
  } catch (error) {
    if (error instanceof ImportFault) throw new CliFailure('not_importable', `${file}: ${error.message}`);
    throw error;
  }
  const usable = result.problems.length === 0;
  const target = options.out ?? (result.yaml === undefined ? 'sluice-state.yaml' : 'sluice.yaml');
  const content = result.yaml ?? result.state ?? '';
  const written = options.write === true && usable;
  if (written) writeOut(target, content, options.force === true);
  if (!usable) process.exitCode = EXIT.failed;
  if (options.json) {
    printJson(terminal, {
      source,
      file,
      written: written ? target : null,
      notes: result.notes.map(({ path, outcome, to, why }) => ({
        path,
        outcome,
        to: to ?? null,
        why: why ?? null,
      })),
      variables: result.variables.map(({ name, valueAt }) => ({ name, value_at: valueAt ?? null })),
      problems: result.problems.map(problemJson),
      yaml: result.yaml ?? null,
      state: result.state ?? null,
    });
    return;
  }
  printReport(result, terminal);
  if (!usable) terminal.complain('The result cannot be used as it is, so nothing was written.');
  else if (written) terminal.print(`Written to ${clean(target)}. ${nextStep(result, target)}`);
  else
    terminal.print(
      `Nothing was written. ${clean(target)} would hold:\n\n${content.trimEnd()}\n\nAdd --write to write it.`,
    );
}

function nextStep(result: ImportResult, target: string): string {
  return result.yaml === undefined
    ? `Look at it with \`sluice apply ${target} --dry-run\`, then apply it.`
    : `Check it with \`sluice check ${target}\`.`;
}

/** `sluice import litellm|portkey|relayplane FILE` */
export function defineImport(program: Command, terminal: Terminal): void {
  addVerb(program, 'import', {
    summary: 'Translate a configuration of LiteLLM, Portkey or RelayPlane',
    details:
      'Lists what maps, what does not and why, and shows the file; with --write it is written. Secrets are not copied: ' +
      'they are read from environment variables. An export of LiteLLM’s /key/list becomes a file for `sluice apply`.',
    examples: [
      'sluice import litellm config.yaml',
      'sluice import litellm config.yaml --write --out sluice.yaml',
      'sluice import portkey config.json --provider prod-llm=openai',
    ],
  })
    .argument('<source>', 'litellm, portkey or relayplane')
    .argument('<file>', 'its configuration, YAML or JSON')
    .option('--write', 'write the result; without it nothing is written')
    .option('--dry-run', 'only show what would be written (the default)')
    .option('--out <file>', 'where to (default: sluice.yaml, for keys sluice-state.yaml)')
    .option('--force', 'replace the file if it exists')
    .option('--provider <slug=vendor...>', 'vendor of a virtual key whose name does not tell')
    .action((source: string, file: string, options: ImportOptions & { readonly dryRun?: boolean }) => {
      if (options.write === true && options.dryRun === true)
        throw badUsage('Choose one of --write and --dry-run.');
      return runImport(file, { ...options, source }, terminal);
    });
}
