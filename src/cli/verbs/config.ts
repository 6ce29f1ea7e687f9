import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { badUsage, CliFailure, EXIT } from '../failure.ts';
import { parseCount, parseUsd } from '../parse.ts';
import { dollars, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface ChangeOptions extends ConnectionOptions {
  readonly comment?: string;
}

async function open(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

async function show(value: unknown, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  if (options.json) return printJson(terminal, value);
  const { stringify } = await import('yaml');
  terminal.print(stringify(value, { lineWidth: 0 }).trimEnd());
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CliFailure('bad_file', `${file} cannot be read; name a YAML or JSON file.`);
  }
}

async function readTree(file: string): Promise<Record<string, unknown>> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(readText(file));
  const tree: unknown =
    document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 100 }) ?? {});
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
    throw new CliFailure(
      'bad_file',
      `${file} holds no configuration: YAML or JSON with named sections is taken.`,
    );
  }
  return tree as Record<string, unknown>;
}

function commentOf(options: ChangeOptions) {
  return options.comment === undefined ? {} : { comment: options.comment };
}

async function history(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const page = await (await open(options, terminal)).call('listConfigHistory', { limit: 100 });
  if (options.json) return printJson(terminal, page);
  const table = {
    columns: [
      { title: 'VERSION', align: 'right' },
      { title: 'AT' },
      { title: 'BY' },
      { title: 'SECTIONS', shrinks: true },
      { title: 'WHY', shrinks: true },
    ],
    rows: page.data.map((row) => [
      String(row.version),
      row.at ?? '–',
      row.actor ?? '–',
      Object.keys(row.overrides).join(', ') || '(none)',
      row.comment ?? '',
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function validate(file: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const answer = await (await open(options, terminal)).call('validateConfig', { yaml: readText(file) });
  if (!answer.valid) process.exitCode = EXIT.failed;
  if (options.json) return printJson(terminal, answer);
  for (const { path, problem, remedy } of answer.problems)
    terminal.print(clean(`${path}: ${problem} ${remedy}`));
  terminal.print(
    answer.valid
      ? 'The gateway could use it.'
      : `The gateway could not use it: ${answer.problems.length} problems.`,
  );
}

/** `sluice config show|overrides|set|validate|history|rollback` */
export function defineConfig(program: Command, terminal: Terminal): void {
  const config = program
    .command('config')
    .summary('Look at the live configuration, and set admin overrides over the file')
    .description('Look at the live configuration, and set admin overrides over the file.')
    .addHelpText('after', '\nExample:\n  $ sluice config set overrides.yaml');
  withConnection(
    addVerb(config, 'show', {
      summary: 'Show the live configuration, secrets masked',
      examples: ['sluice config show'],
    }),
  ).action(async (options: ConnectionOptions) =>
    show(await (await open(options, terminal)).call('getConfig', {}), options, terminal),
  );
  withConnection(
    addVerb(config, 'overrides', {
      summary: 'Show the admin overrides alone',
      examples: ['sluice config overrides'],
    }),
  ).action(async (options: ConnectionOptions) =>
    show(await (await open(options, terminal)).call('getConfigOverrides', {}), options, terminal),
  );
  withConnection(
    addVerb(config, 'set', {
      summary: 'Replace the admin overrides by a file, at once and with history',
      details:
        'The file is a part of a sluice.yaml; it wins over file and environment. An empty file takes all overrides away.',
      examples: ['sluice config set overrides.yaml --comment "more retries"'],
    }),
  )
    .argument('<file>', 'YAML or JSON')
    .option('--comment <text>', 'why; stands in the history')
    .action(async (file: string, options: ChangeOptions) => {
      const tree = await readTree(file);
      await show(
        await (await open(options, terminal)).call('putConfig', { config: tree, ...commentOf(options) }),
        options,
        terminal,
      );
    });
  withConnection(
    addVerb(config, 'validate', {
      summary: 'Ask the gateway whether it could use a file',
      examples: ['sluice config validate sluice.yaml'],
    }),
  )
    .argument('<file>', 'configuration file')
    .action((file: string, options: ConnectionOptions) => validate(file, options, terminal));
  withConnection(
    addVerb(config, 'history', {
      summary: 'List earlier admin overrides',
      examples: ['sluice config history'],
    }),
  ).action((options: ConnectionOptions) => history(options, terminal));
  withConnection(
    addVerb(config, 'rollback', {
      summary: 'Put earlier admin overrides in force again',
      examples: ['sluice config rollback 3'],
    }),
  )
    .argument('<version>', 'as listed by `sluice config history`; 0 takes all away')
    .option('--comment <text>', 'why; stands in the history')
    .action(async (text: string, options: ChangeOptions) => {
      const version = parseCount(text, 'The version', { min: 0, max: 1e9 });
      await show(
        await (await open(options, terminal)).call('rollbackConfig', { version, ...commentOf(options) }),
        options,
        terminal,
      );
    });
}

interface PriceOptions extends ConnectionOptions {
  readonly input?: string;
  readonly output?: string;
  readonly cacheRead?: string;
  readonly cacheWrite?: string;
  readonly characters?: string;
  readonly minute?: string;
}

async function setPrice(model: string, options: PriceOptions, terminal: Terminal): Promise<void> {
  const { input, output, cacheRead, cacheWrite, characters, minute } = options;
  if (input === undefined || output === undefined) throw badUsage('--input and --output are needed.');
  const price = {
    model,
    input_usd_per_mtok: parseUsd(input, '--input'),
    output_usd_per_mtok: parseUsd(output, '--output'),
    ...(cacheRead === undefined ? {} : { cache_read_usd_per_mtok: parseUsd(cacheRead, '--cache-read') }),
    ...(cacheWrite === undefined ? {} : { cache_write_usd_per_mtok: parseUsd(cacheWrite, '--cache-write') }),
    ...(characters === undefined ? {} : { input_usd_per_mchar: parseUsd(characters, '--characters') }),
    ...(minute === undefined ? {} : { audio_usd_per_minute: parseUsd(minute, '--minute') }),
  };
  const answer = await (await open(options, terminal)).call('setPrice', price);
  if (options.json) printJson(terminal, answer);
  else terminal.print(`The price of ${clean(model)} is set.`);
}

async function listPrices(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const page = await (await open(options, terminal)).call('listPrices', { limit: 500 });
  if (options.json) return printJson(terminal, page);
  const table = {
    columns: [
      { title: 'MODEL', shrinks: true },
      { title: 'INPUT/MTOK', align: 'right' },
      { title: 'OUTPUT/MTOK', align: 'right' },
      { title: 'SINCE' },
    ],
    rows: page.data.map((row) => [
      row.model,
      dollars(String(row.input_usd_per_mtok)),
      dollars(String(row.output_usd_per_mtok)),
      row.updated_at,
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

/** `sluice prices list|set|remove` */
export function definePrices(program: Command, terminal: Terminal): void {
  const prices = program
    .command('prices')
    .summary('Set prices of your own over catalog and configuration')
    .description('Set prices of your own over catalog and configuration.')
    .addHelpText('after', '\nExample:\n  $ sluice prices set gpt-4o --input 2.5 --output 10');
  withConnection(
    addVerb(prices, 'list', { summary: 'List price overrides', examples: ['sluice prices list'] }),
  ).action((options: ConnectionOptions) => listPrices(options, terminal));
  withConnection(
    addVerb(prices, 'set', {
      summary: 'Set the price of a model',
      examples: ['sluice prices set gpt-4o --input 2.5 --output 10'],
    }),
  )
    .argument('<model>', 'model, or provider/model')
    .option('--input <usd>', 'per million input tokens')
    .option('--output <usd>', 'per million output tokens')
    .option('--cache-read <usd>', 'per million tokens read from the vendor’s cache')
    .option('--cache-write <usd>', 'per million tokens written to the vendor’s cache')
    .option('--characters <usd>', 'per million characters to be spoken')
    .option('--minute <usd>', 'per minute of sound to be transcribed')
    .action((model: string, options: PriceOptions) => setPrice(model, options, terminal));
  withConnection(
    addVerb(prices, 'remove', {
      summary: 'Take a price override away',
      examples: ['sluice prices remove gpt-4o'],
    }),
  )
    .argument('<model>', 'as listed')
    .action(async (model: string, options: ConnectionOptions) => {
      const answer = await (await open(options, terminal)).call('deletePrice', { model });
      if (options.json) printJson(terminal, answer);
      else terminal.print(`The price of ${clean(model)} is the catalog’s or the configuration’s again.`);
    });
}
