import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { draftProviders } from '../../app/cli-support.ts';
import { findSource } from '../../app/launch.ts';
import { findLocalAddress } from '../../app/local-address.ts';
import { expandPath, makeFolders } from '../../app/paths.ts';
import { CliFailure, EXIT } from '../failure.ts';
import { parsePort } from '../parse.ts';
import { LAUNCHD } from '../service/launchd.ts';
import {
  type ServiceCommand,
  type ServiceFacts,
  type ServiceKeeper,
  variablesFile,
} from '../service/service.ts';
import { SYSTEMD } from '../service/systemd.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { printJson } from '../verb.ts';
import type { ServiceOptions } from './service.ts';

/** Beyond the time running answers get, for flushing and closing. */
const SPARE_SECONDS = 15;
const DEFAULT_DRAIN_SECONDS = 30;

function keeperHere(): ServiceKeeper {
  if (process.platform === 'linux') return SYSTEMD;
  if (process.platform === 'darwin') return LAUNCHD;
  throw new CliFailure(
    'unsupported_platform',
    `There is no service for ${process.platform} yet; run \`sluice start\` by what keeps programs running here.`,
  );
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runCommand({ argv: [program, ...rest] }: ServiceCommand, terminal: Terminal): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    encoding: 'utf8',
    env: { ...terminal.environment },
    timeout: 120_000,
  });
  return { code: status, stdout: stdout ?? '', stderr: error?.message ?? stderr ?? '' };
}

function mustRun(command: ServiceCommand, terminal: Terminal): void {
  const { code, stderr } = runCommand(command, terminal);
  if (code === 0 || command.optional === true) return;
  throw new CliFailure(
    'failed',
    `\`${command.argv.join(' ')}\` failed: ${clean(stderr.trim()) || `code ${code}`}.`,
  );
}

function homeOf(terminal: Terminal): string {
  return terminal.environment['HOME'] || homedir();
}

/** The way out, which a service goes like this shell: a proxy, and authorities besides the system's. */
const WAY_OUT = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'NODE_EXTRA_CA_CERTS'] as const;

