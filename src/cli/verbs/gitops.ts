import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Step } from '../../app/gitops/index.ts';
import { badUsage, CliFailure, EXIT } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

interface ApplyOptions extends ConnectionOptions {
  readonly dryRun?: boolean;
  readonly prune?: boolean;
}

const HEADER = '# Written by `sluice export`; put in force with `sluice apply`. Secrets never stand here.\n';

function isFile(path: string): boolean {
  return /\.(ya?ml|json)$/.test(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true;
}

/** A file name for an organization: what is unusual becomes a dash. */
function fileName(name: string, taken: ReadonlySet<string>): string {
  const base =
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, '-')
      .replace(/^[-.]+/, '')
      .slice(0, 80) || 'organization';
  let file = `${base}.yaml`;
  for (let n = 2; taken.has(file); n++) file = `${base}-${n}.yaml`;
  return file;
}

async function exportState(target: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const [{ connect }, { describeState, gather }, { stringify }] = await Promise.all([
    import('../connect.ts'),
    import('../../app/gitops/index.ts'),
    import('yaml'),
  ]);
  const gateway = connect(options, terminal);
  const state = describeState(await gather((name, input) => gateway.call(name, input)));
  const text = (tree: object) => HEADER + stringify(tree, { lineWidth: 0, aliasDuplicateObjects: false });
  const files = new Map<string, string>();
  if (isFile(target)) files.set(target, text(state));
  else {
    const { organizations = [], ...rest } = state;
    const taken = new Set<string>();
    files.set(join(target, 'gateway.yaml'), text(rest));
    for (const organization of organizations) {
      const file = fileName(organization.name, taken);
      taken.add(file);
      files.set(join(target, 'organizations', file), text({ version: 1, organizations: [organization] }));
    }
    mkdirSync(join(target, 'organizations'), { recursive: true });
    const stale = readdirSync(join(target, 'organizations')).filter(
      (file) => file.endsWith('.yaml') && !taken.has(file),
    );
    for (const file of stale)
      terminal.complain(`${clean(join(target, 'organizations', file))} is of no organization any more.`);
  }
  for (const [path, content] of files) writeFileSync(path, content, { mode: 0o600 });
  if (options.json) printJson(terminal, { files: [...files.keys()], state });
  else for (const path of files.keys()) terminal.print(`Written to ${clean(path)}.`);
}

/** The files of a folder, its sub-folders included, in the order of their names. */
function filesIn(path: string): readonly string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new CliFailure('bad_file', `${path} does not exist; make it with \`sluice export\`.`);
  if (stat.isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && !entry.name.startsWith('.')) return filesIn(inner);
      return entry.isFile() && /\.(ya?ml|json)$/.test(entry.name) ? [inner] : [];
    });
}

async function readFiles(path: string) {
  const [{ joinStates, readState }, { parseDocument }] = await Promise.all([
    import('../../app/gitops/index.ts'),
    import('yaml'),
  ]);
  const files = filesIn(path);
  if (files.length === 0) throw new CliFailure('bad_file', `${path} holds no .yaml, .yml or .json file.`);
  const read = files.map((file) => {
    const text = readFileSync(file, 'utf8');
    const document = parseDocument(text);
    const [error] = document.errors;
    if (error === undefined) return readState(document.toJS({ maxAliasCount: 100 }), file);
    const line = error.linePos?.[0].line ?? 1;
    const problem = {
      file,
      path: `line ${line}`,
      problem: 'is neither YAML nor JSON.',
      remedy: 'Mend the line.',
    };
    return { state: undefined, problems: [problem] };
  });
  const problems = read.flatMap((one) => one.problems);
  return { problems, state: joinStates(read.flatMap(({ state }) => (state === undefined ? [] : [state]))) };
}

const MARKS = { create: '+', update: '~', delete: '-' } as const;
const COLOURS = { create: 'green', update: 'yellow', delete: 'red' } as const;

function shown(value: unknown): string {
  return clean(JSON.stringify(value) ?? 'null').slice(0, 200);
}

function stepLines(step: Step, paint: Terminal['paint']): readonly string[] {
  const head = `${paint(COLOURS[step.action], MARKS[step.action])} ${step.kind} ${clean(step.name)}`;
  return [head, ...step.changes.map(({ field, from, to }) => `    ${field}: ${shown(from)} → ${shown(to)}`)];
}

function stepJson({ action, kind, name, changes }: Step) {
  return { action, kind, name, changes };
}

