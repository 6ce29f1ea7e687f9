import type { Command } from 'commander';
import type { InputOf } from '../../control/contract.ts';
import { badUsage, CliFailure } from '../failure.ts';
import type { KeyView } from '../key-names.ts';
import { parseChoice, parseCount, parseDuration, parseList, parseMoment, parseUsd } from '../parse.ts';
import { dollars, factLines, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

/** What `keys create` takes. */
export interface CreateOptions extends ConnectionOptions {
  readonly models?: string;
  readonly budget?: string;
  readonly window?: string;
  readonly action?: string;
  readonly rpm?: string;
  readonly tpm?: string;
  readonly concurrency?: string;
  readonly expires?: string;
  readonly team?: string;
  readonly user?: string;
  readonly organization?: string;
  readonly project?: string;
  readonly serviceAccount?: string;
  readonly operations?: string;
  readonly cidrs?: string;
  readonly rotateEvery?: string;
  readonly rotateOverlap?: string;
}

const ACTIONS = ['block', 'warn'] as const;
const WINDOWS = ['hour', 'day', 'week', 'month', 'total'] as const;

function limitOf(text: string | undefined, option: string, max: number): number | undefined {
  return text === undefined ? undefined : parseCount(text, option, { min: 1, max });
}

/** Where the key belongs, from where it may be used, and when it is given a new secret. */
function placeOf(options: CreateOptions) {
  const seconds = (text: string | undefined, option: string) =>
    text === undefined ? undefined : Math.round(parseDuration(text, option) / 1000);
  return {
    organization_id: options.organization,
    team_id: options.team,
    project_id: options.project,
    user_id: options.user,
    service_account_id: options.serviceAccount,
    operations: options.operations === undefined ? undefined : [...parseList(options.operations)],
    cidrs: options.cidrs === undefined ? undefined : [...parseList(options.cidrs)],
    rotate_every_s: seconds(options.rotateEvery, '--rotate-every'),
    rotate_overlap_s: seconds(options.rotateOverlap, '--rotate-overlap'),
  };
}

/** Turns options into what the admin API takes. Throws `bad_usage`. */
export function keyInputOf(name: string, options: CreateOptions, now: number): InputOf<'createKey'> {
  const models = options.models === undefined ? undefined : parseList(options.models);
  if (models?.length === 0) throw badUsage('--models takes model names separated by commas.');
  if (options.budget === undefined && (options.window ?? options.action) !== undefined) {
    throw badUsage('--window and --action belong to --budget; name an amount.');
  }
  return {
    name,
    models: models === undefined ? undefined : [...models],
    ...placeOf(options),
    expires_at:
      options.expires === undefined
        ? undefined
        : parseMoment(options.expires, '--expires', { now, direction: 'future' }),
    limits: {
      rpm: limitOf(options.rpm, '--rpm', 1e9),
      tpm: limitOf(options.tpm, '--tpm', 1e12),
      concurrency: limitOf(options.concurrency, '--concurrency', 1e6),
    },
    budget:
      options.budget === undefined
        ? undefined
        : {
            limit_usd: parseUsd(options.budget, '--budget'),
            window: parseChoice(options.window ?? 'month', '--window', WINDOWS),
            action: parseChoice(options.action ?? 'block', '--action', ACTIONS),
          },
  };
}

async function openGateway(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

async function openKey(idOrName: string, options: ConnectionOptions, terminal: Terminal) {
  const gateway = await openGateway(options, terminal);
  const { findKeyId } = await import('../key-names.ts');
  return { gateway, id: await findKeyId(gateway, idOrName) };
}

function limitsText(limits: KeyView['limits']): string {
  const parts = [
    limits.rpm === undefined ? [] : [`${grouped(limits.rpm)} requests/min`],
    limits.tpm === undefined ? [] : [`${grouped(limits.tpm)} tokens/min`],
    limits.concurrency === undefined ? [] : [`${grouped(limits.concurrency)} at once`],
  ].flat();
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function budgetText(budget: KeyView['budget']): string {
  if (budget === null) return 'none';
  const held = budget.held_usd === '0' ? '' : `, ${dollars(budget.held_usd)} held`;
  const spent = `${dollars(budget.settled_usd)} of ${dollars(budget.limit_usd)} spent`;
  return `${spent}${held}, ${dollars(budget.remaining_usd)} left, per ${budget.window}, then ${budget.action}`;
}

function printKey(key: KeyView, terminal: Terminal): void {
  const facts: (readonly [string, string])[] = [
    ['id', key.id],
    ['name', key.name],
    ['status', key.status],
    ['secret', `…${key.hint}`],
    ['models', key.models === null ? 'all' : key.models.join(', ')],
    ['limits', limitsText(key.limits)],
    ['budget', budgetText(key.budget)],
    ['expires', key.expires_at ?? 'never'],
    ['created', key.created_at],
  ];
  if (key.organization_id !== 'org_default') facts.push(['organization', key.organization_id]);
  if (key.team_id !== null) facts.push(['team', key.team_id]);
  if (key.project_id !== null) facts.push(['project', key.project_id]);
  if (key.operations !== null) facts.push(['operations', key.operations.join(', ')]);
  if (key.cidrs !== null) facts.push(['addresses', key.cidrs.join(', ')]);
  if (key.user_id !== null) facts.push(['user', key.user_id]);
  if (key.service_account_id !== null) facts.push(['service account', key.service_account_id]);
  if (key.rotation !== null) {
    const waiting = key.rotation.unclaimed ? '; a new secret waits: `sluice keys claim`' : '';
    facts.push(['next secret', `${key.rotation.next_at}${waiting}`]);
  }
  if (key.previous_key_expires_at !== null) facts.push(['old secret until', key.previous_key_expires_at]);
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
}

function printSecret(key: string, terminal: Terminal): void {
  terminal.print('');
  terminal.print(`  ${terminal.paint('bold', clean(key))}`);
  terminal.print('');
  terminal.print('Keep it now: it is not shown again.');
}

function keyTable(keys: readonly KeyView[]) {
  return {
    columns: [
      { title: 'ID' },
      { title: 'NAME', shrinks: true },
      { title: 'STATUS' },
      { title: 'SECRET' },
      { title: 'SPENT', align: 'right' },
      { title: 'BUDGET', align: 'right' },
      { title: 'WINDOW' },
      { title: 'MODELS', shrinks: true },
      { title: 'EXPIRES' },
    ],
    rows: keys.map((key) => [
      key.id,
      key.name,
      key.status,
      `…${key.hint}`,
      dollars(key.budget?.settled_usd ?? null),
      dollars(key.budget?.limit_usd ?? null),
      key.budget?.window ?? '–',
      key.models?.join(',') ?? 'all',
      key.expires_at?.slice(0, 10) ?? 'never',
    ]),
  } as const;
}

function defineCreate(keys: Command, terminal: Terminal): void {
  withConnection(
    addVerb(keys, 'create', {
      summary: 'Make a virtual key and show its secret, once',
      examples: ['sluice keys create my-app --budget 25 --window month --rpm 60 --expires 90d'],
    }),
  )
    .argument('<name>', 'what the key is for')
    .option('--models <list>', 'only these models, separated by commas; `gpt-*` takes all that begin so')
    .option('--budget <usd>', 'the most it may spend in a window, US dollars')
    .option('--window <span>', 'hour, day, week, month or total (default: month)')
    .option('--action <what>', 'when the budget is spent: block or warn (default: block)')
    .option('--rpm <n>', 'requests per minute')
    .option('--tpm <n>', 'tokens per minute')
    .option('--concurrency <n>', 'requests at once')
    .option('--expires <when>', 'a duration (30d), a day (2026-12-31) or an RFC 3339 time')
    .option('--organization <id>', 'organization it belongs to (default: the default one)')
    .option('--team <id>', 'team it belongs to, by id or name')
    .option('--project <id>', 'project it belongs to')
    .option('--user <id>', 'user it belongs to')
    .option('--service-account <id>', 'service account it belongs to')
    .option('--operations <list>', 'only these operations, separated by commas: chat, embeddings, …')
    .option('--cidrs <list>', 'only from these addresses and blocks, separated by commas')
    .option('--rotate-every <span>', 'a new secret at fixed times, to be fetched with `keys claim`')
    .option(
      '--rotate-overlap <span>',
      'how long the old secret works on (default: 1d, at most half the span)',
    )
    .action(async (name: string, options: CreateOptions) => {
      const input = keyInputOf(name, options, Date.now());
      const gateway = await openGateway(options, terminal);
      const { withPlaceIds } = await import('../place-names.ts');
      const made = await gateway.call('createKey', await withPlaceIds(gateway, input));
      if (options.json) return printJson(terminal, made);
      printKey(made, terminal);
      printSecret(made.key, terminal);
      const { keys: count, access_mode } = await gateway.call('getStatus', {});
      if (count === 1 && access_mode === 'keys') {
        terminal.complain(
          'This is the first key: from now on every call needs one, unless `access.mode: open` is set.',
        );
      }
    });
}

function defineListAndShow(keys: Command, terminal: Terminal): void {
  withConnection(
    addVerb(keys, 'list', { summary: 'List virtual keys, newest first', examples: ['sluice keys list'] }),
  ).action(async (options: ConnectionOptions) => {
    const gateway = await openGateway(options, terminal);
    const { listAllKeys } = await import('../key-names.ts');
    const all = await listAllKeys(gateway);
    if (options.json) return printJson(terminal, { data: all, next_cursor: null });
    if (all.length === 0)
      return terminal.complain('There are no keys; make one with `sluice keys create NAME`.');
    for (const line of tableLines(keyTable(all), terminal)) terminal.print(line);
  });
  withConnection(
    addVerb(keys, 'show', {
      summary: 'Show one virtual key and the state of its budget',
      examples: ['sluice keys show my-app'],
    }),
  )
    .argument('<id>', 'id or name of the key')
    .action(async (idOrName: string, options: ConnectionOptions) => {
      const { gateway, id } = await openKey(idOrName, options, terminal);
      const key = await gateway.call('getKey', { id });
      if (options.json) printJson(terminal, key);
      else printKey(key, terminal);
    });
}

function defineRotate(keys: Command, terminal: Terminal): void {
  withConnection(
    addVerb(keys, 'rotate', {
      summary: 'Give a key a new secret and show it, once',
      examples: ['sluice keys rotate my-app --overlap 1h'],
    }),
  )
    .argument('<id>', 'id or name of the key')
    .option('--overlap <span>', 'how long the old secret works on, up to 30d', '0s')
    .action(async (idOrName: string, options: ConnectionOptions & { readonly overlap: string }) => {
      const overlap_s = Math.round(parseDuration(options.overlap, '--overlap') / 1000);
      if (overlap_s > 30 * 86_400) throw badUsage('--overlap takes at most 30d.');
      const { gateway, id } = await openKey(idOrName, options, terminal);
      const key = await gateway.call('rotateKey', { id, overlap_s });
      if (options.json) return printJson(terminal, key);
      printKey(key, terminal);
      printSecret(key.key, terminal);
    });
}

function defineClaim(keys: Command, terminal: Terminal): void {
  withConnection(
    addVerb(keys, 'claim', {
      summary: 'Show the secret that a scheduled rotation made, once',
      examples: ['sluice keys claim my-app'],
    }),
  )
    .argument('<id>', 'id or name of the key')
    .action(async (idOrName: string, options: ConnectionOptions) => {
      const { gateway, id } = await openKey(idOrName, options, terminal);
      const key = await gateway.call('claimKey', { id });
      if (options.json) return printJson(terminal, key);
      printKey(key, terminal);
      printSecret(key.key, terminal);
    });
}

function defineBlock(keys: Command, terminal: Terminal): void {
  const verbs = [
    ['block', 'blockKey', 'Refuse a key until it is unblocked'],
    ['unblock', 'unblockKey', 'Accept a blocked key again'],
  ] as const;
  for (const [verb, endpoint, summary] of verbs) {
    withConnection(addVerb(keys, verb, { summary, examples: [`sluice keys ${verb} my-app`] }))
      .argument('<id>', 'id or name of the key')
      .action(async (idOrName: string, options: ConnectionOptions) => {
        const { gateway, id } = await openKey(idOrName, options, terminal);
        const key = await gateway.call(endpoint, { id });
        if (options.json) printJson(terminal, key);
        else terminal.print(`${clean(key.name)} (${clean(key.id)}) is now ${key.status}.`);
      });
  }
}

/** Asks before what cannot be undone; without a terminal only `--yes` will do. */
async function confirmRevocation(key: KeyView, terminal: Terminal): Promise<boolean> {
  if (!terminal.canAsk)
    throw badUsage('Revoking a key cannot be undone; add --yes to do it without being asked.');
  const { confirm } = await import('@clack/prompts');
  const question = `Revoke ${clean(key.name)} (…${clean(key.hint)})? This cannot be undone.`;
  return (await confirm({ message: question, initialValue: false })) === true;
}

function defineRevoke(keys: Command, terminal: Terminal): void {
  withConnection(
    addVerb(keys, 'revoke', {
      summary: 'Revoke a key for good',
      examples: ['sluice keys revoke my-app --yes'],
    }),
  )
    .argument('<id>', 'id or name of the key')
    .option('-y, --yes', 'do not ask')
    .action(async (idOrName: string, options: ConnectionOptions & { readonly yes?: boolean }) => {
      if (options.json && options.yes !== true) throw badUsage('With --json nothing is asked; add --yes.');
      const { gateway, id } = await openKey(idOrName, options, terminal);
      if (
        options.yes !== true &&
        !(await confirmRevocation(await gateway.call('getKey', { id }), terminal))
      ) {
        throw new CliFailure('cancelled', 'Nothing was revoked.');
      }
      const answer = await gateway.call('revokeKey', { id });
      if (options.json) printJson(terminal, { id, ...answer });
      else terminal.print(`${clean(id)} is revoked.`);
    });
}

/** `sluice keys …` */
export function defineKeys(program: Command, terminal: Terminal): void {
  const keys = program
    .command('keys')
    .summary('Make, list, rotate, block and revoke virtual keys')
    .description('Make, list, rotate, block and revoke virtual keys.')
    .addHelpText('after', '\nExample:\n  $ sluice keys create my-app --budget 25 --window month');
  defineCreate(keys, terminal);
  defineListAndShow(keys, terminal);
  defineRotate(keys, terminal);
  defineClaim(keys, terminal);
  defineBlock(keys, terminal);
  defineRevoke(keys, terminal);
}
