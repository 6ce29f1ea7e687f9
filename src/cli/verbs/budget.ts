import type { Command } from 'commander';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import { addDelete } from '../delete-verb.ts';
import { badUsage } from '../failure.ts';
import { parseChoice, parseList, parseMoment, parseUsd } from '../parse.ts';
import { scopeOf } from '../scope-target.ts';
import { dollars, factLines, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Budget = OutputOf<'getBudget'>;

interface SetOptions extends ConnectionOptions {
  readonly limit?: string;
  readonly window?: string;
  readonly rolling?: boolean;
  readonly timeZone?: string;
  readonly action?: string;
  readonly downgradeTo?: string;
  readonly thresholds?: string;
  readonly hard?: boolean;
  readonly name?: string;
}

interface RaiseOptions extends ConnectionOptions {
  readonly by: string;
  readonly until: string;
  readonly reason?: string;
  readonly request?: boolean;
}

const WINDOWS = ['hour', 'day', 'week', 'month', 'total'] as const;
const ACTIONS = ['block', 'warn', 'downgrade', 'approve'] as const;

/** Options as the API takes them; what was not given is not there. */
function settingsOf(options: SetOptions): Omit<InputOf<'updateBudget'>, 'id'> {
  const settings = {
    name: options.name,
    limit_usd: options.limit === undefined ? undefined : parseUsd(options.limit, '--limit'),
    window: options.window === undefined ? undefined : parseChoice(options.window, '--window', WINDOWS),
    rolling: options.rolling,
    time_zone: options.timeZone,
    action: options.action === undefined ? undefined : parseChoice(options.action, '--action', ACTIONS),
    downgrade_to: options.downgradeTo,
    thresholds: options.thresholds === undefined ? undefined : parseList(options.thresholds).map(Number),
    hard: options.hard,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function describe(budget: Budget, terminal: Terminal): void {
  const facts = factLines(
    [
      ['id', budget.id],
      ['scope', `${budget.scope} ${budget.scope_id}`],
      ['limit', `$${budget.limit_usd} per ${budget.rolling ? 'rolling ' : ''}${budget.window}`],
      ['spent', `$${budget.settled_usd}`],
      ['held', `$${budget.held_usd}`],
      ['left', `$${budget.remaining_usd}`],
      ['window', `${budget.window_start} to ${budget.window_end ?? 'now'} (${budget.time_zone})`],
      [
        'at the limit',
        budget.downgrade_to === null ? budget.action : `${budget.action} to ${budget.downgrade_to}`,
      ],
      ...(budget.problem === null ? [] : [['problem', budget.problem] as const]),
      ...budget.raises.map((raise) => ['raise', `$${raise.amount_usd} until ${raise.expires_at}`] as const),
    ],
    terminal.paint,
  );
  for (const line of [clean(budget.name), ...facts]) terminal.print(line);
}

async function set(target: string, options: SetOptions, terminal: Terminal): Promise<void> {
  const settings = settingsOf(options);
  const scope = /^(budget_|key_)[^:]*$/.test(target) ? undefined : scopeOf(target);
  const { connect } = await import('../connect.ts');
  const { withPlaceId } = await import('../place-names.ts');
  const gateway = connect(options, terminal);
  let budget: Budget;
  if (scope === undefined) {
    budget = await gateway.call('updateBudget', { id: target, ...settings });
  } else {
    if (settings.limit_usd === undefined) throw badUsage('--limit says how much may be spent.');
    const { limit_usd, time_zone, ...rest } = settings;
    const zone = time_zone === undefined || time_zone === null ? {} : { time_zone };
    budget = await gateway.call('createBudget', {
      ...(await withPlaceId(gateway, scope)),
      ...rest,
      ...zone,
      limit_usd,
    });
  }
  if (options.json) printJson(terminal, budget);
  else describe(budget, terminal);
}

async function status(id: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const budget = await connect(options, terminal).call('getBudget', { id });
  if (options.json) printJson(terminal, budget);
  else describe(budget, terminal);
}

async function list(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listBudgets', { limit: 500 });
  if (options.json) {
    printJson(terminal, page);
    return;
  }
  if (page.data.length === 0) {
    terminal.print('No budgets. Set one with `sluice budget set key:KEY_ID --limit 10`.');
    return;
  }
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'SCOPE', shrinks: true },
      { title: 'WINDOW' },
      { title: 'ACTION' },
      { title: 'LIMIT', align: 'right' },
      { title: 'SPENT', align: 'right' },
      { title: 'LEFT', align: 'right' },
    ],
    rows: page.data.map((one) => [
      one.id,
      `${one.scope} ${one.scope_id}`,
      `${one.rolling ? 'rolling ' : ''}${one.window}`,
      one.action,
      dollars(one.limit_usd),
      dollars(one.settled_usd),
      dollars(one.remaining_usd),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function raise(id: string, options: RaiseOptions, terminal: Terminal): Promise<void> {
  const until = parseMoment(options.until, '--until', { now: Date.now(), direction: 'future' });
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('raiseBudget', {
    id,
    amount_usd: parseUsd(options.by, '--by'),
    expires_at: until,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.request === true ? { request: true } : {}),
  });
  if (options.json) printJson(terminal, answer);
  else if (answer.approval_id !== null)
    terminal.print(`Asked for: approval ${clean(answer.approval_id)} waits.`);
  else describe(answer.budget, terminal);
}

/** `sluice budget set|status|list|raise|delete` */
export function defineBudget(program: Command, terminal: Terminal): void {
  const budget = program
    .command('budget')
    .summary('Limit what may be spent')
    .description('Limit what may be spent.');
  withConnection(
    addVerb(budget, 'set <target>', {
      summary: 'Set a budget: KIND:ID makes one, an id changes one',
      examples: [
        'sluice budget set team:team_abc --limit 500 --window month --time-zone Europe/Berlin',
        'sluice budget set tag:feature=support --limit 20 --window day --action downgrade --downgrade-to gpt-4o-mini',
        'sluice budget set budget_abc --limit 800',
      ],
    }),
  )
    .option('--limit <usd>', 'what may be spent in the window')
    .option('--window <window>', 'hour, day, week, month or total (default: month)')
    .option('--rolling', 'the last hour, day, week or 30 days instead of the calendar’s')
    .option('--time-zone <name>', 'whose clocks calendar windows follow, for example Europe/Berlin')
    .option('--action <action>', 'block, warn, downgrade or approve (default: block)')
    .option('--downgrade-to <model>', 'the cheaper model with --action downgrade')
    .option('--thresholds <percents>', 'when spend is told of, for example 50,80,100')
    .option('--hard', 'never passed: streams are cut at what was set aside')
    .option('--name <name>', 'its name')
    .action((target: string, options: SetOptions) => set(target, options, terminal));
  withConnection(
    addVerb(budget, 'status <id>', {
      summary: 'Show what is spent and held',
      examples: ['sluice budget status budget_abc'],
    }),
  ).action((id: string, options: ConnectionOptions) => status(id, options, terminal));
  withConnection(
    addVerb(budget, 'list', { summary: 'List budgets', examples: ['sluice budget list'] }),
  ).action((options: ConnectionOptions) => list(options, terminal));
  addDelete(budget, terminal, {
    summary: 'Take a budget away',
    example: 'sluice budget delete budget_abc --yes',
    target: 'its id',
    async run(id, options) {
      const { connect } = await import('../connect.ts');
      return { id, ...(await connect(options, terminal).call('deleteBudget', { id })) };
    },
  });
  withConnection(
    addVerb(budget, 'raise <id>', {
      summary: 'Give a budget more for a while, or ask for it',
      examples: ['sluice budget raise budget_abc --by 100 --until 7d --reason "launch week"'],
    }),
  )
    .requiredOption('--by <usd>', 'how much more')
    .requiredOption('--until <time>', 'a duration (7d), a day or an RFC 3339 time')
    .option('--reason <text>', 'why')
    .option('--request', 'ask for an approval even if you could raise it')
    .action((id: string, options: RaiseOptions) => raise(id, options, terminal));
}
