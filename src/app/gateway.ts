import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { openJournal } from '../adapters/journal/journal.ts';
import { createMemoryEventBus } from '../adapters/memory/event-bus.ts';
import { createMemoryMetrics } from '../adapters/memory/metrics.ts';
import { openSecretBox } from '../adapters/secret-box/secret-box.ts';
import { openSqlite } from '../adapters/sqlite/open.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { createSystemRandom } from '../adapters/system/random.ts';
import { openUndiciUpstream } from '../adapters/undici/upstream.ts';
import { AuditLog, createAuditHandlers } from '../control/audit.ts';
import { ALL_PERMISSIONS, type Caller, type Handlers } from '../control/caller.ts';
import type { OutputOf } from '../control/contract.ts';
import { createExchangeHandlers } from '../control/exchanges.ts';
import { KeyDirectory } from '../control/key-directory.ts';
import { createKeyHandlers } from '../control/keys.ts';
import { createSessionHandlers, Sessions } from '../control/sessions.ts';
import { createUsageHandlers } from '../control/usage.ts';
import { type Catalog, createCatalog, parseCatalog } from '../core/catalog/index.ts';
import { SluiceError } from '../core/errors/error.ts';
import { BudgetBook } from '../core/policy/budget.ts';
import { RateLimiter } from '../core/policy/rate.ts';
import type { DataPlanePorts } from '../http/call.ts';
import { listen, type RunningServer } from '../http/server.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import { admit } from '../pipeline/stages/authenticate.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { Upstream } from '../ports/upstream.ts';
import { ensureAdminKey } from './admin-key.ts';
import { createAuthorizers } from './authorization.ts';
import type { Config } from './config/index.ts';
import type { ConfigurationSource } from './configuration.ts';
import { syncFileKeys } from './file-keys.ts';
import { createGuessCounter, keyPorts } from './guesses.ts';
import { LiveRuntime } from './live-runtime.ts';
import { createOperatorHandlers } from './operator-handlers.ts';
import { expandPath, shippedFile } from './paths.ts';
import { createChat, createOperations } from './pipelines.ts';
import { createResilience, type Resilience } from './resilience.ts';
import { memoryShare, Traffic } from './traffic.ts';

/** How to open a gateway. */
export interface GatewayOptions {
  readonly source: ConfigurationSource;
  /** Checked already; `LiveRuntime` loads newer ones. */
  readonly config: Config;
  readonly catalog: Catalog;
  readonly log: Log;
  readonly version: string;
  /** Share of the memory in use, 0 to 1; measured when absent. */
  readonly memory?: () => number;
}

/** A running gateway. */
export interface Gateway {
  readonly url: string;
  readonly demo: boolean;
  /** What runs now, as `GET /api/status` tells it. */
  status(): Promise<OutputOf<'getStatus'>>;
  /** Signs the first visitor of the portal in. */
  signInLink(): string;
  /** Loads the configuration again, changed or not. */
  reload(): void;
  /** No new work; waits for running answers up to `server.drain_timeout_ms`, flushes the ledger and lets go of all. */
  close(): Promise<void>;
}

/** This process itself, where it asks its own control plane. */
const SYSTEM_CALLER: Caller = {
  actor: 'system',
  address: '',
  permissions: ALL_PERMISSIONS,
  sessionId: undefined,
};

/** The catalog that ships with the program. */
export function loadCatalog(): Catalog {
  const path = shippedFile('./catalog.generated.json', '../core/catalog/catalog.generated.json');
  if (path === undefined)
    throw new SluiceError('internal', 'The model catalog is missing; run `npm run build`.');
  return createCatalog(parseCatalog(readFileSync(path, 'utf8')));
}

/** Everything that holds a resource. */
interface Adapters extends Resilience {
  readonly clock: Clock;
  readonly random: Random;
  readonly secrets: SecretBox;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly metrics: Metrics;
  readonly events: EventBus;
  readonly book: BudgetBook;
  readonly limiter: RateLimiter;
  readonly log: Log;
}

