import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { OutputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { factLines, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface PasswordOptions extends ConnectionOptions {
  readonly passwordFile?: string;
}

async function openGateway(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

/** Lines of a file or of standard input: on a command line others could read a password. */
function linesOf({ passwordFile }: PasswordOptions, wanted: number): readonly string[] {
  let text: string;
  try {
    text = readFileSync(passwordFile === undefined || passwordFile === '-' ? 0 : passwordFile, 'utf8');
  } catch {
    throw badUsage('The file of the password cannot be read.');
  }
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === wanted) return lines;
  throw badUsage(
    wanted === 1
      ? 'Give the current password, in one line.'
      : 'Give two lines: the current password, then the new one.',
  );
}

function showAccount(account: OutputOf<'getAccount'>, terminal: Terminal): void {
  const { identities, recovery_codes_left: left, second_factor: second, ...rest } = account;
  const facts = [
    ['user', rest.user_id ?? 'none: this is the admin key'],
    ['name', rest.name],
    ['email', rest.email ?? '–'],
    ['organization', rest.organization_id ?? 'all'],
    ['password', rest.has_password ? 'yes' : 'no'],
    ['second factor', second ? `on, ${left} recovery codes left` : 'off'],
    ...identities.map(({ issuer, subject }) => ['signs in as', `${subject} at ${issuer}`] as const),
  ] as const;
  const shown = facts.map(([name, value]) => [name, clean(value)] as const);
  for (const line of factLines(shown, terminal.paint)) terminal.print(line);
}

async function show(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const account = await (await openGateway(options, terminal)).call('getAccount', {});
  if (options.json) printJson(terminal, account);
  else showAccount(account, terminal);
}

async function sessions(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const page = await (await openGateway(options, terminal)).call('listOwnSessions', {});
  if (options.json) return printJson(terminal, page);
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'SINCE' },
      { title: 'LAST USED' },
      { title: 'FROM' },
      { title: 'BROWSER', shrinks: true },
    ],
    rows: page.data.map(({ id, current, opened_at, last_used_at, address, browser }) => [
      current ? `${id} (this one)` : id,
      opened_at,
      last_used_at,
      address ?? '–',
      browser ?? '–',
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function endSession(id: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const gateway = await openGateway(options, terminal);
  if (id === 'others') {
    const answer = await gateway.call('closeOtherSessions', {});
    if (options.json) printJson(terminal, answer);
    else terminal.print(`${answer.closed} sessions are ended.`);
    return;
  }
  const answer = await gateway.call('closeOwnSession', { id });
  if (options.json) printJson(terminal, answer);
  else terminal.print(`The session ${clean(id)} is ended.`);
}

async function password(options: PasswordOptions, terminal: Terminal): Promise<void> {
  const [current = '', next = ''] = linesOf(options, 2);
  const gateway = await openGateway(options, terminal);
  const answer = await gateway.call('changePassword', { current_password: current, new_password: next });
  if (options.json) printJson(terminal, answer);
  else terminal.print('The password is changed; all other sessions are ended.');
}

async function secondFactor(options: PasswordOptions, terminal: Terminal): Promise<void> {
  const [current = ''] = linesOf(options, 1);
  const gateway = await openGateway(options, terminal);
  const answer = await gateway.call('enrollSecondFactor', { current_password: current });
  if (options.json) return printJson(terminal, answer);
  terminal.print(`Add this to your authenticator app: ${clean(answer.otpauth_url)}`);
  terminal.print(`or type the secret: ${clean(answer.secret)}`);
  terminal.print('Then run `sluice account confirm-second-factor CODE` with the six digits it shows.');
}

async function confirm(code: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const answer = await (await openGateway(options, terminal)).call('confirmSecondFactor', { code });
  if (options.json) return printJson(terminal, answer);
  terminal.print('The second factor is on. Keep these recovery codes; each works once:');
  for (const one of answer.recovery_codes) terminal.print(`  ${clean(one)}`);
}

async function dropSecondFactor(code: string, options: PasswordOptions, terminal: Terminal): Promise<void> {
  const [current = ''] = linesOf(options, 1);
  const gateway = await openGateway(options, terminal);
  const answer = await gateway.call('removeSecondFactor', { current_password: current, code });
  if (options.json) printJson(terminal, answer);
  else terminal.print('The second factor is off.');
}

const PASSWORD_FILE = ['--password-file <file>', 'file with the password (default: standard input)'] as const;

function defineSecondFactor(account: Command, terminal: Terminal): void {
  withConnection(
    addVerb(account, 'second-factor', {
      summary: 'Begin with an authenticator app; the current password is read from standard input',
      examples: ['sluice account second-factor < password.txt'],
    }),
  )
    .option(...PASSWORD_FILE)
    .action((options: PasswordOptions) => secondFactor(options, terminal));
  withConnection(
    addVerb(account, 'confirm-second-factor <code>', {
      summary: 'Turn it on with a code of the app; prints the recovery codes, once',
      examples: ['sluice account confirm-second-factor 123456'],
    }),
  ).action((code: string, options: ConnectionOptions) => confirm(code, options, terminal));
  withConnection(
    addVerb(account, 'remove-second-factor <code>', {
      summary: 'Do without it; the current password is read from standard input',
      examples: ['sluice account remove-second-factor 123456 < password.txt'],
    }),
  )
    .option(...PASSWORD_FILE)
    .action((code: string, options: PasswordOptions) => dropSecondFactor(code, options, terminal));
}

/** `sluice account show|sessions|end-session|password|second-factor|…`: one's own account. */
export function defineAccount(program: Command, terminal: Terminal): void {
  const account = program
    .command('account')
    .summary('One’s own account: sessions, password, second factor')
    .description(
      'One’s own account: sessions, password, second factor. Give a session’s token as --admin-key to act as its user.',
    );
  withConnection(
    addVerb(account, 'show', {
      summary: 'Who one is, and how one signs in',
      examples: ['sluice account show'],
    }),
  ).action((options: ConnectionOptions) => show(options, terminal));
  withConnection(
    addVerb(account, 'sessions', {
      summary: 'List one’s own sessions',
      examples: ['sluice account sessions'],
    }),
  ).action((options: ConnectionOptions) => sessions(options, terminal));
  withConnection(
    addVerb(account, 'end-session <id>', {
      summary: 'End one of one’s own sessions, or `others`: all but this one',
      examples: ['sluice account end-session others'],
    }),
  ).action((id: string, options: ConnectionOptions) => endSession(id, options, terminal));
  withConnection(
    addVerb(account, 'password', {
      summary: 'Change the password; two lines are read from standard input, the current one and the new one',
      examples: ['sluice account password < passwords.txt'],
    }),
  )
    .option(...PASSWORD_FILE)
    .action((options: PasswordOptions) => password(options, terminal));
  defineSecondFactor(account, terminal);
}