function counts(steps: readonly Step[]): string {
  const of = (action: Step['action']) => steps.filter((step) => step.action === action).length;
  return `${of('create')} to make, ${of('update')} to change, ${of('delete')} to take away`;
}

/** Carries the steps out in order; the first that fails ends it, and says how far it came. */
async function carryOut(steps: readonly Step[], call: Parameters<Step['run']>[0]) {
  const secrets: { name: string; key: string }[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      const made = await step.run(call);
      if (made?.secret !== undefined) secrets.push({ name: step.name, key: made.secret });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { done: index, secrets, failure: `${step.action} ${step.kind} ${step.name}: ${why}` };
    }
  }
  return { done: steps.length, secrets, failure: undefined };
}

async function apply(path: string, options: ApplyOptions, terminal: Terminal): Promise<void> {
  const { problems, state } = await readFiles(path);
  if (problems.length > 0) {
    if (options.json)
      printJson(terminal, {
        error: { code: 'bad_files', message: 'The files have problems.', details: { problems } },
      });
    else {
      for (const one of problems) {
        terminal.complain(
          `${terminal.paint('red', '✗')} ${clean(one.path)}: ${clean(one.problem)} (${clean(one.file)})`,
        );
        terminal.complain(`    → ${clean(one.remedy)}`);
      }
    }
    process.exitCode = EXIT.failed;
    return;
  }
  const [{ connect }, { gather, Planner }] = await Promise.all([
    import('../connect.ts'),
    import('../../app/gitops/index.ts'),
  ]);
  const gateway = connect(options, terminal);
  const call: Parameters<Step['run']>[0] = (name, input) => gateway.call(name, input);
  const plan = new Planner(await gather(call), options.prune === true, terminal.environment).plan(state);
  if (plan.problems.length > 0) throw new CliFailure('bad_files', plan.problems.join(' '));
  if (!options.json) {
    for (const step of plan.steps) stepLines(step, terminal.paint).forEach(terminal.print);
    if (plan.unmanaged.length > 0) {
      terminal.print(
        `${plan.unmanaged.length} more on the gateway stand in no file; --prune takes them away: ${clean(plan.unmanaged.slice(0, 10).join(', '))}`,
      );
    }
    terminal.print(
      plan.steps.length === 0 ? 'Nothing to do: the gateway is as the files say.' : `${counts(plan.steps)}.`,
    );
  }
  const dry = options.dryRun === true;
  const result = dry ? { done: 0, secrets: [], failure: undefined } : await carryOut(plan.steps, call);
  if (result.failure !== undefined) process.exitCode = EXIT.failed;
  if (options.json) {
    printJson(terminal, {
      dry_run: dry,
      steps: plan.steps.map(stepJson),
      unmanaged: plan.unmanaged,
      done: result.done,
      keys: result.secrets,
      failure: result.failure ?? null,
    });
    return;
  }
  for (const { name, key } of result.secrets)
    terminal.print(`Key ${clean(name)}: ${key}   (shown this once)`);
  if (result.failure !== undefined) {
    terminal.complain(
      `${clean(result.failure)} ${result.done} of ${plan.steps.length} steps were done; mend it and apply again.`,
    );
  } else if (!dry && plan.steps.length > 0) terminal.print('Done.');
}

/** `sluice export` and `sluice apply` */
export function defineGitops(program: Command, terminal: Terminal): void {
  withConnection(
    addVerb(program, 'export', {
      summary: 'Write everything the gateway keeps as files: organizations to budgets, without secrets',
      details:
        'A folder gets one file for each organization; a name ending in .yaml gets all in one. The same state is always the same text.',
      examples: ['sluice export state/', 'sluice export state.yaml --json'],
    }),
  )
    .argument('<target>', 'folder, or a file ending in .yaml')
    .action((target: string, options: ConnectionOptions) => exportState(target, options, terminal));
  withConnection(
    addVerb(program, 'apply', {
      summary: 'Bring the gateway in line with files, after showing what would change',
      details:
        'Unknown fields are refused. What stands in no file stays, unless --prune is given. Applying twice changes nothing.',
      examples: ['sluice apply state/ --dry-run', 'sluice apply state/ --prune'],
    }),
  )
    .argument('<source>', 'folder or file')
    .option('--dry-run', 'only show what would change')
    .option('--prune', 'also take away what stands in no file; keys are revoked')
    .action((source: string, options: ApplyOptions) => {
      if (source === '') throw badUsage('Name a folder or file.');
      return apply(source, options, terminal);
    });
}
