import { nearest } from '../../core/nearest.ts';
import { isInternalHost, parseUrl, urlFault } from './addresses.ts';
import { deploymentSettings, isLoopbackHost, providerKeys } from './defaults.ts';
import type { KnownNames } from './known.ts';
import { type ConfigPath, MASK, quoteName, type Report } from './paths.ts';
import type { Config, ProviderConfig } from './schema.ts';

/** Providers: type, address, keys. */
export function checkProviders(config: Config, known: KnownNames | undefined, report: Report): void {
  for (const [name, provider] of Object.entries(config.providers)) {
    const path = ['providers', name];
    checkKeys(config, name, report);
    const vendor = known?.providers.get(provider.type ?? name);
    checkAddress(provider, { path, local: vendor?.local === true }, report);
    if (known === undefined) continue;
    if (vendor === undefined) reportUnknownType(path, provider, { known, report });
    else checkVendor(provider, vendor, { path, config, report });
  }
}

function checkKeys(config: Config, name: string, report: Report): void {
  const provider = config.providers[name];
  const path = ['providers', name];
  if (provider?.api_key !== undefined && provider.api_keys !== undefined) {
    report.problem({
      path: [...path, 'api_keys'],
      at: 'key',
      problem: 'stands beside `api_key`.',
      remedy: 'Keep one of the two; a pool is `api_keys`.',
    });
  }
  const keys = providerKeys(config, name);
  if (new Set(keys).size < keys.length) {
    report.warn({
      path: [...path, 'api_keys'],
      problem: 'holds a key twice.',
      remedy: 'Remove the repeated one.',
    });
  }
  const variable = keys.find((key) => /^\$[A-Z_][A-Z0-9_]*$/.test(key));
  if (variable !== undefined) {
    report.problem({
      path,
      problem: 'has the name of a variable for a key, not its value.',
      remedy: `Write "\${${variable.slice(1)}}".`,
    });
  }
  if (keys.some((key) => key.includes(MASK))) {
    report.problem({
      path,
      problem: 'has a masked key.',
      remedy: 'Put the real key in place of the asterisks.',
    });
  }
}

interface Place {
  readonly path: ConfigPath;
  /** The vendor runs on the operator's machine. */
  readonly local: boolean;
}

function checkAddress(provider: ProviderConfig, place: Place, report: Report): void {
  if (provider.base_url === undefined) return;
  const path = [...place.path, 'base_url'];
  const fault = urlFault(provider.base_url);
  if (fault !== undefined) {
    report.problem({ path, ...fault });
    return;
  }
  const url = parseUrl(provider.base_url);
  const internal = url !== undefined && isInternalHost(url.hostname);
  // Whoever writes this machine's own address into the file means it; other private networks take a word more.
  const own = url !== undefined && isLoopbackHost(url.hostname);
  if (internal && !own && !provider.allow_private_network && !place.local) {
    report.problem({
      path,
      problem: 'is on this machine or a private network, which is refused by default.',
      remedy: 'Set `allow_private_network: true` for this provider if that is meant.',
    });
  }
  const hasKey = provider.api_key !== undefined || provider.api_keys !== undefined;
  if (!internal && url?.protocol === 'http:' && hasKey) {
    report.warn({
      path,
      problem: 'sends the key unencrypted.',
      remedy: 'Use https:// where the server offers it.',
    });
  }
}

function reportUnknownType(
  path: ConfigPath,
  provider: ProviderConfig,
  { known, report }: { readonly known: KnownNames; readonly report: Report },
): void {
  const given = provider.type ?? String(path[1]);
  const near = nearest(given, known.providers.keys());
  const mean = near === undefined ? '' : ` Did you mean ${near}?`;
  if (provider.type === undefined) {
    report.problem({
      path,
      at: 'key',
      problem: 'is no vendor’s name and has no `type`.',
      remedy: `Add \`type\`, for example openai-compatible with a \`base_url\`.${mean}`,
    });
    return;
  }
  report.problem({
    path: [...path, 'type'],
    problem: `names ${quoteName(given)}, which is no known vendor.`,
    remedy:
      near === undefined
        ? 'Use openai-compatible with a `base_url`, or a name that `sluice models` lists.'
        : mean.trim(),
  });
}

