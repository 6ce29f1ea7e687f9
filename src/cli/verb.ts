import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** Adds a verb to the program. A verb's file imports what is heavy only when the verb runs. */
export type DefineVerb = (program: Command, terminal: Terminal) => void;

/** The option every verb has. */
export interface CommonOptions {
  readonly json?: boolean;
}

/** How to reach the gateway, as options. */
export interface ConnectionOptions extends CommonOptions {
  readonly url?: string;
  readonly adminKey?: string;
  readonly config?: string;
  readonly dataDir?: string;
}

const EXAMPLES = new WeakMap<Command, readonly string[]>();

/** Command lines that show a verb at work; for the reference page. */
export function examplesOf(verb: Command): readonly string[] {
  return EXAMPLES.get(verb) ?? [];
}

/** A sub-command with `--json` and its examples under the help text. */
export function addVerb(
  parent: Command,
  usage: string,
  texts: { readonly summary: string; readonly examples: readonly string[]; readonly details?: string },
): Command {
  const examples = texts.examples.map((line) => `  $ ${line}`).join('\n');
  const details = texts.details === undefined ? '' : ` ${texts.details}`;
  const title = texts.examples.length === 1 ? 'Example:' : 'Examples:';
  const verb = parent
    .command(usage)
    .summary(texts.summary)
    .description(`${texts.summary}.${details}`)
    .option('--json', 'write JSON on standard output and nothing else')
    .addHelpText('after', `\n${title}\n${examples}`);
  EXAMPLES.set(verb, texts.examples);
  return verb;
}

/** The options of verbs that ask a running gateway. */
export function withConnection(verb: Command): Command {
  return verb
    .option('--url <url>', 'address of the gateway (default: $SLUICE_URL, else as configured)')
    .option(
      '--admin-key <key>',
      'admin key (default: $SLUICE_ADMIN_KEY, else the one stored in the data folder)',
    )
    .option('-c, --config <file>', 'configuration file to take address and data folder from')
    .option('--data-dir <folder>', 'data folder of the gateway, where its admin key is');
}

/** One JSON document: indented for people, on one line for programs. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.print(JSON.stringify(value, null, terminal.isTerminal ? 2 : undefined));
}