function makeDataDirectory(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    chmodSync(dataDir, 0o700);
  } catch (cause) {
    throw new SluiceError(
      'ledger_unavailable',
      'The data directory cannot be used: it is no folder, or this user may not write there. Choose another with --data-dir or SLUICE_DATA_DIR.',
      { cause },
    );
  }
}

async function openAdapters(config: Config, dataDir: string, log: Log): Promise<Adapters> {
  makeDataDirectory(dataDir);
  const clock = systemClock;
  const metrics = createMemoryMetrics();
  const secrets = openSecretBox(dataDir);
  const journal = openJournal({
    directory: `${dataDir}/journal`,
    clock,
    durability: config.storage.sync === 'full' ? 'disk' : 'kernel',
  });
  const { store, ledger } = await openSqlite({
    directory: dataDir,
    journal,
    clock,
    log,
    retention: { maxAgeMs: config.log.retention_days * 86_400_000, maxBytes: config.log.max_mb * 1_048_576 },
  });
  return {
    clock,
    random: createSystemRandom(() => clock.now()),
    secrets,
    store,
    ledger,
    upstream: openUndiciUpstream({ maxConnections: 512 }),
    authorizers: createAuthorizers({ clock }),
    metrics,
    ...createResilience({ clock, metrics }),
    events: createMemoryEventBus(),
    book: new BudgetBook(),
    limiter: new RateLimiter(),
    log,
  };
}

function dataPlanePorts(parts: {
  readonly adapters: Adapters;
  readonly directory: KeyDirectory;
  readonly runtime: () => Runtime;
  readonly traffic: Traffic;
  readonly config: () => Config;
}): DataPlanePorts {
  const { adapters, directory, runtime, traffic, config } = parts;
  const keys = keyPorts(adapters, directory, config);
  return {
    runtime,
    chat: createChat(adapters, keys),
    ...createOperations(adapters, keys),
    admit: (client, current) => admit(keys, client, current),
    sign: (text) => adapters.secrets.sign(text, 'object-owner'),
    bodyLimits: () => {
      const { server } = config();
      return {
        maxBytes: server.max_body_mb * 1_048_576,
        maxDepth: server.max_json_depth,
        maxExpansionRatio: server.max_expansion_ratio,
        idleTimeoutMs: server.body_idle_timeout_ms,
      };
    },
    writeStallMs: config().server.write_stall_timeout_ms,
    clock: adapters.clock,
    random: adapters.random,
    log: adapters.log,
    draining: () => traffic.draining,
    inFlight: traffic,
    maxInFlight: () => config().server.max_in_flight,
  };
}

function openSessions(
  adapters: Adapters,
  config: Config,
  address: { adminKey: string; url: () => string },
): Sessions {
  return new Sessions({
    store: adapters.store,
    secrets: adapters.secrets,
    clock: adapters.clock,
    random: adapters.random,
    adminKey: address.adminKey,
    baseUrl: address.url,
    idleMs: config.access.session_idle_timeout_s * 1000,
    maxAgeMs: config.access.session_max_age_s * 1000,
  });
}

