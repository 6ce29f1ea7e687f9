import type { Command } from 'commander';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import { parseChoice, parseList, parseMoment } from '../parse.ts';
import { type Column, dollars, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface UsageOptions extends ConnectionOptions {
  readonly from?: string;
  readonly to?: string;
  readonly groupBy: string;
  readonly interval?: string;
  readonly csv?: boolean;
  readonly focus?: boolean;
}

type Usage = OutputOf<'getUsage'>;
type UsageRow = Usage['data'][number];

function numbers(row: UsageRow): readonly string[] {
  return [
    grouped(row.requests),
    grouped(row.errors),
    grouped(row.input_tokens),
    grouped(row.cache_read_tokens),
    grouped(row.cache_write_tokens),
    grouped(row.output_tokens),
    grouped(row.average_latency_ms),
    // What nobody knows must not look like nothing.
    row.unpriced_requests === 0 ? dollars(row.cost_usd) : `${dollars(row.cost_usd)} + ?`,
  ];
}

const NUMBERS: readonly Column[] = [
  'REQUESTS',
  'ERRORS',
  'INPUT',
  'CACHE READ',
  'CACHE WRITE',
  'OUTPUT',
  'AVG MS',
  'COST',
].map((title) => ({ title, align: 'right' }));

/** An hour as `2026-01-31 14:00`, a day as `2026-01-31`; UTC, as the rollups are. */
function startText(start: string | null, interval: string | undefined): string {
  if (start === null) return '';
  return interval === 'day' ? start.slice(0, 10) : start.slice(0, 16).replace('T', ' ');
}

/** A name with its id, an id without a name, or a dash. */
function named(usage: Usage, group: string, id: string | null): string {
  if (id === null) return '–';
  const name = usage.names[group]?.[id];
  return name === undefined ? id : `${name} (${id})`;
}

function usageTable(
  usage: Usage,
  total: UsageRow | undefined,
  query: { groups: readonly string[]; interval?: string },
) {
  const { groups, interval } = query;
  const start: readonly Column[] = interval === undefined ? [] : [{ title: 'START (UTC)' }];
  const rows = usage.data.map((row) => [
    ...(interval === undefined ? [] : [startText(row.start, interval)]),
    ...groups.map((group) => named(usage, group, row.group[group] ?? null)),
    ...numbers(row),
  ]);
  const labels = start.length + groups.length;
  const last =
    total === undefined ? [] : [['total', ...Array(Math.max(0, labels - 1)).fill(''), ...numbers(total)]];
  return {
    columns: [
      ...start,
      ...groups.map((group) => ({ title: group.toUpperCase(), shrinks: true })),
      ...NUMBERS,
    ],
    rows: [...rows, ...(labels > 0 && usage.data.length > 1 ? last : [])],
  };
}

async function usage(options: UsageOptions, terminal: Terminal): Promise<void> {
  const reference = { now: Date.now(), direction: 'past' } as const;
  const groups = parseList(options.groupBy === 'none' ? '' : options.groupBy);
  const interval =
    options.interval === undefined ? undefined : parseChoice(options.interval, '--interval', ['hour', 'day']);
  const span = {
    from: options.from === undefined ? undefined : parseMoment(options.from, '--from', reference),
    to: options.to === undefined ? undefined : parseMoment(options.to, '--to', reference),
  };
  const query: InputOf<'getUsage'> = {
    ...span,
    group_by: groups.length === 0 ? undefined : groups.join(','),
    interval,
  };
  const { connect } = await import('../connect.ts');
  const gateway = connect(options, terminal);
  if (options.csv || options.focus) {
    const format = options.focus ? 'focus' : 'csv';
    const wanted = options.focus ? { ...query, group_by: undefined } : query;
    terminal.print((await gateway.call('exportUsage', { ...wanted, format })).trimEnd());
    return;
  }
  const answer = await gateway.call('getUsage', query);
  if (options.json) {
    printJson(terminal, answer);
    return;
  }
  // The sum is the gateway's own: it adds nano-dollars, not text.
  const total = await gateway.call('getUsage', { from: answer.from, to: answer.to });
  terminal.print(terminal.paint('dim', `${answer.from} to ${answer.to}`));
  if (answer.data.length === 0) {
    terminal.print('No calls in this time.');
    return;
  }
  const table = usageTable(answer, total.data[0], {
    groups,
    ...(interval === undefined ? {} : { interval }),
  });
  for (const line of tableLines(table, terminal)) terminal.print(line);
  const unpriced = total.data[0]?.unpriced_requests ?? 0;
  if (unpriced > 0) {
    terminal.print(
      terminal.paint(
        'yellow',
        `${grouped(unpriced)} requests have no known price; their cost is not in the sums (+ ?).`,
      ),
    );
  }
  if (answer.truncated)
    terminal.print(terminal.paint('yellow', 'There is more; ask for a shorter time, or --csv.'));
}

/** `sluice usage` */
export function defineUsage(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'usage', {
      summary: 'Show spend and tokens',
      examples: ['sluice usage', 'sluice usage --from 7d --group-by key,model --interval day'],
    }),
  )
    .option(
      '--from <time>',
      'a duration ago (7d), a day (2026-01-31) or an RFC 3339 time (default: 30 days ago)',
    )
    .option('--to <time>', 'the same, exclusive (default: now)')
    .option(
      '--group-by <list>',
      'model, provider, key, user, team, project, organization, session, tag:NAME, separated by commas; none',
      'model',
    )
    .option('--csv', 'write the table as CSV')
    .option('--focus', 'write charges by day (or --interval hour) in the columns of FOCUS 1.0, as CSV')
    .option('--interval <step>', 'one row per hour or day')
    .action((options: UsageOptions) => usage(options, terminal));
}
