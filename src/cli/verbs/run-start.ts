import { type FoundProvider, findProviders } from '../../app/cli-support.ts';
import type { Gateway } from '../../app/gateway.ts';
import { ConfigurationError, findSource, type LaunchOptions, launch } from '../../app/launch.ts';
import { bannerLines, type StartFacts } from '../banner.ts';
import { UnusableConfiguration } from '../configuration-problems.ts';
import { parsePort } from '../parse.ts';
import type { Terminal } from '../terminal.ts';
import type { StartOptions } from './start.ts';

/** A Ctrl-C through `npm start` arrives from the terminal and from npm: what follows this soon is the same one. */
const SAME_SIGNAL_MS = 500;

/** Resolves at the first SIGTERM or SIGINT. From then on a further SIGINT ends the process at once, with exit code 1. */
function stopSignal(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const stop = (signal: NodeJS.Signals) => {
      if (first === undefined) {
        first = Date.now();
        resolve();
      } else if (signal === 'SIGINT' && Date.now() - first > SAME_SIGNAL_MS) {
        terminal.complain('Ended at once; running answers were cut.');
        process.exit(1);
      }
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function launchOptions(options: StartOptions, terminal: Terminal): LaunchOptions {
  return {
    configPath: options.config,
    flags: {
      host: options.host,
      port: options.port === undefined ? undefined : parsePort(options.port),
      dataDir: options.dataDir,
    },
    environment: terminal.environment,
  };
}

async function open(options: LaunchOptions): Promise<Gateway> {
  try {
    return await launch(options);
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UnusableConfiguration(error.problems);
    throw error;
  }
}

async function gatherFacts(gateway: Gateway, found: readonly FoundProvider[]): Promise<StartFacts> {
  const status = await gateway.status();
  return {
    url: gateway.url,
    version: status.version,
    pid: process.pid,
    demo: status.demo,
    access_mode: status.access_mode,
    config_path: status.config.path,
    providers: status.providers.map(({ name, type }) => ({
      name,
      type,
      found_by: found.find(({ provider }) => provider === name)?.by ?? null,
    })),
    keys: status.keys,
    example_model: status.example_model,
    sign_in_url: await gateway.signInLink(),
  };
}

/** Runs the gateway until a signal ends it. Throws {@link UnusableConfiguration} or `SluiceError`. */
export async function runStart(options: StartOptions, terminal: Terminal): Promise<void> {
  const launching = launchOptions(options, terminal);
  const stopped = stopSignal(terminal);
  const done = terminal.progress('Starting');
  const gateway = await open(launching).finally(done);
  process.on('SIGHUP', () => gateway.reload());
  const facts = await gatherFacts(gateway, findProviders(await findSource(launching)));
  if (options.json) terminal.print(JSON.stringify(facts));
  else for (const line of bannerLines(facts, terminal.paint)) terminal.print(line);
  await stopped;
  if (!options.json) terminal.complain('Finishing running answers. Press Ctrl-C again to end at once.');
  await gateway.close();
  process.exit(0);
}
