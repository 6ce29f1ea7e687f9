import type { Command } from 'commander';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import { addDelete } from '../delete-verb.ts';
import { badUsage } from '../failure.ts';
import { parseChoice, parseCount } from '../parse.ts';
import { scopeOf } from '../scope-target.ts';
import { factLines, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Limit = OutputOf<'getLimit'>;

/** Names of limits and what they count. */
const COUNTS = {
  rpm: 'requests per minute',
  rph: 'requests per hour',
  rpd: 'requests per day',
  tpm: 'tokens per minute',
  tph: 'tokens per hour',
  tpd: 'tokens per day',
  concurrency: 'requests at the same time',
} as const;

type CountName = keyof typeof COUNTS;

interface SetOptions extends ConnectionOptions, Partial<Readonly<Record<CountName, string>>> {
  readonly onLimit?: string;
  readonly maxWaitMs?: string;
  readonly maxWaiting?: string;
  readonly name?: string;
}

/** Options as the API takes them; what was not given is not there. */
function settingsOf(options: SetOptions): Omit<InputOf<'updateLimit'>, 'id'> {
  const limits: Partial<Record<CountName, number>> = {};
  for (const name of Object.keys(COUNTS) as CountName[]) {
    const value = options[name];
    if (value !== undefined) limits[name] = parseCount(value, `--${name}`, { min: 1, max: 1e12 });
  }
  const { onLimit, maxWaitMs, maxWaiting, name } = options;
  return {
    ...(name === undefined ? {} : { name }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(onLimit === undefined
      ? {}
      : { on_limit: parseChoice(onLimit, '--on-limit', ['refuse', 'queue'] as const) }),
    ...(maxWaitMs === undefined
      ? {}
      : { max_wait_ms: parseCount(maxWaitMs, '--max-wait-ms', { min: 1, max: 600_000 }) }),
    ...(maxWaiting === undefined
      ? {}
      : { max_waiting: parseCount(maxWaiting, '--max-waiting', { min: 1, max: 10_000 }) }),
  };
}

function limitsText({ limits }: Limit): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function describe(limit: Limit, terminal: Terminal): void {
  const waits = `wait up to ${limit.max_wait_ms} ms, ${limit.max_waiting} at once`;
  const facts = factLines(
    [
      ['id', limit.id],
      ['scope', `${limit.scope} ${limit.scope_id}`],
      ['limits', limitsText(limit)],
      ['over the limit', limit.on_limit === 'queue' ? waits : 'refuse'],
      ['running', String(limit.in_flight)],
    ],
    terminal.paint,
  );
  for (const line of [clean(limit.name), ...facts]) terminal.print(line);
}

function tell(limit: Limit, options: ConnectionOptions, terminal: Terminal): void {
  if (options.json) printJson(terminal, limit);
  else describe(limit, terminal);
}

async function set(target: string, options: SetOptions, terminal: Terminal): Promise<void> {
  const settings = settingsOf(options);
  const scope = /^limit_[^:]*$/.test(target) ? undefined : scopeOf(target);
  const { connect } = await import('../connect.ts');
  const { withPlaceId } = await import('../place-names.ts');
  const gateway = connect(options, terminal);
  if (scope === undefined) {
    tell(await gateway.call('updateLimit', { id: target, ...settings }), options, terminal);
    return;
  }
  const { limits, ...rest } = settings;
  if (limits === undefined) throw badUsage('Say what is limited, for example --rpm 100.');
  tell(
    await gateway.call('createLimit', { ...(await withPlaceId(gateway, scope)), ...rest, limits }),
    options,
    terminal,
  );
}

async function list(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listLimits', { limit: 500 });
  if (options.json) {
    printJson(terminal, page);
    return;
  }
  if (page.data.length === 0) {
    terminal.print('No rate limits but those of keys and places. Set one with `sluice limits set`.');
    return;
  }
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'SCOPE', shrinks: true },
      { title: 'LIMITS', shrinks: true },
      { title: 'OVER' },
      { title: 'RUNNING', align: 'right' },
    ],
    rows: page.data.map((one) => [
      one.id,
      `${one.scope} ${one.scope_id}`,
      limitsText(one),
      one.on_limit,
      String(one.in_flight),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

/** `sluice limits set|show|list|delete` */
export function defineLimits(program: Command, terminal: Terminal): void {
  const limits = program
    .command('limits')
    .summary('Limit requests, tokens and concurrency')
    .description('Limit requests, tokens and concurrency.');
  const verb = withConnection(
    addVerb(limits, 'set <target>', {
      summary: 'Set a rate limit: KIND:ID makes one, an id changes one',
      examples: [
        'sluice limits set model:gpt-5 --tpm 200000 --on-limit queue --max-wait-ms 15000',
        "sluice limits set 'end_user:*' --rpm 20",
        'sluice limits set limit_abc --rpm 50',
      ],
    }),
  );
  for (const [name, what] of Object.entries(COUNTS)) verb.option(`--${name} <n>`, what);
  verb
    .option('--on-limit <what>', 'refuse or queue (default: refuse)')
    .option('--max-wait-ms <ms>', 'longest wait (default: 10000)')
    .option('--max-waiting <n>', 'requests that may wait at once (default: 100)')
    .option('--name <name>', 'its name')
    .action((target: string, options: SetOptions) => set(target, options, terminal));
  withConnection(
    addVerb(limits, 'show <id>', { summary: 'Show one limit', examples: ['sluice limits show limit_abc'] }),
  ).action(async (id: string, options: ConnectionOptions) => {
    const { connect } = await import('../connect.ts');
    tell(await connect(options, terminal).call('getLimit', { id }), options, terminal);
  });
  withConnection(
    addVerb(limits, 'list', { summary: 'List rate limits', examples: ['sluice limits list'] }),
  ).action((options: ConnectionOptions) => list(options, terminal));
  addDelete(limits, terminal, {
    summary: 'Take a limit away',
    example: 'sluice limits delete limit_abc --yes',
    target: 'its id',
    async run(id, options) {
      const { connect } = await import('../connect.ts');
      return { id, ...(await connect(options, terminal).call('deleteLimit', { id })) };
    },
  });
}
