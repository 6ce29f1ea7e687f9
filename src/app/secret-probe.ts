import { readProxies } from '../adapters/http1/outbound-proxies.ts';
import { openUpstream } from '../adapters/http1/upstream.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { SluiceError } from '../core/errors/error.ts';
import { createAuthorizers } from './authorization.ts';
import type { Config } from './config/index.ts';
import { parseReference, referencesOfProvider } from './secret-references.ts';
import { openSecretStores } from './secret-stores.ts';
import { secretWarning, type Warning } from './standing-warnings.ts';

/**
 * Reads what providers refer to, once and without a gateway, and says what cannot be read. References to credentials are
 * left out: those stand in the gateway's database.
 */
export async function probeSecrets(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Warning[]> {
  const names = Object.keys(config.providers);
  const wanted = names.flatMap((name) =>
    [...new Set(referencesOfProvider(config, environment, name))].map((reference) => ({ name, reference })),
  );
  if (wanted.every(({ reference }) => parseReference(reference) === undefined)) return [];
  const clock = systemClock;
  const proxies = readProxies(environment);
  const upstream = openUpstream({ maxConnections: 8, proxies });
  const authorizers = createAuthorizers({ clock, upstream });
  const stores = openSecretStores(config.secrets, { upstream, authorizers, clock, environment });
  const read = async (text: string): Promise<string | undefined> => {
    const reference = parseReference(text);
    if (reference === undefined) return undefined;
    const store = stores[reference.scheme];
    if (store === undefined) return 'Its store is not configured under `secrets`.';
    try {
      await store.read(reference, AbortSignal.timeout(config.secrets.timeout_ms));
      return undefined;
    } catch (error) {
      return error instanceof SluiceError ? error.message : 'It could not be read.';
    }
  };
  try {
    const tried = wanted.map(async ({ name, reference }) => {
      const problem = await read(reference);
      if (problem === undefined) return [];
      return [secretWarning(name, { reference, state: 'failed', problem, readAt: undefined })];
    });
    return (await Promise.all(tried)).flat();
  } finally {
    await upstream.close();
  }
}
