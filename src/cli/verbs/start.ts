import type { Command } from 'commander';
import { parsePort } from '../parse.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type CommonOptions } from '../verb.ts';

/** Options of `start`. */
export interface StartOptions extends CommonOptions {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
  readonly dataDir?: string;
}

/** `sluice start` */
export function defineStart(program: Command, terminal: Terminal): void {
  addVerb(program, 'start', {
    summary: 'Run the gateway until it is told to stop',
    details:
      'Without a configuration file, provider keys in the environment become providers; without any key a simulator ' +
      'answers (demo mode). SIGTERM and Ctrl-C let running answers finish, a second Ctrl-C ends at once, SIGHUP loads ' +
      'the configuration again.',
    examples: ['sluice start', 'sluice start --config sluice.yaml --port 4100'],
  })
    .option(
      '-c, --config <file>',
      'configuration file (default: $SLUICE_CONFIG, else sluice.yaml if there is one)',
    )
    .option('-p, --port <n>', 'port to listen on; 0 takes any free one')
    .option('--host <host>', 'address to listen on')
    .option('--data-dir <folder>', 'folder for database, journal and keys (default: ~/.sluice)')
    .action(async (options: StartOptions) => {
      // Before the gateway's code is loaded: a typing mistake is answered at once.
      if (options.port !== undefined) parsePort(options.port);
      const { runStart } = await import('./run-start.ts');
      await runStart(options, terminal);
    });
}
