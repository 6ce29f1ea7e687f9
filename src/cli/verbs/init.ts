import type { Command } from 'commander';
import { badUsage } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type CommonOptions } from '../verb.ts';

/** What `init` takes. */
export interface InitOptions extends CommonOptions {
  readonly config: string;
  readonly port?: string;
  readonly yes?: boolean;
  readonly force?: boolean;
}

/** `sluice init` */
export function defineInit(program: Command, terminal: Terminal): void {
  addVerb(program, 'init', {
    summary: 'Write a configuration file, after a few questions',
    details:
      'Provider keys are referred to by the environment variable they stand in, never written into the file.',
    examples: ['sluice init', 'sluice init --yes --port 4200'],
  })
    .option('-y, --yes', 'ask nothing: take every provider found in the environment, and defaults')
    .option('-c, --config <file>', 'file to write', 'sluice.yaml')
    .option('-p, --port <n>', 'port to listen on (default: 4100)')
    .option('--force', 'replace a file that exists')
    .action(async (options: InitOptions) => {
      if (options.yes !== true && options.json) throw badUsage('With --json nothing is asked; add --yes.');
      if (options.yes !== true && !terminal.canAsk) {
        throw badUsage('There is no terminal to ask questions on; add --yes to take defaults.');
      }
      const { runInit } = await import('./run-init.ts');
      await runInit(options, terminal);
    });
}
