import type { Command } from 'commander';
import type { OutputOf } from '../../control/contract.ts';
import { parseChoice } from '../parse.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Approval = OutputOf<'getApproval'>;

interface ListOptions extends ConnectionOptions {
  readonly status?: string;
}

interface DecideOptions extends ConnectionOptions {
  readonly reason?: string;
}

const STATUSES = ['pending', 'approved', 'rejected', 'used', 'expired'] as const;

async function list(options: ListOptions, terminal: Terminal): Promise<void> {
  const status = parseChoice(options.status ?? 'pending', '--status', STATUSES);
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listApprovals', { status, limit: 200 });
  if (options.json) {
    printJson(terminal, page);
    return;
  }
  if (page.data.length === 0) {
    terminal.print(status === 'pending' ? 'Nothing waits for a decision.' : `None is ${status}.`);
    return;
  }
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'KIND' },
      { title: 'ASKED BY', shrinks: true },
      { title: 'WHAT', shrinks: true },
      { title: 'EXPIRES' },
    ],
    rows: page.data.map((one) => [one.id, one.kind, one.requested_by, one.subject, one.expires_at]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function decide(
  verb: 'approve' | 'reject',
  given: { readonly id: string; readonly options: DecideOptions },
  terminal: Terminal,
): Promise<void> {
  const { id, options } = given;
  const { connect } = await import('../connect.ts');
  const input = { id, ...(options.reason === undefined ? {} : { reason: options.reason }) };
  const approval: Approval = await connect(options, terminal).call(verb, input);
  if (options.json) printJson(terminal, approval);
  else terminal.print(`${clean(approval.id)} is ${approval.status}: ${clean(approval.subject)}`);
}

async function link(id: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('createApprovalLink', { id });
  if (options.json) printJson(terminal, answer);
  else terminal.print(clean(answer.url));
}

/** `sluice approvals list|approve|reject|link` */
export function defineApprovals(program: Command, terminal: Terminal): void {
  const approvals = program
    .command('approvals')
    .summary('Decide what waits for a yes')
    .description('Decide what waits for a yes.');
  withConnection(
    addVerb(approvals, 'list', {
      summary: 'List what waits for a decision',
      examples: ['sluice approvals list', 'sluice approvals list --status rejected'],
    }),
  )
    .option('--status <status>', 'pending, approved, rejected, used or expired (default: pending)')
    .action((options: ListOptions) => list(options, terminal));
  for (const verb of ['approve', 'reject'] as const) {
    withConnection(
      addVerb(approvals, `${verb} <id>`, {
        summary: verb === 'approve' ? 'Say yes' : 'Say no',
        examples: [`sluice approvals ${verb} apr_abc --reason "checked with finance"`],
      }),
    )
      .option('--reason <text>', 'why, for the log')
      .action((id: string, options: DecideOptions) => decide(verb, { id, options }, terminal));
  }
  withConnection(
    addVerb(approvals, 'link <id>', {
      summary: 'Print a signed link with which one can be decided without signing in',
      examples: ['sluice approvals link apr_abc'],
    }),
  ).action((id: string, options: ConnectionOptions) => link(id, options, terminal));
}
