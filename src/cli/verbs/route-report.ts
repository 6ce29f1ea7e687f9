import type { Command } from 'commander';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { parseChoice, parseMoment } from '../parse.ts';
import { dollars, factLines, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';
import { chosenRouter } from './route-explain.ts';

type Report = OutputOf<'reportRouter'>;

interface RouterOptions extends ConnectionOptions {
  readonly router?: string;
}

async function gatewayAndRouter(options: RouterOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  const gateway = connect(options, terminal);
  const { data } = await gateway.call('listRouters', {});
  const name = chosenRouter(
    data.map((router) => router.name),
    options.router,
  );
  return { gateway, name };
}

function overheadLine({ overhead }: Report): string {
  const { shadow_usd: shadow, judge_usd: judge, retry_usd: retry, lost_cache_usd: cache } = overhead;
  return `shadows ${dollars(shadow)}, judge ${dollars(judge)}, retries ${dollars(retry)}, lost caches ${dollars(cache)}, embeddings ${dollars(overhead.embedding_usd)}`;
}

function print(report: Report, terminal: Terminal): void {
  const { total, shadow } = report;
  const facts: [string, string][] = [
    ['Router', `${report.router} (${report.mode}), baseline ${report.baseline}`],
    ['Promise', `at most ${report.max_loss_percent} % worse, ${report.confidence_percent} % sure`],
    [
      'Exchanges',
      `${grouped(total.exchanges)}: ${grouped(total.moved)} moved, ${grouped(total.held_out)} held out`,
    ],
    ['Would move', grouped(total.would_move)],
    ['Projected', total.projected.says],
    ['Realised, net', total.realised.says],
    ['Verified, net', total.verified.says],
    ['Cold caches', `${dollars(total.cold_cache_usd)} of the projected cost`],
    [
      'Quality',
      `${total.quality.says} (${total.quality.comparisons} comparisons, ${total.quality.gold} gold)`,
    ],
    ['Overhead', overheadLine(report)],
    [
      'Shadows',
      `${shadow.judged} of ${shadow.runs} judged, ${dollars(shadow.spent_today_usd)} of ${dollars(shadow.max_usd_per_day)} today`,
    ],
  ];
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
  terminal.print('');
  for (const row of report.by_max_loss)
    terminal.print(`at most ${row.max_loss_percent} % worse: ${row.says}`);
  terminal.print('');
  const table = {
    columns: [
      { title: 'ROUTE' },
      { title: 'EXCHANGES', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'STANDING', shrinks: true },
    ],
    rows: report.routes.map(({ route_key: key, exchanges, promise }) => [
      key,
      grouped(exchanges),
      promise === null ? '–' : `${Math.round(promise.share * 100)} %`,
      promise?.says ?? 'nothing learned yet',
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
  for (const event of report.events.slice(0, 5))
    terminal.print(`${event.at} ${event.route_key}: ${event.says}`);
  terminal.print(terminal.paint('dim', report.says));
}

async function showReport(options: RouterOptions & { last: string }, terminal: Terminal): Promise<void> {
  const from = parseMoment(options.last, '--last', { now: Date.now(), direction: 'past' });
  const { gateway, name } = await gatewayAndRouter(options, terminal);
  const answer = await gateway.call('reportRouter', { name, from });
  if (options.json) printJson(terminal, answer);
  else print(answer, terminal);
}

/** `sluice route report` */
export function defineRouteReport(route: Command, terminal: Terminal): void {
  withConnection(
    addVerb(route, 'report', {
      summary: 'Show what a router saves, with intervals, and what its promise stands on',
      examples: ['sluice route report', 'sluice route report --router auto --last 30d --json'],
    }),
  )
    .option('--router <name>', 'router (default: the only one, or `auto`)')
    .option('--last <time>', 'a duration (7d), a day or an RFC 3339 time to look back to', '7d')
    .action((options: RouterOptions & { last: string }) => showReport(options, terminal));
}

async function rollBack(options: RouterOptions & { route?: string }, terminal: Terminal): Promise<void> {
  const { gateway, name } = await gatewayAndRouter(options, terminal);
  const input = { name, ...(options.route === undefined ? {} : { route_key: options.route }) };
  const answer = await gateway.call('rollBackRouter', input);
  if (options.json) printJson(terminal, answer);
  else for (const one of answer.routes) terminal.print(`${one.route_key}: ${one.says}`);
}

/** `sluice route rollback` */
export function defineRouteRollback(route: Command, terminal: Terminal): void {
  withConnection(
    addVerb(route, 'rollback', {
      summary: 'Go back to what a router did before it last learned',
      examples: ['sluice route rollback', 'sluice route rollback --router auto --route 0f3c9a7712ab34cd'],
    }),
  )
    .option('--router <name>', 'router (default: the only one, or `auto`)')
    .option('--route <key>', 'one route of the report (default: all)')
    .action((options: RouterOptions & { route?: string }) => rollBack(options, terminal));
}

interface FeedbackOptions extends ConnectionOptions {
  readonly rating?: string;
  readonly score?: string;
  readonly comment?: string;
  readonly gold?: string;
}

/** A number from 0 to 1. Throws a usage error naming the option. */
function share(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw badUsage(`${option} takes numbers from 0 to 1.`);
  return value;
}

async function giveFeedback(id: string, options: FeedbackOptions, terminal: Terminal): Promise<void> {
  const { rating, score, comment } = options;
  const [served, shadow] = options.gold?.split(',') ?? [];
  const input: InputOf<'giveFeedback'> = {
    request_id: id,
    ...(rating === undefined ? {} : { rating: parseChoice(rating, '--rating', ['up', 'down'] as const) }),
    ...(score === undefined ? {} : { score: share(score, '--score') }),
    ...(comment === undefined ? {} : { comment }),
    ...(served === undefined
      ? {}
      : {
          gold: {
            served: share(served, '--gold'),
            ...(shadow === undefined ? {} : { shadow: share(shadow, '--gold') }),
          },
        }),
  };
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('giveFeedback', input);
  if (options.json) printJson(terminal, answer);
  else terminal.print(answer.says);
}

/** `sluice route feedback` */
export function defineRouteFeedback(route: Command, terminal: Terminal): void {
  withConnection(
    addVerb(route, 'feedback', {
      summary: 'Say how good an answer was',
      examples: [
        'sluice route feedback exc_01jd --rating down --comment "wrong total"',
        'sluice route feedback exc_01jd --gold 1,0',
      ],
    }),
  )
    .argument('<request-id>', 'the answer’s x-sluice-request-id')
    .option('--rating <word>', 'up or down')
    .option('--score <number>', 'how good the answer was, 0 to 1')
    .option('--comment <text>', 'in your own words')
    .option(
      '--gold <served[,shadow]>',
      'the truth: whether the answer did, and whether its shadow’s did, 0 to 1',
    )
    .action((id: string, options: FeedbackOptions) => giveFeedback(id, options, terminal));
}
