import { readFileSync } from 'node:fs';
import { lockStart } from '../adapters/journal/lock.ts';
import { TurnOutbox } from '../adapters/system/outbox.ts';
import { auditLines, createAuditHandlers } from '../control/audit-reading.ts';
import { createCacheHandlers } from '../control/cache.ts';
import { type Caller, type Handlers, operator } from '../control/caller.ts';
import { createChargebackHandlers } from '../control/chargeback.ts';
import type { OutputOf, ParsedInputOf } from '../control/contract.ts';
import { createCredentialHandlers } from '../control/credentials.ts';
import { createExchangeHandlers } from '../control/exchanges.ts';
import { createMeHandlers } from '../control/me.ts';
import type { Rights } from '../control/rights.ts';
import { createRouterHandlers } from '../control/routers.ts';
import { createSessionHandlers, Sessions } from '../control/sessions.ts';
import { createUsageHandlers } from '../control/usage.ts';
import { createUsageExportHandlers } from '../control/usage-export.ts';
import { type Catalog, createCatalog, parseCatalog } from '../core/catalog/index.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { DataPlanePorts } from '../http/call.ts';
import { Idempotency } from '../http/idempotency.ts';
import { listen, type RunningServer } from '../http/server.ts';
import type { FindMeaning } from '../pipeline/intent-meaning.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import { SharedAnswers } from '../pipeline/shared-answers.ts';
import { admit } from '../pipeline/stages/authenticate.ts';
import type { Log } from '../ports/log-sink.ts';
import { type Adapters, closeAdapters, makeDataDirectory, openAdapters } from './adapters.ts';
import { ensureAdminKey } from './admin-key.ts';
import { createBodyLimits } from './body-limits.ts';
import type { Config, Problem } from './config/index.ts';
import { createConfigHandlers } from './config-handlers.ts';
import { ConfigOverrides } from './config-overrides.ts';
import { type ConfigurationSource, loadConfiguration } from './configuration.ts';
import { createGuessCounter, keyPorts } from './guesses.ts';
import {
  createIdentityHandlers,
  type Identity,
  openIdentity,
  organizationOf,
  startRotator,
} from './identity.ts';
import { createRouteLearningHandlers } from './learning/handlers.ts';
import { createOwnFeedback } from './learning/own-feedback.ts';
import { RouteLearning } from './learning/route-learning.ts';
import { LiveRuntime } from './live-runtime.ts';
import { createOperatorHandlers } from './operator-handlers.ts';
import { expandPath, shippedFile } from './paths.ts';
import { createChat, createInnerCalls, createMeaning, createOperations } from './pipelines.ts';
import { createRouterDesk } from './router-desk.ts';
import { openSignIn, openTokens } from './sign-in.ts';
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
  /** Port it listens on. */
  readonly port: number;
  readonly demo: boolean;
  /** What runs now, as `GET /api/status` tells it. */
  status(): Promise<OutputOf<'getStatus'>>;
  /** Signs the first visitor of the portal in. */
  signInLink(): Promise<string>;
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

