import { existsSync, readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { loadConfig } from './config/index.ts';
import { expandPath } from './paths.ts';
import { readRunning } from './running.ts';

/** Where this machine's gateway is expected, and where it keeps its data. */
export interface LocalAddress {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
}

const DEFAULTS: LocalAddress = { host: '127.0.0.1', port: 4100, dataDir: '~/.sluice' };

/** What the CLI knows when it looks for the gateway. */
export interface AddressInput {
  readonly path: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly dataDir: string | undefined;
}

/**
 * Where the gateway that runs on the data folder listens, else what file and environment say. A file with problems is read as far as it goes: the gateway
 * that still runs with an older one has to be found.
 */
export function findLocalAddress(input: AddressInput): LocalAddress {
  const expected = expectedAddress(input);
  const running = readRunning(expected.dataDir);
  return running === undefined ? expected : { ...expected, host: running.host, port: running.port };
}

function expectedAddress(input: AddressInput): LocalAddress {
  const { environment } = input;
  const path = input.path ?? environment['SLUICE_CONFIG'] ?? 'sluice.yaml';
  const known = existsSync(path) ? path : undefined;
  const { config } = loadConfig({ path: known, environment, flags: { dataDir: input.dataDir } });
  if (config !== undefined) {
    const { host, port } = config.server;
    return { host, port, dataDir: expandPath(config.storage.data_dir) };
  }
  const rough = known === undefined ? DEFAULTS : readRoughly(known);
  return { ...rough, dataDir: expandPath(input.dataDir ?? environment['SLUICE_DATA_DIR'] ?? rough.dataDir) };
}

interface RoughFile {
  readonly server?: { readonly host?: unknown; readonly port?: unknown } | null;
  readonly storage?: { readonly data_dir?: unknown } | null;
}

function readRoughly(path: string): LocalAddress {
  try {
    // A pipe may never end.
    if (!statSync(path).isFile()) return DEFAULTS;
    // A document that is broken somewhere still has what stands before the fault.
    const tree = parseDocument(readFileSync(path, 'utf8'), { logLevel: 'silent' }).toJS() as RoughFile | null;
    const { host, port } = tree?.server ?? {};
    const dataDir = tree?.storage?.data_dir;
    return {
      host: typeof host === 'string' ? host : DEFAULTS.host,
      port: typeof port === 'number' ? port : DEFAULTS.port,
      dataDir: typeof dataDir === 'string' ? dataDir : DEFAULTS.dataDir,
    };
  } catch {
    return DEFAULTS;
  }
}
