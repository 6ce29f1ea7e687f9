import type { Command } from 'commander';
import type { InputOf } from '../../control/contract.ts';
import { CliFailure } from '../failure.ts';
import { parseCount, parseMoment } from '../parse.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface FilterOptions extends ConnectionOptions {
  readonly organization?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly from?: string;
  readonly to?: string;
}

interface ListOptions extends FilterOptions {
  readonly limit?: string;
}

interface ExportOptions extends FilterOptions {
  readonly after?: string;
}

interface VerifyOptions extends ConnectionOptions {
  readonly head?: string;
}

function filterOf(options: FilterOptions): InputOf<'listAudit'> {
  const past = { now: Date.now(), direction: 'past' } as const;
  const { organization, actor, action, target, from, to } = options;
  return {
    ...(organization === undefined ? {} : { organization_id: organization }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(from === undefined ? {} : { from: parseMoment(from, '--from', past) }),
    ...(to === undefined ? {} : { to: parseMoment(to, '--to', past) }),
  };
}

async function list(options: ListOptions, terminal: Terminal): Promise<void> {
  const limit = parseCount(options.limit ?? '50', '--limit', { min: 1, max: 500 });
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listAudit', { ...filterOf(options), limit });
  if (options.json) {
    printJson(terminal, page);
    return;
  }
  const table = {
    columns: [
      { title: '#', align: 'right' },
      { title: 'AT' },
      { title: 'WHO', shrinks: true },
      { title: 'WHAT' },
      { title: 'TARGET', shrinks: true },
      { title: 'FROM' },
    ],
    rows: page.data.map(({ sequence, at, actor, action, target, details }) => [
      String(sequence),
      at,
      actor,
      action,
      target,
      String((details as { from?: unknown } | null)?.from ?? ''),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function exportLines(options: ExportOptions, terminal: Terminal): Promise<void> {
  const after = options.after === undefined ? 0 : parseCount(options.after, '--after', { min: 0, max: 1e15 });
  const { connect } = await import('../connect.ts');
  const rows = connect(options, terminal).lines('exportAudit', { ...filterOf(options), after });
  for await (const row of rows) terminal.print(JSON.stringify(row));
}

const SAYS = {
  altered: 'was altered, or another was put in its place',
  missing: 'is missing, or stands in another place',
  cut_off: 'and those after it were cut off',
  head_forged: 'cannot be judged: the head kept beside the log is forged',
  head_missing: 'cannot be judged: the heads kept beside the log were removed',
} as const;

async function verify(options: VerifyOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const input = options.head === undefined ? {} : { head: options.head };
  const verdict = await connect(options, terminal).call('verifyAudit', input);
  const { valid, entries, problem, first_bad_sequence: first, head } = verdict;
  if (!valid) {
    if (options.json) printJson(terminal, verdict);
    throw new CliFailure(
      'audit_tampered',
      `The audit log was tampered with: entry ${first ?? entries + 1} ${SAYS[problem ?? 'altered']}.`,
    );
  }
  if (options.json) printJson(terminal, verdict);
  else if (head === null) terminal.print('The audit log is empty.');
  else terminal.print(`The chain is whole: ${entries} entries. Head: ${head.sequence}:${clean(head.hash)}`);
}

function withFilter(verb: Command): Command {
  return verb
    .option('--organization <id>', 'only what was done in this organization')
    .option('--actor <name>', 'only what this one did, for example admin-key or user:…')
    .option('--action <name>', 'only this, for example keys.create; keys.* for all that begin so')
    .option('--target <id>', 'only what was done to this')
    .option('--from <time>', 'at or after this moment')
    .option('--to <time>', 'before this moment');
}

/** `sluice audit list|export|verify` */
export function defineAudit(program: Command, terminal: Terminal): void {
  const audit = program
    .command('audit')
    .summary('Read, export and verify the audit log')
    .description('Read, export and verify the audit log.');
  withFilter(
    withConnection(
      addVerb(audit, 'list', {
        summary: 'List who changed what, newest first',
        examples: ['sluice audit list', 'sluice audit list --action "keys.*" --from 7d'],
      }),
    ),
  )
    .option('--limit <n>', 'entries, at most 500 (default: 50)')
    .action((options: ListOptions) => list(options, terminal));
  withFilter(
    withConnection(
      addVerb(audit, 'export', {
        summary: 'Write the audit log as JSON lines, oldest first',
        examples: ['sluice audit export > audit.jsonl', 'sluice audit export --after 1200'],
      }),
    ),
  )
    .option('--after <sequence>', 'only entries after this one')
    .action((options: ExportOptions) => exportLines(options, terminal));
  withConnection(
    addVerb(audit, 'verify', {
      summary: 'Recompute the hash chain and say whether anything was changed, removed or cut off',
      examples: ['sluice audit verify', 'sluice audit verify --head 1200:mJ4…'],
      details: 'The exit code is 1 when something was.',
    }),
  )
    .option('--head <sequence:hash>', 'a head you kept outside the gateway')
    .action((options: VerifyOptions) => verify(options, terminal));
}
