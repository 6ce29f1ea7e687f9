import { nearest } from '../../core/nearest.ts';
import type { Provider } from '../../providers/provider.ts';
import type { Environment } from './interpolate.ts';
import { type Layer, mergePatch, placeAt } from './merge.ts';
import type { ConfigPath, Finding } from './paths.ts';
import type { ConfigInput } from './schema.ts';

/** An environment variable that overrides one key of the file. */
export interface EnvironmentVariable {
  readonly name: string;
  readonly path: readonly [string, string];
  /** `list`: comma-separated. */
  readonly kind: 'scalar' | 'list';
}

const scalar = (name: string, path: readonly [string, string]): EnvironmentVariable => ({
  name,
  path,
  kind: 'scalar',
});
const list = (name: string, path: readonly [string, string]): EnvironmentVariable => ({
  name,
  path,
  kind: 'list',
});

/** Every variable that overrides the file. Flags and admin overrides win over them. */
export const ENVIRONMENT_VARIABLES: readonly EnvironmentVariable[] = [
  scalar('SLUICE_HOST', ['server', 'host']),
  scalar('SLUICE_PORT', ['server', 'port']),
  scalar('SLUICE_PUBLIC_URL', ['server', 'public_url']),
  list('SLUICE_ALLOWED_HOSTS', ['server', 'allowed_hosts']),
  list('SLUICE_TRUSTED_PROXIES', ['server', 'trusted_proxies']),
  scalar('SLUICE_MAX_BODY_MB', ['server', 'max_body_mb']),
  scalar('SLUICE_MAX_CONNECTIONS', ['server', 'max_connections']),
  scalar('SLUICE_DRAIN_TIMEOUT_MS', ['server', 'drain_timeout_ms']),
  scalar('SLUICE_ACCESS_MODE', ['access', 'mode']),
  scalar('SLUICE_ADMIN_KEY', ['access', 'admin_key']),
  scalar('SLUICE_DATA_DIR', ['storage', 'data_dir']),
  scalar('SLUICE_STORAGE_URL', ['storage', 'url']),
  scalar('SLUICE_STORAGE_SYNC', ['storage', 'sync']),
  scalar('SLUICE_SHARED_STATE_URL', ['shared_state', 'url']),
  scalar('SLUICE_LOG_LEVEL', ['log', 'level']),
  scalar('SLUICE_LOG_CONTENT', ['log', 'content']),
  scalar('SLUICE_LOG_RETENTION_DAYS', ['log', 'retention_days']),
  scalar('SLUICE_PROMETHEUS', ['telemetry', 'prometheus']),
  scalar('SLUICE_OTLP_ENDPOINT', ['telemetry', 'otlp_endpoint']),
];

/** The layer of `SLUICE_…` variables, with warnings for ones that look mistyped. An empty variable counts as unset. */
export function environmentLayer(environment: Environment): {
  readonly layer: Layer;
  readonly warnings: readonly Finding[];
  readonly taken: readonly string[];
} {
  let tree: unknown = {};
  const names = new Map<string, string>();
  const taken: string[] = [];
  for (const variable of ENVIRONMENT_VARIABLES) {
    const value = environment[variable.name];
    if (value === undefined || value === '') continue;
    const parts = value.split(',').map((part) => part.trim());
    tree = mergePatch(tree, placeAt(variable.path, variable.kind === 'list' ? parts.filter(Boolean) : value));
    names.set(variable.path.join('.'), variable.name);
    taken.push(value);
  }
  const nameOf = (path: ConfigPath) => {
    const name = names.get(path.slice(0, 2).join('.'));
    return name === undefined ? 'environment' : `environment variable ${name}`;
  };
  return { layer: { tree, nameOf }, warnings: mistyped(environment), taken };
}

function mistyped(environment: Environment): Finding[] {
  const known = ENVIRONMENT_VARIABLES.map((variable) => variable.name);
  const set = Object.keys(environment).filter((name) => name.startsWith('SLUICE_') && !known.includes(name));
  return set.flatMap((name) => {
    const near = nearest(
      name.slice('SLUICE_'.length),
      known.map((one) => one.slice('SLUICE_'.length)),
    );
    if (near === undefined || !/^[A-Z0-9_]{1,64}$/.test(name)) return [];
    return [
      {
        path: [],
        problem: `The environment variable ${name} overrides nothing.`,
        remedy: `Did you mean SLUICE_${near}? Ignore this if another program reads it.`,
      },
    ];
  });
}

