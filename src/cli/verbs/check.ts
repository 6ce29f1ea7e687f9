import type { Command } from 'commander';
import { problemJson, problemLines } from '../configuration-problems.ts';
import { badUsage, EXIT } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type CommonOptions, printJson } from '../verb.ts';

interface CheckOptions extends CommonOptions {
  readonly config?: string;
}

async function check(named: string | undefined, options: CheckOptions, terminal: Terminal): Promise<void> {
  if (named !== undefined && options.config !== undefined) throw badUsage('Name one file, not two.');
  const file = named ?? options.config;
  const { checkConfiguration } = await import('../../app/check-configuration.ts');
  const { path, problems, warnings } = await checkConfiguration({
    configPath: file,
    flags: {},
    environment: terminal.environment,
  });
  if (problems.length > 0) process.exitCode = EXIT.failed;
  if (options.json) {
    printJson(terminal, {
      valid: problems.length === 0,
      file: path ?? null,
      problems: problems.map(problemJson),
      warnings: warnings.map(problemJson),
    });
    return;
  }
  for (const problem of problems) problemLines(problem, 'problem', terminal.paint).forEach(terminal.print);
  for (const warning of warnings) problemLines(warning, 'warning', terminal.paint).forEach(terminal.print);
  const subject = path === undefined ? 'The environment (there is no sluice.yaml here)' : clean(path);
  terminal.print(verdict(subject, { problems: problems.length, warnings: warnings.length }));
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function verdict(subject: string, found: { readonly problems: number; readonly warnings: number }): string {
  const warnings = found.warnings === 0 ? '' : `, ${counted(found.warnings, 'warning')}`;
  if (found.problems === 0) return `${subject} can be used${warnings}.`;
  return `${subject} cannot be used: ${counted(found.problems, 'problem')}${warnings}.`;
}

/** `sluice check` */
export function defineCheck(program: Command, terminal: Terminal): void {
  addVerb(program, 'check', {
    summary: 'Check a configuration file and name every problem',
    details:
      'Each problem is told as path, problem and remedy. Exits 1 when there is one; warnings do not count.',
    examples: ['sluice check', 'sluice check deploy/sluice.yaml --json'],
  })
    .argument('[file]', 'configuration file (default: $SLUICE_CONFIG, else sluice.yaml)')
    .option('-c, --config <file>', 'the same, as `sluice start` takes it')
    .action((file: string | undefined, options: CheckOptions) => check(file, options, terminal));
}
