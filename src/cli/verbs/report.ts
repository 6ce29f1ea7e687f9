import type { Command } from 'commander';
import type { OutputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { dollars, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Chargeback = OutputOf<'getChargeback'>;
type Sums = Chargeback['total'];

interface ReportOptions extends ConnectionOptions {
  readonly month?: string;
}

function numbers(sums: Sums): readonly string[] {
  const cost = dollars(sums.cost_usd);
  return [
    grouped(sums.requests),
    grouped(sums.input_tokens + sums.cache_read_tokens + sums.cache_write_tokens),
    grouped(sums.output_tokens),
    grouped(sums.unpriced_requests),
    sums.unpriced_requests === 0 ? cost : `${cost} + ?`,
  ];
}

function rowsOf(report: Chargeback): (readonly string[])[] {
  const rows = report.data.flatMap((team) => [
    [team.team ?? team.team_id ?? 'no team', '', ...numbers(team)],
    ...team.models.map((model) => [
      '',
      `${model.model ?? '–'} (${model.provider ?? '–'})`,
      ...numbers(model),
    ]),
  ]);
  return [...rows, ['total', '', ...numbers(report.total)]];
}

async function chargeback(options: ReportOptions, terminal: Terminal): Promise<void> {
  const month = options.month ?? new Date().toISOString().slice(0, 7);
  if (!/^2\d{3}-(0[1-9]|1[0-2])$/.test(month)) throw badUsage('--month takes a month such as 2026-11.');
  const { connect } = await import('../connect.ts');
  const report = await connect(options, terminal).call('getChargeback', { month });
  if (options.json) {
    printJson(terminal, report);
    return;
  }
  if (report.data.length === 0) {
    terminal.print(`No calls in ${month}.`);
    return;
  }
  const columns = [
    { title: 'TEAM', shrinks: true },
    { title: 'MODEL', shrinks: true },
    ...['REQUESTS', 'INPUT', 'OUTPUT', 'UNPRICED', 'COST'].map((title) => ({
      title,
      align: 'right' as const,
    })),
  ];
  for (const line of tableLines({ columns, rows: rowsOf(report) }, terminal)) terminal.print(line);
}

/** `sluice report chargeback` */
export function defineReport(program: Command, terminal: Terminal): void {
  const report = program.command('report').summary('Reports of spend').description('Reports of spend.');
  withConnection(
    addVerb(report, 'chargeback', {
      summary: 'Show what every team spent in a month, by model',
      examples: ['sluice report chargeback', 'sluice report chargeback --month 2026-11 --json'],
    }),
  )
    .option('--month <month>', 'for example 2026-11, UTC (default: this month)')
    .action((options: ReportOptions) => chargeback(options, terminal));
}
