import type { Command } from 'commander';
import type { InputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { factLines, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface FilterOptions extends ConnectionOptions {
  readonly id?: string;
  readonly model?: string;
  readonly organization?: string;
  readonly team?: string;
  readonly key?: string;
  readonly yes?: boolean;
}

function filterOf(options: FilterOptions): InputOf<'clearCache'> {
  const { id, model, organization, team, key } = options;
  return {
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(organization === undefined ? {} : { organization_id: organization }),
    ...(team === undefined ? {} : { team_id: team }),
    ...(key === undefined ? {} : { key_id: key }),
  };
}

async function open(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

async function stats(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const found = await (await open(options, terminal)).call('getCacheStats', {});
  if (options.json) return printJson(terminal, found);
  const rate = found.hit_rate === null ? '–' : `${(found.hit_rate * 100).toFixed(1)} %`;
  const facts = [
    ['enabled', found.enabled ? 'yes' : 'no'],
    ['entries', grouped(found.entries)],
    ['bytes', `${grouped(found.bytes)} of ${grouped(found.max_bytes)}`],
    ['kept for', `${found.ttl_s} s`],
    ['hits', grouped(found.hits)],
    ['misses', grouped(found.misses)],
    ['hit rate', rate],
  ] as const;
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
}

async function list(options: FilterOptions, terminal: Terminal): Promise<void> {
  const gateway = await open(options, terminal);
  const { id: _, ...filter } = filterOf(options);
  const rows = [];
  let cursor: string | undefined;
  do {
    const page = await gateway.call('listCacheEntries', {
      ...filter,
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (options.json) return printJson(terminal, { data: rows, next_cursor: null });
  if (rows.length === 0) return terminal.complain('No answer is kept.');
  const table = {
    columns: [
      { title: 'ID', shrinks: true },
      { title: 'MODEL', shrinks: true },
      { title: 'TEAM' },
      { title: 'KEY' },
      { title: 'BYTES', align: 'right' },
      { title: 'HITS', align: 'right' },
      { title: 'UNTIL' },
    ],
    rows: rows.map((row) => [
      row.id,
      row.model,
      row.team_id ?? '–',
      row.key_id ?? '–',
      grouped(row.bytes),
      grouped(row.hits),
      row.expires_at,
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function clear(options: FilterOptions, terminal: Terminal): Promise<void> {
  const filter = filterOf(options);
  if (Object.keys(filter).length === 0 && options.yes !== true) {
    throw badUsage('This forgets every answer; add --yes, or a filter such as --model.');
  }
  const { removed } = await (await open(options, terminal)).call('clearCache', filter);
  if (options.json) printJson(terminal, { removed });
  else terminal.print(`${grouped(removed)} kept answer${removed === 1 ? ' is' : 's are'} forgotten.`);
}

function withFilters(verb: Command): Command {
  return verb
    .option('--model <name>', 'only of this model')
    .option('--organization <id>', 'only of this organization')
    .option('--team <id>', 'only of this team')
    .option('--key <id>', 'only of this key');
}

/** `sluice cache stats|list|clear` */
export function defineCache(program: Command, terminal: Terminal): void {
  const cache = program
    .command('cache')
    .summary('Look at the cache of answers, and clear it')
    .description('Look at the cache of answers, and clear it.')
    .addHelpText('after', '\nExample:\n  $ sluice cache stats');
  withConnection(
    addVerb(cache, 'stats', {
      summary: 'Show how full the cache is and how often it answered',
      examples: ['sluice cache stats --json'],
    }),
  ).action((options: ConnectionOptions) => stats(options, terminal));
  withFilters(
    withConnection(
      addVerb(cache, 'list', {
        summary: 'List kept answers, without what they say',
        examples: ['sluice cache list --model gpt-4o'],
      }),
    ),
  ).action((options: FilterOptions) => list(options, terminal));
  withFilters(
    withConnection(
      addVerb(cache, 'clear', {
        summary: 'Forget kept answers',
        examples: ['sluice cache clear --yes', 'sluice cache clear --model gpt-4o'],
      }),
    ),
  )
    .option('--id <id>', 'only this one')
    .option('-y, --yes', 'confirm that all are meant')
    .action((options: FilterOptions) => clear(options, terminal));
}
