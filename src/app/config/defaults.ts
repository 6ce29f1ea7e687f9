import type {
  Config,
  DeploymentConfig,
  ModelConfig,
  PriceConfig,
  QueueConfig,
  RateLimitsConfig,
  UpstreamConfig,
} from './schema.ts';

/** Everything that holds for one deployment once the layers are merged. */
export interface DeploymentSettings {
  readonly timeouts: UpstreamConfig['timeouts'];
  readonly retries: UpstreamConfig['retries'];
  readonly circuit: UpstreamConfig['circuit'];
  readonly outliers: UpstreamConfig['outliers'];
  /** The deployment's own limits; the provider's are shared by all its deployments and counted there. */
  readonly limits: RateLimitsConfig | undefined;
  readonly providerLimits: RateLimitsConfig | undefined;
  readonly queue: QueueConfig | undefined;
  /** Prices given in the file, class by class: the deployment's, else the provider's. */
  readonly price: PriceConfig | undefined;
  readonly region: string | undefined;
}

/**
 * Merges what is said about a deployment at four places; the nearest wins key by key: deployment, model, provider,
 * `upstream`. `model` is absent for `provider/model` names that no entry of `models` covers.
 */
export function deploymentSettings(
  config: Config,
  deployment: DeploymentConfig | { readonly provider: string },
  model?: ModelConfig,
): DeploymentSettings {
  const provider = config.providers[deployment.provider];
  const own: Partial<DeploymentConfig> = deployment;
  const price = own.price || provider?.price ? { ...provider?.price, ...own.price } : undefined;
  return {
    timeouts: mergedTimeouts(config.upstream.timeouts, [provider?.timeouts, model?.timeouts, own.timeouts]),
    retries: overlay(config.upstream.retries, [provider?.retries, model?.retries]),
    circuit: overlay(config.upstream.circuit, [provider?.circuit, model?.circuit]),
    outliers: overlay(config.upstream.outliers, [model?.outliers]),
    limits: own.limits,
    providerLimits: provider?.limits,
    queue: provider?.queue,
    price,
    region: own.region ?? provider?.region,
  };
}

type Timeouts = UpstreamConfig['timeouts'];

/** Who sets `first_byte_ms` alone for a deployment means it also where the model reasons. */
function mergedTimeouts(base: Timeouts, layers: readonly (Overrides<Timeouts> | undefined)[]): Timeouts {
  const whole = (layer: Overrides<Timeouts> | undefined): Overrides<Timeouts> | undefined =>
    layer?.first_byte_ms === undefined
      ? layer
      : { ...layer, first_byte_reasoning_ms: layer.first_byte_reasoning_ms ?? layer.first_byte_ms };
  const first_byte_reasoning_ms = Math.max(base.first_byte_ms, base.first_byte_reasoning_ms);
  return overlay({ ...base, first_byte_reasoning_ms }, layers.map(whole));
}

type Overrides<T> = { readonly [Key in keyof T]?: T[Key] | undefined };

/** `base` with the keys that later layers give; a key that is absent or `undefined` there is inherited. */
function overlay<T extends object>(base: T, layers: readonly (Overrides<T> | undefined)[]): T {
  const given = layers.flatMap((layer) =>
    Object.entries(layer ?? {}).filter((entry) => entry[1] !== undefined),
  );
  return { ...base, ...Object.fromEntries(given) };
}

/** The vendor an entry of `providers` stands for: its `type`, else its name. */
export function providerType(config: Config, name: string): string {
  return config.providers[name]?.type ?? name;
}

/** The keys of a provider, in order; empty when the file gives none. */
export function providerKeys(config: Config, name: string): readonly string[] {
  const provider = config.providers[name];
  if (provider?.api_keys !== undefined) return provider.api_keys;
  return provider?.api_key === undefined ? [] : [provider.api_key];
}

/** Whether a host to listen on is reached from this machine only: `localhost`, 127.0.0.0/8 or `::1`. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/**
 * The access mode in force. Without `access.mode` it is `open` on loopback while no virtual key exists, else `keys`.
 * `hasKeys`: whether the store holds a virtual key; keys in the file count by themselves.
 */
export function accessMode(config: Config, hasKeys: boolean): 'open' | 'keys' {
  if (config.access.mode !== undefined) return config.access.mode;
  const anyKey = hasKeys || config.keys.length > 0;
  return isLoopbackHost(config.server.host) && !anyKey ? 'open' : 'keys';
}
