import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { PROVIDERS } from '../providers/index.ts';
import { environmentConfig } from './config/index.ts';
import type { ConfigurationSource } from './configuration.ts';
import { shippedFile } from './paths.ts';

export { type ConnectionFault, connectionFault } from '../core/errors/connection-fault.ts';
export { SIMULATED_MODELS } from '../providers/simulator/index.ts';

/** A vendor as `init` and the banner need it. */
export interface VendorFacts {
  readonly id: string;
  readonly name: string;
  /** Environment variables that may hold its key, first match wins. */
  readonly env: readonly string[];
  readonly baseUrl: string | undefined;
  readonly local: boolean;
  /** Where its keys are made. */
  readonly console: string | undefined;
}

/** Every vendor of the registry, in its order. */
export function listVendors(): readonly VendorFacts[] {
  return [...PROVIDERS.values()].map((vendor) => ({
    id: vendor.id,
    name: vendor.name,
    env: vendor.env,
    baseUrl: vendor.baseUrl,
    local: vendor.local === true,
    console: vendor.console,
  }));
}

/** A provider found without configuration: the variable it was found by, or `reachable`. */
export interface FoundProvider {
  readonly provider: string;
  readonly by: string;
}

/** What is found in the environment, no values; nothing when a file names its providers, which then hold alone. */
export function findProviders(source: ConfigurationSource): readonly FoundProvider[] {
  if (source.path !== undefined && namesProviders(source.path)) return [];
  return environmentConfig(source.environment, PROVIDERS, source.reachable).found;
}

function namesProviders(path: string): boolean {
  try {
    const tree: unknown = parse(readFileSync(path, 'utf8'), { logLevel: 'error' });
    return typeof tree === 'object' && tree !== null && 'providers' in tree && tree.providers !== null;
  } catch {
    // A file that cannot be read is the loader's to complain about.
    return false;
  }
}

/** What would keep a gateway from opening the database of this data folder; `undefined` when nothing is seen. Only reads. */
export async function storedDatabaseFault(dataDir: string): Promise<string | undefined> {
  // Only `doctor` asks; a start does not wait for this code.
  const { databaseFault } = await import('../adapters/sqlite/inspect.ts');
  return databaseFault(join(dataDir, 'sluice.db'));
}

/** The portal's built files; `undefined` when it was not built. */
export function portalFolder(): string | undefined {
  return shippedFile('./portal', '../../dist/portal');
}

/** A provider entry for a configuration file: its keys as `${NAME}`, never as they are. */
export interface ProviderDraft {
  readonly id: string;
  /** The variable or `reachable`. */
  readonly by: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * What the environment offers, ready to be written into a file: every value that stands in a variable becomes a reference
 * to it. A credential that cannot be referred to is left out.
 */
export function draftProviders(source: ConfigurationSource): readonly ProviderDraft[] {
  const { config, found } = environmentConfig(source.environment, PROVIDERS, source.reachable);
  return found.map(({ provider, by }) => ({
    id: provider,
    by,
    settings: referTo(config.providers?.[provider] ?? {}, { environment: source.environment, first: by }),
  }));
}

interface References {
  readonly environment: ConfigurationSource['environment'];
  /** The variable to prefer where several hold the same value. */
  readonly first: string;
}

const CREDENTIALS: ReadonlySet<string> = new Set(['api_key', 'api_keys', 'credentials']);

function variableOf(value: string, { environment, first }: References): string | undefined {
  const names = [first, ...Object.keys(environment).sort()];
  return names.find((name) => environment[name]?.trim() === value && /^[A-Z_][A-Z0-9_]*$/.test(name));
}

function referTo(
  settings: object,
  references: References,
  secret = false,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(settings).flatMap(([key, value]): [string, unknown][] => {
    const hidden = secret || CREDENTIALS.has(key);
    if (typeof value === 'object' && value !== null) return [[key, referTo(value, references, hidden)]];
    if (!hidden) return [[key, value]];
    const name = variableOf(String(value), references);
    return name === undefined ? [] : [[key, `\${${name}}`]];
  });
  return Object.fromEntries(entries);
}
