import type { Command } from 'commander';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import type { Connection } from '../connect.ts';
import { CliFailure } from '../failure.ts';
import { parseCount } from '../parse.ts';
import { dollars, grouped } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean, pad, truncate } from '../text.ts';
import { addVerb, type ConnectionOptions, withConnection } from '../verb.ts';

interface LogsOptions extends ConnectionOptions {
  readonly follow?: boolean;
  readonly lines: string;
  readonly model?: string;
  readonly provider?: string;
  readonly key?: string;
  readonly status?: string;
  readonly tag?: string;
}

type Row = OutputOf<'listExchanges'>['data'][number];
type Filter = Omit<InputOf<'listExchanges'>, 'limit' | 'cursor'>;

/** Ids kept to know a row that came both from the list and from the stream. */
const MAX_SEEN = 500;

/** Whether a streamed row would be in the list; the stream itself takes no filter. */
export function matches(row: Row, filter: Filter): boolean {
  const [tag, value] = (filter.tag ?? '').split('=', 2);
  return (
    (filter.model === undefined || row.model === filter.model) &&
    (filter.provider === undefined || row.provider === filter.provider) &&
    (filter.key_id === undefined || row.key_id === filter.key_id) &&
    (filter.status === undefined || row.status === Number(filter.status)) &&
    (!tag || (Object.hasOwn(row.tags, tag) && (value === undefined || row.tags[tag] === value)))
  );
}

/** One line of the log for people. Times are UTC, tokens are input and output. */
export function rowLine(row: Row, terminal: Pick<Terminal, 'paint' | 'width'>): string {
  const { paint } = terminal;
  const style = row.status < 400 ? 'green' : row.status < 500 ? 'yellow' : 'red';
  const target = row.provider === null ? '' : ` → ${row.provider}/${row.upstream_model ?? '?'}`;
  const note = row.error ?? (row.outcome === 'answered' ? '' : row.outcome);
  const input = row.usage.input + row.usage.cache_read + row.usage.cache_write_5m + row.usage.cache_write_1h;
  const estimated = row.usage.source === 'reported' ? '' : '~';
  const before = `${row.started_at.slice(0, 19).replace('T', ' ')} `;
  const after = clean(
    [
      '',
      pad(`${grouped(Math.round(row.latency_ms))} ms`, 9, 'right'),
      pad(`${estimated}${grouped(input)} → ${grouped(row.usage.output)} tok`, 20, 'right'),
      pad(dollars(row.cost_usd), 12, 'right'),
      pad(clean(row.model + target), 30),
      note,
    ].join('  '),
  ).trimEnd();
  const status = pad(String(row.status), 3);
  const room = terminal.width === undefined ? after : truncate(after, terminal.width - before.length - 3);
  return `${paint('dim', before)}${paint(style, status)}${room}`;
}

function printRow(row: Row, options: LogsOptions, terminal: Terminal): void {
  terminal.print(options.json ? JSON.stringify(row) : rowLine(row, terminal));
}

async function recent(gateway: Connection, filter: Filter, count: number): Promise<readonly Row[]> {
  if (count === 0) return [];
  const { data } = await gateway.call('listExchanges', { ...filter, limit: count });
  return [...data].reverse();
}

async function follow(
  gateway: Connection,
  filter: Filter,
  how: { options: LogsOptions; terminal: Terminal; count: number },
) {
  const { options, terminal, count } = how;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  // The stream is opened before the list is read, so that nothing falls between the two.
  const rows = gateway.watch('watchExchanges', stop.signal)[Symbol.asyncIterator]();
  let next = rows.next();
  next.catch(() => undefined);
  const seen = new Set<string>();
  for (const row of await recent(gateway, filter, count)) {
    seen.add(row.id);
    printRow(row, options, terminal);
  }
  if (seen.size === 0 && !options.json) terminal.complain('Waiting for calls; Ctrl-C ends.');
  for (let step = await next; step.done !== true; step = await next) {
    const row = step.value;
    if (matches(row, filter) && !(seen.size <= MAX_SEEN && seen.has(row.id)))
      printRow(row, options, terminal);
    next = rows.next();
  }
  if (stop.signal.aborted) return;
  throw new CliFailure('stream_ended', 'The gateway ended the stream; it may have stopped. Try again.');
}

async function logs(options: LogsOptions, terminal: Terminal): Promise<void> {
  const count = parseCount(options.lines, '--lines', { min: 0, max: 500 });
  const status =
    options.status === undefined ? undefined : parseCount(options.status, '--status', { min: 100, max: 599 });
  const { connect } = await import('../connect.ts');
  const { findKeyId } = await import('../key-names.ts');
  const gateway = connect(options, terminal);
  const filter: Filter = {
    model: options.model,
    provider: options.provider,
    status,
    tag: options.tag,
    key_id: options.key === undefined ? undefined : await findKeyId(gateway, options.key),
  };
  if (options.follow === true) {
    await follow(gateway, filter, { options, terminal, count });
    return;
  }
  const rows = await recent(gateway, filter, count);
  for (const row of rows) printRow(row, options, terminal);
  if (rows.length === 0 && !options.json) terminal.complain('No calls are logged that match.');
}

/** `sluice logs` */
export function defineLogs(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'logs', {
      summary: 'Show the latest calls, oldest first',
      details: 'With --json: one JSON object a line. Times are UTC; `~` marks estimated tokens.',
      examples: ['sluice logs -f', 'sluice logs --status 429 --key my-app -n 100'],
    }),
  )
    .option('-f, --follow', 'go on with calls as they end, until Ctrl-C')
    .option('-n, --lines <n>', 'how many past calls, 0 to 500', '20')
    .option('--model <name>', 'only calls that asked for this model')
    .option('--provider <name>', 'only calls this provider answered')
    .option('--key <id>', 'only calls with this virtual key, by id or name')
    .option('--status <code>', 'only calls that ended with this HTTP status')
    .option('--tag <name[=value]>', 'only calls with this tag')
    .action((options: LogsOptions) => logs(options, terminal));
}
