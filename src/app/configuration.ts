import type { Catalog } from '../core/catalog/index.ts';
import { conditionFault } from '../core/routing/decision/conditions.ts';
import { PROVIDERS } from '../providers/index.ts';
import {
  type ConfigFlags,
  type ConfigWatch,
  environmentConfig,
  type LoadResult,
  loadConfig,
  watchConfig,
} from './config/index.ts';

import type { KnownNames } from './config/known.ts';

/** Where the configuration comes from. */
export interface ConfigurationSource {
  readonly path: string | undefined;
  readonly flags: ConfigFlags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Local providers known to answer on their usual port. */
  readonly reachable: ReadonlySet<string>;
}

/** What the rest of the program knows, for checking names and conditions in the file. */
export function knownNames(catalog: Catalog): KnownNames {
  return {
    providers: PROVIDERS,
    hasModel: (name) =>
      [...PROVIDERS.values()].some(
        (vendor) => catalog.canonicalId(vendor.catalogId ?? vendor.id, name) !== undefined,
      ),
    checkCondition: conditionFault,
  };
}

/**
 * Loads every layer and checks the result.
 * @param at `now` in milliseconds since 1970, and the admin overrides as text
 */
export function loadConfiguration(
  source: ConfigurationSource,
  catalog: Catalog,
  at: number | { readonly now: number; readonly overridesText: string | undefined },
): LoadResult {
  const { now, overridesText } = typeof at === 'number' ? { now: at, overridesText: undefined } : at;
  return loadConfig({
    path: source.path,
    environment: source.environment,
    flags: source.flags,
    discovered: environmentConfig(source.environment, PROVIDERS, source.reachable).config,
    known: knownNames(catalog),
    now,
    overridesText,
  });
}

/** Watches the file, if there is one, and hands over every fresh load. */
export function watchConfiguration(
  source: ConfigurationSource,
  load: () => LoadResult,
  onLoad: (result: LoadResult) => void,
): ConfigWatch<LoadResult> | undefined {
  return source.path === undefined ? undefined : watchConfig({ path: source.path, load, onLoad });
}