function urlOf(config: Config, port: number): string {
  if (config.server.public_url !== undefined) return config.server.public_url.replace(/\/+$/, '');
  const host = ['0.0.0.0', '::', '[::]'].includes(config.server.host) ? '127.0.0.1' : config.server.host;
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

function serverConfig(config: Config) {
  const { server } = config;
  return {
    host: server.host.replace(/^\[|\]$/g, ''),
    port: server.port,
    allowedHosts: server.allowed_hosts,
    publicUrl: server.public_url,
    maxHeaderBytes: server.max_header_bytes,
    maxConnections: server.max_connections,
    maxConnectionsPerAddress: server.max_connections_per_address,
    headerTimeoutMs: server.header_timeout_ms,
    keepAliveTimeoutMs: server.keep_alive_timeout_ms,
  };
}

async function closeAdapters(adapters: Adapters): Promise<void> {
  await adapters.upstream.close();
  // The ledger first: it flushes into the store.
  await adapters.ledger.close();
  await adapters.store.close();
}

interface Opened {
  readonly options: GatewayOptions;
  readonly dataDir: string;
  readonly adapters: Adapters;
  readonly directory: KeyDirectory;
  readonly live: LiveRuntime;
}

/** The admin side: sessions, audit and the handler of every endpoint of the contract. */
function openControl(opened: Opened, address: { url: () => string; ready: () => boolean }) {
  const { options, dataDir, adapters, directory, live } = opened;
  const { config, source, version } = options;
  const configured = config.access.admin_key ?? source.environment['SLUICE_ADMIN_KEY'];
  const admin = ensureAdminKey(configured, dataDir, adapters.random);
  const sessions = openSessions(adapters, config, { adminKey: admin.key, url: address.url });
  const audit = new AuditLog(adapters);
  const handlers: Handlers = {
    ...createKeyHandlers({ ...adapters, directory }),
    ...createExchangeHandlers(adapters),
    ...createUsageHandlers(adapters),
    ...createAuditHandlers({ store: adapters.store, audit }),
    ...createSessionHandlers(sessions),
    ...createOperatorHandlers({ ...adapters, directory, live, version, ...address }),
  };
  return { sessions, audit, handlers };
}

async function serve(opened: Opened): Promise<Gateway> {
  const { adapters, directory, live } = opened;
  const { config, log } = opened.options;
  const traffic = new Traffic({ ...adapters, memory: opened.options.memory ?? memoryShare });
  const ready = () => !traffic.draining;
  let running: RunningServer | undefined;
  const url = () => urlOf(live.config, running?.port ?? config.server.port);
  const control = openControl(opened, { url, ready });
  const server = await listen(serverConfig(config), {
    data: dataPlanePorts({
      adapters,
      directory,
      runtime: () => live.runtime,
      traffic,
      config: () => live.config,
    }),
    admin: {
      ...control,
      events: adapters.events,
      log,
      guesses: createGuessCounter(adapters.clock, () => live.config),
      // Browsers keep a `Secure` cookie only when the page came over TLS.
      secureCookies: config.server.public_url?.startsWith('https://') === true,
    },
    metrics: adapters.metrics,
    ready,
    portalFolder: shippedFile('./portal', '../../dist/portal'),
  });
  running = server;
  const expiry = setInterval(() => {
    adapters.book.expire(adapters.clock.now());
    adapters.limiter.sweep(adapters.clock.monotonic());
    adapters.admission.sweep();
  }, 60_000);
  expiry.unref();
  return {
    url: url(),
    demo: live.runtime.demo,
    status: () => control.handlers.getStatus({}, SYSTEM_CALLER),
    signInLink: () => control.sessions.createLink().url,
    reload: () => live.reload(),
    async close() {
      traffic.draining = true;
      clearInterval(expiry);
      await traffic.idle(adapters.clock, live.config.server.drain_timeout_ms);
      traffic.close();
      await server.close();
      await live.close();
      await closeAdapters(adapters);
    },
  };
}

/** Opens everything in order and listens; closes it again when a later step fails. Throws `SluiceError`. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, log } = options;
  const dataDir = expandPath(config.storage.data_dir);
  const adapters = await openAdapters(config, dataDir, log);
  let live: LiveRuntime | undefined;
  try {
    const directory = new KeyDirectory(adapters);
    await syncFileKeys(config, adapters, adapters.clock.now());
    await directory.load();
    live = await LiveRuntime.open({ ...options, adapters, directory });
    return await serve({ options, dataDir, adapters, directory, live });
  } catch (error) {
    await live?.close();
    await closeAdapters(adapters);
    throw error;
  }
}
