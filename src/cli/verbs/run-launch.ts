import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '../../app/paths.ts';
import { connect, locate } from '../connect.ts';
import { CliFailure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { findTool, modelFor, modelNotice } from '../tools/index.ts';
import type { Tool } from '../tools/tool.ts';
import { findToolKey, keepKey, keptKey } from '../tools/tool-key.ts';
import { printJson } from '../verb.ts';
import type { ToolOptions } from './tools.ts';

/** What `launch` takes: the options, and what goes to the tool. */
interface LaunchOptions extends ToolOptions {
  readonly rest: readonly string[];
}

/** Signals that end us end the tool; Ctrl-C reaches it from the terminal by itself. */
const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;

/** Runs the tool to its end and gives its exit code, as a shell counts it. Throws {@link CliFailure}. */
function runTool(
  tool: Tool,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool.program, argv, { stdio: 'inherit', env: { ...environment } });
    const pass = (signal: NodeJS.Signals) => child.kill(signal);
    const wait = () => undefined;
    process.on('SIGINT', wait);
    for (const signal of PASSED_ON) process.on(signal, pass);
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      const why = missing
        ? `is not installed: \`${tool.install}\` installs it`
        : `could not be started: ${error.message}`;
      reject(
        new CliFailure(missing ? 'not_installed' : 'failed', `${tool.title} (\`${tool.program}\`) ${why}.`),
      );
    });
    child.on('close', (code) => {
      process.off('SIGINT', wait);
      for (const signal of PASSED_ON) process.off(signal, pass);
      resolve(code ?? 1);
    });
  });
}

/** `sluice launch`. Throws `CliFailure`. */
export async function launchTool(name: string, options: LaunchOptions, terminal: Terminal): Promise<void> {
  const tool = findTool(name);
  const { url, dataDir } = locate(options, terminal);
  const kept = keptKey(dataDir, url, tool);
  const key = await findToolKey({
    tool,
    url,
    gateway: () => connect(options, terminal),
    given: options.key ?? terminal.environment['SLUICE_KEY'],
    earlier: kept === undefined ? [] : [kept],
    dryRun: options.dryRun === true,
  });
  if (key.id !== undefined) keepKey(dataDir, { url, tool }, key.key);
  const model = modelFor(tool, options.model, key.models);
  const plan = tool.launch({ url, key: key.key, model });
  const { settings } = plan;
  const settingsPath = settings === undefined ? undefined : join(dataDir, settings.name);
  const named = settings === undefined || settingsPath === undefined ? [] : [settings.flag, settingsPath];
  const argv = [...named, ...plan.argv, ...options.rest];
  if (options.dryRun === true) return show({ tool, url, argv, plan }, options, terminal);
  const notice = modelNotice(tool, model, key.models);
  if (notice !== undefined) terminal.complain(terminal.paint('yellow', notice));
  if (settings !== undefined && settingsPath !== undefined) {
    makeFolders(dataDir);
    writeFileSync(settingsPath, settings.text, { mode: 0o600 });
  }
  const environment: Record<string, string | undefined> = { ...terminal.environment, ...plan.environment };
  for (const rival of plan.unset) delete environment[rival];
  process.exitCode = await runTool(tool, argv, environment);
}

interface Shown {
  readonly tool: Tool;
  readonly url: string;
  readonly argv: readonly string[];
  readonly plan: ReturnType<Tool['launch']>;
}

function show({ tool, url, argv, plan }: Shown, options: LaunchOptions, terminal: Terminal): void {
  const masked = Object.fromEntries(
    Object.entries(plan.environment).map(([name, value]) => [
      name,
      /^sk-sluice-.{6,}/.test(value) ? `sk-sluice-…${value.slice(-4)}` : value,
    ]),
  );
  if (options.json) {
    printJson(terminal, {
      tool: tool.name,
      dry_run: true,
      url,
      program: tool.program,
      arguments: argv,
      environment: masked,
      unset: plan.unset,
    });
    return;
  }
  for (const [variable, value] of Object.entries(masked)) terminal.print(`${variable}=${value}`);
  for (const variable of plan.unset) terminal.print(`unset ${variable}`);
  terminal.print(
    [tool.program, ...argv].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(' '),
  );
  terminal.print('Nothing was started.');
}
