import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { OutputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Credential = OutputOf<'getCredential'>;

interface SetOptions extends ConnectionOptions {
  readonly reference?: string;
  readonly valueFile?: string;
  readonly description?: string;
}

/** A value comes from a file or standard input: on a command line others could read it. */
function valueFrom({ reference, valueFile }: SetOptions): { value: string } | { reference: string } {
  if (reference !== undefined && valueFile !== undefined) {
    throw badUsage('Give either --reference or --value-file.');
  }
  if (reference !== undefined) return { reference };
  let text: string;
  try {
    text = readFileSync(valueFile === undefined || valueFile === '-' ? 0 : valueFile, 'utf8');
  } catch {
    throw badUsage('The file of the value cannot be read.');
  }
  return { value: text.replace(/[\r\n]+$/, '') };
}

async function find(name: string, options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  const connection = connect(options, terminal);
  let cursor: string | undefined;
  do {
    const page = await connection.call('listCredentials', { limit: 500, ...(cursor ? { cursor } : {}) });
    const found = page.data.find((one) => one.name === name || one.id === name);
    if (found !== undefined) return { connection, found };
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return { connection, found: undefined };
}

function told(credential: Credential, terminal: Terminal, json: boolean | undefined): void {
  if (json) printJson(terminal, credential);
  else terminal.print(`Write \`credential:${clean(credential.name)}\` where the configuration takes a key.`);
}

async function set(name: string, options: SetOptions, terminal: Terminal): Promise<void> {
  const { connection, found } = await find(name, options, terminal);
  const { description } = options;
  const input = { ...valueFrom(options), ...(description === undefined ? {} : { description }) };
  const credential =
    found === undefined
      ? await connection.call('createCredential', { name, ...input })
      : await connection.call('updateCredential', { id: found.id, ...input });
  told(credential, terminal, options.json);
}

async function remove(name: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connection, found } = await find(name, options, terminal);
  if (found === undefined) throw badUsage(`There is no credential \`${clean(name)}\`.`);
  const answer = await connection.call('deleteCredential', { id: found.id });
  if (options.json) printJson(terminal, answer);
  else terminal.print(`Deleted ${clean(found.name)}.`);
}

async function list(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listCredentials', { limit: 500 });
  if (options.json) {
    printJson(terminal, page);
    return;
  }
  const table = {
    columns: [
      { title: 'NAME' },
      { title: 'KEPT', shrinks: true },
      { title: 'DESCRIPTION', shrinks: true },
      { title: 'CHANGED' },
    ],
    rows: page.data.map(({ name, hint, reference, description, updated_at }) => [
      name,
      reference ?? `here, ends in ${hint || '…'}`,
      description,
      updated_at,
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function status(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('getSecrets', {});
  if (options.json) {
    printJson(terminal, answer);
    return;
  }
  const { id, source, previous_keys: previous } = answer.master_key;
  const others = previous === 0 ? '' : `, ${previous} older still valid`;
  terminal.print(`Master key ${id}, from the ${source}${others}.`);
  for (const { reference, state, problem } of answer.references) {
    terminal.print(`${state.padEnd(6)} ${clean(reference)}${problem === null ? '' : `: ${clean(problem)}`}`);
  }
}

async function rotate(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('rotateMasterKey', {});
  if (options.json) printJson(terminal, answer);
  else {
    terminal.print(
      `Master key ${answer.master_key.id} is in force; ${answer.rewrapped} secrets were wrapped anew.`,
    );
  }
}

/** `sluice secrets list|set|delete|status|rotate` */
export function defineSecrets(program: Command, terminal: Terminal): void {
  const secrets = program
    .command('secrets')
    .summary('Keep providers’ credentials, and rotate the key that protects them')
    .description('Keep providers’ credentials, and rotate the key that protects them.');
  withConnection(
    addVerb(secrets, 'list', {
      summary: 'List credentials, without values',
      examples: ['sluice secrets list'],
    }),
  ).action((options: ConnectionOptions) => list(options, terminal));
  withConnection(
    addVerb(secrets, 'set <name>', {
      summary: 'Keep a credential; the value is read from standard input',
      examples: [
        'sluice secrets set openai < key.txt',
        'sluice secrets set openai --reference "vault:secret/data/openai#api_key"',
      ],
    }),
  )
    .option('--value-file <file>', 'file with the value (default: standard input)')
    .option('--reference <reference>', 'where a secret store keeps it, instead of a value')
    .option('--description <text>', 'what it is for')
    .action((name: string, options: SetOptions) => set(name, options, terminal));
  withConnection(
    addVerb(secrets, 'delete <name>', {
      summary: 'Delete a credential the configuration does not name',
      examples: ['sluice secrets delete openai'],
    }),
  ).action((name: string, options: ConnectionOptions) => remove(name, options, terminal));
  withConnection(
    addVerb(secrets, 'status', {
      summary: 'Show the master key’s state and how every reference stands',
      examples: ['sluice secrets status'],
    }),
  ).action((options: ConnectionOptions) => status(options, terminal));
  withConnection(
    addVerb(secrets, 'rotate', {
      summary: 'Replace the master key while the gateway runs',
      examples: ['sluice secrets rotate'],
    }),
  ).action((options: ConnectionOptions) => rotate(options, terminal));
}
