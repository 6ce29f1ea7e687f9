import type { Command } from 'commander';
import type { EndpointName, InputOf, OutputOf } from '../../control/contract.ts';
import type { Connection } from '../connect.ts';
import { addDelete } from '../delete-verb.ts';
import { badUsage, CliFailure } from '../failure.ts';
import { type Field, NOUNS, type Noun, RENAME } from '../place-nouns.ts';
import { factLines, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Row = Readonly<Record<string, unknown>>;
type Options = ConnectionOptions & Readonly<Record<string, unknown>>;

async function openGateway(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

/** The endpoints of a noun take what their shapes say; the gateway checks it. */
function call(gateway: Connection, name: EndpointName, input: Row): Promise<Row> {
  return gateway.call(name, input as InputOf<EndpointName>) as Promise<OutputOf<EndpointName> & Row>;
}

/** The option's value, by the name commander gives it: `--max-output-tokens <n>` → `maxOutputTokens`. */
function given(field: Field, options: Options): string | undefined {
  const words = (/^--([a-z-]+)/.exec(field.flag)?.[1] ?? '').split('-');
  const name = words
    .map((word, at) => (at === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join('');
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** What the options say, as the admin API takes it. Throws `bad_usage`. */
export function placeInputOf(fields: readonly Field[], options: Options): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const field of fields) {
    const value = given(field, options);
    if (value !== undefined) field.put(input, value, field.flag.split(' ')[0] ?? field.flag);
  }
  return input;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function show(row: Row, options: ConnectionOptions, terminal: Terminal): void {
  if (options.json) {
    printJson(terminal, row);
    return;
  }
  const facts = Object.entries(row).map(
    ([name, value]) => [name.replaceAll('_', ' '), clean(cell(value))] as const,
  );
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
}

async function listAll(gateway: Connection, noun: Noun): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let cursor: unknown;
  do {
    const page = await call(gateway, noun.endpoints.list, { limit: 500, cursor });
    rows.push(...(page['data'] as readonly Row[]));
    cursor = page['next_cursor'] ?? undefined;
  } while (cursor !== undefined);
  return rows;
}

/** The id of what is named by its id or its name. Throws {@link CliFailure} when none or several match. */
async function findId(gateway: Connection, noun: Noun, idOrName: string): Promise<string> {
  if (/^(org|team|proj|user|sa|role|mem)_/.test(idOrName)) return idOrName;
  const found = (await listAll(gateway, noun)).filter(
    (row) => row['id'] === idOrName || row['name'] === idOrName,
  );
  const [first, second] = found;
  if (first === undefined) {
    throw new CliFailure(
      'not_found',
      `There is no ${noun.one} "${idOrName}"; \`sluice ${noun.name} list\` shows them.`,
    );
  }
  if (second !== undefined) throw new CliFailure('conflict', `Several are named "${idOrName}"; use an id.`);
  return String(first['id']);
}

function withFields(verb: Command, fields: readonly Field[]): Command {
  for (const { flag, help } of fields) verb.option(flag, help);
  return verb;
}

function defineCreate(parent: Command, noun: Noun, terminal: Terminal): void {
  const verb = withFields(
    withConnection(addVerb(parent, 'create', { summary: `Make a ${noun.one}`, examples: [noun.example] })),
    noun.fields,
  );
  if (noun.named) verb.argument('<name>', 'its name');
  verb.action(async (...args: unknown[]) => {
    const options = args.at(-2) as Options;
    const input = placeInputOf(noun.fields, options);
    const named = noun.named ? { name: args[0] } : {};
    const gateway = await openGateway(options, terminal);
    show(await call(gateway, noun.endpoints.create, { ...named, ...input }), options, terminal);
  });
}

function defineReads(parent: Command, noun: Noun, terminal: Terminal): void {
  withConnection(
    addVerb(parent, 'list', {
      summary: `List ${noun.name}, newest first`,
      examples: [`sluice ${noun.name} list`],
    }),
  ).action(async (options: ConnectionOptions) => {
    const rows = await listAll(await openGateway(options, terminal), noun);
    if (options.json) return printJson(terminal, { data: rows, next_cursor: null });
    const table = {
      columns: noun.columns.map((name) => ({
        title: name.replaceAll('_', ' ').toUpperCase(),
        shrinks: name !== 'id',
      })),
      rows: rows.map((row) => noun.columns.map((name) => cell(row[name]))),
    };
    for (const line of tableLines(table, terminal)) terminal.print(line);
  });
  withConnection(
    addVerb(parent, 'show', { summary: `Show one ${noun.one}`, examples: [`sluice ${noun.name} show ID`] }),
  )
    .argument('<id>', 'its id or name')
    .action(async (idOrName: string, options: ConnectionOptions) => {
      const gateway = await openGateway(options, terminal);
      const id = await findId(gateway, noun, idOrName);
      show(await call(gateway, noun.endpoints.get, { id }), options, terminal);
    });
}

function defineWrites(parent: Command, noun: Noun, terminal: Terminal): void {
  const fields = [
    ...(noun.named ? [RENAME] : []),
    ...noun.fields.filter(({ onlyCreate }) => onlyCreate !== true),
  ];
  withFields(
    withConnection(
      addVerb(parent, 'update', {
        summary: `Change a ${noun.one}; what is not named stays`,
        examples: [`sluice ${noun.name} update ID ${noun.named ? '--name other' : '--role viewer'}`],
      }),
    ),
    fields,
  )
    .argument('<id>', 'its id or name')
    .action(async (idOrName: string, options: Options) => {
      const input = placeInputOf(fields, options);
      if (Object.keys(input).length === 0) throw badUsage('Name what is to change; --help lists it.');
      const gateway = await openGateway(options, terminal);
      const id = await findId(gateway, noun, idOrName);
      show(await call(gateway, noun.endpoints.update, { id, ...input }), options, terminal);
    });
  addDelete(parent, terminal, {
    summary: `Delete a ${noun.one} that nothing belongs to any more`,
    example: `sluice ${noun.name} delete ID --yes`,
    target: 'its id or name',
    async run(idOrName, options) {
      const gateway = await openGateway(options, terminal);
      const id = await findId(gateway, noun, idOrName);
      return { id, ...(await call(gateway, noun.endpoints.remove, { id })) };
    },
  });
}

/** `sluice organizations|teams|projects|users|service-accounts|roles|memberships …` */
export function definePlaces(program: Command, terminal: Terminal): void {
  for (const noun of NOUNS) {
    const parent = program
      .command(noun.name)
      .summary(noun.summary)
      .description(`${noun.summary}.`)
      .addHelpText('after', `\nExample:\n  $ ${noun.example}`);
    defineCreate(parent, noun, terminal);
    defineReads(parent, noun, terminal);
    defineWrites(parent, noun, terminal);
  }
}