interface Around {
  readonly path: ConfigPath;
  readonly config: Config;
  readonly report: Report;
}

function checkVendor(
  provider: ProviderConfig,
  vendor: NonNullable<ReturnType<KnownNames['providers']['get']>>,
  { path, config, report }: Around,
): void {
  const address = provider.base_url ?? vendor.baseUrl;
  if (address === undefined) {
    report.problem({
      path,
      at: 'key',
      problem: `needs a \`base_url\`: ${vendor.id} has no address of its own.`,
      remedy: 'Add `base_url`, for example https://host.example/v1.',
    });
  } else if (
    address.includes('{region}') &&
    provider.region === undefined &&
    vendor.regions?.[0] === undefined
  ) {
    report.problem({
      path,
      at: 'key',
      problem: 'needs a `region`.',
      remedy: 'Add `region` as the vendor spells it.',
    });
  }
  const scheme = vendor.auth.type;
  const variable = vendor.env[0];
  const needsKey =
    (scheme === 'bearer' || scheme === 'header') && vendor.local !== true && variable !== undefined;
  const given = provider.api_key !== undefined || provider.api_keys !== undefined;
  const ownHeader = Object.keys(provider.headers).length > 0;
  if (needsKey && !given && !ownHeader && config.access.mode === 'keys') {
    report.warn({
      path,
      at: 'key',
      problem: 'has no key, and clients’ own keys are not forwarded with `access.mode: keys`.',
      remedy: `Add \`api_key: "\${${variable}}"\`.`,
    });
  }
}

/** Timers that contradict each other, at every place where one is given. */
export function checkTimers(config: Config, report: Report): void {
  const { upstream } = config;
  checkOrder(upstream, { path: ['upstream'], given: upstream }, report);
  for (const [name, provider] of Object.entries(config.providers)) {
    const merged = deploymentSettings(config, { provider: name });
    checkOrder(merged, { path: ['providers', name], given: provider }, report);
  }
  for (const [name, model] of Object.entries(config.models)) {
    const merged = deploymentSettings(config, { provider: '' }, model);
    checkOrder(merged, { path: ['models', name], given: model }, report);
    for (const [index, deployment] of model.deployments.entries()) {
      const own = deploymentSettings(config, deployment, model);
      const given = { timeouts: deployment.timeouts, retries: {}, circuit: {} };
      checkOrder(own, { path: ['models', name, 'deployments', index], given }, report);
    }
  }
}

type Timers = Pick<ReturnType<typeof deploymentSettings>, 'timeouts' | 'retries' | 'circuit'>;

/** Pairs of which the first must not be longer than the second. */
const ORDERED = [
  ['timeouts', 'connect_ms', 'total_ms'],
  ['timeouts', 'first_byte_ms', 'total_ms'],
  ['retries', 'backoff_ms', 'max_backoff_ms'],
  ['circuit', 'open_s', 'max_open_s'],
] as const;

interface Given {
  readonly path: ConfigPath;
  readonly given: { readonly [Group in keyof Timers]: Readonly<Record<string, number | undefined>> };
}

function checkOrder(merged: Timers, { path, given }: Given, report: Report): void {
  for (const [group, short, long] of ORDERED) {
    const values: Readonly<Record<string, number>> = merged[group];
    const own =
      given[group][short] !== undefined ? short : given[group][long] !== undefined ? long : undefined;
    if (own === undefined || (values[short] ?? 0) <= (values[long] ?? 0)) continue;
    report.problem({
      path: [...path, group, own],
      problem: own === short ? `is longer than \`${long}\`.` : `is shorter than \`${short}\`.`,
      remedy: `Keep \`${short}\` at or below \`${long}\`; what is not given here is inherited.`,
    });
  }
}
