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

/** Rows of a list at most; as many are looked through for what was missed. */
const MAX_ROWS = 500;
/** Ids kept to know a row that came both from the list and from the stream. */
const MAX_SEEN = 10_000;
/** How long a gateway that is away is left alone. */
const AWAY_MS = 500;
/** What a gateway that is being started again looks like. */
const AWAY: ReadonlySet<string> = new Set(['stream_ended', 'timeout', 'unreachable']);

function isAway(error: unknown): boolean {
  if (error instanceof CliFailure) return AWAY.has(error.code);
  return error instanceof Error && error.name === 'ApiError' && (error as { status?: number }).status === 503;
}

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

interface Following {
  readonly filter: Filter;
  readonly options: LogsOptions;
  readonly terminal: Terminal;
  readonly stop: AbortSignal;
  /** Ids of rows that were printed, or were there before. */
  readonly seen: Set<string>;
}

function printOnce(row: Row, { seen, options, terminal }: Following): void {
  if (seen.has(row.id)) return;
  seen.add(row.id);
  for (const oldest of seen) {
    if (seen.size <= MAX_SEEN) break;
    seen.delete(oldest);
  }
  printRow(row, options, terminal);
}

/** Prints what was missed and then what ends, until the stream does; that is a {@link CliFailure} unless it was asked for. */
async function followStream(
  gateway: Connection,
  following: Following,
  onList: (rows: readonly Row[]) => void,
): Promise<void> {
  const { filter, stop } = following;
  // The stream is opened before the list is read, so that nothing falls between the two.
  const rows = gateway.watch('watchExchanges', stop)[Symbol.asyncIterator]();
  let next = rows.next();
  next.catch(() => undefined);
  onList(await recent(gateway, filter, MAX_ROWS));
  for (let step = await next; step.done !== true; step = await next) {
    if (matches(step.value, filter)) printOnce(step.value, following);
    next = rows.next();
  }
  if (stop.aborted) return;
  throw new CliFailure('stream_ended', 'The gateway ended the stream; it may have stopped. Try again.');
}

/** Follows through restarts of the gateway; only the first try has to reach one. */
export async function follow(gateway: Connection, following: Following, count: number): Promise<void> {
  const { options, terminal, seen, stop } = following;
  let reached = false;
  let told = false;
  const onList = (rows: readonly Row[]): void => {
    const old = reached ? 0 : rows.length - count;
    for (const [index, row] of rows.entries()) {
      if (index < old) seen.add(row.id);
      else printOnce(row, following);
    }
    if (rows.length === 0 || count === 0) {
      if (!reached && !options.json) terminal.complain('Waiting for calls; Ctrl-C ends.');
    }
    reached = true;
    told = false;
  };
  while (!stop.aborted) {
    try {
      await followStream(gateway, following, onList);
    } catch (error) {
      if (stop.aborted) return;
      if (!reached || !isAway(error)) throw error;
      if (!told && !options.json) terminal.complain('The gateway is away; waiting for it. Ctrl-C ends.');
      told = true;
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    }
  }
}

async function logs(options: LogsOptions, terminal: Terminal): Promise<void> {
  const count = parseCount(options.lines, '--lines', { min: 0, max: MAX_ROWS });
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
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    await follow(gateway, { filter, options, terminal, stop: stop.signal, seen: new Set() }, count);
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
    .option('-f, --follow', 'go on with calls as they end, through restarts, until Ctrl-C')
    .option('-n, --lines <n>', 'how many past calls, 0 to 500', '20')
    .option('--model <name>', 'only calls that asked for this model')
    .option('--provider <name>', 'only calls this provider answered')
    .option('--key <id>', 'only calls with this virtual key, by id or name')
    .option('--status <code>', 'only calls that ended with this HTTP status')
    .option('--tag <name[=value]>', 'only calls with this tag')
    .action((options: LogsOptions) => logs(options, terminal));
}
