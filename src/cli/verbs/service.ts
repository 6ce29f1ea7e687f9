import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addVerb, type CommonOptions } from '../verb.ts';

/** What the service verbs take. */
export interface ServiceOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly config?: string;
  readonly port?: string;
  readonly host?: string;
  readonly dataDir?: string;
  readonly keys?: boolean;
}

async function running() {
  return import('./run-service.ts');
}

interface Names {
  readonly install: string;
  readonly uninstall: string;
  readonly status: string;
}

function defineGroup(
  group: Command,
  { names, terminal }: { readonly names: Names; readonly terminal: Terminal },
): void {
  const prefix = `sluice ${group.name()}`;
  addVerb(group, names.install, {
    summary: 'Start the gateway by itself when you log in, and again when it falls over',
    details:
      'A user unit of systemd on Linux, a launch agent on macOS; no root needed. What is named here is what `sluice start` gets.',
    examples: [`${prefix} ${names.install} --dry-run`, `${prefix} ${names.install} --config sluice.yaml`],
  })
    .option(
      '-c, --config <file>',
      'configuration file (default: $SLUICE_CONFIG, else sluice.yaml here, else none)',
    )
    .option('-p, --port <n>', 'port to listen on')
    .option('--host <host>', 'address to listen on')
    .option('--data-dir <folder>', 'data folder')
    .option('--no-keys', 'do not hand the service the provider keys of this shell’s environment')
    .option('--dry-run', 'only show what would be written and run')
    .action(async (options: ServiceOptions) => (await running()).installService(options, terminal));
  addVerb(group, names.uninstall, {
    summary: 'Stop the gateway and start it by itself no more; its data stays',
    examples: [`${prefix} ${names.uninstall} --dry-run`, `${prefix} ${names.uninstall}`],
  })
    .option('--data-dir <folder>', 'data folder, where the service’s keys are')
    .option('--dry-run', 'only show what would be taken away and run')
    .action(async (options: ServiceOptions) => (await running()).uninstallService(options, terminal));
  addVerb(group, names.status, {
    summary: 'Whether the gateway is set to start by itself, and whether it runs that way',
    details: 'Exits 1 when it is not set to, or does not run.',
    examples: [`${prefix} ${names.status}`, `${prefix} ${names.status} --json`],
  })
    .option('--dry-run', 'only show what would be asked')
    .action(async (options: ServiceOptions) => (await running()).serviceStatus(options, terminal));
}

/** `sluice service install|uninstall|status`, and the same as `sluice autostart on|off|status`. */
export function defineService(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .summary('Keep the gateway running by itself')
    .description('Keep the gateway running by itself: systemd on Linux, launchd on macOS.');
  defineGroup(service, { names: { install: 'install', uninstall: 'uninstall', status: 'status' }, terminal });
  const autostart = program
    .command('autostart')
    .summary('The same as `service`: on, off, status')
    .description('The same as `sluice service`: on, off, status.');
  defineGroup(autostart, { names: { install: 'on', uninstall: 'off', status: 'status' }, terminal });
}
