import type { Command } from 'commander';
import type { InputOf } from '../../control/contract.ts';
import { badUsage } from '../failure.ts';
import { dollars, factLines, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface ExplainOptions extends ConnectionOptions {
  readonly router?: string;
  readonly model?: string;
  readonly system?: string;
  readonly key?: string;
  readonly session?: string;
  readonly tag: readonly string[];
  readonly header: readonly string[];
}

/** What is printed of a receipt. */
interface Shown {
  readonly served: string;
  readonly model: string;
  readonly tier: string;
  readonly reason: string;
  readonly mode: string;
  readonly followed: boolean;
  readonly task: string | null;
  readonly language: string | null;
  readonly cascade: readonly string[] | null;
  readonly steps: readonly { readonly step: string; readonly says: string }[];
  readonly candidates: readonly {
    readonly model: string;
    readonly p_ok: number | null;
    readonly expected_cost_usd: string | null;
    readonly excluded: string | null;
  }[];
}

/** `name=value` pairs as a record. Throws a usage error naming the option. */
function pairs(given: readonly string[], option: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pair of given) {
    const at = pair.indexOf('=');
    if (at < 1) throw badUsage(`Write ${option} name=value, not "${clean(pair)}".`);
    found[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return found;
}

/** The router asked for, or the only one there is. */
export function chosenRouter(names: readonly string[], given: string | undefined): string {
  if (given !== undefined) return given;
  const [only, ...others] = names;
  if (only === undefined) throw badUsage('No router is configured. Add one under `routers` in sluice.yaml.');
  if (others.length === 0 || names.includes('auto')) return names.includes('auto') ? 'auto' : only;
  throw badUsage(`There are several routers (${names.join(', ')}); name one with --router.`);
}

function print(receipt: Shown, terminal: Terminal): void {
  const followed = receipt.followed ? 'followed' : `not followed (${receipt.mode})`;
  const facts: [string, string][] = [
    ['Served by', receipt.served],
    ['Decision', `${receipt.model}, ${receipt.tier}, by ${receipt.reason}; ${followed}`],
    ['Prompt', `${receipt.task ?? 'not scored'}${receipt.language === null ? '' : `, ${receipt.language}`}`],
    ...(receipt.cascade === null ? [] : [['Cascade', receipt.cascade.join(' → ')] as [string, string]]),
  ];
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
  terminal.print('');
  for (const { step, says } of receipt.steps) {
    terminal.print(`${terminal.paint('dim', step.padEnd(12))} ${clean(says)}`);
  }
  terminal.print('');
  const table = {
    columns: [
      { title: 'MODEL', shrinks: true },
      { title: 'P(OK)', align: 'right' },
      { title: 'EXPECTED COST', align: 'right' },
      { title: 'EXCLUDED', shrinks: true },
    ],
    rows: receipt.candidates.map((one) => [
      one.model,
      one.p_ok === null ? '–' : one.p_ok.toFixed(3),
      dollars(one.expected_cost_usd),
      one.excluded ?? '',
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function explain(prompt: string, options: ExplainOptions, terminal: Terminal): Promise<void> {
  const tags = pairs(options.tag, '--tag');
  const headers = pairs(options.header, '--header');
  const { connect } = await import('../connect.ts');
  const gateway = connect(options, terminal);
  const { data } = await gateway.call('listRouters', {});
  const name = chosenRouter(
    data.map((router) => router.name),
    options.router,
  );
  const input: InputOf<'explainRoute'> = {
    name,
    prompt,
    tags,
    headers,
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.system === undefined ? {} : { system: options.system }),
    ...(options.key === undefined ? {} : { key_id: options.key }),
    ...(options.session === undefined ? {} : { session: options.session }),
  };
  const receipt = await gateway.call('explainRoute', input);
  if (options.json) printJson(terminal, receipt);
  else print(receipt as unknown as Shown, terminal);
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `sluice route explain` */
export function defineRouteExplain(route: Command, terminal: Terminal): void {
  withConnection(
    addVerb(route, 'explain', {
      summary: 'Show which model a router would choose for a prompt, and why',
      details: 'No model is called and nothing is charged.',
      examples: [
        'sluice route explain "Prove that there are infinitely many primes"',
        'sluice route explain "Hello" --router auto --tag feature=support --json',
      ],
    }),
  )
    .argument('<prompt>', 'the user’s turn')
    .option('--router <name>', 'router (default: the only one, or `auto`)')
    .option('--model <name>', 'model name the client would send, for example auto:cost')
    .option('--system <text>', 'system prompt')
    .option('--key <id>', 'id of the virtual key that would ask')
    .option('--session <name>', 'x-sluice-session')
    .option('--tag <name=value>', 'tag of the request; may be repeated', collect, [])
    .option('--header <name=value>', 'header that rules may read; may be repeated', collect, [])
    .action((prompt: string, options: ExplainOptions) => explain(prompt, options, terminal));
}