/** Variables that the service has to be given: what the file refers to, or what providers were found by, and the way out. */
async function variablesOf(path: string | undefined, terminal: Terminal): Promise<Record<string, string>> {
  const { environment } = terminal;
  const names =
    path === undefined
      ? JSON.stringify(
          draftProviders(await findSource({ configPath: undefined, flags: {}, environment })).map(
            ({ settings }) => settings,
          ),
        )
      : readFileSync(path, 'utf8');
  const found: Record<string, string> = {};
  const named = [...names.matchAll(/\$\{([A-Z_][A-Z0-9_]*)/g)].map(([, name = '']) => name);
  for (const name of [...named, ...WAY_OUT]) {
    const value = environment[name];
    // A line end cannot stand in the service's file.
    if (value !== undefined && value !== '' && !/[\r\n]/.test(value)) found[name] = value;
  }
  if (environment['SLUICE_ADMIN_KEY']) found['SLUICE_ADMIN_KEY'] = environment['SLUICE_ADMIN_KEY'];
  return found;
}

function drainSeconds(path: string | undefined): number {
  const [, found] =
    /drain_timeout_ms:\s*(\d{1,9})/.exec(path === undefined ? '' : readFileSync(path, 'utf8')) ?? [];
  return found === undefined ? DEFAULT_DRAIN_SECONDS : Math.ceil(Number(found) / 1000);
}

async function factsOf(options: ServiceOptions, terminal: Terminal): Promise<ServiceFacts> {
  const { environment } = terminal;
  const named =
    options.config ?? environment['SLUICE_CONFIG'] ?? (existsSync('sluice.yaml') ? 'sluice.yaml' : undefined);
  const path = named === undefined ? undefined : resolve(named);
  if (path !== undefined && !existsSync(path)) throw new CliFailure('bad_file', `${path} does not exist.`);
  if (options.port !== undefined) parsePort(options.port);
  const { dataDir } = findLocalAddress({ path, environment, dataDir: options.dataDir });
  const [, script] = process.argv;
  const argv = [
    ...(path === undefined ? [] : ['--config', path]),
    '--data-dir',
    dataDir,
    ...(options.host === undefined ? [] : ['--host', options.host]),
    ...(options.port === undefined ? [] : ['--port', options.port]),
  ];
  return {
    home: homeOf(terminal),
    user: userInfo().uid,
    node: process.execPath,
    program: realpathSync(script ?? ''),
    argv,
    dataDir,
    folder: path === undefined ? homeOf(terminal) : dirname(path),
    stopSeconds: drainSeconds(path) + SPARE_SECONDS,
    variables: options.keys === false ? {} : await variablesOf(path, terminal),
  };
}

interface Done {
  readonly keeper: ServiceKeeper;
  readonly options: ServiceOptions;
  readonly terminal: Terminal;
}

function tell(
  facts: Record<string, unknown>,
  lines: readonly string[],
  { keeper, options, terminal }: Done,
): void {
  if (options.json) printJson(terminal, { keeper: keeper.name, dry_run: options.dryRun === true, ...facts });
  else for (const line of lines) terminal.print(line);
}

function commandsJson(commands: readonly ServiceCommand[]): readonly string[] {
  return commands.map(({ argv }) => argv.join(' '));
}

/** `sluice service install`. Throws {@link CliFailure}. */
export async function installService(options: ServiceOptions, terminal: Terminal): Promise<void> {
  const keeper = keeperHere();
  const facts = await factsOf(options, terminal);
  const unit = keeper.unitPath(facts.home, terminal.environment);
  const files = keeper.files(unit, facts);
  const commands = keeper.install(unit, facts.user);
  const masked = (text: string) => hide(text, facts.variables);
  const shown = {
    files: files.map(({ path, text, mode }) => ({ path, mode: mode.toString(8), text: masked(text) })),
    commands: commandsJson(commands),
    variables: Object.keys(facts.variables),
  };
  const done = { keeper, options, terminal };
  if (options.dryRun === true) {
    const lines = [
      ...files.flatMap(({ path, text }) => [`# ${path}`, ...masked(text).trimEnd().split('\n'), '']),
      ...commandsJson(commands).map((command) => `$ ${command}`),
      'Nothing was written or run.',
    ];
    return tell(shown, lines, done);
  }
  if (runCommand(keeper.probe, terminal).code !== 0) throw new CliFailure('no_service', keeper.absent);
  makeFolders(facts.dataDir);
  for (const { path, text, mode } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
  }
  for (const command of commands) mustRun(command, terminal);
  const names = Object.keys(facts.variables);
  tell(
    shown,
    [
      `The gateway starts by itself now (${unit}).`,
      ...(names.length === 0 ? [] : [`It was handed ${names.join(', ')}; change them and install again.`]),
      keeper.hint,
    ],
    done,
  );
}

function hide(text: string, variables: Readonly<Record<string, string>>): string {
  let hidden = text;
  for (const value of Object.values(variables)) hidden = hidden.replaceAll(value, '…');
  return hidden;
}

/** `sluice service uninstall`. Throws {@link CliFailure}. */
export async function uninstallService(options: ServiceOptions, terminal: Terminal): Promise<void> {
  const keeper = keeperHere();
  const { environment } = terminal;
  const unit = keeper.unitPath(homeOf(terminal), environment);
  const dataDir = options.dataDir === undefined ? dataDirOf(unit, terminal) : expandPath(options.dataDir);
  const files = [unit, variablesFile(dataDir)].filter((path) => existsSync(path));
  const commands = keeper.uninstall(unit, userInfo().uid);
  const facts = { files, commands: commandsJson(commands), installed: existsSync(unit) };
  const done = { keeper, options, terminal };
  if (!existsSync(unit))
    return tell(facts, ['The gateway was not set to start by itself; nothing to do.'], done);
  if (options.dryRun === true) {
    const lines = [
      ...commandsJson(commands).map((one) => `$ ${one}`),
      ...files.map((path) => `$ rm ${path}`),
    ];
    return tell(facts, [...lines, 'Nothing was taken away or run.'], done);
  }
  for (const command of commands) mustRun(command, terminal);
  for (const path of files) rmSync(path, { force: true });
  if (keeper.name === 'systemd') runCommand({ argv: ['systemctl', '--user', 'daemon-reload'] }, terminal);
  tell(facts, ['The gateway was stopped and starts by itself no more. Its data stays.'], done);
}

/** The data folder that an installed unit names, else the one of this surroundings. */
function dataDirOf(unit: string, terminal: Terminal): string {
  const text = existsSync(unit) ? readFileSync(unit, 'utf8') : '';
  const [, named] = /^EnvironmentFile=-(.*)\/service\.env$/m.exec(text) ?? [];
  if (named !== undefined) return named.replaceAll('%%', '%');
  return findLocalAddress({ path: undefined, environment: terminal.environment, dataDir: undefined }).dataDir;
}

/** `sluice service status`. Sets exit code 1 when it does not run. */
export async function serviceStatus(options: ServiceOptions, terminal: Terminal): Promise<void> {
  const keeper = keeperHere();
  const unit = keeper.unitPath(homeOf(terminal), terminal.environment);
  const command = keeper.status(userInfo().uid);
  const installed = existsSync(unit);
  const done = { keeper, options, terminal };
  if (options.dryRun === true) {
    return tell(
      { installed, unit, commands: commandsJson([command]) },
      [`$ ${command.argv.join(' ')}`],
      done,
    );
  }
  const running = installed && keeper.runs(runCommand(command, terminal));
  if (!running) process.exitCode = EXIT.failed;
  const state = running ? 'and runs' : 'but does not run: `sluice service install` starts it';
  const lines = [
    installed
      ? `The gateway is set to start by itself ${state} (${unit}).`
      : 'The gateway is not set to start by itself; `sluice service install` does that.',
  ];
  tell({ installed, running, unit }, lines, done);
}
