import type { Command } from 'commander';
import { badUsage } from '../failure.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface ScimOptions extends ConnectionOptions {
  readonly organization?: string;
}

async function openGateway(options: ConnectionOptions, terminal: Terminal) {
  const { connect } = await import('../connect.ts');
  return connect(options, terminal);
}

function placeOf({ organization }: ScimOptions): { readonly organization_id?: string } {
  return organization === undefined ? {} : { organization_id: organization };
}

async function create(name: string, options: ScimOptions, terminal: Terminal): Promise<void> {
  const gateway = await openGateway(options, terminal);
  const made = await gateway.call('createScimToken', { name, ...placeOf(options) });
  if (options.json) return printJson(terminal, made);
  terminal.print(`${clean(made.token)}`);
  terminal.print(`Copy it now; it is not shown again. Base address: ${gateway.url}/scim/v2`);
}

async function list(options: ScimOptions, terminal: Terminal): Promise<void> {
  const page = await (await openGateway(options, terminal)).call('listScimTokens', placeOf(options));
  if (options.json) return printJson(terminal, page);
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'NAME', shrinks: true },
      { title: 'ORGANIZATION' },
      { title: 'MADE' },
    ],
    rows: page.data.map(({ id, name, organization_id, created_at }) => [
      id,
      name,
      organization_id,
      created_at,
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function revoke(
  id: string,
  options: ConnectionOptions & { readonly yes?: boolean },
  terminal: Terminal,
): Promise<void> {
  if (options.yes !== true) throw badUsage('Revoking cannot be undone; add --yes.');
  const answer = await (await openGateway(options, terminal)).call('revokeScimToken', { id });
  if (options.json) printJson(terminal, answer);
  else terminal.print(`${clean(id)} is revoked.`);
}

/** `sluice scim-tokens create|list|revoke` */
export function defineScimTokens(program: Command, terminal: Terminal): void {
  const parent = program
    .command('scim-tokens')
    .summary('Tokens with which directories provision users (SCIM 2.0)')
    .description('Tokens with which directories provision users (SCIM 2.0).');
  const organization = ['--organization <id>', 'organization (default: the default one)'] as const;
  withConnection(
    addVerb(parent, 'create <name>', {
      summary: 'Make a token for a directory; it is shown once',
      examples: ['sluice scim-tokens create okta'],
    }),
  )
    .option(...organization)
    .action((name: string, options: ScimOptions) => create(name, options, terminal));
  withConnection(
    addVerb(parent, 'list', {
      summary: 'List tokens, without their secrets',
      examples: ['sluice scim-tokens list'],
    }),
  )
    .option('--organization <id>', 'only of this organization')
    .action((options: ScimOptions) => list(options, terminal));
  withConnection(
    addVerb(parent, 'revoke <id>', {
      summary: 'Revoke a token; its directory is refused from the next call on',
      examples: ['sluice scim-tokens revoke scim_… --yes'],
    }),
  )
    .option('-y, --yes', 'confirm')
    .action((id: string, options: ConnectionOptions & { readonly yes?: boolean }) =>
      revoke(id, options, terminal),
    );
}
