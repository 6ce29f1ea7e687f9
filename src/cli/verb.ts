import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** Adds a verb to the program. A verb's file imports what is heavy only when the verb runs. */
export type DefineVerb = (program: Command, terminal: Terminal) => void;

/** The options every verb has. */
export interface CommonOptions {
  readonly json?: boolean;
}

/** A sub-command with `--json` and its examples under the help text. */
export function addVerb(
  parent: Command,
  usage: string,
  texts: { readonly summary: string; readonly examples: readonly string[]; readonly details?: string },
): Command {
  const examples = texts.examples.map((line) => `  $ ${line}`).join('\n');
  const details = texts.details === undefined ? '' : `\n\n${texts.details}`;
  const title = texts.examples.length === 1 ? 'Example:' : 'Examples:';
  return parent
    .command(usage)
    .summary(texts.summary)
    .description(`${texts.summary}.${details}`)
    .option('--json', 'write JSON on standard output and nothing else')
    .addHelpText('after', `\n${title}\n${examples}`);
}
