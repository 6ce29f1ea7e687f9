import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { InputOf, OutputOf } from '../../control/contract.ts';
import { badUsage, CliFailure } from '../failure.ts';
import { parseChoice, parseMoment } from '../parse.ts';
import { dollars, factLines, grouped, tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';
import { chosenRouter } from './route-explain.ts';

interface TestOptions extends ConnectionOptions {
  readonly rules: string;
  readonly last: string;
  readonly router?: string;
  readonly objective?: string;
}

type Rules = InputOf<'testRoute'>['rules'];

/** Rules of a YAML or JSON file: a list, or an object with `rules`. */
function readRules(path: string): Rules {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new CliFailure(
      'bad_rules',
      `The rules in ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  const list =
    typeof value === 'object' && value !== null && 'rules' in value
      ? (value as { rules: unknown }).rules
      : value;
  if (!Array.isArray(list))
    throw badUsage(`${path} must hold a list of rules, each with \`when\` and \`use\`.`);
  return list as Rules;
}

const percent = (share: number | null) => (share === null ? '–' : `${(share * 100).toFixed(1)} %`);

function print(answer: OutputOf<'testRoute'>, terminal: Terminal): void {
  const left = [
    ...(answer.without_receipt > 0 ? [`${grouped(answer.without_receipt)} without a decision`] : []),
    ...(answer.without_cost > 0 ? [`${grouped(answer.without_cost)} without cost or price`] : []),
  ];
  const facts: [string, string][] = [
    [
      'Exchanges',
      `${grouped(answer.judged)} of ${grouped(answer.exchanges)}${left.length === 0 ? '' : ` (left out: ${left.join(', ')})`}`,
    ],
    ['Other model', grouped(answer.changed)],
    ['Spent', dollars(answer.actual_usd)],
    ['With these rules', dollars(answer.projected_usd)],
    ['Difference', dollars(answer.saving_usd)],
    ['Expected quality', `${percent(answer.actual_p_ok)} → ${percent(answer.projected_p_ok)}`],
  ];
  for (const line of factLines(facts, terminal.paint)) terminal.print(line);
  if (answer.truncated) terminal.print('Only the newest 20,000 exchanges were looked at.');
  terminal.print('');
  const table = {
    columns: [
      { title: 'MODEL', shrinks: true },
      { title: 'NOW', align: 'right' },
      { title: 'THEN', align: 'right' },
      { title: 'COST THEN', align: 'right' },
    ],
    rows: answer.by_model.map((row) => [
      row.model,
      grouped(row.actual),
      grouped(row.projected),
      dollars(row.projected_usd),
    ]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
  for (const { rule, matched } of answer.by_rule) terminal.print(`${rule}: ${grouped(matched)} exchanges`);
  terminal.print(terminal.paint('dim', answer.note));
}

async function test(options: TestOptions, terminal: Terminal): Promise<void> {
  const rules = readRules(options.rules);
  const from = parseMoment(options.last, '--last', { now: Date.now(), direction: 'past' });
  const objective =
    options.objective === undefined
      ? {}
      : { objective: parseChoice(options.objective, '--objective', ['cost', 'balanced', 'quality']) };
  const { connect } = await import('../connect.ts');
  const gateway = connect(options, terminal);
  const { data } = await gateway.call('listRouters', {});
  const name = chosenRouter(
    data.map((router) => router.name),
    options.router,
  );
  const answer = await gateway.call('testRoute', { name, rules, from, ...objective });
  if (options.json) printJson(terminal, answer);
  else print(answer, terminal);
}

/** `sluice route test` */
export function defineRouteTest(route: Command, terminal: Terminal): void {
  withConnection(
    addVerb(route, 'test', {
      summary: 'Show what other rules would have cost on logged exchanges',
      details:
        'Prompts are not stored: the rules are tried on the facts kept with each decision, and cost is that of the tokens used.',
      examples: [
        'sluice route test --rules rules.yaml --last 7d',
        'sluice route test --rules rules.yaml --objective cost',
      ],
    }),
  )
    .requiredOption('--rules <file>', 'YAML or JSON: a list of rules with `when` and `use`')
    .option('--last <time>', 'a duration (7d), a day or an RFC 3339 time to look back to', '7d')
    .option('--router <name>', 'router (default: the only one, or `auto`)')
    .option('--objective <word>', 'cost, balanced or quality instead of the router’s own')
    .action((options: TestOptions) => test(options, terminal));
}
