import { chmodSync, readFileSync } from 'node:fs';
import { openJournal } from '../adapters/journal/journal.ts';
import { createMemoryEventBus } from '../adapters/memory/event-bus.ts';
import { createMemoryMetrics } from '../adapters/memory/metrics.ts';
import { openSecretBox } from '../adapters/secret-box/secret-box.ts';
import { openSqlite } from '../adapters/sqlite/open.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { createSystemRandom } from '../adapters/system/random.ts';
import { openUndiciUpstream } from '../adapters/undici/upstream.ts';
import { AuditLog, createAuditHandlers } from '../control/audit.ts';
import { type Handlers, operator } from '../control/caller.ts';
import type { OutputOf } from '../control/contract.ts';
import { createExchangeHandlers } from '../control/exchanges.ts';
import type { KeyDirectory } from '../control/key-directory.ts';
import type { Rights } from '../control/rights.ts';
import { createRouterHandlers } from '../control/routers.ts';
import { createSessionHandlers, Sessions } from '../control/sessions.ts';
import { createUsageHandlers } from '../control/usage.ts';
import { type Catalog, createCatalog, parseCatalog } from '../core/catalog/index.ts';
import { SluiceError } from '../core/errors/error.ts';
import { BudgetBook } from '../core/policy/budget.ts';
import { RateLimiter } from '../core/policy/rate.ts';
import type { DataPlanePorts } from '../http/call.ts';
import { Idempotency } from '../http/idempotency.ts';
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
import { createGuessCounter, keyPorts } from './guesses.ts';
import {
  createIdentityHandlers,
  type Identity,
  openIdentity,
  organizationOf,
  startRotator,
} from './identity.ts';
import { LiveRuntime } from './live-runtime.ts';
import { createOperatorHandlers } from './operator-handlers.ts';
import { expandPath, makeFolders, shippedFile } from './paths.ts';
import { createChat, createOperations } from './pipelines.ts';
import { createResilience, type Resilience } from './resilience.ts';
import { createRouterDesk } from './router-desk.ts';
import { createSpendingHandlers, openSpending, type Spending } from './spending.ts';
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
const SYSTEM_CALLER = operator('system', '');

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
  readonly audit: AuditLog;
}

function makeDataDirectory(dataDir: string): void {
  try {
    makeFolders(dataDir);
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
    audit: new AuditLog({ store, secrets, clock }),
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
  readonly spending: Spending;
}): DataPlanePorts {
  const { adapters, directory, runtime, traffic, config, spending } = parts;
  const ports = { ...adapters, ...spending.sources };
  const keys = keyPorts(adapters, directory, config);
  return {
    runtime,
    chat: createChat(ports, keys),
    ...createOperations(ports, keys),
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
  address: { adminKey: string; url: () => string; rights: Rights },
): Sessions {
  return new Sessions({
    store: adapters.store,
    secrets: adapters.secrets,
    clock: adapters.clock,
    random: adapters.random,
    adminKey: address.adminKey,
    baseUrl: address.url,
    userCaller: (userId, from) => address.rights.callerOf(userId, from),
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
    trustedProxies: server.trusted_proxies,
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
  readonly identity: Identity;
  readonly spending: Spending;
  readonly live: LiveRuntime;
}

/** The admin side: sessions, audit and the handler of every endpoint of the contract. */
function openControl(opened: Opened, address: { url: () => string; ready: () => boolean }) {
  const { options, dataDir, adapters, identity, spending, live } = opened;
  const { directory, rights } = identity;
  const { config, source, version } = options;
  const configured = config.access.admin_key ?? source.environment['SLUICE_ADMIN_KEY'];
  const admin = ensureAdminKey(configured, dataDir, adapters.random);
  const sessions = openSessions(adapters, config, { adminKey: admin.key, url: address.url, rights });
  const { audit } = adapters;
  const handlers: Handlers = {
    ...createIdentityHandlers(identity, adapters),
    ...createSpendingHandlers(spending, adapters, { identity, url: address.url }),
    ...createExchangeHandlers(adapters),
    ...createUsageHandlers(adapters),
    ...createRouterHandlers({
      ...adapters,
      routers: createRouterDesk({ ...adapters, directory, live }),
    }),
    ...createAuditHandlers({ store: adapters.store, audit }),
    ...createSessionHandlers(sessions, rights),
    ...createOperatorHandlers({ ...adapters, directory, live, version, ...address }),
  };
  return { sessions, audit, handlers, rotator: startRotator(identity, { ...adapters, audit }) };
}

async function serve(opened: Opened): Promise<Gateway> {
  const { adapters, identity, spending, live } = opened;
  const { directory } = identity;
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
      spending,
    }),
    admin: {
      ...control,
      idempotency: new Idempotency(adapters),
      organizationOf: (input, caller) => organizationOf(identity, input, caller),
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
    spending.sweep();
    adapters.admission.sweep();
    // Sessions and remembered answers; one that could not be deleted now is deleted in a minute.
    adapters.store.settings.deleteExpired(adapters.clock.now()).catch(() => undefined);
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
      control.rotator.close();
      identity.watch.close();
      spending.approvals.close();
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
  let identity: Identity | undefined;
  let live: LiveRuntime | undefined;
  try {
    identity = await openIdentity(config, adapters);
    const spending = await openSpending(config, adapters, identity);
    live = await LiveRuntime.open({
      ...options,
      adapters,
      directory: identity.directory,
      onAdopt: (runtime) => adapters.admission.adopt(runtime),
      onKeys: (newer) => spending.adopt(newer),
    });
    return await serve({ options, dataDir, adapters, identity, spending, live });
  } catch (error) {
    identity?.watch.close();
    await live?.close();
    await closeAdapters(adapters);
    throw error;
  }
}
