import { Command, CommanderError } from 'commander';
import { VERSION } from '../app/version.ts';
import { problemJson, problemLines, UnusableConfiguration } from './configuration-problems.ts';
import { describeFailure, EXIT } from './failure.ts';
import { createTerminal, type Terminal } from './terminal.ts';
import { clean } from './text.ts';
import type { DefineVerb } from './verb.ts';
import { defineAccount } from './verbs/account.ts';
import { defineApi } from './verbs/api.ts';
import { defineApprovals } from './verbs/approvals.ts';
import { defineAudit } from './verbs/audit.ts';
import { defineBudget } from './verbs/budget.ts';
import { defineCache } from './verbs/cache.ts';
import { defineCheck } from './verbs/check.ts';
import { defineConfig, definePrices } from './verbs/config.ts';
import { defineDoctor } from './verbs/doctor.ts';
import { defineGitops } from './verbs/gitops.ts';
import { defineImport } from './verbs/import.ts';
import { defineInit } from './verbs/init.ts';
import { defineKeys } from './verbs/keys.ts';
import { defineLimits } from './verbs/limits.ts';
import { defineLogs } from './verbs/logs.ts';
import { defineModels } from './verbs/models.ts';
import { definePlaces } from './verbs/places.ts';
import { defineReport } from './verbs/report.ts';
import { defineRoute } from './verbs/route.ts';
import { defineScimTokens } from './verbs/scim-tokens.ts';
import { defineSecrets } from './verbs/secrets.ts';
import { defineService } from './verbs/service.ts';
import { defineSimulate } from './verbs/simulate.ts';
import { defineStart } from './verbs/start.ts';
import { defineStatus } from './verbs/status.ts';
import { defineTools } from './verbs/tools.ts';
import { defineUsage } from './verbs/usage.ts';
import { defineUserAccess } from './verbs/user-access.ts';

/** Every verb, in the order of the help page. */
const VERBS: readonly DefineVerb[] = [
  defineStart,
  defineInit,
  defineCheck,
  defineImport,
  defineGitops,
  defineConfig,
  defineStatus,
  defineDoctor,
  defineService,
  defineTools,
  defineKeys,
  definePlaces,
  defineUserAccess,
  defineScimTokens,
  defineAccount,
  defineBudget,
  defineLimits,
  defineApprovals,
  defineSecrets,
  defineAudit,
  defineUsage,
  defineReport,
  defineLogs,
  defineModels,
  definePrices,
  defineCache,
  defineRoute,
  defineApi,
  defineSimulate,
];

/** The commander program with every verb. It throws instead of ending the process. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('sluice')
    .description('Sluice, an LLM gateway: proxy, router and gateway in one process.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .showSuggestionAfterError(true)
    .exitOverride()
    // Errors are told by `report`; what else commander writes there is help for a call without a verb.
    .configureOutput({ writeErr: (text) => terminal.complain(text.trimEnd()), outputError: () => undefined })
    .addHelpText('after', '\nExample:\n  $ sluice start\n\n`sluice VERB --help` explains a verb.');
  for (const define of VERBS) define(program, terminal);
  return program;
}

function report(error: unknown, json: boolean, terminal: Terminal): number {
  if (error instanceof CommanderError) return reportUsage(error, json, terminal);
  const { code, message, exitCode } = describeFailure(error);
  const problems = error instanceof UnusableConfiguration ? error.problems : undefined;
  if (json) {
    const details = problems === undefined ? {} : { details: { problems: problems.map(problemJson) } };
    terminal.print(JSON.stringify({ error: { code, message, ...details } }));
  } else if (problems !== undefined) {
    for (const problem of problems) {
      for (const line of problemLines(problem, 'problem', terminal.paint)) terminal.complain(line);
    }
  } else {
    terminal.complain(`${terminal.paint('red', 'Error:')} ${clean(message)}`);
  }
  return exitCode;
}

/** Commander's sentence as ours: no prefix, one line, a full stop. */
function usageSentence(error: CommanderError): string {
  if (error.code === 'commander.help') return 'Name a verb; `sluice --help` lists them.';
  const text = clean(error.message.replace(/^error: /, '').replace('\n', ' '));
  const [, word, near] = /^unknown command '(.*?)'(?: \(Did you mean (.*)\?\))?$/.exec(text) ?? [];
  if (word !== undefined) {
    return `There is no verb "${word}"${near === undefined ? '; `sluice --help` lists them.' : `; did you mean ${near}?`}`;
  }
  const ended = /[.?)]$/.test(text) ? text : `${text}.`;
  return `${ended.charAt(0).toUpperCase()}${ended.slice(1)} Add --help to see what is taken.`;
}

/** Help and version are no errors; everything else commander refuses is bad usage. */
function reportUsage(error: CommanderError, json: boolean, terminal: Terminal): number {
  if (error.exitCode === 0) return EXIT.ok;
  const message = usageSentence(error);
  if (json) terminal.print(JSON.stringify({ error: { code: 'bad_usage', message } }));
  // Without a verb commander has written the help page already.
  else if (error.code !== 'commander.help')
    terminal.complain(`${terminal.paint('red', 'Error:')} ${message}`);
  return EXIT.usage;
}

/**
 * The command line: runs one verb and sets the exit code (0 success, 1 failure, 2 bad usage).
 * @param argv what stands after the program's name
 */
export async function run(argv: readonly string[]): Promise<void> {
  const terminal = createTerminal();
  try {
    await createProgram(terminal).parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const code = report(error, argv.includes('--json'), terminal);
    process.exitCode = code;
    // What failed half-way may have left something open that would keep the process; nothing is left to wait for.
    process.stdout.write('', () => process.exit(code));
  }
}