function dataPlanePorts(parts: {
  readonly adapters: Adapters;
  readonly identity: Identity;
  readonly runtime: () => Runtime;
  readonly traffic: Traffic;
  readonly config: () => Config;
  readonly spending: Spending;
  readonly answers: SharedAnswers;
  readonly learning: RouteLearning;
  readonly meaning: FindMeaning;
}): DataPlanePorts {
  const { adapters, identity, runtime, traffic, config, spending, learning, meaning } = parts;
  const ports = { ...adapters, ...spending.sources, answers: parts.answers, meaning };
  const tokens = openTokens(identity, adapters, config);
  const keys = keyPorts(adapters, { ...identity, tokens }, config);
  return {
    runtime,
    chat: createChat(ports, keys, learning),
    feedback: createOwnFeedback({ ...adapters, take: (label) => learning.learner.take(label) }),
    ...createOperations(ports, keys),
    tokens,
    admit: (client, current) => admit(keys, client, current),
    objects: adapters.objects,
    bodyLimits: createBodyLimits(config, adapters.clock),
    writeStallMs: config().server.write_stall_timeout_ms,
    // Answers come one by one, each from a socket of its own.
    outbox: new TurnOutbox(setImmediate),
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
    rolesOf: (userId) => address.rights.rolesOf(userId),
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

interface Opened {
  readonly options: GatewayOptions;
  readonly dataDir: string;
  readonly adapters: Adapters;
  readonly identity: Identity;
  readonly spending: Spending;
  readonly live: LiveRuntime;
  readonly overrides: ConfigOverrides;
  readonly answers: SharedAnswers;
  readonly learning: RouteLearning;
  readonly meaning: FindMeaning;
}

/** The admin side: sessions, audit and the handler of every endpoint of the contract. */
function openControl(opened: Opened, address: { url: () => string; ready: () => boolean }) {
  const { options, dataDir, adapters, identity, spending, live, overrides, answers, learning, meaning } =
    opened;
  const { directory, rights } = identity;
  const { config, source, version } = options;
  const configured = config.access.admin_key ?? source.environment['SLUICE_ADMIN_KEY'];
  const admin = ensureAdminKey(configured, dataDir, adapters.random);
  const sessions = openSessions(adapters, config, { adminKey: admin.key, url: address.url, rights });
  const { audit } = adapters;
  const identityHandlers = createIdentityHandlers(identity, adapters, live);
  const { deleteUser } = identityHandlers;
  const around = { identity, sessions, config: () => live.config, url: address.url, deleteUser };
  const { signIn, scim, handlers: signInHandlers } = openSignIn(around, adapters);
  const routers = createRouterDesk({ ...adapters, directory, live, meaning });
  const handlers: Handlers = {
    ...identityHandlers,
    ...signInHandlers,
    ...createSpendingHandlers(spending, adapters, { identity, url: address.url, live }),
    ...createExchangeHandlers(adapters),
    ...createUsageHandlers(adapters),
    ...createUsageExportHandlers(adapters),
    ...createChargebackHandlers(adapters),
    ...createRouterHandlers({ ...adapters, routers }),
    ...createRouteLearningHandlers({ ...adapters, live, routers }, learning),
    ...createAuditHandlers({ store: adapters.store, audit }),
    ...createCredentialHandlers({ ...adapters, references: adapters.resolver }),
    ...createSessionHandlers(sessions, rights),
    ...createMeHandlers(identity.places),
    ...createOperatorHandlers({ ...adapters, directory, spending, live, version, ...address }),
    ...createConfigHandlers({ overrides, live }),
    ...createCacheHandlers({ cache: answers.cache, clock: adapters.clock, settings: cacheSettings(live) }),
  };
  adapters.resolver.hide(admin.key);
  return {
    sessions,
    audit,
    handlers,
    signIn,
    scim,
    refusals: adapters.auditing.refusals,
    ownerOf: (id: string) =>
      directory.get(id)?.organizationId ??
      identity.places.organizationOf(id) ??
      spending.directory.budget(id)?.organizationId,
    auditLines: (input: ParsedInputOf<'exportAudit'>, caller: Caller) => auditLines(adapters, input, caller),
    rotator: startRotator(identity, { ...adapters, audit }),
  };
}

function cacheSettings(live: LiveRuntime) {
  return () => {
    const { enabled, max_mb, ttl_s } = live.config.cache.exact;
    return { enabled, maxBytes: max_mb * 1_048_576, ttlS: ttl_s };
  };
}

async function serve(opened: Opened): Promise<Gateway> {
  const { adapters, identity, spending, live, overrides, answers, learning, meaning } = opened;
  const { config } = opened.options;
  const traffic = new Traffic({ ...adapters, memory: opened.options.memory ?? memoryShare });
  const ready = () => !traffic.draining;
  let running: RunningServer | undefined;
  const url = () => urlOf(live.config, running?.port ?? config.server.port);
  const control = openControl(opened, { url, ready });
  const guesses = createGuessCounter(adapters.clock, () => live.config, adapters);
  const server = await listen(serverConfig(config), {
    data: dataPlanePorts({
      adapters,
      identity,
      runtime: () => live.runtime,
      traffic,
      config: () => live.config,
      spending,
      answers,
      learning,
      meaning,
    }),
    admin: {
      ...control,
      idempotency: new Idempotency(adapters),
      organizationOf: (input, caller) => organizationOf(identity, input, caller),
      events: adapters.events,
      log: adapters.log,
      guesses,
      // Browsers keep a `Secure` cookie only when the page came over TLS.
      secureCookies: config.server.public_url?.startsWith('https://') === true,
    },
    scim: { ...control.scim, guesses },
    metrics: adapters.metrics,
    servesMetrics: () => live.config.telemetry.prometheus,
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
    port: server.port,
    demo: live.runtime.demo,
    status: () => control.handlers.getStatus({}, SYSTEM_CALLER),
    signInLink: async () => (await control.sessions.createLink()).url,
    reload: () => live.reload(),
    async close() {
      traffic.draining = true;
      clearInterval(expiry);
      control.rotator.close();
      identity.watch.close();
      overrides.close();
      spending.approvals.close();
      await traffic.idle(adapters.clock, live.config.server.drain_timeout_ms);
      traffic.close();
      await server.close();
      await learning.close();
      await live.close();
      // What was spent is in the store before the claims on it are given up.
      await adapters.ledger.flush().catch(() => undefined);
      await spending.processes.close();
      await closeAdapters(adapters);
    },
  };
}

/** The configuration with what administrators set over it. Overrides that cannot be used do not stop the start. */
function withOverrides(
  given: GatewayOptions,
  overrides: ConfigOverrides,
  { clock, log }: Adapters,
): { readonly options: GatewayOptions; readonly problems: readonly Problem[] } {
  const overridesText = overrides.text;
  if (overridesText === undefined) return { options: given, problems: [] };
  const { config, problems } = loadConfiguration(given.source, given.catalog, {
    now: clock.now(),
    overridesText,
  });
  if (config !== undefined) return { options: { ...given, config }, problems };
  log.error('config.overrides_rejected', { problems: problems.length, path: problems[0]?.path });
  return { options: given, problems };
}

/** Opens everything in order and listens; closes it again when a later step fails. Throws `SluiceError`. */
export async function openGateway(given: GatewayOptions): Promise<Gateway> {
  const dataDir = expandPath(given.config.storage.data_dir);
  makeDataDirectory(dataDir);
  const release = await lockStart(dataDir);
  try {
    return await open(given, dataDir);
  } finally {
    release();
  }
}

async function open(given: GatewayOptions, dataDir: string): Promise<Gateway> {
  const adapters = await openAdapters(given, dataDir);
  let identity: Identity | undefined;
  let processes: Spending['processes'] | undefined;
  let live: LiveRuntime | undefined;
  try {
    const overrides = await ConfigOverrides.open(adapters);
    const { options, problems } = withOverrides(given, overrides, adapters);
    const { config } = options;
    identity = await openIdentity(config, adapters);
    const spending = await openSpending(config, adapters, identity);
    processes = spending.processes;
    live = await LiveRuntime.open({
      ...options,
      problems,
      overrides: () => overrides.text,
      log: adapters.log,
      adapters,
      directory: identity.directory,
      resolver: adapters.resolver,
      onAdopt: (runtime) => adapters.admission.adopt(runtime),
      onKeys: async (newer) => {
        await spending.adopt(newer);
        await adapters.auditing.adopt(newer);
      },
    });
    adapters.resolver.onChange(() => live?.recompile());
    overrides.watch(() => void live?.adoptOverrides());
    identity.watch.on('prices', async () => live?.refreshPrices());
    const answers = new SharedAnswers(adapters);
    const learning = new RouteLearning({ ...adapters, live });
    const inner = { ...adapters, ...spending.sources };
    await learning.open(createInnerCalls(inner));
    const meaning = createMeaning(inner);
    const opened = {
      options,
      dataDir,
      adapters,
      identity,
      spending,
      live,
      overrides,
      answers,
      learning,
      meaning,
    };
    return await serve(opened);
  } catch (error) {
    identity?.watch.close();
    await live?.close();
    // Others on the same data directory would go on counting with a process that never served.
    await processes?.close();
    await closeAdapters(adapters);
    throw error;
  }
}
