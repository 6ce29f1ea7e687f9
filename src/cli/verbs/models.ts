import type { Command } from 'commander';
import { dollars, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

async function models(
  filter: string | undefined,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<void> {
  const { connect } = await import('../connect.ts');
  const { data } = await connect(options, terminal).call('listModels', {});
  const wanted = filter?.toLowerCase() ?? '';
  const found = data.filter((model) => `${model.provider} ${model.id}`.toLowerCase().includes(wanted));
  if (options.json) {
    printJson(terminal, { data: found, next_cursor: null });
    return;
  }
  if (found.length === 0) {
    terminal.complain(filter === undefined ? 'There are no models.' : 'No model has this in its name.');
    return;
  }
  const tokens = (count: number | null) => (count === null ? '–' : grouped(count));
  const table = {
    columns: [
      { title: 'MODEL', shrinks: true },
      { title: 'PROVIDER', shrinks: true },
      { title: 'CONTEXT', align: 'right' },
      { title: 'MAX OUTPUT', align: 'right' },
      { title: 'INPUT/MTOK', align: 'right' },
      { title: 'OUTPUT/MTOK', align: 'right' },
    ],
    rows: found.map((model) => [
      model.id,
      model.provider,
      tokens(model.context_tokens),
      tokens(model.max_output_tokens),
      dollars(model.price_usd_per_mtok?.input ?? null),
      dollars(model.price_usd_per_mtok?.output ?? null),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

/** `sluice models` */
export function defineModels(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'models', {
      summary: 'List the model names this gateway answers to, with limits and prices',
      details: 'Prices are US dollars per million tokens.',
      examples: ['sluice models', 'sluice models claude --json'],
    }),
  )
    .argument('[filter]', 'only models with this in their name or provider')
    .action((filter: string | undefined, options: ConnectionOptions) => models(filter, options, terminal));
}
