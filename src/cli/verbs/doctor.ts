import type { Command } from 'commander';
import type { Finding } from '../examine.ts';
import { EXIT } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson } from '../verb.ts';

/** What `doctor` takes. */
export type DoctorOptions = Pick<ConnectionOptions, 'json' | 'config' | 'dataDir'>;

const MARKS = { ok: ['green', '✓'], warn: ['yellow', '!'], fail: ['red', '✗'] } as const;

function printFinding(finding: Finding, { paint, print }: Terminal): void {
  const [style, mark] = MARKS[finding.result];
  print(`${paint(style, mark)} ${paint('bold', clean(finding.check))}  ${clean(finding.message)}`);
  if (finding.remedy !== undefined) print(`    ${paint('cyan', '→')} ${clean(finding.remedy)}`);
}

async function doctor(options: DoctorOptions, terminal: Terminal): Promise<void> {
  const { examine } = await import('../examine.ts');
  const done = terminal.progress('Looking around');
  const findings = await examine(options, terminal).finally(done);
  const failed = findings.filter(({ result }) => result === 'fail').length;
  if (failed > 0) process.exitCode = EXIT.failed;
  if (options.json) {
    const checks = findings.map((one) => ({ ...one, remedy: one.remedy ?? null }));
    return printJson(terminal, { ok: failed === 0, checks });
  }
  for (const finding of findings) printFinding(finding, terminal);
  terminal.print('');
  terminal.print(
    failed === 0 ? 'Nothing stands in the way.' : `${failed} of ${findings.length} checks failed.`,
  );
}

/** `sluice doctor` */
export function defineDoctor(program: Command, terminal: Terminal): void {
  addVerb(program, 'doctor', {
    summary: 'Look for what keeps the gateway from working here',
    details:
      'Exits 1 when a check fails; warnings do not count. Providers are asked whether they answer, without a key.',
    examples: ['sluice doctor'],
  })
    .option(
      '-c, --config <file>',
      'configuration file (default: $SLUICE_CONFIG, else sluice.yaml if there is one)',
    )
    .option('--data-dir <folder>', 'data folder (default: as configured)')
    .action((options: DoctorOptions) => doctor(options, terminal));
}
