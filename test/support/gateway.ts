import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAdminKey } from '../../src/app/admin-key.ts';
import { type ConfigurationSource, loadConfiguration } from '../../src/app/configuration.ts';
import { type Gateway, loadCatalog, openGateway } from '../../src/app/gateway.ts';
import { type ControlClient, createControlClient } from '../../src/control/client.ts';
import type { Log } from '../../src/ports/log-sink.ts';

/** A gateway that runs in this process, for tests. */
export interface TestGateway {
  readonly url: string;
  readonly gateway: Gateway;
  readonly adminKey: string;
  readonly client: ControlClient;
  readonly dataDir: string;
  /** The configuration file, to be rewritten by reload tests; `undefined` without one. */
  readonly configPath: string | undefined;
  /** What the gateway logged, one line an entry. */
  readonly logged: readonly string[];
  /** Closes the gateway and removes its folder unless `keep` is set. */
  close(keep?: boolean): Promise<void>;
}

/** How to open one. */
export interface TestGatewayOptions {
  /** Text of `sluice.yaml`; without it the gateway starts with nothing configured (demo mode). */
  readonly yaml?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** An earlier data directory, for restarts. */
  readonly dataDir?: string;
  /** Pretended share of memory in use. */
  readonly memory?: () => number;
  /** A fixed port, for those who must know it beforehand. */
  readonly port?: number;
}

/** Opens a gateway on a free port with a data directory of its own. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'sluice-test-'));
  let configPath: string | undefined;
  if (options.yaml !== undefined) {
    configPath = join(dataDir, 'sluice.yaml');
    writeFileSync(configPath, options.yaml, { mode: 0o600 });
  }
  const source: ConfigurationSource = {
    path: configPath,
    flags: { port: options.port ?? 0, dataDir },
    environment: options.environment ?? {},
    reachable: new Set(),
  };
  const catalog = loadCatalog();
  const { config, problems } = loadConfiguration(source, catalog, Date.now());
  if (config === undefined) throw new Error(`test configuration: ${JSON.stringify(problems)}`);
  const logged: string[] = [];
  const write = (event: string, fields?: object) => void logged.push(JSON.stringify({ event, ...fields }));
  const log: Log = { info: write, warn: write, error: write };
  const gateway = await openGateway({
    source,
    config,
    catalog,
    log,
    version: 'test',
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  });
  const adminKey = readAdminKey(dataDir) ?? options.environment?.['SLUICE_ADMIN_KEY'] ?? '';
  return {
    url: gateway.url,
    gateway,
    adminKey,
    client: createControlClient({ baseUrl: gateway.url, adminKey }),
    dataDir,
    configPath,
    logged,
    async close(keep = false) {
      await gateway.close();
      if (!keep) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
