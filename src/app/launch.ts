import { existsSync } from 'node:fs';
import { createPinoLog } from '../adapters/system/log.ts';
import { compileSooner } from '../adapters/system/tier-up.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Config, ConfigFlags, Problem } from './config/index.ts';
import { type ConfigurationSource, loadConfiguration } from './configuration.ts';
import { type Gateway, loadCatalog, openGateway } from './gateway.ts';
import { expandPath } from './paths.ts';
import { probeLocalProviders } from './probe.ts';
import { noteRunning } from './running.ts';
import { VERSION } from './version.ts';

/** What the start verb was told. */
export interface LaunchOptions {
  readonly configPath: string | undefined;
  readonly flags: ConfigFlags;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A configuration that cannot be used; the CLI prints every problem. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('The configuration has problems.');
    this.problems = problems;
  }
}

type Address = Pick<Config['server'], 'host' | 'port'>;

/** File used when `--config` does not name one. */
export const DEFAULT_CONFIG_FILE = 'sluice.yaml';

/** Where the configuration comes from. A named file must exist; `sluice.yaml` in the working folder is optional. */
export async function findSource(options: LaunchOptions): Promise<ConfigurationSource> {
  const { configPath, flags, environment } = options;
  const path =
    configPath ??
    environment['SLUICE_CONFIG'] ??
    (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
  const reachable = path === undefined ? await probeLocalProviders(environment) : new Set<string>();
  return { path, flags, environment, reachable };
}

const noSuchHost = ({ host }: Address) =>
  `${host} is no address of this machine. Choose one with --host or \`server.host\`.`;

/** What keeps a gateway from listening, by the system's code. */
const LISTEN_REFUSALS: Readonly<Record<string, (address: Address) => string>> = {
  EADDRINUSE: ({ port }) => `Port ${port} is taken. Stop what runs there, or choose another with --port.`,
  EACCES: ({ port }) => `This user may not listen on port ${port}. Choose a port above 1023 with --port.`,
  EADDRNOTAVAIL: noSuchHost,
  ENOTFOUND: noSuchHost,
  EAI_AGAIN: noSuchHost,
};

/** Loads the configuration and opens the gateway. Throws {@link ConfigurationError} or `SluiceError`. */
export async function launch(options: LaunchOptions): Promise<Gateway> {
  const source = await findSource(options);
  const catalog = loadCatalog();
  const { config, problems, warnings } = loadConfiguration(source, catalog, Date.now());
  if (config === undefined) throw new ConfigurationError(problems);
  const log = createPinoLog(config.log.level);
  for (const warning of warnings) {
    log.warn('config.warning', { path: warning.path, problem: warning.problem, remedy: warning.remedy });
  }
  try {
    const gateway = await openGateway({ source, config, catalog, log, version: VERSION });
    compileSooner();
    const { host } = config.server;
    const forget = noteRunning(expandPath(config.storage.data_dir), {
      pid: process.pid,
      host,
      port: gateway.port,
    });
    return { ...gateway, close: () => gateway.close().finally(forget) };
  } catch (error) {
    const refusal = LISTEN_REFUSALS[(error as NodeJS.ErrnoException).code ?? '']?.(config.server);
    throw refusal === undefined ? error : new SluiceError('conflict', refusal, { cause: error });
  }
}
