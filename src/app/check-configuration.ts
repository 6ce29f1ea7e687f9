import type { LoadResult } from './config/index.ts';
import { type ConfigurationSource, loadConfiguration } from './configuration.ts';
import { loadCatalog } from './gateway.ts';
import { findSource, type LaunchOptions } from './launch.ts';

/** Loads a configuration as `start` would, and says what is wrong with it. */
export async function checkConfiguration(
  options: LaunchOptions,
): Promise<LoadResult & { readonly path: string | undefined; readonly source: ConfigurationSource }> {
  const source = await findSource(options);
  return { ...loadConfiguration(source, loadCatalog(), Date.now()), path: source.path, source };
}
