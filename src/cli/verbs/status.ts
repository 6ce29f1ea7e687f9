import type { Command } from 'commander';
import type { OutputOf } from '../../control/contract.ts';
import { factLines, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface StatusOptions extends ConnectionOptions {
  readonly link?: boolean;
}

type Status = OutputOf<'getStatus'>;

function uptime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

type Deployment = Status['deployments'][number];

/** What keeps a deployment from working as it should, in words; empty when nothing does. */
function troubleOf(one: Deployment): string {
  const words: string[] = [];
  if (one.state === 'open') words.push(`probed ${one.probes_at ?? 'next'}`);
  if (one.ejected !== null) words.push(`outlier (${one.ejected.reason}) until ${one.ejected.until}`);
  else if (one.share_percent < 100) words.push(`recovering, gets ${one.share_percent} %`);
  for (const { index, hint, state, until } of one.credentials) {
    if (state === 'ready') continue;
    const name = hint === '' ? `key ${index}` : `key ${index} (…${hint})`;
    words.push(`${name} ${state}${until === null ? '' : ` until ${until}`}`);
  }
  if (one.rests_until !== null && one.credentials.length === 0) words.push(`rests until ${one.rests_until}`);
  return words.join('; ');
}

function printDeployments({ deployments }: Status, terminal: Terminal): void {
  const used = deployments.filter(
    (one) => one.requests_last_minute + one.in_flight > 0 || troubleOf(one) !== '',
  );
  if (used.length === 0) return;
  terminal.print('');
  const table = {
    columns: [
      { title: 'DEPLOYMENT', shrinks: true },
      { title: 'CIRCUIT' },
      { title: 'RUNNING', align: 'right' },
      { title: 'WAITING', align: 'right' },
      { title: 'FIRST BYTE', align: 'right' },
      { title: 'FAILED', align: 'right' },
      { title: 'TROUBLE', shrinks: true },
    ],
    rows: used.map((one) => [
      one.id,
      one.state.replace('_', ' '),
      grouped(one.in_flight),
      grouped(one.waiting),
      one.first_byte_ms === null ? '–' : `${grouped(one.first_byte_ms)} ms`,
      one.failed_percent === null ? '–' : `${one.failed_percent} %`,
      troubleOf(one),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

function printStatus(status: Status, url: string, terminal: Terminal): void {
  const { paint } = terminal;
  const state = status.ready ? paint('green', 'up') : paint('yellow', 'draining');
  terminal.print(
    `Sluice ${clean(status.version)} is ${state} at ${clean(url)}, for ${uptime(status.uptime_s)}.`,
  );
  if (status.demo) terminal.print(paint('yellow', 'Demo mode: a built-in simulator answers.'));
  const facts = factLines(
    [
      ['access', status.access_mode],
      ['virtual keys', grouped(status.keys)],
      ['config', status.config.path ?? 'none'],
      ['loaded', status.config.loaded_at],
    ],
    paint,
  );
  for (const line of ['', ...facts, '']) terminal.print(line);
  const table = {
    columns: [
      { title: 'PROVIDER', shrinks: true },
      { title: 'TYPE', shrinks: true },
      { title: 'CREDENTIALS', align: 'right' },
      { title: 'MODELS', align: 'right' },
      { title: 'ADDRESS', shrinks: true },
    ],
    rows: status.providers.map((one) => [
      one.name,
      one.type,
      one.unreadable ? 'unreadable' : String(one.credentials),
      grouped(one.models),
      one.base_url,
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
  printDeployments(status, terminal);
  for (const { about, problem, remedy } of status.warnings) {
    terminal.print('');
    terminal.print(`${paint('yellow', '!')} ${paint('bold', clean(about))}: ${clean(problem)}`);
    terminal.print(`    ${paint('cyan', '→')} ${clean(remedy)}`);
  }
  if (status.config.problems.length === 0) return;
  terminal.print('');
  terminal.print(paint('red', 'The newest configuration was not accepted; an older one is live:'));
  for (const one of status.config.problems) {
    terminal.print(`${paint('red', '✗')} ${clean(one.path)}: ${clean(one.problem)} ${clean(one.remedy)}`);
  }
}

async function status(options: StatusOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const gateway = connect(options, terminal);
  if (options.link === true) {
    const link = await gateway.call('createSignInLink', {});
    if (options.json) printJson(terminal, link);
    else terminal.print(clean(link.url));
    return;
  }
  const answer = await gateway.call('getStatus', {});
  if (options.json) printJson(terminal, answer);
  else printStatus(answer, gateway.url, terminal);
}

/** `sluice status` */
export function defineStatus(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'status', {
      summary: 'Show whether the gateway runs, with which providers, and what it makes of its configuration',
      examples: ['sluice status', 'sluice status --link'],
    }),
  )
    .option('--link', 'print a new one-time sign-in link to the portal instead')
    .action((options: StatusOptions) => status(options, terminal));
}
