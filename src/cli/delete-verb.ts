import type { Command } from 'commander';
import { badUsage } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { clean } from './text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from './verb.ts';

/** How something is deleted. */
export interface Deletion {
  readonly summary: string;
  readonly example: string;
  /** What the verb is given: `an id`, `its id or name`. */
  readonly target: string;
  /** Deletes it; resolves to its id and what the gateway answered. */
  readonly run: (
    target: string,
    options: ConnectionOptions,
  ) => Promise<{ readonly id: string } & Readonly<Record<string, unknown>>>;
}

/** `… delete <id>`: needs `--yes`, as it cannot be undone. */
export function addDelete(parent: Command, terminal: Terminal, deletion: Deletion): void {
  withConnection(addVerb(parent, 'delete', { summary: deletion.summary, examples: [deletion.example] }))
    .argument('<id>', deletion.target)
    .option('-y, --yes', 'confirm')
    .action(async (target: string, options: ConnectionOptions & { readonly yes?: boolean }) => {
      if (options.yes !== true) throw badUsage('Deleting cannot be undone; add --yes.');
      const answer = await deletion.run(target, options);
      if (options.json) printJson(terminal, answer);
      else terminal.print(`${clean(answer.id)} is deleted.`);
    });
}
