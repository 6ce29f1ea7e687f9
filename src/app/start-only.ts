import { type Config, isLoopbackHost, type LoadResult } from './config/index.ts';

/** What is read once, when the gateway starts: sockets, storage, its log and its sessions are opened with it. */
const START_ONLY = {
  server: [
    'host',
    'port',
    'public_url',
    'allowed_hosts',
    'trusted_proxies',
    'max_header_bytes',
    'max_connections',
    'max_connections_per_address',
    'header_timeout_ms',
    'keep_alive_timeout_ms',
  ],
  storage: ['data_dir', 'url', 'sync'],
  access: ['admin_key', 'session_idle_timeout_s', 'session_max_age_s'],
  log: ['level', 'retention_days', 'max_mb', 'hourly_usage_days', 'daily_usage_days'],
} as const satisfies Partial<{ [Section in keyof Config]: readonly (keyof Config[Section])[] }>;

/** Paths such as `server.port` whose value in `config` waits for the next start. */
export function waitsForStart(config: Config, started: Config): readonly string[] {
  return Object.entries(START_ONLY).flatMap(([section, keys]) => {
    const now = config[section as keyof typeof START_ONLY] as Readonly<Record<string, unknown>>;
    const then = started[section as keyof typeof START_ONLY] as Readonly<Record<string, unknown>>;
    return keys
      .filter((key) => JSON.stringify(now[key]) !== JSON.stringify(then[key]))
      .map((key) => `${section}.${key}`);
  });
}

/**
 * A newer configuration as a running gateway can take it: it listens and stores where it started to. Who may call without
 * a key is judged by where it does listen, not by an address that the next start will take.
 */
export function heldToStart(result: LoadResult, started: Config): LoadResult {
  const { config } = result;
  if (config === undefined) return result;
  const { host, port } = started.server;
  if (config.access.mode === 'open' && !isLoopbackHost(host)) {
    const problem = {
      path: 'access.mode',
      line: undefined,
      column: undefined,
      source: 'sluice.yaml',
      problem: 'is `open` while the running gateway listens beyond this machine.',
      remedy: 'Set `access.mode: keys`, or start again to listen on this machine only.',
    };
    return { ...result, config: undefined, problems: [problem] };
  }
  const held = {
    ...config,
    server: { ...config.server, host, port },
    storage: { ...config.storage, data_dir: started.storage.data_dir, url: started.storage.url },
  };
  return { ...result, config: Object.freeze(held) };
}
