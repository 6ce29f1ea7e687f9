import type { Command } from 'commander';
import type { EndpointName, InputOf } from '../../control/contract.ts';
import type { Endpoint } from '../../control/endpoint.ts';
import { badUsage } from '../failure.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

type Contract = Readonly<Record<string, Endpoint>>;

/** `field=value`; a value that is JSON counts as such, all else as text. */
function fieldOf(text: string): readonly [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) throw badUsage(`"${text}" is no field; write field=value, for example name=support.`);
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}

function listCalls(contract: Contract, terminal: Terminal, json: boolean): void {
  const calls = Object.entries(contract).map(([name, { method, path, permission, summary }]) => ({
    name,
    method,
    path,
    permission,
    summary,
  }));
  if (json) {
    printJson(terminal, { data: calls });
    return;
  }
  const columns = [
    { title: 'CALL' },
    { title: 'METHOD' },
    { title: 'PATH', shrinks: true },
    { title: 'DOES', shrinks: true },
  ];
  const rows = calls.map(({ name, method, path, summary }) => [name, method, path, summary]);
  for (const line of tableLines({ columns, rows }, terminal)) terminal.print(line);
}

async function callApi(
  name: string | undefined,
  given: { readonly fields: readonly string[]; readonly options: ConnectionOptions },
  terminal: Terminal,
): Promise<void> {
  const { CONTRACT } = await import('../../control/contract.ts');
  const { fields, options } = given;
  if (name === undefined) {
    listCalls(CONTRACT, terminal, options.json === true);
    return;
  }
  const endpoint = (CONTRACT as Contract)[name];
  if (endpoint === undefined) throw badUsage(`There is no call "${name}"; \`sluice api\` lists them.`);
  if (endpoint.answer !== undefined && endpoint.answer !== 'json') {
    throw badUsage(`"${name}" answers with a stream; use the verb for it (logs, audit export, usage --csv).`);
  }
  const input = Object.fromEntries(fields.map(fieldOf));
  const parsed = endpoint.input.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badUsage(`${issue?.path.join('.') || 'The input'}: ${issue?.message ?? 'not valid'}.`);
  }
  const { connect } = await import('../connect.ts');
  printJson(
    terminal,
    await connect(options, terminal).call(name as EndpointName, input as InputOf<EndpointName>),
  );
}

/** `sluice api` */
export function defineApi(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'api [call] [fields...]', {
      summary: 'Make any call of the admin API, or list them all',
      examples: [
        'sluice api',
        'sluice api updateKey id=key_abc name=support models=\'["gpt-*"]\'',
        'sluice api deleteBudget id=bud_abc',
      ],
      details: 'Fields are written as field=value; a value may be JSON. The answer is JSON.',
    }),
  ).action((name: string | undefined, fields: readonly string[], options: ConnectionOptions) =>
    callApi(name, { fields, options }, terminal),
  );
}