/** What zero configuration found. */
export interface Discovered {
  /** A configuration with nothing but `providers`. */
  readonly config: ConfigInput;
  /** Which provider was found by which variable (or `reachable`), for the banner; no values. */
  readonly found: readonly { readonly provider: string; readonly by: string }[];
}

type ProviderInput = NonNullable<ConfigInput['providers']>[string];

/**
 * Zero configuration: every provider whose key stands in the environment, first match of `Provider.env`. A local
 * provider is taken when its base URL variable is set or the caller reached it (`reachable` holds its id). A base URL
 * from the environment is the operator's own word, so private addresses are allowed for it.
 */
export function environmentConfig(
  environment: Environment,
  providers: ReadonlyMap<string, Provider>,
  reachable: ReadonlySet<string> = new Set(),
): Discovered {
  const entries: [string, ProviderInput][] = [];
  const found: { provider: string; by: string }[] = [];
  for (const [id, provider] of providers) {
    const keyName = provider.env.find((name) => present(environment, name) !== undefined);
    const urlName = present(environment, provider.baseUrlEnv) === undefined ? undefined : provider.baseUrlEnv;
    const near = provider.local === true && reachable.has(id);
    const local = provider.local === true ? (urlName ?? (near ? 'reachable' : undefined)) : undefined;
    const by = keyName ?? local;
    // Where only the operator knows the address, a key alone reaches nothing.
    if (by === undefined || (provider.baseUrl === undefined && urlName === undefined)) continue;
    entries.push([
      id,
      { ...credentialsOf(provider, keyName, environment), ...baseUrlOf(provider, environment) },
    ]);
    found.push({ provider: id, by });
  }
  return { config: { providers: Object.fromEntries(entries) }, found };
}

function present(environment: Environment, name: string | undefined): string | undefined {
  const value = name === undefined ? undefined : environment[name]?.trim();
  return value === '' ? undefined : value;
}

/** Request-signing schemes read their vendor SDK's own variables; all others send the one key. */
function credentialsOf(
  provider: Provider,
  keyName: string | undefined,
  environment: Environment,
): ProviderInput {
  const key = present(environment, keyName);
  if (provider.auth.type === 'sigv4' && keyName === 'AWS_ACCESS_KEY_ID') {
    return {
      credentials: pick({
        access_key_id: key,
        secret_access_key: present(environment, 'AWS_SECRET_ACCESS_KEY'),
        session_token: present(environment, 'AWS_SESSION_TOKEN'),
      }),
      ...pick({ region: present(environment, 'AWS_REGION') ?? present(environment, 'AWS_DEFAULT_REGION') }),
    };
  }
  if (provider.auth.type === 'google-oauth') {
    const file = present(environment, 'GOOGLE_APPLICATION_CREDENTIALS');
    const project = present(environment, 'GOOGLE_CLOUD_PROJECT');
    const region = present(environment, 'GOOGLE_CLOUD_LOCATION');
    return { credentials: pick({ service_account_file: file, project }), ...pick({ region }) };
  }
  return pick({ api_key: provider.auth.type === 'none' ? undefined : key });
}

function baseUrlOf(provider: Provider, environment: Environment): ProviderInput {
  const given = present(environment, provider.baseUrlEnv);
  if (given === undefined) return {};
  return { base_url: completeUrl(given, provider), allow_private_network: true };
}

/**
 * Local servers' variables often hold only `host:port`, or 0.0.0.0 because the server reads the same variable as its
 * listening address; scheme, port and path are then taken from the provider's own base URL.
 */
function completeUrl(given: string, provider: Provider): string {
  if (provider.local !== true || provider.baseUrl === undefined) return given;
  const usual = new URL(provider.baseUrl);
  const bare = !/^https?:\/\//i.test(given);
  const text = bare ? `http://${given.startsWith(':') ? `127.0.0.1${given}` : given}` : given;
  if (!URL.canParse(text)) return given;
  const url = new URL(text);
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = '127.0.0.1';
  if (url.port === '' && bare) url.port = usual.port;
  if (url.pathname === '/') url.pathname = usual.pathname;
  return url.toString().replace(/\/+$/, '');
}

/** Drops keys whose value is undefined. */
function pick<T extends Readonly<Record<string, string | undefined>>>(
  given: T,
): { [Key in keyof T]?: string } {
  const kept = Object.entries(given).filter((entry) => entry[1] !== undefined);
  return Object.fromEntries(kept) as { [Key in keyof T]?: string };
}
